from abc import ABC, abstractmethod

RESET_SERVICE = "pack_db_testing"


class ResetService(ABC):
    """What only the daemon of tests serves."""

    @abstractmethod
    def reset(self) -> None:
        """Bring all tables back to what they had when the daemon started for the first time."""
