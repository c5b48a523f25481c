"""What the HTTP frameworks share: uvicorn with uvloop and httptools, and httpx."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from benchmarks.adapter import Way
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.python_server import PythonServer

_URL = "http://accounts"  # nobody looks it up: the connection is a unix socket
_TIMEOUT_S = 30
_CONNECTIONS = 16  # of 2, 8, 16 and 64 the best with 64 calls in flight


class _Client:
    def __init__(self, path: str) -> None:
        import httpx

        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=path), base_url=_URL, timeout=_TIMEOUT_S
        )
        self.close = self._client.close

    def get(self, account_id: str) -> object:
        return _json(self._client.get(f"/accounts/{account_id}"))

    def consume(self, account_id: str) -> int:
        answer = _json(self._client.post(f"/accounts/{account_id}/consume"))
        return int(answer["token_remaining"])

    def create(self, email: str) -> object:
        return _json(self._client.post("/accounts", json={"email": email}))


class _AsyncClient:
    def __init__(self, path: str) -> None:
        import httpx

        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=path, limits=limits),
            base_url=_URL,
            timeout=_TIMEOUT_S,
        )

    async def get(self, account_id: str) -> object:
        return _json(await self._client.get(f"/accounts/{account_id}"))

    async def consume(self, account_id: str) -> int:
        answer = _json(await self._client.post(f"/accounts/{account_id}/consume"))
        return int(answer["token_remaining"])

    async def create(self, email: str) -> object:
        return _json(await self._client.post("/accounts", json={"email": email}))

    async def close(self) -> None:
        await self._client.aclose()


class HttpServer(PythonServer):
    @abstractmethod
    def app(self) -> Any:
        """The ASGI application."""

    def serve(self) -> None:
        import uvicorn

        uvicorn.run(self.app(), uds=str(self.socket_path), log_level="error", access_log=False)

    def client(self) -> Client:
        return _Client(str(self.socket_path))

    def ways(self) -> Mapping[str, Way]:
        return {"asyncio": self._coroutines}

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            return _AsyncClient(str(self.socket_path))

        coroutines(connect, load)


def _json(response: Any) -> Any:
    response.raise_for_status()
    return response.json()
