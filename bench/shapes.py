"""Shapes that hurt: folders forty deep, a group of ten thousand, a document shared with a thousand groups.

They live in the drive's schema beside its documents, under names of their own.
Law: the same numbers give the same shapes; nothing here is random but who is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from bench.known_question import KnownQuestion, known
from bench.lists import KnownList
from remit.model import ObjectRef, Relationship, SubjectLookup, SubjectRef

DEEP_CHAINS = 10
_STRANGER = SubjectRef("user", "stranger")


@dataclass(frozen=True, slots=True)
class DeepFolders:
    """Documents at the bottom of chains of `depth` folders, each chain shared at its top with one person."""

    depth: int

    def relationships(self) -> Iterator[Relationship]:
        for chain in range(DEEP_CHAINS):
            top, bottom = 0, self.depth - 1
            yield Relationship(_deep_folder(chain, top), "viewer", _watcher(chain))
            for level in range(1, self.depth):
                above = SubjectRef(*_deep_folder(chain, level - 1))
                yield Relationship(_deep_folder(chain, level), "parent", above)
            yield Relationship(_deep_document(chain), "parent", SubjectRef(*_deep_folder(chain, bottom)))

    def allowed(self) -> list[KnownQuestion]:
        return [known(_deep_document(chain), "view", _watcher(chain), True) for chain in range(DEEP_CHAINS)]

    def denied(self) -> list[KnownQuestion]:
        return [known(_deep_document(chain), "view", _watcher(chain + 1), False) for chain in range(DEEP_CHAINS)]


@dataclass(frozen=True, slots=True)
class LargeGroup:
    """One group of `members` people, and a document shared with it."""

    members: int

    def relationships(self) -> Iterator[Relationship]:
        group = ObjectRef("group", "everyone")
        for number in range(self.members):
            yield Relationship(group, "member", _employee(number))
        yield Relationship(_TOWN_HALL, "viewer", SubjectRef(*group, "member"))

    def allowed(self, count: int, seed: str) -> list[KnownQuestion]:
        chooser = Random(f"large group {seed}")
        return [known(_TOWN_HALL, "view", _employee(chooser.randrange(self.members)), True) for _ in range(count)]

    def denied(self) -> list[KnownQuestion]:
        return [known(_TOWN_HALL, "view", _STRANGER, False)]

    def people(self) -> KnownList:
        """Everybody who may view the document."""
        lookup = SubjectLookup(_TOWN_HALL, "view", "user")
        return KnownList(lookup, tuple(sorted(_employee(number).id for number in range(self.members))))


@dataclass(frozen=True, slots=True)
class WideDocument:
    """A document shared with `groups` groups, each of one person."""

    groups: int

    def relationships(self) -> Iterator[Relationship]:
        for number in range(self.groups):
            group = ObjectRef("group", f"wide-{number}")
            yield Relationship(group, "member", _employee(number))
            yield Relationship(_WIDE, "viewer", SubjectRef(*group, "member"))

    def denied(self) -> list[KnownQuestion]:
        return [known(_WIDE, "view", _STRANGER, False)]


_TOWN_HALL = ObjectRef("document", "town-hall")
_WIDE = ObjectRef("document", "wide")


def _deep_folder(chain: int, level: int) -> ObjectRef:
    return ObjectRef("folder", f"deep-{chain}-{level}")


def _deep_document(chain: int) -> ObjectRef:
    return ObjectRef("document", f"deep-{chain}")


def _watcher(chain: int) -> SubjectRef:
    return SubjectRef("user", f"watcher-{chain % DEEP_CHAINS}")


def _employee(number: int) -> SubjectRef:
    return SubjectRef("user", f"e{number}")
