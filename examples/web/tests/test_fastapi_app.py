from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from fastapi_app import app

from pack_db_client import Account, CreateAccountInput, PackDb
from pack_db_testing.throwaway_daemon import ThrowawayDaemon


@pytest.fixture
def ada(pack_db: PackDb) -> Account:
    made = CreateAccountInput(email="ada@example.com", token_remaining=5)
    return pack_db.accounts.create_account(made)


@pytest.fixture
def http(pack_db: PackDb) -> Iterator[TestClient]:
    with TestClient(app) as http:
        yield http


def test_a_question_costs_its_words(http: TestClient, ada: Account) -> None:
    def ask() -> tuple[int, object]:
        headers = {"X-Api-Key": ada.api_key}
        answer = http.post("/questions", params={"question": "how are you"}, headers=headers)
        return answer.status_code, answer.json().get("tokens_left", answer.json().get("error"))

    assert ask() == (200, 2)
    assert ask() == (402, "insufficient_tokens")


def test_a_stranger_is_turned_away(http: TestClient) -> None:
    headers = {"X-Api-Key": "rs_" + 32 * "0"}
    answer = http.post("/questions", params={"question": "who am I"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_api_key")


def test_its_health_is_the_daemons(http: TestClient, pack_db_daemon: ThrowawayDaemon) -> None:
    assert http.get("/health").status_code == 200
    pack_db_daemon.stop()
    answer = http.get("/health")
    assert (answer.status_code, answer.json()["error"]) == (503, "no_daemon")
    pack_db_daemon.start()
    assert http.get("/health").status_code == 200
