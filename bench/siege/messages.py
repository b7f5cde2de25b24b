"""The requests of those who call as the API has it: as large as is allowed, and as costly as they can be made.

Each is made for one of many callers, who has a number, so that they do not write the same facts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence

from authzed.api.v1 import core_pb2 as spicedb
from authzed.api.v1 import permission_service_pb2 as spicedb_permissions
from authzed.api.v1 import schema_service_pb2 as spicedb_schemas
from authzed.api.v1 import watch_service_pb2 as spicedb_watch
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bench.siege.target import Target
from bench.siege.world import (
    BOSS,
    CAVEATED,
    CROWD,
    DEEP,
    DOMAIN,
    NEXT,
    SCHEMA,
    SCRATCH,
    STEADY_USER,
    STORE,
    VICTIM,
    WIDE,
)
from remit.engine.agents.owners import OBJECTS_MAX
from remit.engine.limits import JSON_BYTES_MAX
from remit.v1 import agents_pb2, core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from tests.support.large_schemas import SHAPES

_TOUCH, _REMOVE = relationships_pb2.OPERATION_TOUCH, relationships_pb2.OPERATION_DELETE
_NOTE_LENGTH = 1_900
_CALLS, _CALL_VALUES = 100, 990  # 6 MiB, near what a request may have
_ARGUMENTS = 450
_NOTE = "x" * _NOTE_LENGTH  # of a context: below `context_bytes_max`, and a thousand of them below `request_bytes_max`


SYSTEM = core_pb2.ObjectReference(type="system", id="clock")


def fact(resource: str, subject: str, relation: str = "viewer") -> core_pb2.Relationship:
    return core_pb2.Relationship(resource=doc(resource), relation=relation, subject=user(subject))


def doc(id: str) -> core_pb2.ObjectReference:
    return core_pb2.ObjectReference(type="doc", id=id)


def user(id: str) -> core_pb2.SubjectReference:
    return core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id=id))


def facts_of(resource: str) -> core_pb2.RelationshipFilter:
    return core_pb2.RelationshipFilter(resource_type="doc", resource_id=resource)


def write(facts: Iterable[core_pb2.Relationship], *, removes: bool = False, dry_run: bool = False) -> bytes:
    operation = _REMOVE if removes else _TOUCH
    updates = [relationships_pb2.Update(operation=operation, relationship=each) for each in facts]
    return relationships_pb2.WriteRequest(store=STORE, updates=updates, dry_run=dry_run).SerializeToString()


def check(resource: str, subject: str, permission: str, *, explain: bool = False, at_exactly: str = "") -> bytes:
    asked = permissions_pb2.CheckRequest(
        store=STORE, resource=doc(resource), permission=permission, subject=user(subject), explain=explain
    )
    if at_exactly:
        asked.consistency.at_exactly = at_exactly
    return asked.SerializeToString()


def delete(resource: str, *, dry_run: bool = False) -> bytes:
    asked = relationships_pb2.DeleteRequest(store=STORE, filter=facts_of(resource), dry_run=dry_run)
    return asked.SerializeToString()


def hold(id: str, named: str) -> bytes:
    """Of a document, by a hold's own id, which is the request's too: sent again it is carried out once."""
    return agents_pb2.HoldRequest(store=STORE, request_id=named, on=doc(id), id=named).SerializeToString()


def release(named: str) -> bytes:
    return agents_pb2.ReleaseRequest(store=STORE, id=named).SerializeToString()


def terminate(run: int, *, dry_run: bool) -> bytes:
    object = core_pb2.ObjectReference(type="run", id=str(run))
    return agents_pb2.TerminateRequest(store=STORE, object=object, dry_run=dry_run).SerializeToString()


def consent() -> bytes:
    return agents_pb2.GiveConsentRequest(store=STORE, giver=user("owner").object, agents=["bot"]).SerializeToString()


def consent_withdrawn(id: str) -> bytes:
    return agents_pb2.WithdrawConsentRequest(store=STORE, id=id).SerializeToString()


def consents_listed() -> bytes:
    return agents_pb2.ListConsentsRequest(store=STORE, giver=user("owner").object).SerializeToString()


def spawn(delegator: core_pb2.ObjectReference) -> bytes:
    return agents_pb2.SpawnRequest(
        store=STORE, delegator=delegator, version="bot.1", profiles=["all"], lifetime_s=60
    ).SerializeToString()


def of_run(verb: str, run: str) -> bytes:
    """Whatever the verb needs beside the run."""
    ask = {
        "Renew": agents_pb2.RenewRequest(store=STORE, run=run, lifetime_s=120),
        "Narrow": agents_pb2.NarrowRequest(store=STORE, run=run, intent="all"),
        "DeclareIntent": agents_pb2.DeclareIntentRequest(store=STORE, run=run, intent="all"),
        "DescribeRun": agents_pb2.DescribeRunRequest(store=STORE, run=run),
        "ShowChain": agents_pb2.ShowChainRequest(store=STORE, run=run),
        "ShowSubtree": agents_pb2.ShowSubtreeRequest(store=STORE, object=SYSTEM),
        "ListRuns": agents_pb2.ListRunsRequest(store=STORE),
    }
    return ask[verb].SerializeToString()


def descriptor(number: int) -> bytes:
    """Of a tool, near the bytes and the subschemas that one may have; each number another."""
    properties = {f"argument_{each}": {"enum": [f"{number}", "x" * 60]} for each in range(_ARGUMENTS)}
    return json.dumps({"input_schema": {"properties": properties, "type": "object"}}).encode()


# --- questions --------------------------------------------------------------------------------------------------


def explained(target: Target, number: int) -> Sequence[bytes]:
    """A no at the end of as many steps as there are documents in one another, and why."""
    return [check(f"{DEEP}-0", f"nobody-{number}", "view", explain=True)]


def with_contexts(target: Target, number: int) -> Sequence[bytes]:
    """Each question needs a caveat, with a context of its own; and a fact is brought, so that Python answers."""
    return [_with_contexts(number, target.sizes.caveated)]


def with_calls(target: Target, number: int) -> Sequence[bytes]:
    """Each question is about a call of its own, with all the bytes and values that one may have."""
    asked = permissions_pb2.CheckManyRequest(store=STORE)
    for each in range(_CALLS):
        arguments = b'{"to":[' + b",".join([b'"%060d"' % each] * _CALL_VALUES) + b"]}"
        call = permissions_pb2.Call(tool="pay", arguments=arguments)
        asked.items.add(resource=doc(CAVEATED), permission="view", subject=user(f"u{number}"), call=call)
    return [asked.SerializeToString()]


def some_contexts(target: Target, number: int) -> Sequence[bytes]:
    """The same, of as many as a body in JSON has room for."""
    return [_with_contexts(number, min(target.sizes.caveated, JSON_BYTES_MAX // (_NOTE_LENGTH + 300)))]


def _with_contexts(number: int, count: int) -> bytes:
    asked = permissions_pb2.CheckManyRequest(store=STORE, contextual=[fact("brought", "u0")])
    for each in range(count):
        item = asked.items.add(resource=doc(CAVEATED), permission="view", subject=user(f"u{each}"))
        item.context.update({"amount": number + each, "note": _NOTE})
    return asked.SerializeToString()


def expanded(target: Target, number: int) -> Sequence[bytes]:
    return [permissions_pb2.ExpandRequest(store=STORE, resource=doc(WIDE), permission="view").SerializeToString()]


def resources_found(target: Target, number: int) -> Sequence[bytes]:
    """All that a fact gives at the end of as many documents in one another; and the same with a fact brought along,
    which is walked anew for each page."""
    asked = permissions_pb2.LookupResourcesRequest(
        store=STORE, resource_type="doc", permission="may", subject=user(f"u{number}")
    )
    brought = permissions_pb2.LookupResourcesRequest(contextual=[fact(f"{DEEP}-{target.sizes.deep}", f"u{number}")])
    brought.MergeFrom(asked)
    return [asked.SerializeToString(), brought.SerializeToString()]


def subjects_found(target: Target, number: int) -> Sequence[bytes]:
    found = []
    for resource in (CROWD, CAVEATED):
        asked = permissions_pb2.LookupSubjectsRequest(
            store=STORE, resource=doc(resource), permission="may", subject_type="user"
        )
        found.append(asked.SerializeToString())
    return found


def permissions_found(target: Target, number: int) -> Sequence[bytes]:
    asked = permissions_pb2.LookupPermissionsRequest(
        store=STORE, resource=doc(f"{DEEP}-0"), subject=user(f"nobody-{number}"), relations=True
    )
    return [asked.SerializeToString()]


# --- facts ------------------------------------------------------------------------------------------------------


def dry_deletes(target: Target, number: int) -> Sequence[bytes]:
    return [delete(VICTIM, dry_run=True)]


def dry_writes(target: Target, number: int) -> Sequence[bytes]:
    return [write(_facts(f"new-{number}", target), dry_run=True)]


def writes(target: Target, number: int) -> Sequence[bytes]:
    """There and away again, so that each is a change."""
    facts = _facts(f"real-{number}", target)
    return [write(facts), write(facts, removes=True)]


def imports(target: Target, number: int) -> Sequence[bytes]:
    facts = _facts(f"import-{number}", target)
    return [relationships_pb2.ImportRequest(store=STORE, relationships=facts).SerializeToString()]


def pages(target: Target, number: int) -> Sequence[bytes]:
    filter = core_pb2.RelationshipFilter(resource_type="doc")
    return [relationships_pb2.ReadRequest(store=STORE, filter=filter).SerializeToString()]


def whole_store(target: Target, number: int) -> Sequence[bytes]:
    return [relationships_pb2.ExportRequest(store=STORE).SerializeToString()]


def everything_watched(target: Target, number: int) -> Sequence[bytes]:
    return [relationships_pb2.WatchRequest(store=STORE, checkpoint_interval_ms=100).SerializeToString()]


def permission_watched(target: Target, number: int) -> Sequence[bytes]:
    asked = permissions_pb2.WatchPermissionRequest(
        store=STORE, resource_type="doc", permission="may", subject_type="user", checkpoint_interval_ms=100
    )
    return [asked.SerializeToString()]


def _facts(resource: str, target: Target) -> list[core_pb2.Relationship]:
    return [fact(resource, f"u{each}") for each in range(target.sizes.updates)]


# --- schemas and stores -----------------------------------------------------------------------------------------


def schemas_written(target: Target, number: int) -> Sequence[bytes]:
    """To the spare store: what the steady client asks about is to stay defined."""
    texts = _large_schemas(target.sizes.schema_bytes)
    return [schemas_pb2.WriteSchemaRequest(store=SCRATCH, schema=text).SerializeToString() for text in texts]


def schemas_compared(target: Target, number: int) -> Sequence[bytes]:
    texts = _large_schemas(target.sizes.schema_bytes)
    return [schemas_pb2.DiffSchemaRequest(store=STORE, schema=text).SerializeToString() for text in texts]


def _large_schemas(bytes_max: int) -> list[str]:
    """Of every shape that some step of the compiler would look at twice, nearly as large as may be."""
    return [_as_large_as(bytes_max, shape) for shape in SHAPES.values()]


def _as_large_as(bytes_max: int, shape: Callable[[int], str]) -> str:
    size = 50 * bytes_max // len(shape(50))
    while len(text := shape(size)) > bytes_max:
        size = size * 19 // 20
    return text


def schema_read(target: Target, number: int) -> Sequence[bytes]:
    return [schemas_pb2.ReadSchemaRequest(store=STORE).SerializeToString()]


def stores_listed(target: Target, number: int) -> Sequence[bytes]:
    return [stores_pb2.ListStoresRequest().SerializeToString()]


def callers_told(target: Target, number: int) -> Sequence[bytes]:
    return [stores_pb2.WhoAmIRequest().SerializeToString()]


# --- SpiceDB's wire ---------------------------------------------------------------------------------------------

_FULLY = spicedb_permissions.Consistency(fully_consistent=True)


def spicedb_question(target: Target, number: int) -> Sequence[bytes]:
    asked = spicedb_permissions.CheckPermissionRequest(
        consistency=_FULLY, resource=_spicedb("doc", f"{DEEP}-0"), permission="view"
    )
    asked.subject.object.CopyFrom(_spicedb("user", f"nobody-{number}"))
    return [asked.SerializeToString()]


def spicedb_questions(target: Target, number: int) -> Sequence[bytes]:
    asked = spicedb_permissions.CheckBulkPermissionsRequest(consistency=_FULLY)
    for each in range(target.sizes.caveated):
        item = asked.items.add(resource=_spicedb("doc", CAVEATED), permission="view")
        item.subject.object.CopyFrom(_spicedb("user", f"u{each}"))
        item.context.update({"amount": number + each, "note": _NOTE})
    return [asked.SerializeToString()]


def spicedb_writes(target: Target, number: int) -> Sequence[bytes]:
    found = []
    for operation in (spicedb.RelationshipUpdate.OPERATION_TOUCH, spicedb.RelationshipUpdate.OPERATION_DELETE):
        asked = spicedb_permissions.WriteRelationshipsRequest()
        for each in range(target.sizes.updates):
            relationship = asked.updates.add(operation=operation).relationship
            relationship.resource.CopyFrom(_spicedb("doc", f"spicedb-{number}"))
            relationship.relation = "viewer"
            relationship.subject.object.CopyFrom(_spicedb("user", f"u{each}"))
        found.append(asked.SerializeToString())
    return found


def spicedb_schemas_written(target: Target, number: int) -> Sequence[bytes]:
    """What is there already, or with one more definition: the steady client's questions keep their meaning."""
    texts = SCHEMA, f"{SCHEMA}\ndefinition more_{number} {{}}\n"
    return [spicedb_schemas.WriteSchemaRequest(schema=text).SerializeToString() for text in texts]


