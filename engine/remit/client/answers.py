"""What a client gets back, as frozen data.

Law: nothing here is true in an `if` but a yes; an error among many answers is false, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from remit.engine.agents.applies import DocumentChange
from remit.engine.agents.consents import ConsentState
from remit.engine.agents.descriptions import AgentState, VersionState
from remit.engine.agents.holds import HoldState
from remit.engine.agents.owners import Orphan
from remit.engine.agents.run_states import RunState
from remit.engine.agents.tool_states import ToolState
from remit.engine.agents.versions import Snapshot
from remit.errors import RemoteError
from remit.eval.trees import Expansion, Explanation
from remit.language.diff import SchemaChange
from remit.model import ObjectRef, Relationship, StoredRelationship, SubjectRef, Verdict
from remit.wire.schemas import Finding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StopsOfType:
    """What of one type works and would not: how many, and some, nearest to what would be held first."""

    type: str
    count: int
    objects: tuple[ObjectRef, ...] = ()


@dataclass(frozen=True, slots=True)
class WouldStop:
    """What a hold, or the leaving of a person, would stop. `more`: there may be others."""

    types: tuple[StopsOfType, ...]
    more: bool

    @property
    def total(self) -> int:
        return sum(each.count for each in self.types)


@dataclass(frozen=True, slots=True)
class HoldResult:
    """A hold as it stands after it was placed or released. For a dry run the token is "", and `stops` says how much a
    hold would stop; else it is None."""

    token: str
    hold: HoldState
    stops: WouldStop | None = None


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of each document that was applied. The token is "" for a dry run, and that of the last revision where
    nothing has changed."""

    token: str
    changes: tuple[DocumentChange, ...]


@dataclass(frozen=True, slots=True)
class TerminateResult:
    """What was terminated; `was_over`: it had been before. The token is "" for a dry run."""

    token: str
    was_over: bool


@dataclass(frozen=True, slots=True)
class ConsentResult:
    """A consent as it stands after it was given or withdrawn; the token is "" for a dry run."""

    token: str
    consent: ConsentState


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run as it stands after it was changed; the token is "" for a dry run."""

    token: str
    run: RunState


@dataclass(frozen=True, slots=True)
class SpawnResult:
    """A run that was started, or `was_there` already. `excess`: of a dry run, what the delegator is not granted; the
    token is "" then, and so is the id of a run that was not there."""

    token: str
    run: RunState
    was_there: bool
    excess: tuple[ObjectRef, ...]


@dataclass(frozen=True, slots=True)
class OrphanPage:
    """Agents and systems without an owner who is there; an empty `next_cursor` says that they are complete."""

    orphans: tuple[Orphan, ...]
    next_cursor: str
    token: str
    evaluated_at_us: int


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What was handed over; the token is "" for a dry run."""

    token: str
    objects: tuple[ObjectRef, ...]


@dataclass(frozen=True, slots=True)
class ImpactResult:
    """What would stop, and the relationships of the chains that lead there, where they were asked for; `chains_more`:
    there are others."""

    stops: WouldStop
    chains: tuple[Relationship, ...]
    chains_more: bool
    token: str
    evaluated_at_us: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question. `missing` names the caveat parameters a CONDITIONAL waits for; times are microseconds
    since the epoch, on the server's clock. `historical`: it is of a revision that a newer one has followed."""

    verdict: Verdict
    missing: tuple[str, ...]
    token: str
    evaluated_at_us: int
    steps: int = 0
    explanation: Explanation | None = None
    historical: bool = False

    @property
    def allowed(self) -> bool:
        """True for a yes alone: a conditional is not one."""
        return self.verdict is Verdict.YES

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class Unanswered:
    """In the place of an answer, where one question of many has none."""

    error: RemoteError

    @property
    def allowed(self) -> bool:
        return False

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Expanded:
    """Everyone who has a relation or permission."""

    expansion: Expansion
    token: str
    evaluated_at_us: int
    historical: bool = False


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a lookup found: a resource, a subject or the name of a permission, and the answer to its Check, which is
    never a no. `excluded` are those that a subject `*` does not stand for. It is true only for a yes."""

    what: T
    verdict: Verdict
    missing: tuple[str, ...] = ()
    excluded: tuple[SubjectRef, ...] = ()

    @property
    def allowed(self) -> bool:
        """True for a yes alone: a conditional is not one."""
        return self.verdict is Verdict.YES

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class FailedLookup(Generic[T]):
    """What a lookup neither found nor knows not to be there: its Check is this error."""

    what: T
    error: RemoteError

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class LookupPage(Generic[T]):
    """A page of a lookup, each of its lists sorted. An empty `next_cursor` says that it is the last one; `complete`,
    that besides nothing has failed on any page. `excluded` are subjects that a `*` does not stand for, on whichever
    page that was."""

    found: tuple[Found[T], ...]
    excluded: tuple[T, ...]
    failed: tuple[FailedLookup[T], ...]
    next_cursor: str
    complete: bool
    token: str
    evaluated_at_us: int
    steps: int = 0
    historical: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The revision a write became ("" for a dry run), how many relationships `replace` took away for good, and which
    updates, counted from 0, wrote what had expired already: it is written, and counts for nothing."""

    token: str
    replaced: int
    expired: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """The last revision of a delete by filter ("" for a dry run), how many it removed, and whether nothing that matches
    is left."""

    token: str
    deleted: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """The last revision of an import ("" where there was nothing to import), how many relationships it wrote, and how
    many of them had expired already: they are written, and count for nothing."""

    token: str
    imported: int
    expired: int = 0


