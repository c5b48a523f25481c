import os

import pytest
from cryptography.exceptions import InvalidTag

from pack_db.impls.exactly_once.reply_seal import ReplySeal


def test_a_reply_is_opened_by_whoever_knows_the_client_id() -> None:
    client_id = os.urandom(16)
    sealed = ReplySeal(client_id).close(b"rs_1234")
    assert b"rs_1234" not in sealed
    assert ReplySeal(client_id).open(sealed) == b"rs_1234"
    with pytest.raises(InvalidTag):
        ReplySeal(os.urandom(16)).open(sealed)


def test_no_two_replies_are_sealed_alike() -> None:
    """The cipher shows what two texts have in common once they share key and nonce."""
    client_id = os.urandom(16)
    seals = [ReplySeal(client_id), ReplySeal(client_id)]  # of a daemon, and of the one after it
    sealed = [seal.close(bytes(64)) for seal in seals for _ in range(1000)]
    assert len({text[:12] for text in sealed}) == 2000
    assert len({text[12:44] for text in sealed}) == 2000