def spicedb_schema_read(target: Target, number: int) -> Sequence[bytes]:
    return [spicedb_schemas.ReadSchemaRequest().SerializeToString()]


def spicedb_bulk_before(target: Target, number: int) -> Sequence[bytes]:
    """Under the name that the verb had before; the messages have the same fields."""
    return spicedb_questions(target, number)


def spicedb_trees(target: Target, number: int) -> Sequence[bytes]:
    asked = [
        spicedb_permissions.ExpandPermissionTreeRequest(
            consistency=_FULLY, resource=_spicedb("doc", id), permission="view"
        )
        for id in (CROWD, f"{DEEP}-0")
    ]
    return [each.SerializeToString() for each in asked]


def spicedb_resources(target: Target, number: int) -> Sequence[bytes]:
    """All that is open to one of whom many documents tell, those of others' writes among them; whole, and a page."""
    asked = spicedb_permissions.LookupResourcesRequest(
        consistency=_FULLY, resource_object_type="doc", permission="view"
    )
    asked.subject.object.CopyFrom(_spicedb("user", f"u{number}"))
    page = spicedb_permissions.LookupResourcesRequest(optional_limit=1_000)
    page.MergeFrom(asked)
    return [asked.SerializeToString(), page.SerializeToString()]


def spicedb_subjects(target: Target, number: int) -> Sequence[bytes]:
    found = []
    for id in (CROWD, CAVEATED):
        asked = spicedb_permissions.LookupSubjectsRequest(
            consistency=_FULLY, resource=_spicedb("doc", id), permission="may", subject_object_type="user"
        )
        found.append(asked.SerializeToString())
    return found


