from dataclasses import dataclass
from typing import Any

from benchmarks.accounts import as_dict
from benchmarks.adapters.http_server import HttpServer
from pack_db.interfaces.entities.account import Account


@dataclass
class _Balance:
    token_remaining: int


@dataclass
class _NewAccount:
    email: str


class FastApi(HttpServer):
    name = "fastapi"
    title = "FastAPI + uvicorn + httpx"
    packages = ("fastapi", "pydantic", "uvicorn", "uvloop", "httptools", "httpx")

    def app(self) -> Any:
        import fastapi

        store = self.store()
        app = fastapi.FastAPI()

        # Coroutines, although the store blocks: plain functions would go through a thread pool,
        # which is slower.
        async def get(account_id: str) -> Any:
            return as_dict(store.get(account_id))

        async def consume(account_id: str) -> Any:
            return {"token_remaining": store.consume(account_id)}

        async def create(body: _NewAccount) -> Any:
            return as_dict(store.create(body.email))

        app.get("/accounts/{account_id}", response_model=Account)(get)
        app.post("/accounts/{account_id}/consume", response_model=_Balance)(consume)
        app.post("/accounts", response_model=Account)(create)
        return app