@dataclass(frozen=True, slots=True)
class ExportPage:
    """The next relationships of an export, where to go on after them, and the revision the export began at."""

    relationships: tuple[Relationship, ...]
    cursor: str
    token: str


class ChangeKind(Enum):
    """What became of a relationship."""

    TOUCHED = "touched"  # written: new, or over what was there
    DELETED = "deleted"  # removed


@dataclass(frozen=True, slots=True)
class WatchedChange:
    """A relationship as it was written, or as it was before it was removed."""

    kind: ChangeKind
    relationship: Relationship


@dataclass(frozen=True, slots=True)
class WatchedRecord:
    """What became of what Remit keeps about an object beside its relationships. Its document is not told."""

    kind: ChangeKind
    record_kind: str
    object: ObjectRef


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What one revision did, as far as the filters mean it; or a checkpoint, which only says that everything up to its
    token has been told. `schema` is the new schema where the revision changed it; `metadata` are the writer's words;
    `entry` is what the verb of agents that it was has left of itself, with its name in `verb`."""

    token: str
    changes: tuple[WatchedChange, ...] = ()
    schema: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    written_by: str = ""
    committed_at_us: int = 0
    checkpoint: bool = False
    records: tuple[WatchedRecord, ...] = ()
    entry: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Permissionship:
    """What a subject has of a resource, and whether the resource's list names it: who is not named has what `*` has,
    and nothing where there is no `*`. `error` is set, and `verdict` None, where a check of it is an error."""

    verdict: Verdict | None
    missing: tuple[str, ...] = ()
    listed: bool = False
    error: RemoteError | None = None


@dataclass(frozen=True, slots=True)
class PermissionUpdate:
    """A subject whose entry in the list of a resource is another than before; the id `*` means everybody whom the list
    does not name."""

    resource: ObjectRef
    subject: SubjectRef
    before: Permissionship
    now: Permissionship


class Reset(Enum):
    """Why what was told and looked up before is no longer enough."""

    SCHEMA = "schema"  # it was changed
    BUDGET = "budget"  # to tell it would have cost more than an evaluation may
    GONE = "gone"  # the changelog no longer reaches back so far


@dataclass(frozen=True, slots=True)
class PermissionEvent:
    """What a revision, or a moment, changed of a permission; or a `reset`: look up anew as of the token, and go on; or
    a checkpoint, which only says that everything up to its token and time has been told."""

    token: str
    evaluated_at_us: int
    updates: tuple[PermissionUpdate, ...] = ()
    reset: Reset | None = None
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Facts, and where they go on: an empty `next_cursor` says that they are complete."""

    items: tuple[StoredRelationship, ...]
    next_cursor: str
    token: str


@dataclass(frozen=True, slots=True)
class SchemaWritten:
    """The revision a schema became, and what the compiler would look at twice."""

    token: str
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SchemaOrphans:
    """The relationships of one relation that a schema would leave without a place: how many, and some of them."""

    definition: str
    relation: str
    count: int
    examples: tuple[Relationship, ...]


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """What a schema would change in a store: each difference with its effect on answers, the relationships without a
    place, and what the compiler would look at twice."""

    changes: tuple[SchemaChange, ...]
    orphans: tuple[SchemaOrphans, ...]
    warnings: tuple[Finding, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the server takes the caller for. `key_id` is empty where the server has no keys; `stores` are names, or `*`
    for all; `expiration_us` None: never; `version` is the server's."""

    principal: str
    key_id: str
    stores: tuple[str, ...]
    rights: tuple[str, ...]
    expiration_us: int | None
    version: str


@dataclass(frozen=True, slots=True)
class SchemaText:
    """A store's schema as it was written. In its expansion the libraries are brought in that it imports."""

    text: str
    token: str
    expansion: str


@dataclass(frozen=True, slots=True)
class AgentResult:
    """An agent as it stands after it was registered or changed; the token is "" for a dry run."""

    token: str
    agent: AgentState


@dataclass(frozen=True, slots=True)
class RetireResult:
    """An agent as it stands after it was retired; `was_over`: it had ended before. The token is "" for a dry run."""

    token: str
    agent: AgentState
    was_over: bool


@dataclass(frozen=True, slots=True)
class VersionResult:
    """A version as it stands after it was added or decertified; the token is "" for a dry run."""

    token: str
    version: VersionState


@dataclass(frozen=True, slots=True)
class CertifyResult:
    """A version as it stands after it was certified, and what it could do that day, None where the request was carried
    out before; the token is "" for a dry run."""

    token: str
    version: VersionState
    snapshot: Snapshot | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool as it stands after a verb; the token is "" for a dry run."""

    token: str
    tool: ToolState
