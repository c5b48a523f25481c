"""gRPC: a server with a thread pool, and grpc.aio for the client with many calls in flight."""

import importlib
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.accounts import FIELDS, as_dict
from benchmarks.adapter import Way
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.python_server import PythonServer

_PROTO = Path(__file__).with_name("accounts.proto")


class _Client:
    def __init__(self, messages: Any, stub: Any, channel: Any) -> None:
        self._messages = messages
        self._stub = stub
        self.close = channel.close

    def get(self, account_id: str) -> object:
        return _as_dict(self._stub.Get(self._messages.AccountId(id=account_id)))

    def consume(self, account_id: str) -> int:
        return int(self._stub.Consume(self._messages.AccountId(id=account_id)).token_remaining)

    def create(self, email: str) -> object:
        return _as_dict(self._stub.Create(self._messages.NewAccount(email=email)))


class _AsyncClient:
    def __init__(self, messages: Any, stub: Any, channel: Any) -> None:
        self._messages = messages
        self._stub = stub
        self.close = channel.close

    async def get(self, account_id: str) -> object:
        return _as_dict(await self._stub.Get(self._messages.AccountId(id=account_id)))

    async def consume(self, account_id: str) -> int:
        balance = await self._stub.Consume(self._messages.AccountId(id=account_id))
        return int(balance.token_remaining)

    async def create(self, email: str) -> object:
        return _as_dict(await self._stub.Create(self._messages.NewAccount(email=email)))


class Grpc(PythonServer):
    name = "grpc"
    title = "gRPC"
    packages = ("grpcio", "grpcio-tools", "protobuf")

    def prepare(self) -> None:
        super().prepare()
        protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={_PROTO.parent}"]
        outputs = [f"--python_out={self.directory}", f"--grpc_python_out={self.directory}"]
        subprocess.run([*protoc, *outputs, _PROTO.name], check=True)

    def serve(self) -> None:
        import grpc

        messages, stubs = self._generated()
        store = self.store()

        class Accounts(stubs.AccountsServicer):  # type: ignore[misc, name-defined]  # made by protoc
            def Get(self, request: Any, context: Any) -> Any:  # noqa: N802  # the schema's name
                return messages.Account(**as_dict(store.get(request.id)))

            def Consume(self, request: Any, context: Any) -> Any:  # noqa: N802
                return messages.Balance(token_remaining=store.consume(request.id))

            def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
                return messages.Account(**as_dict(store.create(request.email)))

        server = grpc.server(ThreadPoolExecutor(max_workers=8))
        stubs.add_AccountsServicer_to_server(Accounts(), server)
        server.add_insecure_port(self._address)
        server.start()
        server.wait_for_termination()

    def client(self) -> Client:
        import grpc

        messages, stubs = self._generated()
        channel = grpc.insecure_channel(self._address)
        return _Client(messages, stubs.AccountsStub(channel), channel)

    def ways(self) -> Mapping[str, Way]:
        return {"asyncio": self._coroutines}

    @property
    def _address(self) -> str:
        return f"unix:{self.socket_path}"

    def _generated(self) -> tuple[Any, Any]:
        # Generated code imports its other half by its bare name.
        if str(self.directory) not in sys.path:
            sys.path.insert(0, str(self.directory))
        return (
            importlib.import_module("accounts_pb2"),
            importlib.import_module("accounts_pb2_grpc"),
        )

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            import grpc.aio

            messages, stubs = self._generated()
            channel = grpc.aio.insecure_channel(self._address)
            return _AsyncClient(messages, stubs.AccountsStub(channel), channel)

        coroutines(connect, load)


def _as_dict(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in FIELDS}
