import os
from pathlib import Path

_LONGEST = 32  # characters


def program_name(pid: int) -> str | None:
    """What a process runs; None if it has gone, or is hidden from this one (hidepid, ProtectProc=).

    Of Python it is the script or the module. Nothing else of the command line is shown, since
    there may be a secret in it. The process chooses the name itself, so it is made printable
    ASCII of at most 32 characters.
    """
    process = Path(f"/proc/{pid}")
    try:
        name = (process / "comm").read_bytes().strip()
        if name.startswith(b"python"):
            name = _script((process / "cmdline").read_bytes().split(b"\0")) or name
    except OSError:
        return None
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in name[:_LONGEST])


def _script(command_line: list[bytes]) -> bytes:
    words = iter(command_line[1:])
    for word in words:
        if word in (b"-W", b"-X"):
            next(words, b"")
        elif word == b"-m":
            return next(words, b"")
        elif word == b"-":
            break  # the program comes from the standard input
        elif not word.startswith(b"-"):
            return os.path.basename(word)
        elif b"c" in word or b"m" in word:
            break  # -c and code, -mmodule, or both joined to other options
    return b""
