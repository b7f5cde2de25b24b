"""The data directory: is it ours, may we write in it, and are we the only ones.

LMDB itself would let a second process write beside us, and the graph in our memory would never hear of it. So one
process holds an exclusive lock on a file of ours for as long as it has the directory open; the kernel lets go of it
when the process ends, however it ends.
Law: whoever holds a `DataDirectory` is the only one to have it open."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path

from remit.errors import StoreLocked, StoreUnavailable
from remit.store.data_directory import (
    KEYS_FILE,
    KEYS_RESERVE_FILE,
    NO_ROOM,
    RESERVE_FILE,
    explain_os_error,
    require_no_empty_file,
    require_no_file,
)

LOCK_FILE = "remit.lock"
DATA_FILE = "data.mdb"
READERS_FILE = "lock.mdb"
_OURS = {LOCK_FILE, DATA_FILE, READERS_FILE, KEYS_FILE, KEYS_RESERVE_FILE, RESERVE_FILE}
# What is held back of the disk: room for some hundreds of holds, with what LMDB copies for each.
RESERVE_FILE_BYTES = 8 * 2**20
_HARMLESS = {"lost+found"}  # a fresh volume has one
# What we are told where the file system cannot set blocks aside. EBADF is said to files open for writing too: libc, or
# a file system in user space, tried something else that the file does not let it do.
_CANNOT_ALLOCATE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF}

log = logging.getLogger(__name__)


class DataDirectory:
    """An open data directory. The last part of the path is made if its parent is there."""

    def __init__(self, path: Path) -> None:
        """Raises StoreUnavailable with the fix, StoreLocked with the other's process id."""
        self.path = path
        self._lock_fd: int | None = None
        self._readers_fd: int | None = None
        self._can_reserve = True
        try:
            _prepare(path)
            self._lock_fd = _lock(path)
        except OSError as error:
            raise explain_os_error(error, path) from error

    @property
    def data_file(self) -> Path:
        return self.path / DATA_FILE

    def keep_reserve(self) -> bool:
        """Hold some of the disk back, beside the data, unless it is there already; whether there was room for it.

        Where the file system can hold nothing back there is no reserve, which the log says once."""
        if not self._can_reserve:
            return True
        path = self.path / RESERVE_FILE
        try:
            fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                self._can_reserve = _allocate(fd, RESERVE_FILE_BYTES)
            finally:
                os.close(fd)
            if not self._can_reserve:
                path.unlink()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise explain_os_error(error, self.path) from error
            self.give_up_reserve()  # what there is of it would be missed elsewhere
            return False
        if not self._can_reserve:
            log.warning("nothing held back of the disk, which its file system cannot do", extra={"path": str(path)})
        return True

    def give_up_reserve(self) -> bool:
        """Give the disk back what was held; whether anything was. Raises nothing: it is asked where a commit has failed
        already, whose callers are told of that."""
        path = self.path / RESERVE_FILE
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:  # a file system may need room to remove a file
            log.warning(
                "what was held back of the disk is not given up", extra={"path": str(path), "error": str(error)}
            )
            return False
        return True

    def allocate_readers(self) -> None:
        """Have the whole table of readers on the disk: it is written through memory, and a page of it that a full disk
        has no room for would end the process with SIGBUS at the next view. Where there is no room even now, or the file
        system cannot do it, what views had before is there.

        The file stays open until `release`: LMDB's locks on it tell others that the table is in use, and closing any
        descriptor of a file gives up all that the process has locked there by fcntl. Somebody who then opened the
        environment would clear the table, and pages that open views see would be written over."""
        try:
            self._readers_fd = os.open(self.path / READERS_FILE, os.O_RDWR)
            _allocate(self._readers_fd, os.fstat(self._readers_fd).st_size)
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
        """Let the next process in, once LMDB has closed what it opened here. It may be called again."""
        if self._readers_fd is not None:
            os.close(self._readers_fd)
            self._readers_fd = None
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


def _allocate(fd: int, size_bytes: int) -> bool:
    """Have the blocks of a file's first bytes on the disk; whether the file system can do that. Raises OSError where it
    can and has no room.

    Where it cannot, glibc writes a byte into each block that reads as zero, so the file must be open for both. In the
    table of readers that is the last byte of a slot, which LMDB does not use."""
    try:
        os.posix_fallocate(fd, 0, size_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise
        return False
    return True
