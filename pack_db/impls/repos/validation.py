"""The rules for arguments, which hold in process and for remote callers alike."""

import re
import unicodedata

from pack_db.errors import InvalidInput
from pack_db.interfaces.entities.account import AccountStatus

MAX_TOKENS = 2**53 - 1
"""The largest whole number that every language's clients can hold exactly."""

MAX_PAGE = 500

_MAX_EMAIL = 254  # characters, RFC 5321 4.5.3.1.3 less the angle brackets
_MAX_PLAN_NAME = 64  # characters
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)


def entity(value: object, kind: type, name: str) -> None:
    if type(value) is not kind:
        raise InvalidInput(f"{name} must be a {kind.__name__}")


def text(value: str, name: str) -> str:
    if type(value) is not str or not _is_unicode(value):
        raise InvalidInput(f"{name} must be text")
    return value


def is_account_id(value: object) -> bool:
    return type(value) is str and _UUID.fullmatch(value) is not None


def account_id(value: str, name: str = "account_id") -> str:
    if type(value) is not str or _UUID.fullmatch(value) is None:
        raise InvalidInput(f"{name} must be an account's id, a UUID in lower case")
    return value


def email(value: str) -> str:
    """The address without white space around it."""
    if type(value) is not str:
        raise InvalidInput("email must be text")
    address = value.strip()
    local, _, domain = address.rpartition("@")
    if not local or not domain or "@" in local or " " in address or not address.isprintable():
        raise InvalidInput("email must look like name@example.com")
    if len(address) > _MAX_EMAIL:
        raise InvalidInput(f"email must have at most {_MAX_EMAIL} characters")
    return address


def email_key(address: str) -> str:
    """What two spellings of one address have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).casefold())


def plan_name(value: str) -> str:
    if type(value) is not str or not value.isprintable() or value.strip() != value:
        raise InvalidInput("plan_name must be printable text without white space around it")
    if not 0 < len(value) <= _MAX_PLAN_NAME:
        raise InvalidInput(f"plan_name must have 1 to {_MAX_PLAN_NAME} characters")
    return value


def status(value: int) -> int:
    if not _is_integer(value) or value not in set(AccountStatus):
        known = ", ".join(f"{s.value} ({s.name.lower()})" for s in AccountStatus)
        raise InvalidInput(f"status must be one of {known}")
    return int(value)


def tokens(value: int, name: str, least: int = 0) -> int:
    if type(value) is int and least <= value <= MAX_TOKENS:
        return value
    return _integer_between(value, name, least, MAX_TOKENS)


def page_limit(value: int) -> int:
    return _integer_between(value, "limit", 1, MAX_PAGE)


def entry_number(value: int, name: str) -> int:
    return _integer_between(value, name, 0, 2**63 - 1)


def _integer_between(value: int, name: str, least: int, most: int) -> int:
    if not _is_integer(value) or not least <= value <= most:
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_integer(value: object) -> bool:
    # bool is an int in Python, and an IntEnum member such as AccountStatus.ACTIVE is fine.
    return isinstance(value, int) and not isinstance(value, bool)
