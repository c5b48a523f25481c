import logging
from functools import lru_cache

_log = logging.getLogger(__name__)

_REMEMBERED = 1024


class AccessControl:
    """Who may call, by what the kernel says of the process that opened the connection.

    Args:
        user_ids: numeric uids that may call.
        group_ids: numeric gids whose members may call, too; of a process only its effective
            group is known. If both are empty, whoever can open the socket may call.
    """

    def __init__(self, user_ids: frozenset[int], group_ids: frozenset[int]) -> None:
        self._user_ids = user_ids
        self._group_ids = group_ids
        # Asked for every message, while a connection's address never changes.
        self.user_id = lru_cache(_REMEMBERED)(self._user_id)
        """The uid in a libzmq `Peer-Address`; None if this user may not call, or it is empty."""

    def _user_id(self, address: str) -> int | None:
        if not address:
            return None
        # "localhost:uid:gid:pid", of whoever called connect().
        user_id, group_id = (int(number) for number in address.split(":")[1:3])
        everybody = not self._user_ids and not self._group_ids
        if everybody or user_id in self._user_ids or group_id in self._group_ids:
            return user_id
        _log.warning("user %d with group %d called and was refused", user_id, group_id)
        return None
