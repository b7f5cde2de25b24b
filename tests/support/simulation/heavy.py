"""Requests that cost as much as a request may: for every verb some that are within all limits, over a world for them.

The world is of one shape and any size: folders in a chain and in a ring, groups of many, `*` with many whom it does not
stand for, a game of positions that turns on its own negation, relationships with caveats, and a past of many revisions.
A generator takes that world and a source of chance, and gives the messages of one request.
Law: every verb of the table has its generators; a new one joins on the day it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from random import Random

from authzed.api.v1 import core_pb2 as spicedb_core
from authzed.api.v1 import experimental_service_pb2, permission_service_pb2, schema_service_pb2, watch_service_pb2
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.model import PLAIN, CaveatUse, ObjectRef, Operation, Qualifiers, Record, Relationship, SubjectRef, Update
from remit.notation import parse_relationship
from remit.store.memory import MemoryStore
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from remit.wire.facts import encode_relationship
from remit.wire.values import encode_time
from tests.support.large_schemas import SHAPES
from tests.support.simulation import heavy_agents

P, R, S, T = permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
SP, SS, SC = permission_service_pb2, schema_service_pb2, spicedb_core
SE, SW = experimental_service_pb2, watch_service_pb2

# Of a caveat, as long as one may be that is sent.
LONG_EXPRESSION_PARTS = 600

NOW_US = 1_800_000_000_000_000

SCHEMA = """
caveat small(amount int, most int) { amount <= most }
caveat all_below(amounts list<int>, most int) { amounts.all(a, a < most) && amounts.exists(a, a >= 0) }

definition user {}

definition group {
    relation member: user | group#member | user with small
}

definition folder {
    relation parent: folder
    relation viewer: user | group#member | user with small | group#member with small | group#member with all_below
    relation banned: user | group#member
    relation public: user:*
    relation hidden: user
    permission view = viewer + parent->view
    permission open = view - banned
    permission narrow = viewer & parent->narrow
    permission spared = public - hidden
    permission all_spared = spared + parent->all_spared
}

