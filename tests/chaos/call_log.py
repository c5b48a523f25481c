from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"  # the daemon says that it was not done
    NOT_SENT = "not sent"  # the client says that it was not done
    UNKNOWN = "unknown"  # also what a client that was killed leaves behind


@dataclass(slots=True, kw_only=True)
class LoggedCall:
    """One call of one task, named by its number within the task."""

    task: str
    number: int
    method: str
    account_id: str = ""
    email: str = ""
    amount: int = 0  # tokens, used by no other call of any task
    timeout_s: float
    outcome: Outcome = Outcome.UNKNOWN
    error: str = ""  # code of what was raised
    answered_id: str = ""  # of the account in the reply
    answered_key: str = ""
    balance: tuple[int, int] | None = None  # in the reply: allowance, top-up
    is_interrupted: bool = False  # its caller left it; it may still be done until its deadline
    overrun_s: float = 0.0  # how long after its timeout the call ended, without `paused_s`
    paused_s: float = 0.0  # of the time after its timeout: the client's process could not run
    seen_later: bool | None = None  # of an unknown one: was it there after its deadline?


class CallLog:
    """A file of calls, one line for each state of a call; the last line of a call counts.

    Written through at once, so that nothing is lost with a client that is killed.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, call: LoggedCall) -> None:
        self._file.write(msgspec.json.encode(call) + b"\n")

    def close(self) -> None:
        self._file.close()


def read_calls(path: Path) -> list[LoggedCall]:
    """The calls of all tasks of one client process, each task's in the order of its calls."""
    calls: dict[tuple[str, int], LoggedCall] = {}
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):  # a killed client may leave half a line
                call = msgspec.json.decode(line, type=LoggedCall)
                calls[call.task, call.number] = call
    return list(calls.values())
