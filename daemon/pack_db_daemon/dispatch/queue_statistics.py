from dataclasses import dataclass


@dataclass
class QueueStatistics:
    """Counts messages, and those that had to wait. One thread counts, any may look."""

    messages: int = 0
    waited: int = 0
    """Of those, how many were there before the daemon was ready for them."""