definition position {
    relation move: position
    relation anyone: user:*
    permission won = move->lost
    permission lost = anyone - won
}
"""


# Schemas that the store had before its own; and of each, a permission that much is asked about.
_PAST_SHAPES = {"arrows": ("d", "p0"), "rings of types": ("t0", "p"), "one union": ("d", "p"), "unions": ("d", "p0")}


@dataclass
class HeavyWorld:
    """About ten times `size` relationships in a store of its own, and a second store to write to; schemas, in its
    past and sent, are of some `schema_size` parts each."""

    size: int
    limits: Limits = field(default_factory=Limits)
    schema_size: int = 60
    engine: Engine = field(init=False)
    first_token: str = field(init=False)
    late_token: str = field(init=False)  # of the last revision but two of those that wrote the facts
    past_tokens: dict[str, str] = field(init=False, default_factory=dict)  # of its large schemas, by shape
    backup: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        clock = ManualClock(NOW_US)
        self.engine = Engine(MemoryStore(clock_us=clock.now_us), clock, self.limits)
        for shape in _PAST_SHAPES:
            self.engine.schemas.write("", SHAPES[shape](5 * self.schema_size // 2))
            self.past_tokens[shape] = self.engine.schemas.read("").token
        self.engine.schemas.write("", SCHEMA)
        self.first_token = self.engine.schemas.read("").token
        facts = list(self._facts())
        at_once = self.limits.updates_max
        tokens = [self.first_token]
        for begin in range(0, len(facts), at_once):
            updates = [Update(Operation.TOUCH, each) for each in facts[begin : begin + at_once]]
            tokens.append(self.engine.relationships.write("", updates).token)
        self.late_token = tokens[-3]
        self._describe_agents()
        with_backup = self.engine.stores.backup("default")
        with_backup.take()
        while data := with_backup.read(1 << 20):
            self.backup += data
        with_backup.close()

    def _describe_agents(self) -> None:
        self.engine.stores.create(heavy_agents.STORE)
        self.engine.schemas.write(heavy_agents.STORE, heavy_agents.SCHEMA)
        facts = [Update(Operation.TOUCH, parse_relationship(each)) for each in heavy_agents.facts(self.size)]
        described = (
            Record("descriptor", ObjectRef("descriptor", sha256(each).hexdigest()), each)
            for each in heavy_agents.DESCRIPTORS
        )
        self.engine.relationships.write(heavy_agents.STORE, [], records=list(described))
        for begin in range(0, len(facts), self.limits.updates_max):
            self.engine.relationships.write(heavy_agents.STORE, facts[begin : begin + self.limits.updates_max])
        self.engine.tools.propose(heavy_agents.STORE, "0", descriptor=heavy_agents.DESCRIPTORS[1])
        self.engine.holds.hold(heavy_agents.STORE, ObjectRef("system", "clock"), reason="", id="placed")

    def close(self) -> None:
        self.engine.close()

    def _facts(self) -> Iterator[Relationship]:
        for at in range(self.size):
            yield _fact(f"folder:deep{at}", "parent", f"folder:deep{at + 1}")
            yield _fact(f"folder:ring{at}", "parent", f"folder:ring{(at + 1) % self.size}")
            yield _fact("group:wide", "member", f"user:u{at}")
            yield _fact("folder:shared", "viewer", f"group:g{at}", "member")
            yield _fact(f"group:g{at}", "member", f"user:u{at}")
            yield _fact(f"position:p{at}", "move", f"position:p{(at + 1) % self.size}")
            yield _fact(f"position:p{at}", "anyone", "user:*")
            caveat = CaveatUse("small", f'{{"most":{at % 7}}}')
            yield _fact("folder:caveated", "viewer", f"group:g{at}", "member", Qualifiers(caveat))
            yield _fact("folder:public", "hidden", f"user:u{at}")
            yield _fact(f"folder:public{at % 8}", "hidden", f"user:u{at}")
        yield _fact(f"folder:deep{self.size}", "viewer", "user:last")
        for public in ("folder:public", *(f"folder:public{at}" for at in range(8))):
            yield _fact(public, "public", "user:*")
        for at in range(8):
            yield _fact("folder:public", "parent", f"folder:public{at}")
        yield _fact("folder:listed", "viewer", "group:wide", "member", Qualifiers(CaveatUse("all_below")))


def _fact(
    resource: str, relation: str, subject: str, subject_relation: str = "", qualifiers: Qualifiers = PLAIN
) -> Relationship:
    type, _, id = resource.partition(":")
    subject_type, _, subject_id = subject.partition(":")
    return Relationship(
        ObjectRef(type, id), relation, SubjectRef(subject_type, subject_id, subject_relation), qualifiers
    )


# --- what is asked ----------------------------------------------------------------------------------------------

# (resource, permission, subject): each leads through most of the world.
_QUESTIONS = (
    ("folder:deep0", "view", "user:last"),
    ("folder:deep0", "open", "user:nobody"),
    ("folder:deep0", "narrow", "user:last"),
    ("folder:ring0", "view", "user:nobody"),
    ("folder:ring0", "open", "user:nobody"),
    ("folder:shared", "view", "user:nobody"),
    ("folder:caveated", "view", "user:nobody"),
    ("position:p0", "won", "user:u0"),
    ("group:wide", "member", "user:nobody"),
)
_EXPANDED = (
    ("folder:deep0", "view"),
    ("folder:ring0", "open"),
    ("folder:shared", "view"),
    ("folder:caveated", "view"),
    ("group:wide", "member"),
    ("position:p0", "won"),
)


def _object(text: str) -> core_pb2.ObjectReference:
    type, _, id = text.partition(":")
    return core_pb2.ObjectReference(type=type, id=id)


def _subject(text: str) -> core_pb2.SubjectReference:
    return core_pb2.SubjectReference(object=_object(text))


def _spicedb_object(text: str) -> SC.ObjectReference:
    type, _, id = text.partition(":")
    return SC.ObjectReference(object_type=type, object_id=id)


def _spicedb_subject(text: str) -> SC.SubjectReference:
    return SC.SubjectReference(object=_spicedb_object(text))


def _context(world: HeavyWorld, chance: Random) -> Struct:
    """As large as one may be, and of one question alone."""
    struct = Struct()
    room = world.limits.context_bytes_max - 40
    struct.update({"amount": chance.randrange(7), "amounts": [chance.randrange(10) for _ in range(room // 2)]})
    return struct


def _consistency(world: HeavyWorld, chance: Random) -> core_pb2.Consistency | None:
    return core_pb2.Consistency(at_exactly=world.first_token) if chance.random() < 0.3 else None


def _contextual(world: HeavyWorld, chance: Random) -> list[core_pb2.Relationship]:
    count = world.limits.contextual_max if chance.random() < 0.3 else 0
    return [encode_relationship(_fact(f"folder:deep{at}", "viewer", f"group:c{at}", "member")) for at in range(count)]


Messages = Sequence[Message]
Generator = Callable[[HeavyWorld, Random], Messages]


def _check(world: HeavyWorld, chance: Random) -> Messages:
    resource, permission, subject = chance.choice(_QUESTIONS)
    return [
        P.CheckRequest(
            resource=_object(resource),
            permission=permission,
            subject=_subject(subject),
            context=_context(world, chance),
            contextual=_contextual(world, chance),
            consistency=_consistency(world, chance),
            explain=chance.random() < 0.5,
        )
    ]


def _check_many(world: HeavyWorld, chance: Random) -> Messages:
    items = []
    is_known = chance.random() < 0.7
    for at in range(world.limits.items_max):
        resource, permission, subject = chance.choice(_QUESTIONS)
        name = permission if is_known else f"{permission}{at}"
        items.append(
            P.CheckItem(
                resource=_object(resource),
                permission=name,
                subject=_subject(subject),
                context=_context(world, chance) if at % 10 == 0 else None,
            )
        )
    return [
        P.CheckManyRequest(items=items, contextual=_contextual(world, chance), consistency=_consistency(world, chance))
    ]


def _expand(world: HeavyWorld, chance: Random) -> Messages:
    resource, permission = chance.choice(_EXPANDED)
    return [
        P.ExpandRequest(
            resource=_object(resource),
            permission=permission,
            contextual=_contextual(world, chance),
            consistency=_consistency(world, chance),
        )
    ]


# Chains and rings walked up to the end, and a permission of which nobody can be told beforehand.
_LISTED_FOR = (
    ("folder", "view", "user:last"),
    ("folder", "open", "user:u1"),
    ("folder", "narrow", "user:last"),
    ("position", "won", "user:u0"),
    ("group", "member", "user:u1"),
)
_LISTED_AS = (("user", ""), ("group", "member"))
# `*`, and whom it does not stand for: all, and nobody, for each is let in by another parent.
_EXCLUDING = (("folder:public", "spared"), ("folder:public", "all_spared"))


def _listed(chance: Random) -> tuple[str, str, str, str]:
    """Of a list of subjects: the resource, the permission, and the subjects' type and relation."""
    if chance.random() < 0.3:
        return *chance.choice(_EXCLUDING), "user", ""
    return *chance.choice(_EXPANDED), *chance.choice(_LISTED_AS)


