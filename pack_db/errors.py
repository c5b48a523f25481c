"""Everything a caller of pack-db may catch, in process and across the socket alike.

    PackDbError
    ├── ConfigurationError          a setting is missing or wrong
    ├── InvalidInput                an argument breaks a rule; nothing was changed
    ├── NotFound
    │   └── AccountNotFound
    ├── EmailTaken
    ├── InvalidApiKey
    ├── AccountInactive
    ├── InsufficientTokens          .requested, .remaining (tokens)
    ├── StorageError                the database failed; the call was undone
    │   ├── StorageBusy             another program holds SQLite's lock; try again
    │   ├── StorageFull             no room left on the disk
    │   ├── StorageReadOnly         the database may not be written to
    │   ├── StorageCorrupt          the file is damaged; nothing is written until a restart
    │   ├── StorageMoved            the file was moved or removed while in use
    │   ├── StorageUnavailable      the server cannot be reached
    │   ├── StorageConflict         other calls on the same rows were in the way; try again
    │   ├── DatabaseInUse           another process owns the database
    │   └── WrongDatabase           not pack-db's file, or one from a newer pack-db
    ├── BadRequest                  the message is not what docs/protocol.md says
    │   ├── UnknownMethod
    │   ├── UnsupportedVersion
    │   ├── MessageTooLarge         .size, .limit (bytes)
    │   ├── SequenceReused          same sequence, other content
    │   ├── SequenceTooOld          a newer write of this client was already done
    │   └── ForeignClientId         this client id belongs to another user
    ├── ReplyTooLarge               the call was undone; ask for less
    ├── ReplyNotKept                a copy of a message that was done, and its reply is gone
    ├── DeadlinePassed              the message came too late and was not started
    ├── NotStarted                  the daemon had done enough for one message; send it again
    ├── InternalError               .id, at which the daemon's log tells of the defect
    ├── ClientClosed                the client object was closed
    ├── ClocksDiffer                the daemon is in another time namespace
    ├── Unavailable                 nothing was sent, so nothing was done
    │   ├── NoDaemon                nobody listens at the socket's path
    │   └── PermissionDenied        this user may not use the socket, or not call
    └── CallTimeout                 sent, but no answer came in time
        └── OutcomeUnknown          ... and the message had a write in it

Each class has a stable `code`, which is what travels on the wire; the client raises the
very class that the service raised. Numbers stay attributes, so no caller has to parse a message.
"""

from pack_db.base_error import PackDbError as PackDbError
from pack_db.base_error import details_to_send as details_to_send
from pack_db.base_error import error_class as error_class
from pack_db.base_error import error_from_wire as error_from_wire


class ConfigurationError(PackDbError):
    code = "configuration_error"


class InvalidInput(PackDbError):
    code = "invalid_input"


class NotFound(PackDbError):
    code = "not_found"


class AccountNotFound(NotFound):
    code = "account_not_found"


class EmailTaken(PackDbError):
    code = "email_taken"


class InvalidApiKey(PackDbError):
    code = "invalid_api_key"


class AccountInactive(PackDbError):
    code = "account_inactive"


class InsufficientTokens(PackDbError):
    code = "insufficient_tokens"
    requested: int
    remaining: int


class StorageError(PackDbError):
    code = "storage_error"


class StorageBusy(StorageError):
    code = "storage_busy"


class StorageFull(StorageError):
    code = "storage_full"


class StorageReadOnly(StorageError):
    code = "storage_read_only"


class StorageCorrupt(StorageError):
    code = "storage_corrupt"


class StorageMoved(StorageError):
    code = "storage_moved"


class StorageUnavailable(StorageError):
    code = "storage_unavailable"


class StorageConflict(StorageError):
    code = "storage_conflict"


class DatabaseInUse(StorageError):
    code = "database_in_use"


class WrongDatabase(StorageError):
    code = "wrong_database"


class BadRequest(PackDbError):
    code = "bad_request"


class UnknownMethod(BadRequest):
    code = "unknown_method"


class UnsupportedVersion(BadRequest):
    code = "unsupported_version"


class MessageTooLarge(BadRequest):
    code = "message_too_large"
    size: int
    limit: int


class SequenceReused(BadRequest):
    code = "sequence_reused"


class SequenceTooOld(BadRequest):
    code = "sequence_too_old"


class ForeignClientId(BadRequest):
    code = "foreign_client_id"


class ReplyTooLarge(PackDbError):
    code = "reply_too_large"


class ReplyNotKept(PackDbError):
    code = "reply_not_kept"


class DeadlinePassed(PackDbError):
    code = "deadline_passed"


class NotStarted(PackDbError):
    code = "not_started"


class InternalError(PackDbError):
    code = "internal_error"
    id: str


class ClientClosed(PackDbError):
    code = "client_closed"


class ClocksDiffer(PackDbError):
    code = "clocks_differ"


class Unavailable(PackDbError):
    code = "unavailable"


class NoDaemon(Unavailable):
    code = "no_daemon"


class PermissionDenied(Unavailable):
    code = "permission_denied"


class CallTimeout(PackDbError):
    code = "call_timeout"


class OutcomeUnknown(CallTimeout):
    code = "outcome_unknown"
