"""Laws of scratch files: what finds no room says so, and closing one says nothing more."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from remit.errors import StoreFull
from remit.store.scratch import ScratchFile

FULL_DISK = Path("/dev/full")


def test_what_was_written_is_read_once_and_nothing_is_left(tmp_path: Path) -> None:
    scratch = ScratchFile(tmp_path)
    scratch.write(b"a" * 100_000)
    scratch.write(b"b")
    assert scratch.read(100_000) == b"a" * 100_000
    assert (scratch.read(10), scratch.read(10)) == (b"b", b"")
    scratch.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not FULL_DISK.exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("size", [1, 100_000], ids=["held back", "too much to hold back"])
def test_a_full_disk_is_told_once_and_closing_gives_the_room_back(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def on_a_full_disk(**_: object) -> Any:
        opened.append(FULL_DISK.open("r+b"))
        return opened[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", on_a_full_disk)
    scratch = ScratchFile(tmp_path)
    with pytest.raises(StoreFull, match="no room is left"):
        scratch.write(b"x" * size)
        scratch.read(1)
    (file,) = opened
    descriptor = file.fileno()
    scratch.close()
    assert file.closed
    with pytest.raises(OSError):
        os.fstat(descriptor)
