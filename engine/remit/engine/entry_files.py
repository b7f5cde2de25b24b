"""Entries as lines of JSON, a file a store: `entries/STORE.jsonl` beside the data.

A line names its revision by that revision's token, so the last one says how far the file is, and in which life of the
store: one that was restored, or made anew under its name, goes on in the same file. A line that a killed process or a
full disk has cut is cut off before the next one.
Law: the file is whole lines, in order; what is after the last of them was never kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from remit.engine.tokens import decode_token, encode_token
from remit.errors import InvalidToken, StoreUnavailable
from remit.model import Delta
from remit.notation import format_time, normalized_json
from remit.store.data_directory import explain_os_error
from remit.store.port import StoreIdentity

ENTRIES_FOLDER = "entries"
_PIECE_BYTES = 64 * 1024  # of the end of a file, looked through for the last line


class EntryFiles:
    """The files of one data directory, which this process has to itself."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / ENTRIES_FOLDER
        self._unsynced: set[Path] = set()

    def kept(self, identity: StoreIdentity) -> int:
        path = self._path(identity)
        with self._explained():
            if not path.exists():
                return 0
            self._unsynced.add(path)  # perhaps by the process before
            with _opened(path, os.O_RDONLY) as file:
                line = _last_line(file)
        return _revision(path, line, identity) if line else 0

    def keep(self, identity: StoreIdentity, deltas: Sequence[Delta]) -> None:
        path = self._path(identity)
        lines = b"".join(_line(identity, each) for each in deltas)
        with self._explained():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._unsynced.add(path)
            with _opened(path, os.O_RDWR | os.O_CREAT) as file:
                _append(file, lines)

    def sync(self, identity: StoreIdentity) -> None:
        path = self._path(identity)
        if path not in self._unsynced:
            return
        with self._explained():
            for each in (path, self._folder, self._folder.parent):  # the names of new files too
                with _opened(each, os.O_RDONLY) as file:
                    os.fsync(file)
        self._unsynced.discard(path)

    def _path(self, identity: StoreIdentity) -> Path:
        return self._folder / f"{identity.name}.jsonl"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What the system refuses with is raised as StoreFull or StoreUnavailable."""
        try:
            yield
        except OSError as error:
            raise explain_os_error(error, self._folder.parent) from error


def _line(identity: StoreIdentity, delta: Delta) -> bytes:
    """As `remit watch --json` tells a revision, without its changes; a mark as it tells a checkpoint."""
    told = {
        "token": encode_token(identity, delta.revision),
        "revision": delta.revision,
        "committed_at": format_time(delta.committed_at_us),
        "written_by": delta.principal,
    }
    told |= {"entry": json.loads(delta.entry_json)} if delta.entry_json else {"checkpoint": True}
    return normalized_json(told).encode() + b"\n"


def _revision(path: Path, line: bytes, identity: StoreIdentity) -> int:
    """Of a line; 0 where it is of another life of the store."""
    try:
        uuid, epoch, revision = decode_token(json.loads(line)["token"])
    except (ValueError, KeyError, TypeError, AttributeError, InvalidToken) as error:
        raise StoreUnavailable(
            f"the last line of `{path}` is none of Remit's: move the file away", path=path
        ) from error
    return revision if (uuid, epoch) == (identity.uuid, identity.epoch) else 0


# --- a file of lines --------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _append(file: int, lines: bytes) -> None:
    """After the last whole line; all, or nothing where the disk lets us take it back."""
    end = _whole_bytes(file)
    os.ftruncate(file, end)
    written = 0
    try:
        while written < len(lines):
            written += os.pwrite(file, lines[written:], end + written)
    except OSError:
        os.ftruncate(file, end)
        raise


def _last_line(file: int) -> bytes:
    """The last whole line; b"" where there is none."""
    whole = _whole_bytes(file)
    begin = _after_newline(file, whole - 1)
    return os.pread(file, whole - begin, begin)


def _whole_bytes(file: int) -> int:
    """How long the file is without what follows its last whole line. Cost: O(that), and a look at one byte."""
    size = os.fstat(file).st_size
    if not size or os.pread(file, 1, size - 1) == b"\n":
        return size
    return _after_newline(file, size)


def _after_newline(file: int, before: int) -> int:
    """Where what follows the last newline before a place begins."""
    while before > 0:
        begin = max(before - _PIECE_BYTES, 0)
        at = os.pread(file, before - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        before = begin
    return 0
