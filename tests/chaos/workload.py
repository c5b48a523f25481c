import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from pack_db.errors import (
    CallTimeout,
    ClientClosed,
    OutcomeUnknown,
    PackDbError,
    Unavailable,
)
from pack_db_client import Account, CreateAccountInput, LedgerEntry, TokenBalance
from tests.chaos.call_log import CallLog, LoggedCall, Outcome
from tests.chaos.pauses import Pauses

PLENTY = 10**14  # tokens of each account; no task takes that many
MAX_TASKS = 10**6
TOO_MANY = 10**15
"""Tokens; at least so many are asked for by calls that must be refused."""
ENOUGH_S = 60.0
"""Of a timeout: no daemon is away for so long."""

_TIMEOUTS_S = (ENOUGH_S, ENOUGH_S, ENOUGH_S, 2.0, 0.4)
_PAUSE_S = 0.008  # mean between two calls of a task
_PAGE = 500
_SHORT_WAIT_S = 0.5  # for the deadline of an interrupted call, before its task looks what it did


class Interrupted(Exception):
    """The caller left the call before it ended, and does not know what became of it."""


@dataclass(slots=True)
class Action:
    """Please pause, note the time in `started_at`, then call this."""

    service: str
    method: str
    args: tuple[Any, ...]
    timeout_s: float
    pause_s: float = 0.0
    started_at: float = 0.0  # time.monotonic()


Actions = Generator[Action, Any, None]


class Task:
    """What one thread or coroutine does: random calls on an account of its own.

    It calls nothing itself but yields what to call, so that both clients can drive it; results
    are sent into the generator, errors thrown.

    Args:
        name: used by no other task.
        number: likewise, below `MAX_TASKS`.
        stopped: whether `run` is to end; it may be run again later.
    """

    def __init__(
        self,
        name: str,
        number: int,
        log: CallLog,
        pauses: Pauses,
        stopped: Callable[[], bool],
    ) -> None:
        self._name = name
        self._number = number
        self._log = log
        self._pauses = pauses
        self._stopped = stopped
        self._random = random.Random(name)
        self._calls = 0
        self._account_id = ""
        self._api_key = ""
        self._entries_seen = 0
        self._deadline = 0.0  # of the last call; time.monotonic()

    def run(self) -> Actions:
        while not self._stopped():
            if not self._account_id or self._random.random() < 0.02:
                yield from self._create_account()
                continue
            yield from self._random.choices(
                (
                    self._consume,
                    self._top_up,
                    self._consume_too_much,
                    self._get_balance,
                    self._rotate,
                    self._authenticate,
                ),
                weights=(50, 15, 5, 10, 10, 10),
            )[0]()

    def _create_account(self) -> Actions:
        self._account_id = ""
        call = self._new_call("create_account")
        call.email = f"{call.number}@{self._name}.example"
        call.amount = PLENTY
        created = yield from self._attempt(
            call, "accounts", CreateAccountInput(email=call.email, token_remaining=PLENTY)
        )
        if call.outcome is Outcome.ACKNOWLEDGED:
            self._account_id = created.id
            self._api_key = created.api_key
            self._entries_seen = 1
        elif call.outcome is Outcome.UNKNOWN:
            yield from self._look_for_account(call)

    def _consume(self) -> Actions:
        yield from self._book("consume_tokens", 0)

    def _consume_too_much(self) -> Actions:
        yield from self._book("consume_tokens", TOO_MANY)

    def _top_up(self) -> Actions:
        yield from self._book("top_up", 0)

    def _book(self, method: str, base: int) -> Actions:
        call = self._new_call(method)
        call.amount = base + MAX_TASKS * call.number + self._number
        yield from self._attempt(call, "tokens", self._account_id, call.amount)
        if call.outcome is Outcome.UNKNOWN:
            yield from self._look_for_entry(call)

    def _get_balance(self) -> Actions:
        yield from self._attempt(self._new_call("get_balance"), "tokens", self._account_id)

    def _rotate(self) -> Actions:
        self._api_key = ""  # if the outcome is unknown, so is the key
        call = self._new_call("rotate_api_key")
        yield from self._attempt(call, "accounts", self._account_id)
        if call.is_interrupted:
            self._account_id = ""  # its key may change as long as the deadline has not passed
            return
        self._api_key = call.answered_key
        yield from self._authenticate()

    def _authenticate(self) -> Actions:
        if self._api_key:
            yield from self._attempt(self._new_call("authenticate"), "accounts", self._api_key)

    def _new_call(self, method: str) -> LoggedCall:
        self._calls += 1
        return LoggedCall(
            task=self._name,
            number=self._calls,
            method=method,
            account_id=self._account_id,
            timeout_s=self._random.choice(_TIMEOUTS_S),
        )

    def _attempt(self, call: LoggedCall, service: str, *args: Any) -> Generator[Action, Any, Any]:
        self._log.write(call)
        pause_s = self._random.expovariate(1 / _PAUSE_S)
        action = Action(service, call.method, args, call.timeout_s, pause_s)
        result = None
        try:
            result = yield action
        except PackDbError as error:
            call.outcome = _outcome(error)
            call.error = error.code
        except Interrupted:
            call.is_interrupted = True
        else:
            call.outcome = Outcome.ACKNOWLEDGED
            _note_answer(call, result)
        ended = time.monotonic()
        self._deadline = action.started_at + call.timeout_s
        call.paused_s = self._pauses.seconds_between(self._deadline, ended)
        call.overrun_s = max(0.0, ended - self._deadline - call.paused_s)
        self._log.write(call)
        return result

    def _look_for_entry(self, call: LoggedCall) -> Actions:
        # Its deadline has passed, and no commit begins after that: what is not there now must
        # never come.
        if (wait_s := self._time_to_deadline_s()) > _SHORT_WAIT_S:
            return
        found = False
        while True:
            page = (self._account_id, self._entries_seen, _PAGE)
            try:
                entries: list[LedgerEntry] = yield Action(
                    "tokens", "list_entries", page, ENOUGH_S, wait_s
                )
            except (PackDbError, Interrupted):
                return
            wait_s = 0.0
            found |= any(abs(entry.amount) == call.amount for entry in entries)
            if not entries:
                break
            self._entries_seen = entries[-1].number
        call.seen_later = found
        self._log.write(call)

    def _look_for_account(self, call: LoggedCall) -> Actions:
        if (wait_s := self._time_to_deadline_s()) > _SHORT_WAIT_S:
            return
        look = Action("accounts", "get_account_by_email", (call.email,), ENOUGH_S, wait_s)
        try:
            account: Account | None = yield look
            call.seen_later = account is not None
        except (PackDbError, Interrupted):
            return
        self._log.write(call)

    def _time_to_deadline_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def _outcome(error: PackDbError) -> Outcome:
    match error:
        case OutcomeUnknown():
            return Outcome.UNKNOWN
        case CallTimeout() | Unavailable() | ClientClosed():
            return Outcome.NOT_SENT
        case _:
            return Outcome.REFUSED


def _note_answer(call: LoggedCall, answer: object) -> None:
    match answer:
        case Account(id=account_id, api_key=api_key):
            call.answered_id, call.answered_key = account_id, api_key
        case TokenBalance(account_id=account_id):
            call.answered_id = account_id
            call.balance = (answer.token_remaining, answer.topup_remaining)
