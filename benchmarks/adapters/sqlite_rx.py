"""sqlite_rx: SQL text over ZeroMQ REQ/REP, as msgpack, compressed."""

import time
from typing import Any

from benchmarks.account_store import CONSUME, CREATE, GET
from benchmarks.accounts import as_dict, new_row
from benchmarks.adapter import PythonServer
from benchmarks.clients import Client


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
        from sqlite_rx.server import SQLiteServer

        SQLiteServer(self._endpoint, str(self.database_path)).run()

    def client(self) -> Client:
        return _Client(self._endpoint)

    @property
    def _endpoint(self) -> str:
        return f"ipc://{self.socket_path}"
