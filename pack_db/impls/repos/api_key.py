import hashlib
import re
import secrets

_PREFIX = "rs_"
_PATTERN = re.compile(r"rs_[0-9a-f]{32}", re.ASCII)


def generate() -> str:
    return _PREFIX + secrets.token_hex(16)


def is_well_formed(api_key: str) -> bool:
    return type(api_key) is str and _PATTERN.fullmatch(api_key) is not None


def digest(api_key: str) -> bytes:
    """What the database knows a key by. A key has 128 random bits, so no salt is needed."""
    return hashlib.sha256(api_key.encode()).digest()


def tail(api_key: str) -> str:
    return api_key[-4:]


def masked(tail: str) -> str:
    """A key as it is shown once its secret is gone."""
    return f"{_PREFIX}…{tail}"
