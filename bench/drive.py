"""Documents as a shared drive has them: folders in folders, groups in groups, owners, viewers, and some who are barred.

The drive knows who may view what by sets of its own, not by asking the engine, so it can judge the engine's answers.
Law: the same seed and size give the same drive, on every machine."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from bench.known_question import KnownQuestion, known
from bench.lists import KnownList
from remit.model import ObjectRef, Relationship, ResourceLookup, SubjectRef

SCHEMA = """
definition group {
	relation member: user | group#member
}

definition folder {
	relation parent: folder
	relation viewer: user | group#member
	permission view = viewer + parent->view
}

definition document {
	relation parent: folder
	relation owner: user
	relation viewer: user | group#member
	relation barred: user
	permission edit = owner - barred
	permission view = (owner + viewer + parent->view) - barred
}
"""

GROUP_LEVELS = 4  # groups of a level hold some of the next: teams in departments in divisions
GROUP_MEMBERS = 8
FOLDERS_IN_FOLDER = 6  # so that 5,000 folders are six deep
_NOBODY = -1
_FACTS_MAX = 5  # about one document


class Document(NamedTuple):
    """Numbers of the folder, people and groups a document is related to; -1 where there is none."""

    folder: int
    owner: int
    viewer: int = _NOBODY
    viewing_group: int = _NOBODY
    barred: int = _NOBODY


class _Documents:
    """Documents by number, twenty bytes each: the ten million relationships of a huge drive are 3.7 million of them."""

    def __init__(self) -> None:
        self._numbers = array("i")

    def __len__(self) -> int:
        return len(self._numbers) // len(Document._fields)

    def __getitem__(self, number: int) -> Document:
        start = number * len(Document._fields)
        return Document(*self._numbers[start : start + len(Document._fields)])

    def __iter__(self) -> Iterator[Document]:
        return (self[number] for number in range(len(self)))

    def append(self, document: Document) -> None:
        self._numbers.extend(document)


class Drive:
    """A drive of exactly `relationships` facts: a tenth of them about groups, a fourteenth about folders."""

    def __init__(self, relationships: int, seed: int) -> None:
        self._random = Random(f"drive {seed}")
        self.users = max(50, relationships // 20)
        self._members = self._make_groups(max(GROUP_LEVELS * 4, relationships // 100))
        self._folder_groups = self._make_folders(max(10, relationships // 20))
        self._everyone: dict[int, frozenset[int]] = {}  # by group, as far as asked for
        self._documents = _Documents()
        self._owned = 0  # documents from the first on that have an owner
        made = sum(1 for _ in self.relationships())
        if made >= relationships:
            raise ValueError(f"{relationships} left for documents, whose groups and folders alone need {made}")
        self._make_documents(relationships - made)

    def relationships(self) -> Iterator[Relationship]:
        """Every fact, groups first."""
        for number, (users, groups) in enumerate(self._members):
            group = ObjectRef("group", f"g{number}")
            for user in users:
                yield Relationship(group, "member", _user(user))
            for inner in groups:
                yield Relationship(group, "member", _members_of(inner))
        for number, viewing in enumerate(self._folder_groups):
            folder = ObjectRef("folder", f"f{number}")
            if number:
                yield Relationship(folder, "parent", SubjectRef("folder", f"f{_parent(number)}"))
            if viewing != _NOBODY:
                yield Relationship(folder, "viewer", _members_of(viewing))
        for number, document in enumerate(self._documents):
            yield from _facts(ObjectRef("document", f"d{number}"), document)

    # --- questions and their answers --------------------------------------------------------------------------------

    def may_view(self, document: int, user: int) -> bool:
        facts = self._documents[document]
        if user == facts.barred:
            return False
        if user in (facts.owner, facts.viewer):
            return True
        groups = [facts.viewing_group]
        folder = facts.folder
        while True:
            groups.append(self._folder_groups[folder])
            if not folder:
                break
            folder = _parent(folder)
        return any(group != _NOBODY and user in self._everyone_in(group) for group in groups)

    def questions(self, count: int, seed: str) -> list[KnownQuestion]:
        """Random documents; every other one asked about somebody who is related to it, so that about half are yes."""
        chooser = Random(f"drive questions {seed}")
        chosen = []
        for number in range(count):
            document = chooser.randrange(self._owned)
            user = self._related(document, chooser) if number % 2 else chooser.randrange(self.users)
            chosen.append(self._asked(document, user))
        return chosen

    def denied(self, count: int, seed: str) -> list[KnownQuestion]:
        """Random documents, and people who may not view them."""
        chooser = Random(f"drive denied {seed}")
        chosen: list[KnownQuestion] = []
        while len(chosen) < count:
            document, user = chooser.randrange(self._owned), chooser.randrange(self.users)
            if not self.may_view(document, user):
                chosen.append(self._asked(document, user))
        return chosen

    def listing(self, count: int, seed: str) -> list[KnownQuestion]:
        """As many documents, and one person: what filling a page of search results asks."""
        chooser = Random(f"drive listing {seed}")
        user = chooser.randrange(self.users)
        return [self._asked(chooser.randrange(self._owned), user) for _ in range(count)]

    def viewers(self, count: int, seed: str) -> list[tuple[ObjectRef, list[SubjectRef]]]:
        """Random documents that are shared, and all they are shared with directly: what Expand must name."""
        chooser = Random(f"drive viewers {seed}")
        chosen: list[tuple[ObjectRef, list[SubjectRef]]] = []
        while len(chosen) < count:
            number = chooser.randrange(self._owned)
            document = ObjectRef("document", f"d{number}")
            facts = _facts(document, self._documents[number])
            if viewers := [fact.subject for fact in facts if fact.relation == "viewer"]:
                chosen.append((document, viewers))
        return chosen

    def lists(self, count: int, seed: str) -> list[KnownList]:
        """Random people, and all documents that each may view. Cost: O(documents) for each."""
        chooser = Random(f"drive lists {seed}")
        chosen = []
        for _ in range(count):
            user = chooser.randrange(self.users)
            viewed = (f"d{number}" for number in range(len(self._documents)) if self.may_view(number, user))
            chosen.append(KnownList(ResourceLookup("document", "view", _user(user)), tuple(sorted(viewed))))
        return chosen

    def _asked(self, document: int, user: int) -> KnownQuestion:
        return known(ObjectRef("document", f"d{document}"), "view", _user(user), self.may_view(document, user))

    def _related(self, document: int, chooser: Random) -> int:
        """The owner, or somebody of a group that the document or one of its folders is shared with."""
        facts = self._documents[document]
        shared = [facts.viewing_group, self._folder_groups[facts.folder], self._folder_groups[_parent(facts.folder)]]
        group = chooser.choice(shared)
        return facts.owner if group == _NOBODY else chooser.choice(sorted(self._everyone_in(group)))

    def _everyone_in(self, group: int) -> frozenset[int]:
        known = self._everyone.get(group)
        if known is None:
            users, inner = self._members[group]
            known = frozenset(users).union(*(self._everyone_in(each) for each in inner))
            self._everyone[group] = known
        return known

    # --- making it --------------------------------------------------------------------------------------------------

    def _make_groups(self, count: int) -> list[tuple[list[int], list[int]]]:
        """(users, inner groups) of each. Groups of level n are those with number % GROUP_LEVELS == n."""
        random = self._random
        groups = []
        for number in range(count):
            level = number % GROUP_LEVELS
            beneath = range(level + 1, count, GROUP_LEVELS) if level + 1 < GROUP_LEVELS else range(0)
            inner = random.sample(beneath, min(random.choice((1, 2)), len(beneath)))
            groups.append((random.sample(range(self.users), GROUP_MEMBERS), inner))
        return groups

    def _make_folders(self, count: int) -> list[int]:
        """The group each folder is shared with, if any. The root is shared with nobody."""
        random = self._random
        groups = len(self._members)
        return [_NOBODY] + [random.randrange(groups) if random.random() < 0.4 else _NOBODY for _ in range(count - 1)]

    def _make_documents(self, facts: int) -> None:
        """Documents until exactly so many facts are made. The few facts left over are documents without an owner, and
        nobody asks about those."""
        random = self._random
        while facts >= _FACTS_MAX:
            document = Document(random.randrange(len(self._folder_groups)), random.randrange(self.users))
            if random.random() < 0.4:
                document = document._replace(viewer=random.randrange(self.users))
            if random.random() < 0.4:
                document = document._replace(viewing_group=random.randrange(len(self._members)))
            if random.random() < 0.05:
                document = document._replace(barred=document.owner)
            self._documents.append(document)
            facts -= 1 + sum(number != _NOBODY for number in document[1:])  # as many as `_facts` makes of it
        self._owned = len(self._documents)
        for _ in range(facts):
            self._documents.append(Document(random.randrange(len(self._folder_groups)), _NOBODY))


def _parent(folder: int) -> int:
    """The folder it is in; folder 0, the root, is its own here."""
    return (folder - 1) // FOLDERS_IN_FOLDER if folder else 0


def _user(number: int) -> SubjectRef:
    return SubjectRef("user", f"u{number}")


def _members_of(group: int) -> SubjectRef:
    return SubjectRef("group", f"g{group}", "member")


def _facts(resource: ObjectRef, document: Document) -> Iterator[Relationship]:
    yield Relationship(resource, "parent", SubjectRef("folder", f"f{document.folder}"))
    if document.owner != _NOBODY:
        yield Relationship(resource, "owner", _user(document.owner))
    if document.viewer != _NOBODY:
        yield Relationship(resource, "viewer", _user(document.viewer))
    if document.viewing_group != _NOBODY:
        yield Relationship(resource, "viewer", _members_of(document.viewing_group))
    if document.barred != _NOBODY:
        yield Relationship(resource, "barred", _user(document.barred))
