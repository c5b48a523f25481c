import logging
import secrets
from typing import NamedTuple

from pack_db.errors import InternalError, PackDbError
from pack_db_client.protocol.replies import encode_error

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """What a caller is told of an exception, and what only the log is told."""

    result: bytes
    what: str = ""
    defect: BaseException | None = None
    id: str = ""  # stands in the log and in what the caller is told

    def log(self) -> None:
        if self.defect is not None:
            # In the message itself, as the limit of the log goes by that.
            _log.error(f"{self.what} (id %s)", self.id, exc_info=self.defect)


def failure_of(exc: BaseException, what: str) -> Failure:
    """
    Args:
        what: what happened, if it is a defect: not an error that is meant for callers, or one
            that cannot travel.
    """
    if isinstance(exc, PackDbError):
        try:
            return Failure(encode_error(exc))
        except BaseException as cannot_travel:
            exc = cannot_travel
    number = secrets.token_hex(4)
    error = InternalError(f"{what}; the daemon's log says more at id {number}", id=number)
    return Failure(encode_error(error), what, exc, number)
