import time

from rich.console import Console
from rich.live import Live

from pack_db.errors import PackDbError
from pack_db_client import PackDb
from pack_db_daemon.cli.common.keyboard import keyboard
from pack_db_daemon.cli.top.activity import Activity, Look
from pack_db_daemon.cli.top.activity_screen import MOST_CALLS_FIRST, SORT_KEYS, activity_screen

_QUIT = "q"
_LEAST_PATIENCE_S = 1.0


def watch(db: PackDb, interval_s: float) -> None:
    """Fill the terminal with what the daemon does, until somebody quits."""
    # Keys wait as long as a call does, so none may take the whole timeout.
    observed = _Observed(db.with_timeout(max(interval_s, _LEAST_PATIENCE_S)))
    sort_key = MOST_CALLS_FIRST
    # What a process is named must not be taken for markup.
    console = Console(markup=False, emoji=False, highlight=False)
    with keyboard() as read_keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            seen = observed.next()
            next_s = time.monotonic() + interval_s
            while (left_s := next_s - time.monotonic()) > 0:
                live.update(activity_screen(seen, sort_key), refresh=True)
                for key in read_keys(left_s):
                    if key == _QUIT:
                        return
                    if key in SORT_KEYS:
                        sort_key = key


class _Observed:
    """A daemon that may be gone at times."""

    def __init__(self, db: PackDb) -> None:
        self._db = db
        self._before: Look | None = None

    def next(self) -> Activity | str:
        """What it did since the last time; or in words why that is not known."""
        before, self._before = self._before, None
        try:
            self._before = Look(self._db)
        except PackDbError as error:
            return f"{error}\n\ntrying again ..."
        activity = self._before.activity_since(before) if before is not None else None
        return activity or "measuring ..."