def _lookup_resources(world: HeavyWorld, chance: Random) -> Messages:
    type, permission, subject = chance.choice(_LISTED_FOR)
    return [
        P.LookupResourcesRequest(
            resource_type=type,
            permission=permission,
            subject=_subject(subject),
            context=_context(world, chance),
            contextual=_contextual(world, chance),
            consistency=_consistency(world, chance),
        )
    ]


def _lookup_subjects(world: HeavyWorld, chance: Random) -> Messages:
    resource, permission, type, relation = _listed(chance)
    return [
        P.LookupSubjectsRequest(
            resource=_object(resource),
            permission=permission,
            subject_type=type,
            subject_relation=relation,
            context=_context(world, chance),
            contextual=_contextual(world, chance),
            consistency=_consistency(world, chance),
        )
    ]


def _lookup_permissions(world: HeavyWorld, chance: Random) -> Messages:
    resource, _, subject = chance.choice(_QUESTIONS)
    return [
        P.LookupPermissionsRequest(
            resource=_object(resource),
            subject=_subject(subject),
            relations=True,
            context=_context(world, chance),
            contextual=_contextual(world, chance),
            consistency=_consistency(world, chance),
        )
    ]


# --- what is written and read -----------------------------------------------------------------------------------


def _most_contexts(world: HeavyWorld) -> int:
    """So many relationships with a context as long as one may be fit into a request."""
    return min(
        world.limits.updates_max, world.limits.request_bytes_max // (3 * world.limits.relationship_context_bytes_max)
    )