def spicedb_deletions(target: Target, number: int) -> Sequence[bytes]:
    """Of what `spicedb_writes` writes, whoever is quicker."""
    filter = spicedb_permissions.RelationshipFilter(resource_type="doc", optional_resource_id=f"spicedb-{number}")
    return [spicedb_permissions.DeleteRelationshipsRequest(relationship_filter=filter).SerializeToString()]


def spicedb_lists(target: Target, number: int) -> Sequence[bytes]:
    filter = spicedb_permissions.RelationshipFilter(resource_type="doc")
    asked = spicedb_permissions.ReadRelationshipsRequest(consistency=_FULLY, relationship_filter=filter)
    return [asked.SerializeToString()]


def spicedb_exports(target: Target, number: int) -> Sequence[bytes]:
    return [spicedb_permissions.ExportBulkRelationshipsRequest(consistency=_FULLY).SerializeToString()]


def spicedb_imports(target: Target, number: int) -> Sequence[bytes]:
    """Longer than a revision may be; and refused once it is there, so that the stream ends and is begun again."""
    asked = spicedb_permissions.ImportBulkRelationshipsRequest()
    for each in range(2 * target.sizes.updates):
        relationship = asked.relationships.add(relation="viewer")
        relationship.resource.CopyFrom(_spicedb("doc", f"spicedb-import-{number}"))
        relationship.subject.object.CopyFrom(_spicedb("user", f"u{each}"))
    return [asked.SerializeToString()]


