"""sqlite_rx: SQL text over ZeroMQ REQ/REP, as msgpack, compressed."""

import sqlite3
import time
from collections.abc import Mapping
from functools import partial
from subprocess import Popen
from typing import Any

from benchmarks.account_store import CONSUME, CREATE, GET
from benchmarks.accounts import as_dict, new_row
from benchmarks.adapter import Way
from benchmarks.clients import Client
from benchmarks.load import threads
from benchmarks.python_server import PythonServer
from benchmarks.workload import Durability


class _Client:
    def __init__(self, endpoint: str) -> None:
        from sqlite_rx.client import SQLiteClient

        self._client = SQLiteClient(connect_address=endpoint)

    def execute(self, sql: str, *values: Any) -> Any:
        answer = self._client.execute(sql, *values)
        if answer["error"]:
            raise RuntimeError(answer["error"]["message"])
        return answer["items"]

    def get(self, account_id: str) -> object:
        [row] = self.execute(GET, account_id)
        return as_dict(row)

    def consume(self, account_id: str) -> int:
        [[left]] = self.execute(CONSUME, int(time.time()), account_id)
        return int(left)

    def create(self, email: str) -> object:
        row = new_row(email)
        self.execute(CREATE, *row)
        return as_dict(row)

    def close(self) -> None:
        self._client.cleanup()


class SqliteRx(PythonServer):
    name = "sqlite_rx"
    title = "sqlite_rx"
    packages = ("sqlite_rx", "pyzmq", "msgpack", "tornado")

    def serve(self) -> None:
        from sqlite_rx.auth import DEFAULT_AUTH_CONFIG
        from sqlite_rx.server import SQLiteServer

        # `synchronous` has no setting; a client can set it on a server that lets it.
        rules = {action: set(names) for action, names in DEFAULT_AUTH_CONFIG.items()}
        rules[sqlite3.SQLITE_IGNORE].discard(sqlite3.SQLITE_PRAGMA)
        rules[sqlite3.SQLITE_OK].add(sqlite3.SQLITE_PRAGMA)
        SQLiteServer(self._endpoint, str(self.database_path), rules).run()

    def wait_until_ready(self, server: "Popen[bytes]") -> None:
        super().wait_until_ready(server)
        if self.durability is Durability.RELAXED:
            client = _Client(self._endpoint)
            client.execute("PRAGMA synchronous=NORMAL")
            assert client.execute("PRAGMA synchronous") == [[1]]
            client.close()

    def client(self) -> Client:
        return _Client(self._endpoint)

    def ways(self) -> Mapping[str, Way]:
        return {"threads": partial(threads, self.client)}

    @property
    def _endpoint(self) -> str:
        return f"ipc://{self.socket_path}"
