from collections.abc import Callable, Iterator
from typing import TypeVar

from pack_db.errors import ReplyTooLarge

Row = TypeVar("Row")
Cursor = TypeVar("Cursor")

_PAGE = 500  # the most that a service gives at once


def pages(
    read: Callable[[Cursor, int], list[Row]],
    cursor_of: Callable[[Row], Cursor],
    after: Cursor,
    limit: int | None,
) -> Iterator[list[Row]]:
    """All pages of a keyset-paged method, up to `limit` rows, or to the end for None."""
    size = _PAGE
    while limit is None or limit > 0:
        asked = size if limit is None else min(size, limit)
        try:
            page = read(after, asked)
        except ReplyTooLarge:
            if asked == 1:
                raise
            size = asked // 2
            continue
        if page:
            yield page
            after = cursor_of(page[-1])
        if len(page) < asked:
            return
        if limit is not None:
            limit -= len(page)
