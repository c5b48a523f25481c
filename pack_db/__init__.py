"""What a program needs that uses pack-db in its own process, or brings services of its own."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pack_db.config import Config as Config
    from pack_db.config import ConfigKeys as ConfigKeys
    from pack_db.errors import AccountInactive as AccountInactive
    from pack_db.errors import AccountNotFound as AccountNotFound
    from pack_db.errors import ConfigurationError as ConfigurationError
    from pack_db.errors import EmailTaken as EmailTaken
    from pack_db.errors import InsufficientTokens as InsufficientTokens
    from pack_db.errors import InvalidApiKey as InvalidApiKey
    from pack_db.errors import InvalidInput as InvalidInput
    from pack_db.errors import NotFound as NotFound
    from pack_db.errors import PackDbError as PackDbError
    from pack_db.errors import StorageError as StorageError
    from pack_db.impls.compiled_query import CompiledQuery as CompiledQuery
    from pack_db.impls.compiled_query import parameter as parameter
    from pack_db.impls.database.database_connection import DatabaseConnection as DatabaseConnection
    from pack_db.impls.database.storage_errors import ConstraintViolated as ConstraintViolated
    from pack_db.impls.service_factory import ServiceFactory as ServiceFactory
    from pack_db.interfaces.account_repo import AccountRepo as AccountRepo
    from pack_db.interfaces.entities.account import Account as Account
    from pack_db.interfaces.entities.account import AccountStatus as AccountStatus
    from pack_db.interfaces.entities.account import CreateAccountInput as CreateAccountInput
    from pack_db.interfaces.entities.account import UpdateAccountInput as UpdateAccountInput
    from pack_db.interfaces.entities.token import LedgerEntry as LedgerEntry
    from pack_db.interfaces.entities.token import TokenBalance as TokenBalance
    from pack_db.interfaces.query import query as query
    from pack_db.interfaces.token_repo import TokenRepo as TokenRepo
else:
    # Only when asked for: a client process loads this package, too, and must not load Peewee.
    # Type checkers do not see it, so they know a name that is not there.
    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_NAMES = {
    "pack_db.config": ("Config", "ConfigKeys"),
    "pack_db.errors": (
        *("AccountInactive", "AccountNotFound", "ConfigurationError", "EmailTaken"),
        *("InsufficientTokens", "InvalidApiKey", "InvalidInput", "NotFound", "PackDbError"),
        "StorageError",
    ),
    "pack_db.impls.compiled_query": ("CompiledQuery", "parameter"),
    "pack_db.impls.database.database_connection": ("DatabaseConnection",),
    "pack_db.impls.database.storage_errors": ("ConstraintViolated",),
    "pack_db.impls.service_factory": ("ServiceFactory",),
    "pack_db.interfaces.account_repo": ("AccountRepo",),
    "pack_db.interfaces.entities.account": (
        *("Account", "AccountStatus", "CreateAccountInput", "UpdateAccountInput"),
    ),
    "pack_db.interfaces.entities.token": ("LedgerEntry", "TokenBalance"),
    "pack_db.interfaces.query": ("query",),
    "pack_db.interfaces.token_repo": ("TokenRepo",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