def spicedb_watches(target: Target, number: int) -> Sequence[bytes]:
    kinds = [spicedb_watch.WATCH_KIND_INCLUDE_SCHEMA_UPDATES, spicedb_watch.WATCH_KIND_INCLUDE_CHECKPOINTS]
    return [spicedb_watch.WatchRequest(optional_update_kinds=kinds).SerializeToString()]


def spicedb_reflections(target: Target, number: int) -> Sequence[bytes]:
    filters = [
        spicedb_schemas.ReflectionSchemaFilter(optional_definition_name_filter=f"d{each}") for each in range(100)
    ]
    asked = spicedb_schemas.ReflectSchemaRequest(optional_filters=filters)
    return [spicedb_schemas.ReflectSchemaRequest().SerializeToString(), asked.SerializeToString()]


def spicedb_comparisons(target: Target, number: int) -> Sequence[bytes]:
    texts = _large_schemas(target.sizes.schema_bytes)
    return [spicedb_schemas.DiffSchemaRequest(comparison_schema=text).SerializeToString() for text in texts]


def spicedb_computables(target: Target, number: int) -> Sequence[bytes]:
    return [spicedb_schemas.ComputablePermissionsRequest(definition_name="user").SerializeToString()]


def spicedb_dependents(target: Target, number: int) -> Sequence[bytes]:
    asked = spicedb_schemas.DependentRelationsRequest(definition_name="doc", permission_name="view")
    return [asked.SerializeToString()]


