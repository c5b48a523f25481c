from pack_db_client.protocol.daemon_service import QueueStatus


class QueueStatistics:
    """Counts messages, and those that had to wait. One thread records, any may ask."""

    def __init__(self) -> None:
        self._messages = 0
        self._waited = 0

    def record(self, messages: int, *, waited: int) -> None:
        """
        Args:
            messages: that were taken at once.
            waited: of those, how many were there before the daemon was ready for them.
        """
        self._messages += messages
        self._waited += waited

    def summary(self) -> QueueStatus:
        return QueueStatus(messages=self._messages, waited=self._waited)
