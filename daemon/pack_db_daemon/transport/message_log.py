import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from pack_db_client.protocol.replies import decode_reply
from pack_db_client.protocol.requests import Refusal, decode_request
from pack_db_daemon.transport.request_handler import IncomingRequest

_log = logging.getLogger(__name__)


class MessageLog:
    """At `LOG_LEVEL=DEBUG`, a line for each message: who sent it, what it asked, what came of it.

    Nothing of its arguments or results, and no name that is not of a method: it may be anything.

    Args:
        find_method: gives None for a name that is not of a method.
    """

    def __init__(self, find_method: Callable[[str], object]) -> None:
        self._find_method = find_method
        self.is_on = partial(_log.isEnabledFor, logging.DEBUG)

    def record(self, request: IncomingRequest, reply: bytes) -> None:
        _log.debug(
            "process %s, user %d: %s; %.3f ms",
            request.address.rsplit(":", 1)[1],
            request.user_id,
            ", ".join(
                f"{count} x {what}" if count > 1 else what
                for what, count in self._outcomes(request.data, reply).items()
            ),
            (time.monotonic_ns() - request.received_ns) / 1e6,
        )

    def _outcomes(self, data: bytes, reply: bytes) -> Counter[str]:
        codes = [result[0] or "ok" for result in decode_reply(reply)[1]]
        try:
            names = [call.method if call else "" for call in decode_request(data).calls]
        except Refusal:
            names = []
        if len(codes) != len(names):  # the message was refused as a whole
            return Counter(str(code) for code in codes)
        return Counter(
            f"{'?' if self._find_method(name) is None else name} {code}"
            for name, code in zip(names, codes, strict=True)
        )
