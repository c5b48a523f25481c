"""What a process needs to call pack-db's daemon. It loads neither Peewee nor the daemon."""

from pack_db.errors import (
    AccountInactive,
    AccountNotFound,
    BadRequest,
    CallTimeout,
    ClientClosed,
    ConfigurationError,
    DeadlinePassed,
    EmailTaken,
    InsufficientTokens,
    InternalError,
    InvalidApiKey,
    InvalidInput,
    MessageTooLarge,
    NoDaemon,
    NotFound,
    OutcomeUnknown,
    PackDbError,
    PermissionDenied,
    ReplyNotKept,
    ReplyTooLarge,
    StorageError,
    Unavailable,
)
from pack_db.interfaces.account_repo import AccountRepo, AsyncAccountRepo
from pack_db.interfaces.entities.account import (
    Account,
    AccountStatus,
    CreateAccountInput,
    UpdateAccountInput,
)
from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance
from pack_db.interfaces.token_repo import AsyncTokenRepo, TokenRepo
from pack_db_client.async_pack_db import AsyncPackDb
from pack_db_client.batch import Batch, BatchResult
from pack_db_client.pack_db import PackDb

__all__ = [
    "Account",
    "AccountInactive",
    "AccountNotFound",
    "AccountRepo",
    "AccountStatus",
    "AsyncAccountRepo",
    "AsyncPackDb",
    "AsyncTokenRepo",
    "BadRequest",
    "Batch",
    "BatchResult",
    "CallTimeout",
    "ClientClosed",
    "ConfigurationError",
    "CreateAccountInput",
    "DeadlinePassed",
    "EmailTaken",
    "InsufficientTokens",
    "InternalError",
    "InvalidApiKey",
    "InvalidInput",
    "LedgerEntry",
    "MessageTooLarge",
    "NoDaemon",
    "NotFound",
    "OutcomeUnknown",
    "PackDb",
    "PackDbError",
    "PermissionDenied",
    "ReplyNotKept",
    "ReplyTooLarge",
    "StorageError",
    "TokenBalance",
    "TokenRepo",
    "Unavailable",
    "UpdateAccountInput",
]
