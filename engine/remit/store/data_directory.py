"""A data directory as far as it is known without opening it: what lies in it, and what the system's errors mean.

Law: an error says what to do, to whoever starts the server."""

from __future__ import annotations

import errno
from pathlib import Path

from remit.errors import RemitError, StoreDamaged, StoreFull, StoreUnavailable

KEYS_RESERVE_FILE = ".keys.json.reserve"
KEYS_FILE = "keys.json"  # of those who may call the server, see `remit.access.key_file`: often there before any data

# Blocks of the disk that are held back while there is room, for stops where there is none: see `lmdb/room.py`.
RESERVE_FILE = "remit.reserve"

# Out of room: the disk, the user's quota, the size a file may have.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def explain_os_error(error: OSError, path: Path) -> RemitError:
    """What a system's error about the directory means, and what to do."""
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


def require_no_empty_file(path: Path) -> None:
    """That a data file is not one that was cut off to nothing: LMDB would begin a new store in it, and everything that
    was there would be gone without a word. Raises StoreDamaged."""
    if path.is_file() and not path.stat().st_size:
        raise StoreDamaged(
            f"data file `{path}` is empty, as no store leaves it: restore a backup into another directory; if there "
            f"never was anything in it, `rm {path}`",
            path=path,
        )


def require_no_file(path: Path) -> None:
    """That a path is free for a data directory, or is one already. Raises StoreUnavailable."""
    if path.exists() and not path.is_dir():
        raise StoreUnavailable(f"data directory `{path}` is a file: choose another directory", path=path)
