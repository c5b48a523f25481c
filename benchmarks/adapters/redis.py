"""Redis: a hash for each account, a key for each unique column, scripts for the writes."""

import time
from collections.abc import Sequence
from itertools import chain
from subprocess import Popen
from typing import Any

from benchmarks.accounts import FIELDS, Row, as_dict, new_row, rows
from benchmarks.adapter import Adapter
from benchmarks.clients import AsyncClient, Client
from benchmarks.workload import Load, Operation

_NUMBERS = ("token_remaining", "topup_remaining", "status", "created_at", "updated_at")
_CONSUME = """
local left = tonumber(redis.call('HGET', KEYS[1], 'token_remaining') or '0')
if left < 1 then return -1 end
redis.call('HSET', KEYS[1], 'token_remaining', left - 1, 'updated_at', ARGV[1])
return left - 1
"""
_CREATE = """
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[3], ARGV[2])
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""


class _Client:
    def __init__(self, path: str) -> None:
        import redis

        self.redis = redis.Redis(unix_socket_path=path, decode_responses=True)
        self._consume = self.redis.register_script(_CONSUME)
        self._create = self.redis.register_script(_CREATE)

    def get(self, account_id: str) -> object:
        return _account(self.redis.hgetall(_key(account_id)))

    def consume(self, account_id: str) -> int:
        return _left(self._consume(keys=[_key(account_id)], args=[int(time.time())]))

    def create(self, email: str) -> object:
        row = new_row(email)
        return _created(self._create(keys=_keys(row), args=_flat(row)), row)

    def batch(self, operation: Operation, arguments: Sequence[str]) -> object:
        """A pipeline: one sync for all, and each script by itself."""
        pipeline = self.redis.pipeline(transaction=False)
        now = int(time.time())
        if operation is Operation.GET:
            for account_id in arguments:
                pipeline.hgetall(_key(account_id))
            return [_account(answer) for answer in pipeline.execute()]
        if operation is Operation.CONSUME:
            for account_id in arguments:
                self._consume(keys=[_key(account_id)], args=[now], client=pipeline)
            return [_left(answer) for answer in pipeline.execute()]
        made = [new_row(email) for email in arguments]
        for row in made:
            self._create(keys=_keys(row), args=_flat(row), client=pipeline)
        return [_created(a, row) for a, row in zip(pipeline.execute(), made, strict=True)]

    def close(self) -> None:
        self.redis.close()


class _AsyncClient:
    """redis.asyncio's own pool: a connection for each call in flight."""

    def __init__(self, path: str) -> None:
        import redis.asyncio

        self.redis = redis.asyncio.Redis(unix_socket_path=path, decode_responses=True)
        self._consume = self.redis.register_script(_CONSUME)
        self._create = self.redis.register_script(_CREATE)

    async def get(self, account_id: str) -> object:
        return _account(await self.redis.hgetall(_key(account_id)))

    async def consume(self, account_id: str) -> int:
        return _left(await self._consume(keys=[_key(account_id)], args=[int(time.time())]))

    async def create(self, email: str) -> object:
        row = new_row(email)
        return _created(await self._create(keys=_keys(row), args=_flat(row)), row)

    async def close(self) -> None:
        await self.redis.aclose()


class Redis(Adapter):
    name = "redis"
    title = "Redis + redis-py[hiredis]"
    packages = ("redis", "hiredis")
    program = "redis-server"
    loads = tuple(Load)

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        options = chain.from_iterable((f"--{name}", value) for name, value in settings.items())
        return ["redis-server", *options]

    def wait_until_ready(self, server: "Popen[bytes]") -> None:
        super().wait_until_ready(server)
        client = _Client(str(self.socket_path))
        pipeline = client.redis.pipeline(transaction=False)
        for row in rows():
            account, *unique = _keys(row)
            pipeline.hset(account, mapping=as_dict(row))
            for key in unique:
                pipeline.set(key, row[0])
        pipeline.execute()
        client.close()

    def client(self) -> Client:
        return _Client(str(self.socket_path))

    async def async_client(self) -> AsyncClient:
        return _AsyncClient(str(self.socket_path))


def _key(account_id: str) -> str:
    return f"account:{account_id}"


def _keys(row: Row) -> list[str]:
    account_id, email, api_key, *_ = row
    return [_key(account_id), f"email:{email}", f"api_key:{api_key}"]


def _flat(row: Row) -> list[Any]:
    return list(chain.from_iterable(zip(FIELDS, row, strict=True)))


def _account(answer: dict[str, Any]) -> dict[str, Any]:
    if not answer:
        raise LookupError("no such account")
    return answer | {name: int(answer[name]) for name in _NUMBERS}


def _left(answer: Any) -> int:
    if answer < 0:
        raise LookupError("no such account, or no token left")
    return int(answer)


def _created(answer: Any, row: Row) -> dict[str, Any]:
    if not answer:
        raise ValueError("the account exists already")
    return as_dict(row)
