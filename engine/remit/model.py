"""The nouns of Remit as frozen data: objects, subjects, relationships, verdicts, filters, updates.

Nothing here reads a clock, a disk or a socket. References are named tuples, not dataclasses, because they are the
keys of every index and a tuple hashes and compares in C; and so is what every write makes, because a frozen dataclass
sets each field through `object.__setattr__`: counted in instructions, seven fields cost 11,500, and 3,600 in a tuple.
Law: a value in here is already valid; `notation.py` and the wire check what comes from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

WILDCARD = "*"
DEFAULT_STORE = "default"


class Verdict(IntEnum):
    """What a question is answered with. Ordered: NO < CONDITIONAL < YES; only YES opens the door."""

    NO = 0
    CONDITIONAL = 1
    YES = 2


class ObjectRef(NamedTuple):
    """`type:id`."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


class SubjectRef(NamedTuple):
    """An object (`relation` empty), a userset `type:id#relation`, or a wildcard `type:*`."""

    type: str
    id: str
    relation: str = ""

    @property
    def object(self) -> ObjectRef:
        return ObjectRef(self.type, self.id)

    @property
    def is_userset(self) -> bool:
        return self.relation != ""

    @property
    def is_wildcard(self) -> bool:
        return self.id == WILDCARD

    def __str__(self) -> str:
        return f"{self.type}:{self.id}#{self.relation}" if self.relation else f"{self.type}:{self.id}"


class CaveatUse(NamedTuple):
    """A caveat beside a relationship: its name and the parameters fixed when it was written.

    `context_json` is canonical JSON of an object (see `notation.canonical_json`), "{}" where none were given: text,
    so that it hashes, compares and is stored as it is."""

    name: str
    context_json: str = "{}"


class Qualifiers(NamedTuple):
    """What makes an edge count only sometimes. Times are microseconds since the Unix epoch, UTC.

    Expired iff `expiration_us <= now_us`; active iff `not_before_us <= now_us`."""

    caveat: CaveatUse | None = None
    not_before_us: int | None = None
    expiration_us: int | None = None

    def counts_at(self, now_us: int) -> bool:
        """Whether the edge is there at all at that time, whatever its caveat says."""
        return (self.expiration_us is None or self.expiration_us > now_us) and (
            self.not_before_us is None or self.not_before_us <= now_us
        )

    def is_over(self, now_us: int) -> bool:
        """Whether the edge will never count again."""
        return self.expiration_us is not None and self.expiration_us <= now_us

    def covers(self, other: Qualifiers, now_us: int) -> bool:
        """Whether an edge so qualified counts, from `now_us` on, whenever one with the other qualifiers would."""
        return (
            (self.caveat is None or self.caveat == other.caveat)
            and (self.not_before_us is None or self.not_before_us <= max(other.not_before_us or now_us, now_us))
            and (
                self.expiration_us is None
                or (other.expiration_us is not None and other.expiration_us <= max(self.expiration_us, now_us))
            )
        )


PLAIN = Qualifiers()


class RelationshipKey(NamedTuple):
    """The triple. There is one relationship per key."""

    resource: ObjectRef
    relation: str
    subject: SubjectRef

    def __str__(self) -> str:
        return f"{self.resource}#{self.relation}@{self.subject}"


@dataclass(frozen=True, slots=True)
class Relationship:
    """A fact: `resource#relation@subject`, and what qualifies it."""

    resource: ObjectRef
    relation: str
    subject: SubjectRef
    qualifiers: Qualifiers = PLAIN

    @property
    def key(self) -> RelationshipKey:
        return RelationshipKey(self.resource, self.relation, self.subject)


class Call(NamedTuple):
    """One use of a tool: the id of its object, the arguments as the bytes that it is going to get, what for, and the
    digest of the tool's description that the caller saw ("" where it tells none)."""

    tool: str
    arguments: bytes
    purpose: str = ""
    descriptor: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Has `subject` `permission` of `resource`? `context`: caveat parameters (see `notation.normalized_context`);
    `call`: what for, where it is one call of a tool."""

    resource: ObjectRef
    permission: str
    subject: SubjectRef
    context: Mapping[str, object] = field(default_factory=dict)
    call: Call | None = None


class ResourceLookup(NamedTuple):
    """Which resources of a type does `subject` have `permission` of?"""

    resource_type: str
    permission: str
    subject: SubjectRef
    context: Mapping[str, object] = {}


class SubjectLookup(NamedTuple):
    """Which subjects of a type have `permission` of `resource`? With a `subject_relation`, which usersets of it."""

    resource: ObjectRef
    permission: str
    subject_type: str
    subject_relation: str = ""
    context: Mapping[str, object] = {}


class PermissionLookup(NamedTuple):
    """Which permissions of `resource` does `subject` have? With `relations`, which of its relations as well."""

    resource: ObjectRef
    subject: SubjectRef
    relations: bool = False
    context: Mapping[str, object] = {}


Lookup = ResourceLookup | SubjectLookup | PermissionLookup


class WatchedPermission(NamedTuple):
    """A permission of a type of resources, and a kind of subjects: who of them has it of which is watched. With a
    `subject_relation` they are usersets."""

    resource_type: str
    permission: str
    subject_type: str
    subject_relation: str = ""

    def __str__(self) -> str:
        subjects = f"{self.subject_type}#{self.subject_relation}" if self.subject_relation else self.subject_type
        return f"{self.resource_type}#{self.permission}@{subjects}"


class Provenance(NamedTuple):
    """Who wrote a relationship and when: the key's principal, the run it came from (empty if none), the revision."""

    principal: str
    run: str
    revision: int


