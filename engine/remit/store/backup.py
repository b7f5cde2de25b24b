"""A backup as bytes: a whole store in one stream, whatever kind of store it came from and will become.

    backup  = "remit-backup" version(u32)  block…  SHA-256 of all before it (32 bytes)
    block   = length(u32, of what follows, at most 1 MiB)  msgpack array [kind, …]

Numbers are big-endian. The blocks, in this order:

    ["store", name, uuid, epoch, revision, oldest_revision, schema_revision, taken_at_us]       one, the first
    ["schema", revision, piece, is_last]      the schemas that are still needed, oldest first, each in pieces of UTF-8
    ["relationships", [triple, value, …]]     in the order of triples
    ["records", [key, value, …]]              in the order of keys; since version 2
    ["changelog", [revision, part, row, …]]   what came after the oldest revision, oldest first
    ["end", schemas, relationships, rows, records]   how many there were; one, the last. Without `records` in version 1

`triple`, `value` and `row` are the bytes of `codec.encode_triple`, `codec.encode_value` and `changelog.encode_delta`,
those of a record of `codec.encode_record_key` and `codec.encode_record`; the order of triples and keys is that of
`codec.sort_key`. docs/operate/operations.md tells all of it for those who read backups without Remit.
Law: what is decoded is what was encoded, and of any other bytes it is said what is wrong with them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

import msgpack

from remit.errors import BackupDamaged, BackupFormatUnknown
from remit.notation import shortened
from remit.store.changelog import ChangelogRow
from remit.store.codec import pack

MAGIC = b"remit-backup"
VERSION = 3  # 3 has entries of verbs in rows of the changelog
VERSIONS_READ = (1, 2, VERSION)

# Blocks are cut at 64 KiB, and are longer by one row at most. What is longer than a mebibyte none of ours has made, so
# it is refused before it is read: that bounds what a reader holds in memory.
BLOCK_BYTES = 64 * 1024
BLOCK_BYTES_MAX = 1024 * 1024
SCHEMA_BYTES_MAX = 64 * 1024 * 1024
CELLS_MAX = 65_536

_START = struct.Struct(">12sI")
_LENGTH = struct.Struct(">I")
_DIGEST_BYTES = sha256().digest_size
_U64_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """Which store it was, and where it stood. Times are microseconds, by the clock of the server it was taken on."""

    name: str
    uuid: bytes
    epoch: int
    revision: int
    oldest_revision: int
    schema_revision: int
    taken_at_us: int


@dataclass(frozen=True, slots=True)
class SchemaBlock:
    """A schema that came into force at a revision."""

    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class RelationshipsBlock:
    """(triple, value) of some relationships."""

    rows: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class ChangelogBlock:
    """Some of the changelog."""

    rows: tuple[ChangelogRow, ...]


@dataclass(frozen=True, slots=True)
class RecordsBlock:
    """(key, value) of some records."""

    rows: tuple[tuple[bytes, bytes], ...]


Block = StoreBlock | SchemaBlock | RelationshipsBlock | RecordsBlock | ChangelogBlock


# --- encoding ---------------------------------------------------------------------------------------------------


def encode_backup(
    store: StoreBlock,
    schemas: Iterable[tuple[int, bytes]],
    relationships: Iterable[tuple[bytes, bytes]],
    changelog: Iterable[ChangelogRow],
    records: Iterable[tuple[bytes, bytes]],
) -> Iterator[bytes]:
    """The bytes of a backup, some 64 KiB at a time. Each of the arguments is read once, the records before the
    changelog."""
    digest = sha256()
    counts = [0, 0, 0, 0]
    for data in _blocks(store, schemas, relationships, changelog, records, counts):
        digest.update(data)
        yield data
    yield digest.digest()


def _blocks(
    store: StoreBlock,
    schemas: Iterable[tuple[int, bytes]],
    relationships: Iterable[tuple[bytes, bytes]],
    changelog: Iterable[ChangelogRow],
    records: Iterable[tuple[bytes, bytes]],
    counts: list[int],
) -> Iterator[bytes]:
    yield _START.pack(MAGIC, VERSION)
    position = (store.epoch, store.revision, store.oldest_revision, store.schema_revision)
    yield _block("store", store.name, store.uuid, *position, store.taken_at_us)
    for revision, text in schemas:
        counts[0] += 1
        starts = range(0, max(len(text), 1), BLOCK_BYTES)
        for start in starts:
            yield _block("schema", revision, text[start : start + BLOCK_BYTES], start == starts[-1])
    sections: tuple[tuple[str, Iterable[Sequence[bytes | int]], int], ...] = (
        ("relationships", relationships, 1),
        ("records", records, 3),
        ("changelog", changelog, 2),
    )
    for kind, rows, place in sections:
        for cells in _gathered(rows, counts, place):
            yield _block(kind, cells)
    yield _block("end", *counts)


def _gathered(rows: Iterable[Sequence[bytes | int]], counts: list[int], place: int) -> Iterator[list[bytes | int]]:
    cells: list[bytes | int] = []
    weight = 0
    for row in rows:
        cells += row
        counts[place] += 1
        weight += 16 + sum(len(cell) for cell in row if isinstance(cell, bytes))
        if weight >= BLOCK_BYTES:
            yield cells
            cells, weight = [], 0
    if cells:
        yield cells


def _block(*fields: object) -> bytes:
    payload: bytes = pack(fields)
    assert len(payload) <= BLOCK_BYTES_MAX, "a row has far less than a mebibyte"
    return _LENGTH.pack(len(payload)) + payload


# --- decoding ---------------------------------------------------------------------------------------------------


class BackupReader:
    """Takes bytes as they come, gives blocks as they are complete. It judges the form; whoever takes the blocks judges
    what they say, and believes none of it before `finish` has returned."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._waiting = bytearray()
        self._has_begun = False
        self._has_ended = False
        self._kind = ""  # of the last block
        self._counts = [0, 0, 0, 0]
        self._version = VERSION
        self._schema: tuple[int, bytearray] | None = None  # of which more is to come
        self._offset = 0  # of what waits, from the beginning of the backup

    def feed(self, data: bytes) -> Iterator[Block]:
        """Exhaust it before the next call. Raises BackupDamaged, BackupFormatUnknown."""
        self._waiting += data
        if not self._has_begun and not self._begin():
            return
        while not self._has_ended:
            payload = self._next_payload()
            if payload is None:
                return
            block = self._decoded(payload)
            if block is not None:
                yield block
        if len(self._waiting) > _DIGEST_BYTES:
            raise self._damaged("more follows after its end")

    def finish(self) -> None:
        """No more bytes come: that all were there, and right. Raises BackupDamaged."""
        if not self._has_ended or len(self._waiting) < _DIGEST_BYTES:
            raise BackupDamaged(
                f"the backup is cut off after {self._offset + len(self._waiting)} bytes: copy it again, whole"
            )
        if bytes(self._waiting) != self._digest.digest():
            raise BackupDamaged("the backup's digest is not that of its bytes: they were changed on their way")

    def _begin(self) -> bool:
        """Whether the beginning has arrived, which says that this is a backup, and of which version."""
        known = bytes(self._waiting[: len(MAGIC)])
        if known != MAGIC[: len(known)]:
            raise BackupFormatUnknown("this is not a backup of remit: it begins otherwise")
        if len(self._waiting) < _START.size:
            return False
        start = self._taken(_START.size)
        _, self._version = _START.unpack(start)
        if self._version not in VERSIONS_READ:
            raise BackupFormatUnknown(
                f"the backup has version `{self._version}`, this version of remit knows `{VERSION}`",
                found=self._version,
                known=VERSION,
            )
        self._has_begun = True
        return True

    def _next_payload(self) -> bytes | None:
        if len(self._waiting) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._waiting)
        if length > BLOCK_BYTES_MAX:
            raise self._damaged(f"a block of {length} bytes")
        if len(self._waiting) < _LENGTH.size + length:
            return None
        return self._taken(_LENGTH.size + length)[_LENGTH.size :]

    def _taken(self, size: int) -> bytes:
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._digest.update(data)
        self._offset += size
        return data

    def _decoded(self, payload: bytes) -> Block | None:
        """The block; None where it is the end, or a piece that others follow."""
        try:
            kind, *fields = msgpack.unpackb(payload, use_list=False, max_array_len=CELLS_MAX, max_map_len=0)
            _require(str, kind)
            if kind not in _FOLLOWERS[self._kind] or (self._schema is not None and kind != "schema"):
                raise ValueError(f"a block `{shortened(kind)}` after `{self._kind or 'the beginning'}`")
            self._kind = kind
            return self._DECODERS[kind](self, *fields)
        except TypeError as error:
            raise self._damaged("a block of another shape") from error
        except (ValueError, msgpack.UnpackException) as error:
            raise self._damaged(str(error) or "a block that is no msgpack") from error

    def _store(self, name: str, uuid: bytes, *numbers: int) -> StoreBlock:
        _require(str, name)
        _require(bytes, uuid)
        if len(uuid) != 16 or len(numbers) != 5:
            raise ValueError("a record of the store of another shape")
        return StoreBlock(name, uuid, *(_number(each) for each in numbers))

    def _schema_piece(self, revision: int, piece: bytes, is_last: bool) -> SchemaBlock | None:
        _require(bytes, piece)
        _require(bool, is_last)
        known, text = self._schema or (_number(revision), bytearray())
        if known != revision or len(text) + len(piece) > SCHEMA_BYTES_MAX:
            raise ValueError(f"a schema of revision `{known}` in pieces that do not belong together")
        text += piece
        self._schema = None if is_last else (known, text)
        if not is_last:
            return None
        self._counts[0] += 1
        return SchemaBlock(known, text.decode())

    def _relationships(self, cells: tuple[bytes, ...]) -> RelationshipsBlock:
        rows = _pairs(cells)
        self._counts[1] += len(rows)
        return RelationshipsBlock(rows)

    def _records(self, cells: tuple[bytes, ...]) -> RecordsBlock:
        if self._version == 1:
            raise ValueError("records, which version 1 has not")
        rows = _pairs(cells)
        self._counts[3] += len(rows)
        return RecordsBlock(rows)

    def _changelog(self, cells: tuple[int | bytes, ...]) -> ChangelogBlock:
        _require_some(cells)
        rows = []
        for revision, part, row in zip(cells[::3], cells[1::3], cells[2::3], strict=True):
            _require(bytes, row)
            rows.append((_number(revision), _number(part, 2**32 - 1), row))
        self._counts[2] += len(rows)
        return ChangelogBlock(tuple(rows))  # type: ignore[arg-type]  # `row` was looked at

    def _end(self, *counts: int) -> None:
        found = self._counts[:3] if self._version == 1 else self._counts
        if list(counts) != found:
            raise ValueError(f"{found} schemas, relationships, rows and records instead of {list(counts)}")
        self._has_ended = True

    _DECODERS: ClassVar[Mapping[str, Callable[..., Block | None]]] = {
        "store": _store,
        "schema": _schema_piece,
        "relationships": _relationships,
        "records": _records,
        "changelog": _changelog,
        "end": _end,
    }

    def _damaged(self, what: str) -> BackupDamaged:
        return BackupDamaged(f"the backup cannot be read before byte {self._offset}: {what}", offset=self._offset)


# Which blocks may follow one; the first follows none.
_FOLLOWERS = {
    "": ("store",),
    "store": ("schema", "relationships", "records", "changelog", "end"),
    "schema": ("schema", "relationships", "records", "changelog", "end"),
    "relationships": ("relationships", "records", "changelog", "end"),
    "records": ("records", "changelog", "end"),
    "changelog": ("changelog", "end"),
}


def _require(kind: type, value: object) -> None:
    if type(value) is not kind:
        raise TypeError(f"`{type(value).__name__}` where `{kind.__name__}` should be")


def _require_some(cells: tuple[object, ...]) -> None:
    """No backup has a block of no rows, whatever it has for a list of none."""
    _require(tuple, cells)
    if not cells:
        raise ValueError("a block with nothing in it")


def _pairs(cells: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    _require_some(cells)
    for cell in cells:
        _require(bytes, cell)
    return tuple(zip(cells[::2], cells[1::2], strict=True))


def _number(value: object, most: int = _U64_MAX) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("a number out of its range")
    return value
