"""LMDB's file, as far as it has to be known: is a page in use missing, and how many free ones can be used again?

Pages at the end that were taken and let go within one commit are never written, so a short file may be whole. One that
was cut off is not; and LMDB, led to a missing page by the leaf beside it, ends the process with an assertion. So the
branches are walked before LMDB does it. Which pages are free LMDB keeps in a tree of its own, which py-lmdb does not
show. The format is LMDB's data version 1, of all its releases from 2011 to now: see `MDB_meta`, `MDB_db`, `MDB_page`
and `MDB_node` in its `mdb.c`.
Law: a file that passes leads to no page beyond its end, but for the pages of large values, which read as zeros then and
are no value of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from struct import Struct, error
from typing import BinaryIO, NamedTuple

from remit.errors import StoreFormatUnknown

_MAGIC = 0xBEEFC0DE
_DATA_VERSION = 1
_HEADER_BYTES = 16
_META = Struct("<IIQQ")  # magic, version, address, map size; two trees and the last two fields follow
_META_END = Struct("<QQ")  # last page, transaction
_TREE = Struct("<IHHQQQQQ")  # page size or padding, flags, depth, branches, leaves, overflow, entries, root
_PAGE = Struct("<QHHHH")  # number, padding, flags, end of the pointers, begin of the nodes
_NODE = Struct("<HHHH")  # low and high half of a size or number, flags or the rest of a number, length of the key
_IS_BRANCH, _IS_LEAF = 0x01, 0x02
_IS_TREE = 0x02  # of a node: its value is a tree
_IS_APART = 0x01  # of a node: its value is on pages of its own, and the node says where they begin
_WORD = Struct("<Q")
_NO_PAGE = 2**64 - 1


class _Tree(NamedTuple):
    """A tree of pages: where it begins, and how many pages deep it is."""

    root: int
    depth: int


def missing_page(path: Path, page_bytes: int) -> int | None:
    """A page that is in use and lies beyond the end of the file; None where there is none. What cannot be read counts
    as missing. Raises StoreFormatUnknown where LMDB's format is another. Cost: O(branches), a hundredth of the file."""
    with path.open("rb") as file:
        pages = path.stat().st_size // page_bytes
        reader = _Reader(file, page_bytes)
        try:
            trees = list(reader.trees())
            for tree in trees:
                for page in reader.pages_of(tree):
                    if page >= pages:
                        return page
        except (error, ValueError):
            return reader.last_read
    return None


def reusable_pages(path: Path, page_bytes: int, before: int, enough: int) -> int:
    """How many pages are free since a transaction before that number: `enough` may be all we count to. Not while
    anybody commits. What cannot be read counts for nothing. Cost: O(records of free pages), one a commit at most."""
    count = 0
    with path.open("rb") as file:
        reader = _Reader(file, page_bytes)
        try:
            for transaction, pages in reader.free_pages():
                if transaction >= before or count >= enough:
                    break
                count += pages
        except (error, ValueError):
            return count
    return count


class _Reader:
    def __init__(self, file: BinaryIO, page_bytes: int) -> None:
        self._file = file
        self._page_bytes = page_bytes
        self.last_read = 0

    def trees(self) -> Iterator[_Tree]:
        """The free pages, the names of the tables, and each table, as of the newest commit."""
        newest, free, names = -1, _Tree(_NO_PAGE, 0), _Tree(_NO_PAGE, 0)
        for number in (0, 1):
            page = self._read(number)
            magic, version, *_ = _META.unpack_from(page, _HEADER_BYTES)
            at = _HEADER_BYTES + _META.size
            _, transaction = _META_END.unpack_from(page, at + 2 * _TREE.size)
            if magic == _MAGIC and version != _DATA_VERSION:
                raise StoreFormatUnknown(
                    f"`{self._file.name}` has LMDB's format `{version}`, this version of remit knows `{_DATA_VERSION}`",
                    found=version,
                    known=_DATA_VERSION,
                )
            if magic == _MAGIC and transaction > newest:
                newest, free, names = transaction, _tree(page, at), _tree(page, at + _TREE.size)
        if newest < 0:
            raise ValueError("neither of the first pages says where the trees are")
        yield free
        yield names
        for number in self.pages_of(names):
            page = self._read(number)
            _, _, flags, _, _ = _PAGE.unpack_from(page)
            if flags & _IS_LEAF:
                for at, (_, _, node_flags, key_bytes) in _nodes(page):
                    if node_flags & _IS_TREE:
                        yield _tree(page, at + _NODE.size + key_bytes)

    def pages_of(self, tree: _Tree) -> Iterator[int]:
        """All pages of a tree, each before those it leads to; leaves are not read."""
        level = [tree.root] if tree.root != _NO_PAGE else []
        yield from level
        for _ in range(1, tree.depth):
            below: list[int] = []
            for number in level:
                page = self._read(number)
                _, _, flags, _, _ = _PAGE.unpack_from(page)
                if not flags & _IS_BRANCH:
                    raise ValueError(f"page `{number}` is no branch")
                below += [low | high << 16 | rest << 32 for _, (low, high, rest, _) in _nodes(page)]
            yield from below
            level = below

    def free_pages(self) -> Iterator[tuple[int, int]]:
        """The transactions that let go of pages, oldest first, and how many of each are still free."""
        free = next(self.trees())
        if free.root == _NO_PAGE:
            return
        waiting = [(free.root, 1)]  # pages and how deep they are, the next one last
        while waiting:
            number, depth = waiting.pop()
            page = self._read(number)
            if depth < free.depth:
                below = [low | high << 16 | rest << 32 for _, (low, high, rest, _) in _nodes(page)]
                waiting += [(each, depth + 1) for each in reversed(below)]
                continue
            for at, (_, _, flags, key_bytes) in _nodes(page):
                key_at = at + _NODE.size
                (transaction,) = _WORD.unpack_from(page, key_at)
                value, value_at = page, key_at + key_bytes
                if flags & _IS_APART:
                    value, value_at = self._read(_WORD.unpack_from(page, value_at)[0]), _HEADER_BYTES
                yield transaction, _WORD.unpack_from(value, value_at)[0]

    def _read(self, number: int) -> bytes:
        self.last_read = number
        self._file.seek(number * self._page_bytes)
        return self._file.read(self._page_bytes)


def _tree(page: bytes, at: int) -> _Tree:
    _, _, depth, _, _, _, _, root = _TREE.unpack_from(page, at)
    return _Tree(root, depth)


def _nodes(page: bytes) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Where each node of a page begins, and its fields."""
    *_, end, _ = _PAGE.unpack_from(page)
    for (at,) in Struct("<H").iter_unpack(page[_HEADER_BYTES:end]):
        low, high, flags, key_bytes = _NODE.unpack_from(page, at)
        yield at, (low, high, flags, key_bytes)
