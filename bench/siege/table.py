"""Who attacks: one row each, by what it does. A row is all that there is to say of an attacker but its code.

Law: every verb of `server/verbs.py` is called by somebody here with whole requests; a test says so, and so a new verb
joins the siege the day it is written."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256

import grpc

from bench.siege import http_calls, messages, strangers
from bench.siege.attacker import RETRY_S, Attacker, asks, by_verbs, reads, sends
from bench.siege.http_calls import asks_json
from bench.siege.target import Target
from bench.siege.world import DOMAIN, RUNS, SCRATCH, VICTIM
from remit.access.keys import Right
from remit.v1 import agents_pb2, core_pb2, permissions_pb2, stores_pb2

_P, _R, _S, _T = (f"/remit.v1.{service}/" for service in ("Permissions", "Relationships", "Schemas", "Stores"))
_A = "/remit.v1.Agents/"
_SP, _SS, _SW, _SE = (
    f"/authzed.api.v1.{service}Service/" for service in ("Permissions", "Schema", "Watch", "Experimental")
)

_VERBS_OF_TOOLS = (
    "RegisterTool",
    "ProposeDescriptor",
    "AcceptDescriptor",
    "RejectDescriptor",
    "ChangeTool",
    "RelaxTool",
    "RetireTool",
    "ListTools",
    "DescribeTool",
)

HEAVY = 8  # of one key at once, of what each costs much


def _at_exactly(target: Target, number: int) -> Iterator[bool]:
    """As long ago as the server answers for: a token is kept until it has become too old."""
    send = target.channel().unary_unary(_P + "Check", None, permissions_pb2.CheckResponse.FromString)
    token = target.past
    while True:
        try:
            send(messages.check("any", "any", "view", at_exactly=token), metadata=target.metadata())
            yield True
        except grpc.RpcError:
            yield False
            token = send(messages.check("any", "any", "view"), metadata=target.metadata()).token


def _stores(target: Target, number: int) -> Iterator[bool]:
    channel, name = target.channel(), f"made-{number}"
    create, delete = (channel.unary_unary(_T + verb, None, None) for verb in ("CreateStore", "DeleteStore"))
    while True:
        for send, request in (
            (create, stores_pb2.CreateStoreRequest(name=name)),
            (delete, stores_pb2.DeleteStoreRequest(name=name)),
        ):
            try:
                send(request.SerializeToString(), metadata=target.metadata())
                yield True
            except grpc.RpcError:
                yield False
                time.sleep(RETRY_S)


def _copies(target: Target, number: int) -> Iterator[bool]:
    """A backup of all, restored as another store, which is deleted again."""
    channel, name, key = target.channel(), f"copy-{number}", target.metadata()
    backup = channel.unary_stream(_T + "Backup", None, stores_pb2.BackupResponse.FromString)
    restore = channel.stream_unary(_T + "Restore", None, None)
    delete = channel.unary_unary(_T + "DeleteStore", None, None)
    while True:
        chunks = []
        for each in backup(stores_pb2.BackupRequest(name=SCRATCH).SerializeToString(), metadata=key):
            chunks.append(stores_pb2.RestoreRequest(name=name, chunk=each.chunk).SerializeToString())
            yield True
        restore(iter(chunks), metadata=key)
        yield True
        delete(stores_pb2.DeleteStoreRequest(name=name).SerializeToString(), metadata=key)
        yield True


def _in_turn(
    target: Target, send: Mapping[str, Callable[..., object]], requests: Iterable[tuple[str, bytes]]
) -> Iterator[bool]:
    """One after the other, whatever became of the one before."""
    for verb, request in requests:
        try:
            send[verb](request, metadata=target.metadata())
            yield True
        except grpc.RpcError:
            yield False
            time.sleep(RETRY_S)


def _stops(target: Target, number: int) -> Iterator[bool]:
    """Holds and releases what nobody asks about, a hold after the other; and ends its run, which is over after that."""
    send = {verb: target.channel().unary_unary(_A + verb, None, None) for verb in ("Hold", "Release", "Terminate")}
    for each in itertools.count():
        named = f"attack-{number}-{each}"
        requests = (
            ("Hold", messages.hold(VICTIM, named)),
            ("Release", messages.release(named)),
            ("Terminate", messages.terminate(number % RUNS, dry_run=each % 2 == 0)),
        )
        yield from _in_turn(target, send, requests)


_OF_RUN = ("Renew", "Narrow", "DeclareIntent", "DescribeRun", "ShowChain", "ShowSubtree", "ListRuns")


def _spawns(target: Target, number: int) -> Iterator[bool]:
    """Starts run after run, each fourth one below the one before, and asks all that can be asked about each."""
    send = {verb: target.channel().unary_unary(_A + verb, None, None) for verb in ("Spawn", *_OF_RUN)}
    delegator = messages.SYSTEM
    for each in itertools.count(1):
        try:
            answer = send["Spawn"](messages.spawn(delegator), metadata=target.metadata())
            run = agents_pb2.SpawnResponse.FromString(answer).run.id
            yield True
            for verb in _OF_RUN:
                send[verb](messages.of_run(verb, run), metadata=target.metadata())
                yield True
            delegator = messages.SYSTEM if each % 4 else core_pb2.ObjectReference(type="run", id=run)
        except grpc.RpcError:
            delegator = messages.SYSTEM
            yield False
            time.sleep(RETRY_S)


def _consents(target: Target, number: int) -> Iterator[bool]:
    """Gives consent and withdraws it, over and over, and lists what has come of it."""
    give = target.channel().unary_unary(_A + "GiveConsent", None, agents_pb2.GiveConsentResponse.FromString)
    withdraw, listed = (target.channel().unary_unary(_A + verb) for verb in ("WithdrawConsent", "ListConsents"))
    while True:
        try:
            id = give(messages.consent(), metadata=target.metadata()).consent.id
            yield True
            for send, message in ((withdraw, messages.consent_withdrawn(id)), (listed, messages.consents_listed())):
                send(message, metadata=target.metadata())
                yield True
        except grpc.RpcError:
            yield False
            time.sleep(RETRY_S)


_REGISTRY = ("RegisterAgent", "ChangeAgent", "AddVersion", "Certify", "Decertify", "RetireAgent")


def _registrations(target: Target, number: int) -> Iterator[bool]:
    """Agents, one after the other, from the beginning to the end of their lives."""
    send = {verb: target.channel().unary_unary(_A + verb, None, None) for verb in _REGISTRY}
    for each in itertools.count():
        yield from _in_turn(target, send, messages.registrations(f"attack-{number}-{each}"))


def _tools(target: Target, number: int) -> Iterator[bool]:
    """Has a tool say another thing each time, as large as it may be, and accepts and rejects it in turns."""
    channel, tool = target.channel(), f"attack-{number}"
    send = {verb: channel.unary_unary(_A + verb, None, None) for verb in _VERBS_OF_TOOLS}
    requests = {verb: partial(getattr(agents_pb2, f"{verb}Request"), tool=tool) for verb in _VERBS_OF_TOOLS}
    requests["ListTools"] = agents_pb2.ListToolsRequest
    asked = 0
    while True:
        asked += 1
        document = messages.descriptor(asked)
        digest = sha256(document).hexdigest()
        sayings: tuple[tuple[str, dict[str, object]], ...] = (
            ("RegisterTool", {"domain": DOMAIN, "descriptor": document, "tags": ["a"]}),
            ("ProposeDescriptor", {"descriptor": document}),
            ("DescribeTool", {}),
            ("AcceptDescriptor" if asked % 2 else "RejectDescriptor", {"digest": digest}),
            ("ChangeTool", {"tags": [f"tag-{asked % 8}"], "risk": "high"}),
            ("RelaxTool", {"remove_tags": [f"tag-{asked % 8}"], "risk": "low"}),
            ("RetireTool", {"dry_run": True}),
            ("ListTools", {}),
        )
        made = ((verb, requests[verb](**said).SerializeToString()) for verb, said in sayings)
        yield from _in_turn(target, send, made)


# fmt: off
ATTACKERS: dict[str, Attacker] = {
    # Without a key.
    "packed health checks": Attacker(strangers.packed_health, 2),
    "silent HTTP connections": Attacker(strangers.silent_http),
    "silent gRPC connections": Attacker(strangers.silent_grpc, 2),
    "health watches": Attacker(strangers.health_watches, 4),
    "bodiless health checks": Attacker(strangers.bodiless_health, 4),
    "unread health checks": Attacker(strangers.unread_health, 20),
    "garbage": Attacker(strangers.garbage, 2),
    "begun bodies of strangers": Attacker(strangers.begun_bodies_of_strangers, 20),
    "reflection": Attacker(strangers.reflection, 4),
    "rapid resets": Attacker(strangers.rapid_resets, 2),
    "half handshakes": Attacker(strangers.half_handshakes, 1, needs_tls=True),
    "wrong JSON of strangers": Attacker(http_calls.wrong_calls, 2),
    "begun JSON of strangers": Attacker(http_calls.begun_json, 1),
    "false keys": Attacker(strangers.false_keys, 2),
    "revoked keys": Attacker(strangers.revoked_keys, 2),

    # With a key, and without ever ending a request or taking an answer.
    "bodiless calls": Attacker(strangers.bodiless, 20, rights=(Right.CHECK,)),
    "begun bodies": Attacker(strangers.begun_bodies, 20, rights=(Right.CHECK, Right.WRITE)),
    "garbage with a key": Attacker(strangers.garbage, 2, rights=(Right.CHECK, Right.READ, Right.WRITE)),
    "wrong JSON": Attacker(http_calls.wrong_calls, 2, rights=(Right.CHECK,)),
    "begun JSON": Attacker(http_calls.begun_json, 1, rights=(Right.CHECK,)),
    "unread answers": Attacker(strangers.unread_answers, 4, rights=(Right.CHECK, Right.READ)),
    "slow watches": by_verbs(strangers.slow_watches, 2, _R + "Watch"),

    # With a key, as the API has it.
    "explanations": asks(_P + "Check", messages.explained, HEAVY),
    "the long past": by_verbs(_at_exactly, HEAVY, _P + "Check"),
    "contexts": asks(_P + "CheckMany", messages.with_contexts, HEAVY),
    "calls": asks(_P + "CheckMany", messages.with_calls, HEAVY),
    "expansions": asks(_P + "Expand", messages.expanded, HEAVY),
    "lists of resources": asks(_P + "LookupResources", messages.resources_found, HEAVY),
    "lists of subjects": asks(_P + "LookupSubjects", messages.subjects_found, HEAVY),
    "lists of permissions": asks(_P + "LookupPermissions", messages.permissions_found, HEAVY),
    "dry-run deletes": asks(_R + "Delete", messages.dry_deletes, 40),
    "dry-run writes": asks(_R + "Write", messages.dry_writes, 40),
    "writes": asks(_R + "Write", messages.writes, 40),
    "imports": sends(_R + "Import", messages.imports, 100),
    "pages": asks(_R + "Read", messages.pages, HEAVY),
    "exports": reads(_R + "Export", messages.whole_store, HEAVY),
    "watches": reads(_R + "Watch", messages.everything_watched, 100),
    "watches of a permission": reads(_P + "WatchPermission", messages.permission_watched, 100),
    "large schemas": asks(_S + "WriteSchema", messages.schemas_written, HEAVY),
    "schema comparisons": asks(_S + "DiffSchema", messages.schemas_compared, HEAVY),
    "schema reads": asks(_S + "ReadSchema", messages.schema_read, HEAVY),
    "orphans": asks(_A + "Orphans", messages.orphans, HEAVY),
    "impacts": asks(_A + "Impact", messages.impacts, HEAVY),
    "dry-run holds": asks(_A + "Hold", messages.dry_holds, HEAVY),
    "dry-run transfers": asks(_A + "TransferOwner", messages.dry_transfers, HEAVY),
    "stops": by_verbs(_stops, HEAVY, _A + "Hold", _A + "Release", _A + "Terminate"),
    "tools": by_verbs(_tools, HEAVY, *(_A + verb for verb in _VERBS_OF_TOOLS)),
    "spawns": by_verbs(_spawns, HEAVY, _A + "Spawn", *(_A + verb for verb in _OF_RUN)),
    "consents": by_verbs(_consents, HEAVY, *(_A + verb for verb in ("GiveConsent", "WithdrawConsent", "ListConsents"))),
    "registrations": by_verbs(_registrations, HEAVY, *(_A + verb for verb in _REGISTRY)),
    "lists of agents": asks(_A + "ListAgents", messages.agents_listed, HEAVY),
    "descriptions of agents": asks(_A + "DescribeAgent", messages.agents_described, HEAVY),
    "applies": asks(_A + "Apply", messages.applies, HEAVY),
    "stores": by_verbs(_stores, HEAVY, _T + "CreateStore", _T + "DeleteStore"),
    "store lists": asks(_T + "ListStores", messages.stores_listed, HEAVY),
    "who am I": asks(_T + "WhoAmI", messages.callers_told, HEAVY),
    "copies": by_verbs(_copies, 4, _T + "Backup", _T + "Restore", _T + "DeleteStore"),
    # The same in JSON, of each kind that costs Python much to read, to do or to write.
    "JSON explanations": asks_json(_P + "Check", messages.explained, HEAVY),
    "JSON contexts": asks_json(_P + "CheckMany", messages.some_contexts, HEAVY),
    "JSON expansions": asks_json(_P + "Expand", messages.expanded, HEAVY),
    "JSON pages": asks_json(_R + "Read", messages.pages, HEAVY),
    "JSON writes": asks_json(_R + "Write", messages.writes, HEAVY),
    "JSON schemas": asks_json(_S + "DiffSchema", messages.schemas_compared, HEAVY),
    "JSON SpiceDB trees": asks_json(_SP + "ExpandPermissionTree", messages.spicedb_trees, HEAVY),

    "SpiceDB questions": asks(_SP + "CheckPermission", messages.spicedb_question, HEAVY),
    "SpiceDB bulks": asks(_SP + "CheckBulkPermissions", messages.spicedb_questions, HEAVY),
    "SpiceDB writes": asks(_SP + "WriteRelationships", messages.spicedb_writes, 40),
    "SpiceDB schemas": asks(_SS + "WriteSchema", messages.spicedb_schemas_written, HEAVY),
    "SpiceDB schema reads": asks(_SS + "ReadSchema", messages.spicedb_schema_read, HEAVY),
    "SpiceDB trees": asks(_SP + "ExpandPermissionTree", messages.spicedb_trees, HEAVY),
    "SpiceDB resources": reads(_SP + "LookupResources", messages.spicedb_resources, HEAVY),
    "SpiceDB subjects": reads(_SP + "LookupSubjects", messages.spicedb_subjects, HEAVY),
    "SpiceDB deletions": asks(_SP + "DeleteRelationships", messages.spicedb_deletions, 40),
    "SpiceDB lists": reads(_SP + "ReadRelationships", messages.spicedb_lists, HEAVY),
    "SpiceDB exports": reads(_SP + "ExportBulkRelationships", messages.spicedb_exports, HEAVY),
    "SpiceDB imports": sends(_SP + "ImportBulkRelationships", messages.spicedb_imports, 20),
    "SpiceDB watches": reads(_SW + "Watch", messages.spicedb_watches, 40),
    "SpiceDB reflections": asks(_SS + "ReflectSchema", messages.spicedb_reflections, HEAVY),
    "SpiceDB comparisons": asks(_SS + "DiffSchema", messages.spicedb_comparisons, HEAVY),
    "SpiceDB computables": asks(_SS + "ComputablePermissions", messages.spicedb_computables, HEAVY),
    "SpiceDB dependents": asks(_SS + "DependentRelations", messages.spicedb_dependents, HEAVY),
    "experimental bulks": asks(_SE + "BulkCheckPermission", messages.spicedb_bulk_before, HEAVY),
    "experimental exports": reads(_SE + "BulkExportRelationships", messages.spicedb_exports, HEAVY),
    "experimental imports": sends(_SE + "BulkImportRelationships", messages.spicedb_imports, 20),
    "experimental reflections": asks(_SE + "ExperimentalReflectSchema", messages.spicedb_reflections, HEAVY),
    "experimental comparisons": asks(_SE + "ExperimentalDiffSchema", messages.spicedb_comparisons, HEAVY),
    "experimental computables": asks(_SE + "ExperimentalComputablePermissions", messages.spicedb_computables, HEAVY),
    "experimental dependents": asks(_SE + "ExperimentalDependentRelations", messages.spicedb_dependents, HEAVY),
}
# fmt: on


# Floods: whose calls come again as soon as they are refused, answered or cancelled. Where grpcio listens by itself each
# of them is work for Python's event loop, which takes calls in their order. Alone each of these only delays others;
# together they are more than it gets done, and gRPC cancels what was not begun within half a minute, whoever asked it.
# docs/operate/security.md says so too.
BEYOND_GRPCIO = frozenset(
    {
        "packed health checks",
        "bodiless health checks",
        "unread health checks",
        "garbage",
        "begun bodies of strangers",
        "reflection",
        "wrong JSON of strangers",
        "wrong JSON",
        "rapid resets",
        "false keys",
        "revoked keys",
        "bodiless calls",
        "begun bodies",
        "garbage with a key",
    }
)


def rights_of_callers() -> dict[str, tuple[Right, ...]]:
    """Of each attacker that has a key."""
    return {name: attacker.rights for name, attacker in ATTACKERS.items() if attacker.rights}
