from typing import Any

from benchmarks.accounts import as_dict
from benchmarks.adapters.http_server import HttpServer


class Starlette(HttpServer):
    name = "starlette"
    title = "Starlette + uvicorn + httpx"
    packages = ("starlette", "uvicorn", "uvloop", "httptools", "httpx")

    def app(self) -> Any:
        from starlette import applications
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        store = self.store()

        async def get(request: Any) -> Any:
            return JSONResponse(as_dict(store.get(request.path_params["account_id"])))

        async def consume(request: Any) -> Any:
            left = store.consume(request.path_params["account_id"])
            return JSONResponse({"token_remaining": left})

        async def create(request: Any) -> Any:
            body = await request.json()
            return JSONResponse(as_dict(store.create(body["email"])))

        return applications.Starlette(
            routes=[
                Route("/accounts/{account_id}", get),
                Route("/accounts/{account_id}/consume", consume, methods=["POST"]),
                Route("/accounts", create, methods=["POST"]),
            ]
        )
