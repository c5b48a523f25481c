"""Redis: a hash for each account, a key for each unique column, scripts for the writes."""

import asyncio
import time
from collections.abc import Mapping
from itertools import chain
from subprocess import Popen
from typing import Any

from benchmarks.accounts import FIELDS, Row, as_dict, new_row, rows
from benchmarks.adapter import Adapter, Way
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.workload import IN_FLIGHT, Durability, Operation

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

    def close(self) -> None:
        self.redis.close()


class _AsyncClient:
    """redis.asyncio's own pool: a connection for each call in flight."""

    def __init__(self, path: str) -> None:
        import redis.asyncio

        self.redis = redis.asyncio.Redis(unix_socket_path=path, decode_responses=True)
        self.consume_script = self.redis.register_script(_CONSUME)
        self.create_script = self.redis.register_script(_CREATE)

    async def get(self, account_id: str) -> object:
        return _account(await self.redis.hgetall(_key(account_id)))

    async def consume(self, account_id: str) -> int:
        return _left(await self.consume_script(keys=[_key(account_id)], args=[int(time.time())]))

    async def create(self, email: str) -> object:
        row = new_row(email)
        return _created(await self.create_script(keys=_keys(row), args=_flat(row)), row)

    async def close(self) -> None:
        await self.redis.aclose()


class Redis(Adapter):
    name = "redis"
    title = "Redis + redis-py[hiredis]"
    packages = ("redis", "hiredis")
    program = "redis-server"

    def command(self) -> list[str]:
        sync = {Durability.DURABLE: "always", Durability.RELAXED: "everysec"}[self.durability]
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": sync,
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

    def ways(self) -> Mapping[str, Way]:
        return {"asyncio": self._coroutines, "pipelines": self._pipelines}

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            return _AsyncClient(str(self.socket_path))

        coroutines(connect, load)

    def _pipelines(self, load: Load) -> None:
        asyncio.run(self._run_pipelines(load))

    async def _run_pipelines(self, load: Load) -> None:
        client = _AsyncClient(str(self.socket_path))
        load.begin()
        while load.is_running():
            pipeline = client.redis.pipeline(transaction=False)
            new_rows = []
            for _ in range(IN_FLIGHT):
                argument = load.next_argument()
                if load.operation is Operation.GET:
                    pipeline.hgetall(_key(argument))
                elif load.operation is Operation.CONSUME:
                    await client.consume_script(
                        keys=[_key(argument)], args=[int(time.time())], client=pipeline
                    )
                else:
                    row = new_row(argument)
                    new_rows.append(row)
                    await client.create_script(keys=_keys(row), args=_flat(row), client=pipeline)
            answers = await pipeline.execute()
            if load.operation is Operation.GET:
                for answer in answers:
                    _account(answer)
            for answer, row in zip(answers, new_rows, strict=False):
                _created(answer, row)
            load.done(len(answers))
        await client.close()


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
