"""What the engine gives back.

Law: an answer names the revision it was given at, as a token; whoever shows that token never sees less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from remit.engine.orphans import Orphans
from remit.errors import RemitError
from remit.eval.lookups import Entry
from remit.eval.trees import Expansion, Explanation
from remit.language.diff import SchemaChange
from remit.language.plan import Schema
from remit.language.source import Issue
from remit.model import Question, Relationship, StoredRelationship, Verdict


class CheckResult(NamedTuple):
    """An answer, the revision (as a token) and the time (microseconds) it was given at, and what it cost in steps.
    `schema`: what an explanation is told by, where there is one."""

    verdict: Verdict
    missing: tuple[str, ...]
    steps: int
    token: str
    evaluated_at_us: int
    explanation: Explanation | None = None
    historical: bool = False
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class CheckManyResult:
    """One answer or error per question, in the order asked, all at one revision and time. `explain` answers one of them
    again, with an explanation without witness and fix, at the same: they are large, so one at a time. It raises what
    Check raises."""

    results: tuple[CheckResult | RemitError, ...]
    token: str
    evaluated_at_us: int
    explain: Callable[[Question], CheckResult] = field(compare=False, repr=False)
    historical: bool = False


@dataclass(frozen=True, slots=True)
class ExpandResult:
    """The sets behind a relation or permission, the first the one asked for."""

    expansion: Expansion
    token: str
    evaluated_at_us: int
    historical: bool = False


@dataclass(frozen=True, slots=True)
class LookupResult:
    """A page of a lookup, each entry with what Check says of it. An empty `next_cursor` says that it is the last one;
    `complete`, that besides no entry of any page is an error."""

    entries: tuple[Entry, ...]
    next_cursor: str
    complete: bool
    token: str
    evaluated_at_us: int
    steps: int
    historical: bool = False


class WriteResult(NamedTuple):
    """The revision a write became ("" and 0 for a dry run), how many relationships `replace` took away, and which of
    the updates wrote what was over already."""

    token: str
    revision: int
    replaced: int = 0
    expired: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The revision a delete became ("" for a dry run), how many it removed, and whether nothing else matches."""

    token: str
    deleted: int
    complete: bool


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page of relationships. An empty `next_cursor` says that the list is complete."""

    items: tuple[StoredRelationship, ...]
    next_cursor: str
    token: str


@dataclass(frozen=True, slots=True)
class ExportPage:
    """The next relationships of an export, where to go on after them, and the revision that the export began at."""

    relationships: tuple[Relationship, ...]
    cursor: str
    token: str


@dataclass(frozen=True, slots=True)
class RevisionPage:
    """The next relationships of one revision, which `token` names, and where to go on after any of them."""

    relationships: tuple[Relationship, ...]
    token: str
    cursor_of: Callable[[Relationship], str]


@dataclass(frozen=True, slots=True)
class SchemaWritten:
    """The revision a schema became, and what its writer may want to hear."""

    token: str
    warnings: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class SchemaRead:
    """The schema as it was written, and as it was compiled: with the libraries that it imports brought in."""

    text: str
    expansion: str
    token: str


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """What a new schema would change, and the relationships it would leave without a place."""

    changes: tuple[SchemaChange, ...]
    orphans: tuple[Orphans, ...]
    warnings: tuple[Issue, ...]
    token: str


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Of each store how many relationships it holds and its revision; what all take on the disk; the writes that wait;
    why nothing can be written any more, "" where it can; and for how long some entry of a verb has been waiting to be
    kept, 0 where none is."""

    stores: Mapping[str, tuple[int, int]]
    size_bytes: int
    writes_waiting: int
    problem: str
    entries_behind_s: float = 0.0
