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
from remit.store.data_directory import (
    KEYS_FILE,
    NO_ROOM,
    RESERVE_FILE,
    explain_os_error,
    require_no_empty_file,
    require_no_file,
)

LOCK_FILE = "remit.lock"
DATA_FILE = "data.mdb"
READERS_FILE = "lock.mdb"
_OURS = {LOCK_FILE, DATA_FILE, READERS_FILE, KEYS_FILE, RESERVE_FILE}
# What is held back of the disk: room for some hundreds of holds, with what LMDB copies for each.
RESERVE_FILE_BYTES = 8 * 2**20
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

    def keep_reserve(self) -> bool:
        """Hold some of the disk back, beside the data, unless it is there already; whether it is."""
        path = self.path / RESERVE_FILE
        try:
            fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_FILE_BYTES)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise explain_os_error(error, self.path) from error
            path.unlink(missing_ok=True)  # what there is of it would be missed elsewhere
            return False
        return True

    def give_up_reserve(self) -> bool:
        """Give the disk back what was held; whether anything was."""
        try:
            (self.path / RESERVE_FILE).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        return True

    def allocate_readers(self) -> None:
        """Have the whole table of readers on the disk: it is written through memory, and a page of it that a full disk
        has no room for would end the process with SIGBUS at the next view. Where there is no room even now, what views
        had before is there."""
        try:
            fd = os.open(self.path / READERS_FILE, os.O_WRONLY)
            try:
                os.posix_fallocate(fd, 0, os.fstat(fd).st_size)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise explain_os_error(error, self.path) from error

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
    # Written over what was there, and cut after that: on a full disk a file that was emptied finds no block again.
    said = f"{os.getpid()}\n".encode()
    os.pwrite(fd, said, 0)
    os.ftruncate(fd, len(said))
    return fd