def _spicedb(type: str, id: str) -> spicedb.ObjectReference:
    return spicedb.ObjectReference(object_type=type, object_id=id)


def registrations(name: str) -> Iterable[tuple[str, bytes]]:
    """All verbs of an agent's and its version's life, in their order, each with its request; first with an owner who is
    many, none of whom is there."""
    A = agents_pb2
    crowd = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="team", id=CROWD), relation="member")
    until = Timestamp(seconds=int(time.time()) + 3600)
    asked: tuple[tuple[str, Message], ...] = (
        ("RegisterAgent", A.RegisterAgentRequest(store=STORE, agent=name, owners=[crowd], domain=DOMAIN)),
        ("RegisterAgent", A.RegisterAgentRequest(store=STORE, agent=name, owners=[user(STEADY_USER)], domain=DOMAIN)),
        ("ChangeAgent", A.ChangeAgentRequest(store=STORE, agent=name, owners=[crowd, user(STEADY_USER)])),
        ("AddVersion", A.AddVersionRequest(store=STORE, agent=name, version=name, digests=A.Digests(model="m"))),
        ("Certify", A.CertifyRequest(store=STORE, version=name, until=until)),
        ("Decertify", A.DecertifyRequest(store=STORE, version=name)),
        ("RetireAgent", A.RetireAgentRequest(store=STORE, agent=name)),
    )
    return [(verb, request.SerializeToString()) for verb, request in asked]


def agents_listed(target: Target, number: int) -> Sequence[bytes]:
    return [agents_pb2.ListAgentsRequest(store=STORE).SerializeToString()]


def agents_described(target: Target, number: int) -> Sequence[bytes]:
    return [agents_pb2.DescribeAgentRequest(store=STORE, agent=f"attack-{number}-0").SerializeToString()]


def orphans(target: Target, number: int) -> Sequence[bytes]:
    """Of everybody, and of one who owns all there is."""
    leaving = agents_pb2.OrphansRequest(store=STORE, leaving=user(BOSS).object)
    return [agents_pb2.OrphansRequest(store=STORE).SerializeToString(), leaving.SerializeToString()]


def impacts(target: Target, number: int) -> Sequence[bytes]:
    """Of one above as many runs and agents as one answer is about; and the same before a hold."""
    asked = agents_pb2.ImpactRequest(store=STORE, object=user(BOSS).object, with_chains=True)
    return [asked.SerializeToString()]


def dry_holds(target: Target, number: int) -> Sequence[bytes]:
    return [agents_pb2.HoldRequest(store=STORE, on=user(BOSS).object, dry_run=True).SerializeToString()]


def dry_transfers(target: Target, number: int) -> Sequence[bytes]:
    """As many at once as one may have."""
    count = min(OBJECTS_MAX, target.sizes.victim)
    asked = agents_pb2.TransferOwnerRequest(
        store=STORE,
        from_owner=user(BOSS),
        to_owner=user(NEXT),
        only=[core_pb2.ObjectReference(type="agent", id=str(each)) for each in range(count)],
        dry_run=True,
    )
    return [asked.SerializeToString()]


def applies(target: Target, number: int) -> Sequence[bytes]:
    """A thousand people whose directory is another each time; and as many items that are none."""
    count = min(target.sizes.updates, 999)
    items = [f"p{number}-{person}" for person in range(count)]
    people = [{"defaults": {"directory": directory}, "items": items} for directory in ("first", "second")]
    said = [json.dumps({"apiVersion": "remit/v1", "kind": "People", **each}).encode() for each in people]
    said.append(b'{"apiVersion":"remit/v1","kind":"Tools","items":[' + b"[]," * 300 * count + b"[]]}")
    return [
        agents_pb2.ApplyRequest(store=STORE, set=f"set-{number}", documents=[each]).SerializeToString() for each in said
    ]
