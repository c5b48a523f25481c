"""What a program needs that uses pack-db in its own process, or brings services of its own."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pack_db.config import Config as Config
    from pack_db.config import ConfigKeys as ConfigKeys
    from pack_db.errors import PackDbError as PackDbError
    from pack_db.impls.compiled_query import parameter as parameter
    from pack_db.impls.database.database_connection import DatabaseConnection as DatabaseConnection
    from pack_db.impls.database.storage_errors import ConstraintViolated as ConstraintViolated
    from pack_db.impls.service_factory import ServiceFactory as ServiceFactory
    from pack_db.interfaces.entities.account import Account as Account
    from pack_db.interfaces.entities.account import CreateAccountInput as CreateAccountInput
    from pack_db.interfaces.entities.account import UpdateAccountInput as UpdateAccountInput
    from pack_db.interfaces.entities.token import LedgerEntry as LedgerEntry
    from pack_db.interfaces.entities.token import TokenBalance as TokenBalance
    from pack_db.interfaces.query import query as query

_MODULES = {
    "Config": "pack_db.config",
    "ConfigKeys": "pack_db.config",
    "PackDbError": "pack_db.errors",
    "parameter": "pack_db.impls.compiled_query",
    "DatabaseConnection": "pack_db.impls.database.database_connection",
    "ConstraintViolated": "pack_db.impls.database.storage_errors",
    "ServiceFactory": "pack_db.impls.service_factory",
    "Account": "pack_db.interfaces.entities.account",
    "CreateAccountInput": "pack_db.interfaces.entities.account",
    "UpdateAccountInput": "pack_db.interfaces.entities.account",
    "LedgerEntry": "pack_db.interfaces.entities.token",
    "TokenBalance": "pack_db.interfaces.entities.token",
    "query": "pack_db.interfaces.query",
}


def __getattr__(name: str) -> Any:
    # Only when asked for: a client process loads this package, too, and must not load Peewee.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
