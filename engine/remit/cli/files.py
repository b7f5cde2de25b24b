"""Files that a command leaves behind: under their name only when all of them is written.

Law: whoever finds a file under the name that was asked for finds it whole; what was there before stays until then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from remit.errors import FileUnwritable

PRIVATE = 0o600
USUAL = 0o666  # less what the user's mask takes away


@contextmanager
def complete_text(path: Path) -> Iterator[IO[str]]:
    """A text file. Raises FileUnwritable."""
    with _complete(path, USUAL) as partial, partial.open("w", encoding="utf-8") as stream:
        yield stream


@contextmanager
def complete_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file of bytes that nobody else should read; on the disk when it has its name. Raises FileUnwritable."""
    with _complete(path, PRIVATE) as partial, partial.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _complete(path: Path, mode: int) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode))
        yield partial
        partial.replace(path)
    except OSError as error:
        raise FileUnwritable(f"cannot write `{path}`: {(error.strerror or str(error)).lower()}") from error
    finally:
        partial.unlink(missing_ok=True)