class StoredRelationship(NamedTuple):
    """A relationship as the store remembers it."""

    relationship: Relationship
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class RelationshipFilter:
    """Which relationships are meant. A field that is None matches everything; `subject_relation` "" means plain.

    `resource_id` and `resource_id_prefix` exclude each other."""

    resource_type: str | None = None
    resource_id: str | None = None
    resource_id_prefix: str | None = None
    relation: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    subject_relation: str | None = None

    def matches(self, key: RelationshipKey) -> bool:
        """Whether the triple is meant. Cost: O(1)."""
        resource, relation, subject = key
        return (
            (self.resource_type is None or resource.type == self.resource_type)
            and (self.resource_id is None or resource.id == self.resource_id)
            and (self.resource_id_prefix is None or resource.id.startswith(self.resource_id_prefix))
            and (self.relation is None or relation == self.relation)
            and (self.subject_type is None or subject.type == self.subject_type)
            and (self.subject_id is None or subject.id == self.subject_id)
            and (self.subject_relation is None or subject.relation == self.subject_relation)
        )

    def matches_all_of(self, resource: ObjectRef) -> bool:
        """Whether all relationships of an object are meant. Cost: O(1)."""
        return (
            (self.resource_type is None or resource.type == self.resource_type)
            and (self.resource_id is None or resource.id == self.resource_id)
            and (self.resource_id_prefix is None or resource.id.startswith(self.resource_id_prefix))
            and (self.relation, self.subject_type, self.subject_id, self.subject_relation) == (None,) * 4
        )


class Operation(Enum):
    """What an update does to its triple."""

    TOUCH = "touch"  # write it, whatever was there
    CREATE = "create"  # write it; refuse the request if it is there
    DELETE = "delete"  # remove it; nothing happens if it is not there


class Update(NamedTuple):
    """One line of a write request. For DELETE the qualifiers are ignored."""

    operation: Operation
    relationship: Relationship


@dataclass(frozen=True, slots=True)
class Precondition:
    """Something that must be true at the moment of the write: a match exists, or none does."""

    filter: RelationshipFilter
    must_match: bool


class Change(NamedTuple):
    """One triple's fate in a committed revision: `before` and `after`, None where it was or is absent.

    A change in which both are the same relationship is kept: a TOUCH renews the provenance."""

    before: StoredRelationship | None
    after: StoredRelationship | None

    @property
    def key(self) -> RelationshipKey:
        stored = self.after or self.before
        assert stored is not None, "a change has a before or an after"
        return stored.relationship.key


class RecordKey(NamedTuple):
    """What a record is of: its kind, and the object that it is about. There is one record per key."""

    kind: str
    object: ObjectRef

    def __str__(self) -> str:
        return f"{self.kind} of {self.object}"


class Record(NamedTuple):
    """What is kept about an object beside its relationships: bytes that mean something to those who know the kind. No
    answer is decided by one, unless a relationship chooses it by its digest."""

    kind: str
    object: ObjectRef
    document: bytes

    @property
    def key(self) -> RecordKey:
        return RecordKey(self.kind, self.object)


class StoredRecord(NamedTuple):
    """A record as the store remembers it."""

    record: Record
    provenance: Provenance


class RecordChange(NamedTuple):
    """One record's fate in a committed revision: `before` and `after`, None where it was or is absent."""

    before: StoredRecord | None
    after: StoredRecord | None

    @property
    def key(self) -> RecordKey:
        stored = self.after or self.before
        assert stored is not None, "a change has a before or an after"
        return stored.record.key


class Delta(NamedTuple):
    """Everything one revision did: what the changelog keeps, the graph applies and Watch will tell.

    `schema_text` is the new schema where the revision changed it, else None. `managed_bypass` says that a managed
    relation was written by a caller holding the right to, not by one of Remit's own verbs. `entry_json` is the entry of
    that verb (see `engine/agents/performing.py`), "" where a revision is no verb's: nobody but Remit writes it."""

    revision: int
    committed_at_us: int
    principal: str
    changes: tuple[Change, ...] = ()
    schema_text: str | None = None
    metadata_json: str = "{}"
    managed_bypass: bool = False
    records: tuple[RecordChange, ...] = ()
    entry_json: str = ""


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """One named store: its identity, its head as a token, and how many relationships it holds, expired ones included.
    `uuid` is in hexadecimal digits."""

    name: str
    uuid: str
    epoch: int
    token: str
    relationships: int
    has_schema: bool


class Caller(NamedTuple):
    """Who calls, as the edge has established it: the key's principal, the run it speaks for, some of its rights; by
    whom turns are counted, "" within the process; and the id of the credential that was shown. A named tuple, for one
    is made at each call.

    With no keys the server listens on loopback only and its callers hold every right."""

    principal: str = "local"
    run: str = ""
    may_write_managed: bool = False
    client_id: str = ""
    credential: str = "local"
    may_spawn_unproven: bool = False  # below a person who has not shown that they are there


LOCAL_CALLER = Caller(may_write_managed=True, may_spawn_unproven=True)
NOBODY = Caller(
    principal="", credential=""
)  # until it is established, and for good where it never is: no key has such a principal