def _written(world: HeavyWorld, chance: Random) -> list[core_pb2.Relationship]:
    """Many and plain, or with long contexts."""
    if chance.random() < 0.5:
        named = f"w{chance.randrange(10**6)}"
        return [
            encode_relationship(_fact(f"folder:{named}-{at}", "viewer", f"user:u{at}"))
            for at in range(world.limits.updates_max)
        ]
    amounts = ",".join("1" for _ in range(world.limits.relationship_context_bytes_max // 2 - 20))
    caveat = Qualifiers(CaveatUse("all_below", f'{{"amounts":[{amounts}]}}'))
    return [
        encode_relationship(_fact(f"folder:long{at}", "viewer", f"group:g{at}", "member", caveat))
        for at in range(_most_contexts(world))
    ]


def _precondition(chance: Random) -> R.Precondition:
    """One that looks at much and finds nothing."""
    meant = core_pb2.RelationshipFilter(resource_type="folder", relation="banned")
    return R.Precondition(kind=R.Precondition.KIND_MUST_NOT_MATCH, filter=meant)


def _write(world: HeavyWorld, chance: Random) -> Messages:
    request = R.WriteRequest(
        updates=[R.Update(operation=R.OPERATION_TOUCH, relationship=each) for each in _written(world, chance)],
        preconditions=[_precondition(chance) for _ in range(chance.choice((0, 1, world.limits.preconditions_max)))],
        dry_run=chance.random() < 0.7,
    )
    if chance.random() < 0.5:
        request.replace.CopyFrom(core_pb2.RelationshipFilter(resource_type="folder", resource_id="shared"))
    return [request]


def _delete(world: HeavyWorld, chance: Random) -> Messages:
    meant = chance.choice(
        (
            core_pb2.RelationshipFilter(resource_type="group"),
            core_pb2.RelationshipFilter(resource_type="folder", relation="banned"),
            core_pb2.RelationshipFilter(subject_type="user", resource_type="position"),
        )
    )
    return [R.DeleteRequest(filter=meant, preconditions=[_precondition(chance)], dry_run=True)]


def _read(world: HeavyWorld, chance: Random) -> Messages:
    # The second looks at everything and finds nothing.
    meant = chance.choice(
        (None, core_pb2.RelationshipFilter(resource_type="folder", resource_id_prefix="d", relation="banned"))
    )
    return [R.ReadRequest(filter=meant, limit=world.limits.page_max)]


def _import(world: HeavyWorld, chance: Random) -> Messages:
    return [R.ImportRequest(relationships=_written(world, chance)) for _ in range(2)]


def _export(world: HeavyWorld, chance: Random) -> Messages:
    return [R.ExportRequest(filter=_read(world, chance)[0].filter)]  # type: ignore[attr-defined]


def _watch_permission(world: HeavyWorld, chance: Random) -> Messages:
    """Of what is worth listing. Each revision takes as long as any other, and all of them together a minute."""
    resource, permission, type, relation = _listed(chance)
    return [
        P.WatchPermissionRequest(
            resource_type=resource.partition(":")[0],
            permission=permission,
            subject_type=type,
            subject_relation=relation,
            after=world.late_token,
            evaluated_at=encode_time(NOW_US),
            checkpoint_interval_ms=100,
        )
    ]


def _watch(world: HeavyWorld, chance: Random) -> Messages:
    """The whole past, through filters that mean little of it."""
    filters = [
        core_pb2.RelationshipFilter(resource_type="folder", resource_id=f"deep{at}")
        for at in range(world.limits.filters_max)
    ]
    return [
        R.WatchRequest(
            after=world.first_token, checkpoint_interval_ms=100, filters=filters if chance.random() < 0.5 else []
        )
    ]


# --- schemas and stores -----------------------------------------------------------------------------------------


def _large_schema(world: HeavyWorld, chance: Random) -> str:
    """Some that compile slowly, some that leave the whole world without a place."""
    name = chance.choice([*SHAPES, "takes many", "one long expression"])
    if name == "takes many":
        caveats = "".join(f"caveat c{at}(a int) {{ a > {at} }}\n" for at in range(world.schema_size))
        types = " | ".join(f"user with c{at}" for at in range(world.schema_size))
        return f"{caveats}definition user {{}}\ndefinition folder {{ relation viewer: {types} }}\n"
    if name == "one long expression":
        parts = " || ".join(f"a == {at}" for at in range(LONG_EXPRESSION_PARTS))
        return f"caveat c(a int) {{ {parts} }}\ndefinition user {{}}\n"
    return SHAPES[name](world.schema_size)


def _fitting_schema(world: HeavyWorld) -> str:
    """One more that is large, and has a place for all that there is."""
    more = "".join(
        f"definition more{at} {{\n  relation viewer: user\n  permission view = viewer + viewer\n}}\n"
        for at in range(world.schema_size)
    )
    return SCHEMA + more


def _write_schema(world: HeavyWorld, chance: Random) -> Messages:
    text = _fitting_schema(world) if chance.random() < 0.5 else _large_schema(world, chance)
    return [S.WriteSchemaRequest(schema=text, dry_run=True)]


def _diff_schema(world: HeavyWorld, chance: Random) -> Messages:
    return [S.DiffSchemaRequest(schema=_large_schema(world, chance))]


def _new_store(chance: Random) -> str:
    return f"s{chance.randrange(10**12)}"


_deleted = count()


def _delete_store(world: HeavyWorld, chance: Random) -> Messages:
    """One that is there."""
    name = f"deleted{next(_deleted)}"
    world.engine.stores.create(name)
    return [T.DeleteStoreRequest(name=name)]


def _restore(world: HeavyWorld, chance: Random) -> Messages:
    name, step = _new_store(chance), 1 << 20
    chunks = [world.backup[begin : begin + step] for begin in range(0, len(world.backup), step)]
    return [T.RestoreRequest(name=name, chunk=chunk) for chunk in chunks]


# --- SpiceDB's wire ---------------------------------------------------------------------------------------------


def _spicedb_check(world: HeavyWorld, chance: Random) -> Messages:
    resource, permission, subject = chance.choice(_QUESTIONS)
    return [
        SP.CheckPermissionRequest(
            resource=_spicedb_object(resource),
            permission=permission,
            subject=_spicedb_subject(subject),
            context=_context(world, chance),
            consistency=_spicedb_consistency(world, chance),
            with_tracing=chance.random() < 0.5,
        )
    ]


def _spicedb_consistency(world: HeavyWorld, chance: Random) -> SP.Consistency | None:
    return _exactly(world.first_token) if chance.random() < 0.3 else None


def _exactly(token: str) -> SP.Consistency:
    return SP.Consistency(at_exact_snapshot=SC.ZedToken(token=token))


def _spicedb_bulk(world: HeavyWorld, chance: Random) -> Messages:
    items = []
    for _ in range(world.limits.items_max):
        resource, permission, subject = chance.choice(_QUESTIONS)
        item = SP.CheckBulkPermissionsRequestItem(
            resource=_spicedb_object(resource), permission=permission, subject=_spicedb_subject(subject)
        )
        items.append(item)
    return [SP.CheckBulkPermissionsRequest(items=items, with_tracing=chance.random() < 0.5)]


def _spicedb_tree(world: HeavyWorld, chance: Random) -> Messages:
    resource, permission = chance.choice(_EXPANDED)
    return [
        SP.ExpandPermissionTreeRequest(
            resource=_spicedb_object(resource),
            permission=permission,
            consistency=_spicedb_consistency(world, chance),
        )
    ]


def _spicedb_resources(world: HeavyWorld, chance: Random) -> Messages:
    type, permission, subject = chance.choice(_LISTED_FOR)
    return [
        SP.LookupResourcesRequest(
            resource_object_type=type,
            permission=permission,
            subject=_spicedb_subject(subject),
            context=_context(world, chance),
            consistency=_spicedb_consistency(world, chance),
            optional_limit=chance.choice((0, world.limits.page_max)),
        )
    ]


def _spicedb_subjects(world: HeavyWorld, chance: Random) -> Messages:
    resource, permission, type, relation = _listed(chance)
    return [
        SP.LookupSubjectsRequest(
            resource=_spicedb_object(resource),
            permission=permission,
            subject_object_type=type,
            optional_subject_relation=relation,
            context=_context(world, chance),
            consistency=_spicedb_consistency(world, chance),
            optional_concrete_limit=chance.choice((0, world.limits.page_max)),
        )
    ]


def _spicedb_write(world: HeavyWorld, chance: Random) -> Messages:
    updates = [
        SC.RelationshipUpdate(
            operation=SC.RelationshipUpdate.OPERATION_TOUCH,
            relationship=SC.Relationship(
                resource=_spicedb_object(f"folder:sp{at}"), relation="viewer", subject=_spicedb_subject(f"user:u{at}")
            ),
        )
        for at in range(world.limits.updates_max)
    ]
    return [SP.WriteRelationshipsRequest(updates=updates, optional_preconditions=_spicedb_preconditions(world, chance))]


def _spicedb_preconditions(world: HeavyWorld, chance: Random) -> list[SP.Precondition]:
    """As many as there may be that look at next to nothing, or one that looks at much; neither finds anything."""
    number = chance.choice((0, 1, world.limits.spicedb_preconditions_max))
    meant = SP.RelationshipFilter(resource_type="folder", optional_relation="banned")
    if number > 1:
        meant.optional_resource_id = "nothing"
    return [SP.Precondition(operation=SP.Precondition.OPERATION_MUST_NOT_MATCH, filter=meant)] * number


def _spicedb_delete(world: HeavyWorld, chance: Random) -> Messages:
    """Of more than is allowed to go at once, so that nothing goes; or a look at much that finds nothing."""
    relation = chance.choice(("", "banned"))
    return [
        SP.DeleteRelationshipsRequest(
            relationship_filter=SP.RelationshipFilter(resource_type="folder", optional_relation=relation),
            optional_limit=world.size,
            optional_preconditions=_spicedb_preconditions(world, chance),
        )
    ]


def _spicedb_filter(chance: Random) -> SP.RelationshipFilter:
    """The second looks at everything and finds nothing."""
    return chance.choice(
        (
            SP.RelationshipFilter(resource_type="folder"),
            SP.RelationshipFilter(resource_type="folder", optional_resource_id_prefix="d", optional_relation="banned"),
        )
    )


def _spicedb_read(world: HeavyWorld, chance: Random) -> Messages:
    asked = SP.ReadRelationshipsRequest(
        relationship_filter=_spicedb_filter(chance), consistency=_spicedb_consistency(world, chance)
    )
    return [asked]


def _spicedb_export(world: HeavyWorld, chance: Random) -> Messages:
    asked = SP.ExportBulkRelationshipsRequest(
        optional_relationship_filter=_spicedb_filter(chance), consistency=_spicedb_consistency(world, chance)
    )
    return [asked]


_imported = count()


def _spicedb_import(world: HeavyWorld, chance: Random) -> Messages:
    """A message of more than a revision holds; new relationships each time, for what is there already is refused."""
    named = f"spi{next(_imported)}"
    relationships = [
        SC.Relationship(
            resource=_spicedb_object(f"folder:{named}-{at}"), relation="viewer", subject=_spicedb_subject(f"user:u{at}")
        )
        for at in range(world.limits.updates_max * 3 // 2)
    ]
    return [SP.ImportBulkRelationshipsRequest(relationships=relationships)]


def _spicedb_watch(world: HeavyWorld, chance: Random) -> Messages:
    """The whole past, through filters of which the last means most of it."""
    filters = [
        SP.RelationshipFilter(resource_type="folder", optional_resource_id=f"none{at}")
        for at in range(world.limits.filters_max - 1)
    ]
    filters.append(SP.RelationshipFilter(resource_type="folder"))
    return [
        SW.WatchRequest(
            optional_start_cursor=SC.ZedToken(token=world.first_token),
            optional_relationship_filters=filters if chance.random() < 0.5 else [],
        )
    ]


def _past(world: HeavyWorld, chance: Random) -> tuple[SP.Consistency, tuple[str, str]]:
    """A large schema of the past, and a permission of it."""
    shape = chance.choice(list(_PAST_SHAPES))
    return _exactly(world.past_tokens[shape]), _PAST_SHAPES[shape]


def _reflect(world: HeavyWorld, chance: Random) -> Messages:
    at, (type, permission) = _past(world, chance)
    filters = [
        SS.ReflectionSchemaFilter(
            optional_definition_name_filter=type[0], optional_permission_name_filter=f"{permission}{number}"
        )
        for number in range(world.limits.filters_max if chance.random() < 0.5 else 0)
    ]
    return [SS.ReflectSchemaRequest(consistency=at, optional_filters=filters)]


def _compare(world: HeavyWorld, chance: Random) -> Messages:
    at, _ = _past(world, chance)
    return [SS.DiffSchemaRequest(consistency=at, comparison_schema=_large_schema(world, chance))]


def _computable(world: HeavyWorld, chance: Random) -> Messages:
    at, _ = _past(world, chance)
    return [SS.ComputablePermissionsRequest(consistency=at, definition_name="user")]


def _dependent(world: HeavyWorld, chance: Random) -> Messages:
    at, (type, permission) = _past(world, chance)
    return [SS.DependentRelationsRequest(consistency=at, definition_name=type, permission_name=permission)]


def _before(kind: type[Message], generator: Generator) -> Generator:
    """The same fields in messages of ExperimentalService."""
    return lambda world, chance: [kind.FromString(each.SerializeToString()) for each in generator(world, chance)]


HEAVY: Mapping[str, Generator] = {
    **heavy_agents.generators(NOW_US + 3_600_000_000),
    "/remit.v1.Permissions/Check": _check,
    "/remit.v1.Permissions/CheckMany": _check_many,
    "/remit.v1.Permissions/Expand": _expand,
    "/remit.v1.Permissions/LookupResources": _lookup_resources,
    "/remit.v1.Permissions/LookupSubjects": _lookup_subjects,
    "/remit.v1.Permissions/LookupPermissions": _lookup_permissions,
    "/remit.v1.Permissions/WatchPermission": _watch_permission,
    "/remit.v1.Relationships/Write": _write,
    "/remit.v1.Relationships/Delete": _delete,
    "/remit.v1.Relationships/Read": _read,
    "/remit.v1.Relationships/Import": _import,
    "/remit.v1.Relationships/Export": _export,
    "/remit.v1.Relationships/Watch": _watch,
    "/remit.v1.Schemas/WriteSchema": _write_schema,
    "/remit.v1.Schemas/ReadSchema": lambda world, chance: [S.ReadSchemaRequest()],
    "/remit.v1.Schemas/DiffSchema": _diff_schema,
    "/remit.v1.Stores/CreateStore": lambda world, chance: [T.CreateStoreRequest(name=_new_store(chance))],
    "/remit.v1.Stores/ListStores": lambda world, chance: [T.ListStoresRequest()],
    "/remit.v1.Stores/DeleteStore": _delete_store,
    "/remit.v1.Stores/WhoAmI": lambda world, chance: [T.WhoAmIRequest()],
    "/remit.v1.Stores/Backup": lambda world, chance: [T.BackupRequest()],
    "/remit.v1.Stores/Restore": _restore,
    "/authzed.api.v1.PermissionsService/CheckPermission": _spicedb_check,
    "/authzed.api.v1.PermissionsService/CheckBulkPermissions": _spicedb_bulk,
    "/authzed.api.v1.PermissionsService/WriteRelationships": _spicedb_write,
    "/authzed.api.v1.SchemaService/WriteSchema": lambda world, chance: [
        SS.WriteSchemaRequest(schema=_large_schema(world, chance) + "!")  # the last step is to refuse it
    ],
    "/authzed.api.v1.PermissionsService/ExpandPermissionTree": _spicedb_tree,
    "/authzed.api.v1.PermissionsService/LookupResources": _spicedb_resources,
    "/authzed.api.v1.PermissionsService/LookupSubjects": _spicedb_subjects,
    "/authzed.api.v1.PermissionsService/DeleteRelationships": _spicedb_delete,
    "/authzed.api.v1.PermissionsService/ReadRelationships": _spicedb_read,
    "/authzed.api.v1.PermissionsService/ImportBulkRelationships": _spicedb_import,
    "/authzed.api.v1.PermissionsService/ExportBulkRelationships": _spicedb_export,
    "/authzed.api.v1.WatchService/Watch": _spicedb_watch,
    "/authzed.api.v1.SchemaService/ReadSchema": lambda world, chance: [SS.ReadSchemaRequest()],
    "/authzed.api.v1.SchemaService/ReflectSchema": _reflect,
    "/authzed.api.v1.SchemaService/DiffSchema": _compare,
    "/authzed.api.v1.SchemaService/ComputablePermissions": _computable,
    "/authzed.api.v1.SchemaService/DependentRelations": _dependent,
    **{
        f"/authzed.api.v1.ExperimentalService/{kind.__name__.removesuffix('Request')}": _before(kind, generator)
        for kind, generator in (
            (SE.BulkCheckPermissionRequest, _spicedb_bulk),
            (SE.BulkImportRelationshipsRequest, _spicedb_import),
            (SE.BulkExportRelationshipsRequest, _spicedb_export),
            (SE.ExperimentalReflectSchemaRequest, _reflect),
            (SE.ExperimentalDiffSchemaRequest, _compare),
            (SE.ExperimentalComputablePermissionsRequest, _computable),
            (SE.ExperimentalDependentRelationsRequest, _dependent),
        )
    },
}


def heavy(path: str, world: HeavyWorld, seed: int) -> list[bytes]:
    """The messages of a request of the verb at that path."""
    return [message.SerializeToString() for message in HEAVY[path](world, Random(f"{path} {seed}"))]
