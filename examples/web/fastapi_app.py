"""Questions that cost tokens, behind HTTP: `uvicorn fastapi_app:app --workers 2`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader

from pack_db_client import (
    Account,
    AccountInactive,
    AsyncPackDb,
    InsufficientTokens,
    InvalidApiKey,
    PackDbError,
)

STATUS = {InvalidApiKey: 401, InsufficientTokens: 402, AccountInactive: 403}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncPackDb() as db:  # one for each worker process, shared by all its requests
        app.state.db = db
        yield


app = FastAPI(lifespan=lifespan)


def get_db(request: Request) -> AsyncPackDb:
    db: AsyncPackDb = request.app.state.db
    return db


Db = Annotated[AsyncPackDb, Depends(get_db)]


async def get_account(
    db: Db, api_key: Annotated[str, Security(APIKeyHeader(name="X-Api-Key"))]
) -> Account:
    return await db.accounts.authenticate(api_key)


@app.post("/questions")
async def ask(
    question: str, db: Db, account: Annotated[Account, Depends(get_account)]
) -> dict[str, object]:
    left = await db.tokens.consume_tokens(account.id, len(question.split()))
    return {"answer": f"you asked: {question}", "tokens_left": left.total}


@app.get("/health")
async def health(db: Db) -> dict[str, str]:
    return {"pack-db": await db.with_timeout(1).ping()}


@app.exception_handler(PackDbError)
async def refuse(request: Request, error: PackDbError) -> JSONResponse:
    # Whatever else there is, such as a daemon that is away, is no fault of the caller's.
    status = STATUS.get(type(error), 503)
    return JSONResponse({"error": error.code, "message": str(error)}, status)
