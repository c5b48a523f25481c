from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import cast

import apsw
from playhouse.apsw_ext import APSWDatabase

from pack_db.impls.sqlite.bindings import as_text


class BackgroundCommit:
    """Commits in a thread, as the sync to the disk takes longer than all else of a write.

    Meanwhile the connection is the thread's, and queries go to a second one, `reader`. So whoever
    does not write does not wait for the disk, and nobody sees what is not on the disk yet.
    """

    def __init__(self, database: APSWDatabase) -> None:
        self._connection: apsw.Connection = database.connection()
        # As Peewee opens its own, with the functions that it gives to SQL.
        self.reader = cast(apsw.Connection, database._connect())
        self.reader.convert_binding = as_text
        self.reader.pragma("query_only", True)
        self._thread = ThreadPoolExecutor(1, "commit")
        self._commit: Future[object] | None = None

    def start(self, ended: Callable[[], object]) -> None:
        """
        Args:
            ended: called by the thread.
        """
        self._commit = self._thread.submit(self._connection.execute, "COMMIT")
        self._commit.add_done_callback(lambda _: ended())

    def wait(self) -> None:
        """Until the connection is free again."""
        if self._commit is not None:
            wait((self._commit,))

    def result(self) -> None:
        """
        Raises:
            apsw.Error: the commit has failed.
        """
        commit, self._commit = self._commit, None
        if commit is not None:
            commit.result()

    def close(self) -> None:
        self._thread.shutdown()
        self.reader.close()
