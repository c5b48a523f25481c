"""Questions that cost tokens, behind HTTP: `gunicorn --preload --workers 2 flask_app:app`."""

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from pack_db_client import AccountInactive, InsufficientTokens, InvalidApiKey, PackDb, PackDbError

STATUS = {InvalidApiKey: 401, InsufficientTokens: 402, AccountInactive: 403}

app = Flask(__name__)
db = PackDb()  # before the workers are forked, of which each gets connections of its own


@app.post("/questions")
def ask() -> ResponseReturnValue:
    account = db.accounts.authenticate(request.headers.get("X-Api-Key", ""))
    question = request.args.get("question", "")
    left = db.tokens.consume_tokens(account.id, max(1, len(question.split())))
    return jsonify(answer=f"you asked: {question}", tokens_left=left.total)


@app.get("/health")
def health() -> ResponseReturnValue:
    return jsonify({"pack-db": db.with_timeout(1).ping()})


@app.errorhandler(PackDbError)
def refuse(error: PackDbError) -> ResponseReturnValue:
    # Whatever else there is, such as a daemon that is away, is no fault of the caller's.
    return jsonify(error=error.code, message=str(error)), STATUS.get(type(error), 503)
