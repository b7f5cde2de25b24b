"""A library: many documents that one reader may view, as many readers of one document, and records that are open by the
hour.

It stands in the drive's schema among the drive's documents, so that its lists are long ones of a store that holds much
else. Of each list every twentieth is barred; of the records half are closed at ten.
Law: the same number gives the same library; what a list holds is reckoned from numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.lists import KnownList
from remit.model import (
    CaveatUse,
    ObjectRef,
    PermissionLookup,
    Qualifiers,
    Relationship,
    ResourceLookup,
    SubjectLookup,
    SubjectRef,
)

RECORDS_SCHEMA = """
caveat open_at(hour int, opens int) { hour >= opens }

definition record {
	relation reader: user with open_at
	permission read = reader
}
"""

_ON_A_SHELF = 100
_BARRED_EVERY = 20
_RECORDS_SHARE = 10  # so many documents for each record
_HOUR = 10

_READER = SubjectRef("user", "reader")
_FOLDER = ObjectRef("folder", "library")
_CATALOGUE = ObjectRef("document", "catalogue")


@dataclass(frozen=True, slots=True)
class Library:
    """So many documents that the reader may view, on shelves of a hundred; and so many readers of the catalogue."""

    listed: int

    def relationships(self) -> Iterator[Relationship]:
        """What every server can hold."""
        yield Relationship(_FOLDER, "viewer", SubjectRef("group", "readers", "member"))
        yield Relationship(ObjectRef("group", "readers"), "member", _READER)
        for shelf in range(-(-self._all // _ON_A_SHELF)):
            yield Relationship(_shelf(shelf), "parent", SubjectRef(*_FOLDER))
        for number in range(self._all):
            yield Relationship(_document(number), "parent", SubjectRef(*_shelf(number // _ON_A_SHELF)))
            yield Relationship(_CATALOGUE, "viewer", _visitor(number))
            if not number % _BARRED_EVERY:
                yield Relationship(_document(number), "barred", _READER)
                yield Relationship(_CATALOGUE, "barred", _visitor(number))

    def records(self) -> Iterator[Relationship]:
        """With caveats."""
        for number in range(self._records):
            opens = CaveatUse("open_at", f'{{"opens":{_opens(number)}}}')
            yield Relationship(ObjectRef("record", f"r{number}"), "reader", _READER, Qualifiers(opens))

    # --- what is listed ---------------------------------------------------------------------------------------------

    def documents(self) -> KnownList:
        return KnownList(ResourceLookup("document", "view", _READER), self._left("shelved-"))

    def readers(self) -> KnownList:
        return KnownList(SubjectLookup(_CATALOGUE, "view", "user"), self._left("visitor-"))

    def open_records(self) -> KnownList:
        lookup = ResourceLookup("record", "read", _READER, {"hour": _HOUR})
        ids = (f"r{number}" for number in range(self._records) if _opens(number) <= _HOUR)
        return KnownList(lookup, tuple(sorted(ids)))

    def permissions(self) -> list[KnownList]:
        """Of single documents, one in twenty of them barred."""
        lists = []
        for number in range(min(self._all, 1_000)):
            ids = ("view",) if number % _BARRED_EVERY else ()
            lists.append(KnownList(PermissionLookup(_document(number), _READER), ids))
        return lists

    @property
    def _all(self) -> int:
        """With those that are barred."""
        return -(-self.listed * _BARRED_EVERY // (_BARRED_EVERY - 1))

    @property
    def _records(self) -> int:
        return self.listed // _RECORDS_SHARE

    def _left(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(f"{prefix}{number}" for number in range(self._all) if number % _BARRED_EVERY))


def _opens(number: int) -> int:
    return 8 if number % 2 else 12


def _shelf(number: int) -> ObjectRef:
    return ObjectRef("folder", f"shelf-{number}")


def _document(number: int) -> ObjectRef:
    return ObjectRef("document", f"shelved-{number}")


def _visitor(number: int) -> SubjectRef:
    return SubjectRef("user", f"visitor-{number}")
