"""Files that a server believes while it runs, its keys and its certificates: reading one, and who else could have.

Somebody who may write beside such a file can put a pipe, a device or a link in its place, at any moment. A pipe would
keep whoever opens it waiting, and a device never ends.
Law: reading never waits for anybody, takes no more than it is told to, and says of the very file it has read whose it
is."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_LINKS_MAX = 40  # as Linux follows at most


def read_regular(path: Path, bytes_max: int) -> tuple[bytes, os.stat_result]:
    """What a regular file holds, through whatever links, and what its inode says. Raises OSError, also where it is
    another kind of file, or a larger one."""
    # Not to wait for the other end of a pipe, nor to be a terminal's process. Of a regular file it changes nothing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file: name one, or a link to one")
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise OSError(errno.EFBIG, f"it is larger than {bytes_max} bytes: is it the file you mean?")
    return data, found


def entries_to(path: Path) -> Iterator[Path]:
    """Everything that decides which file a path means: each directory, each link, those on the way of a link, and the
    file itself at last. Raises OSError."""
    at, links = Path("/"), 0
    parts = list(reversed(path.absolute().parts[1:]))
    yield at
    while parts:
        part = parts.pop()
        if part == "..":
            at = at.parent
            continue
        entry = at / part
        yield entry
        if not entry.is_symlink():
            at = entry
            continue
        links += 1
        if links > _LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = entry.readlink()
        if target.is_absolute():
            at, target = Path("/"), target.relative_to("/")
        parts += reversed(target.parts)
