"""A world of any size that is arithmetic: every fact can be told, and every question answered, from its number alone.

Documents lie in folders six deep and more, folders are shared with groups, documents have an owner. Nothing of it is
kept in memory, so that ten million facts weigh on the server alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from remit.model import ObjectRef, Relationship, SubjectRef

SCHEMA = """
definition user {}

definition group {
    relation member: user
}

definition folder {
    relation parent: folder
    relation viewer: group#member
    permission view = viewer + parent->view
}

definition document {
    relation parent: folder
    relation owner: user
    permission view = owner + parent->view
}
"""
MEMBERS = 4  # of each group
FOLDERS_IN_ONE = 6


@dataclass(frozen=True, slots=True)
class WideWorld:
    """About so many facts; `facts` says how many there are."""

    about: int

    @property
    def documents(self) -> int:
        return self.about * 100 // 222

    @property
    def folders(self) -> int:
        return max(self.documents // 10, 1)

    @property
    def groups(self) -> int:
        return max(self.folders // 20, 1)

    @property
    def users(self) -> int:
        return max(self.documents // 20, MEMBERS)

    @property
    def facts(self) -> int:
        return 2 * self.documents + 2 * self.folders - 1 + MEMBERS * self.groups

    def told(self, part: int, parts: int) -> Iterator[Relationship]:
        """Every `parts`-th thing's facts, from `part` on."""
        for group in range(part, self.groups, parts):
            for user in self.members(group):
                yield fact("group", group, "member", "user", user)
        for folder in range(part, self.folders, parts):
            yield fact("folder", folder, "viewer", "group", folder % self.groups, "member")
            if folder:
                yield fact("folder", folder, "parent", "folder", folder // FOLDERS_IN_ONE)
        for document in range(part, self.documents, parts):
            yield fact("document", document, "parent", "folder", document % self.folders)
            yield fact("document", document, "owner", "user", self.owner(document))

    def owner(self, document: int) -> int:
        return document * 2_654_435_761 % self.users

    def members(self, group: int) -> list[int]:
        """They are different, since there are at least as many users."""
        return [(group * 7_919 + number) % self.users for number in range(MEMBERS)]

    def path(self, document: int) -> Iterator[int]:
        """The folders it lies in, the innermost first."""
        folder = document % self.folders
        while folder:
            yield folder
            folder //= FOLDERS_IN_ONE
        yield 0

    def may_view(self, document: int, user: int) -> bool:
        return user == self.owner(document) or any(
            user in self.members(folder % self.groups) for folder in self.path(document)
        )

    def questions(self, count: int) -> Iterator[tuple[int, int]]:
        """Of a document and a user: by turns its owner, somebody from high up or nearby, and anybody."""
        for number in range(count):
            document = number * 7_368_787 % self.documents
            folders = list(self.path(document))
            yield (
                document,
                (
                    self.owner(document),
                    self.members(folders[number % len(folders)] % self.groups)[number % MEMBERS],
                    number * 15_485_863 % self.users,
                )[number % 3],
            )


def fact(
    kind: str, id: int, relation: str, subject_kind: str, subject: int, subject_relation: str = ""
) -> Relationship:
    return Relationship(
        ObjectRef(kind, f"{kind}-{id}"),
        relation,
        SubjectRef(subject_kind, f"{subject_kind}-{subject}", subject_relation),
    )
