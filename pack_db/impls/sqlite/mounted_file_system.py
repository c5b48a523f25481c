import os
from pathlib import Path

NETWORKED = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
        *("gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "vboxsf", "virtiofs"),
    )
)
"""File systems that other hosts may write to: SQLite's write-ahead log needs memory that all its
processes share, and the locks of many of these do not hold (sqlite.org/wal.html)."""


def file_system_type(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str:
    """The kernel's name for the kind of file system that `path` is on, such as "ext4"."""
    real = path.resolve()
    best, kind = Path("/"), "unknown"
    # proc_pid_mountinfo(5): "36 35 98:0 /root /mount/point options ... - type source options";
    # of two mounts at one place, the later one is what is seen.
    for line in os.fsdecode(mountinfo.read_bytes()).splitlines():
        before, _, after = line.partition(" - ")
        mount_point = Path(_unescaped(before.split(" ")[4]))
        if real.is_relative_to(mount_point) and mount_point.is_relative_to(best):
            best, kind = mount_point, after.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text
