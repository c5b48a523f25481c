"""A server whose users pay by the token: it authenticates each connection and meters each answer.

    python examples/metering_server.py 8700

A user connects (`nc 127.0.0.1 8700`), sends their API key on the first line, then a question on
each line. An answer costs as many tokens as it has words.
"""

import asyncio
import sys

from pack_db_client import (
    AccountInactive,
    AsyncPackDb,
    InsufficientTokens,
    InvalidApiKey,
    PackDbError,
)


async def converse(
    db: AsyncPackDb, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    async def say(line: str) -> None:
        writer.write(f"{line}\n".encode())
        await writer.drain()

    try:
        api_key = (await reader.readline()).decode().strip()
        account = await db.accounts.authenticate(api_key)
        await say(f"welcome {account.email}")
        while question := (await reader.readline()).decode().strip():
            answer = f"you asked: {question}"
            balance = await db.tokens.consume_tokens(account.id, len(answer.split()))
            await say(f"{answer} ({balance.total} tokens left)")
    except (InvalidApiKey, AccountInactive):
        await say("who are you?")
    except InsufficientTokens as error:
        await say(f"only {error.remaining} tokens left, please top up")
    except PackDbError as error:
        print(f"cannot serve a user: {error}", file=sys.stderr)
        await say("sorry, please come back later")
    finally:
        writer.close()


async def main(port: int) -> None:
    async with AsyncPackDb() as db:
        server = await asyncio.start_server(lambda r, w: converse(db, r, w), "127.0.0.1", port)
        print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
