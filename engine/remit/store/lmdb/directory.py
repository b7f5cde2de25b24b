"""The data directory: is it ours, may we write in it, and are we the only ones.

LMDB itself would let a second process write beside us, and the graph in our memory would never hear of it. So one
process holds an exclusive lock on a file of ours for as long as it has the directory open; the kernel lets go of it
when the process ends, however it ends.
Law: whoever holds a `DataDirectory` is the only one to have it open."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from remit.errors import StoreLocked, StoreUnavailable
from remit.store.data_directory import KEYS_FILE, NO_ROOM, explain_os_error, require_no_empty_file, require_no_file

LOCK_FILE = "remit.lock"
DATA_FILE = "data.mdb"
_OURS = {LOCK_FILE, DATA_FILE, "lock.mdb", KEYS_FILE}
_HARMLESS = {"lost+found"}  # a fresh volume has one


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
            raise explain_os_error(error, path) from error

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
        """Let the next process in. It may be called again."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def _prepare(path: Path) -> None:
    if not path.exists():
        path.mkdir(mode=0o700)
    require_no_file(path)
    require_no_empty_file(path / DATA_FILE)
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
