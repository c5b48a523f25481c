from types import FrameType

import pack_db
import pack_db_client
import pack_db_daemon

_ROOTS = tuple(package.__path__[0] for package in (pack_db, pack_db_client, pack_db_daemon))


def own_function(frame: object, event: str) -> str | None:
    """The name of the function of pack-db that is called; for `sys.setprofile`.

    A generator counts each time that it goes on.
    """
    assert isinstance(frame, FrameType)
    code = frame.f_code
    if event != "call" or not code.co_filename.startswith(_ROOTS):
        return None
    return f"{code.co_filename.rpartition('/')[2]} {code.co_qualname}"
