"""The data directory: is it ours, may we write in it, and are we the only ones.

LMDB itself would let a second process write beside us, and the graph in our memory would never hear of it. So one
process holds an exclusive lock on a file of ours for as long as it has the directory open; the kernel lets go of it
when the process ends, however it ends.
Law: whoever holds a `DataDirectory` is the only one to have it open."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from remit.errors import RemitError, StoreFull, StoreLocked, StoreUnavailable

LOCK_FILE = "remit.lock"
DATA_FILE = "data.mdb"
KEYS_FILE = "keys.json"  # of those who may call the server, see `remit.access.key_file`: often there before any data
_OURS = {LOCK_FILE, DATA_FILE, "lock.mdb", KEYS_FILE}
_HARMLESS = {"lost+found"}  # a fresh volume has one

# Out of room: the disk, the user's quota, the size a file may have.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DataDirectory:
    """An open data directory. The last part of the path is made if its parent is there."""

    def __init__(self, path: Path) -> None:
        """Raises StoreUnavailable with the fix, StoreLocked with the other's process id."""
        self.path = path
        self._lock_fd: int | None = None
        try:
            _prepare(path)
            self._lock_fd = _lock(path)
        except OSError as error:
            raise explain(error, path) from error

    @property
    def data_file(self) -> Path:
        return self.path / DATA_FILE

    def has_room(self, size_bytes: int) -> bool:
        """Whether the data file could grow by that much, tried out beside it.

        A write that was cut short reaches us as a plain I/O error, so the reason has to be found afterwards."""
        probe = self.path / f"probe-{os.getpid()}"
        try:
            end = self.data_file.stat().st_size
            fd = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            try:
                probe.unlink()
                return os.pwrite(fd, bytes(size_bytes), end) == size_bytes
            finally:
                os.close(fd)
        except OSError as error:
            return error.errno not in NO_ROOM

    def sync(self) -> None:
        """Make the names of new files durable, which syncing the files themselves does not do."""
        for directory in (self.path, self.path.absolute().parent):
            fd = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def release(self) -> None:
        """Let the next process in. Twice is once."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def explain(error: OSError, path: Path) -> RemitError:
    """What a system's error about the directory means to whoever starts the server."""
    if error.errno in NO_ROOM:
        return StoreFull(f"no room is left for data directory `{path}`: free some space", path=path)
    fix = {
        errno.EACCES: "give this user the right to write there, or choose another directory",
        errno.EPERM: "give this user the right to write there, or choose another directory",
        errno.EROFS: "the file system is read-only: choose another directory",
        errno.ENOENT: f"make `{path.parent}` first, or choose another directory",
        errno.ENOTDIR: "a part of the path is a file: choose another directory",
        errno.ENOLCK: "the file system knows no locks: choose a local one",
    }.get(error.errno or 0, "see whether the disk is well, or choose another directory")
    return StoreUnavailable(f"data directory `{path}` cannot be used ({error.strerror}): {fix}", path=path)


def require_no_file(path: Path) -> None:
    """That a path is free for a data directory, or is one already. Raises StoreUnavailable."""
    if path.exists() and not path.is_dir():
        raise StoreUnavailable(f"data directory `{path}` is a file: choose another directory", path=path)


def _prepare(path: Path) -> None:
    if not path.exists():
        path.mkdir(mode=0o700)
    require_no_file(path)
    names = {entry.name for entry in path.iterdir()} - _OURS - _HARMLESS
    if names and not (path / DATA_FILE).exists():
        some = ", ".join(f"`{name}`" for name in sorted(names)[:3])
        raise StoreUnavailable(f"directory `{path}` holds other files ({some}): choose an empty directory", path=path)


def _lock(path: Path) -> int:
    fd = os.open(path / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(fd, 32).decode(errors="replace").strip()
        os.close(fd)
        who = "this process" if holder == str(os.getpid()) else f"process `{holder or 'unknown'}`"
        message = f"data directory `{path}` is already open in {who}: stop it, or choose another directory"
        raise StoreLocked(message, path=path, pid=holder) from None
    except OSError:
        os.close(fd)
        raise
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
