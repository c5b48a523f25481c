"""Everything a caller of pack-db may catch, in process and across the socket alike.

    PackDbError
    ├── ConfigurationError, InvalidInput, EmailTaken, InvalidApiKey, AccountInactive,
    │   InsufficientTokens, ReplyTooLarge, ReplyNotKept, DeadlinePassed, NotStarted,
    │   InternalError, ClientClosed, ClocksDiffer
    ├── NotFound
    │   └── AccountNotFound
    ├── StorageError
    │   └── StorageBusy, StorageFull, StorageReadOnly, StorageCorrupt, StorageMoved,
    │       StorageUnavailable, StorageConflict, DatabaseInUse, WrongDatabase
    ├── BadRequest
    │   └── UnknownMethod, UnsupportedVersion, MessageTooLarge, SequenceReused,
    │       SequenceTooOld, ForeignClientId
    ├── Unavailable
    │   └── NoDaemon, PermissionDenied
    └── CallTimeout
        └── OutcomeUnknown

Each class has a stable `code`, which is what travels on the wire; the client raises the
very class that the service raised. Numbers stay attributes, so no caller has to parse a message.
"""

from pack_db.base_error import PackDbError as PackDbError
from pack_db.base_error import details_to_send as details_to_send
from pack_db.base_error import error_class as error_class
from pack_db.base_error import error_from_wire as error_from_wire


class ConfigurationError(PackDbError):
    """A setting is missing or wrong."""

    code = "configuration_error"


class InvalidInput(PackDbError):
    """An argument breaks a rule; nothing was changed."""

    code = "invalid_input"


class NotFound(PackDbError):
    """What was asked for is not there."""

    code = "not_found"


class AccountNotFound(NotFound):
    """No account has this id."""

    code = "account_not_found"


class EmailTaken(PackDbError):
    """Another account has this e-mail address."""

    code = "email_taken"


class InvalidApiKey(PackDbError):
    """No account has this API key."""

    code = "invalid_api_key"


class AccountInactive(PackDbError):
    """The account of this API key is not active."""

    code = "account_inactive"


class InsufficientTokens(PackDbError):
    """The account has fewer tokens than asked for; nothing was taken."""

    code = "insufficient_tokens"
    requested: int
    remaining: int


class StorageError(PackDbError):
    """The database failed; the call was undone."""

    code = "storage_error"


class StorageBusy(StorageError):
    """Another program holds SQLite's lock; try again."""

    code = "storage_busy"


class StorageFull(StorageError):
    """No room is left on the disk."""

    code = "storage_full"


class StorageReadOnly(StorageError):
    """The database may not be written to."""

    code = "storage_read_only"


class StorageCorrupt(StorageError):
    """The file is damaged; nothing is written until a restart."""

    code = "storage_corrupt"


class StorageMoved(StorageError):
    """The file was moved or removed while in use."""

    code = "storage_moved"


class StorageUnavailable(StorageError):
    """The database server cannot be reached."""

    code = "storage_unavailable"


class StorageConflict(StorageError):
    """Other calls on the same rows were in the way; try again."""

    code = "storage_conflict"


class DatabaseInUse(StorageError):
    """Another process owns the database."""

    code = "database_in_use"


class WrongDatabase(StorageError):
    """The database is not pack-db's, or one from a newer pack-db."""

    code = "wrong_database"


class BadRequest(PackDbError):
    """The message is not what docs/protocol.md says."""

    code = "bad_request"


class UnknownMethod(BadRequest):
    """The daemon has no service or no method of this name."""

    code = "unknown_method"


class UnsupportedVersion(BadRequest):
    """The message is in a version of the protocol that the daemon does not speak."""

    code = "unsupported_version"


class MessageTooLarge(BadRequest):
    """The message is larger than the daemon takes; sizes are in bytes."""

    code = "message_too_large"
    size: int
    limit: int


class SequenceReused(BadRequest):
    """Another message of this client had the same sequence number."""

    code = "sequence_reused"


class SequenceTooOld(BadRequest):
    """A newer write of this client was already done."""

    code = "sequence_too_old"


class ForeignClientId(BadRequest):
    """This client id belongs to another user."""

    code = "foreign_client_id"


class ReplyTooLarge(PackDbError):
    """The result does not fit into a reply; the call was undone. Ask for less."""

    code = "reply_too_large"


class ReplyNotKept(PackDbError):
    """The message is a copy of one that was done, and its reply is gone."""

    code = "reply_not_kept"


class DeadlinePassed(PackDbError):
    """The message came too late and was not started."""

    code = "deadline_passed"


class NotStarted(PackDbError):
    """The daemon had done enough for one message; send the call again."""

    code = "not_started"


class InternalError(PackDbError):
    """A defect; at its `id` the daemon's log tells more."""

    code = "internal_error"
    id: str


class ClientClosed(PackDbError):
    """The client object was closed."""

    code = "client_closed"


class ClocksDiffer(PackDbError):
    """The daemon is in another time namespace."""

    code = "clocks_differ"


class Unavailable(PackDbError):
    """Nothing was sent, so nothing was done."""

    code = "unavailable"


class NoDaemon(Unavailable):
    """Nobody listens at the socket's path."""

    code = "no_daemon"


class PermissionDenied(Unavailable):
    """This user may not use the socket, or not call."""

    code = "permission_denied"


class CallTimeout(PackDbError):
    """The call was sent, but no answer came in time."""

    code = "call_timeout"


class OutcomeUnknown(CallTimeout):
    """A write was sent, but no answer came in time: it may have been done."""

    code = "outcome_unknown"
