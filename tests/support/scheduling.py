from xdist.scheduler import LoadFileScheduling

_WHOLE_FOLDERS = ("tests/systemd/",)
_LONGEST = ("tests/systemd/", "tests/chaos/")


class FilesTogether(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Which tests go to one worker of pytest-xdist: those of a file, for their fixtures' sake,
    and those that share what takes long to make."""

    def _split_scope(self, nodeid: str) -> str:
        for folder in _WHOLE_FOLDERS:
            if nodeid.startswith(folder):
                return folder
        return str(super()._split_scope(nodeid))


def is_long(nodeid: str) -> bool:
    """Whether to begin with it, so that in the end all do not wait for the worker that has it."""
    return nodeid.startswith(_LONGEST)
