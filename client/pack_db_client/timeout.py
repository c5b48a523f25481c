from pack_db.errors import InvalidInput
from pack_db_client.protocol.requests import MAX_DEADLINE_AHEAD_S


def checked_timeout(timeout_s: float) -> float:
    """
    Raises:
        InvalidInput: not a number of seconds that the daemon accepts for a write.
    """
    if not 0 < timeout_s <= MAX_DEADLINE_AHEAD_S:
        raise InvalidInput(f"timeout_s must be above 0 and at most {MAX_DEADLINE_AHEAD_S} seconds")
    return timeout_s
