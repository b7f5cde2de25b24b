"""A request for each verb of remit.v1."""

from __future__ import annotations

import itertools
from hashlib import sha256

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from remit.engine.agents.descriptions import Digests
from remit.engine.facade import Engine
from remit.model import ObjectRef, Operation, SubjectRef, Update
from remit.notation import parse_relationship
from remit.v1 import agents_pb2, core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from tests.support.serving import AGENT_SCHEMA, NOW_US

FOLDER = core_pb2.ObjectReference(type="folder", id="top")
ANN = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann"))
SYSTEM = core_pb2.ObjectReference(type="system", id="clock")
BEN = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ben"))
RUN = core_pb2.ObjectReference(type="run", id="r-1")
DESCRIPTORS = [b'{"input_schema":{"maxProperties":%d,"type":"object"}}' % each for each in range(2)]
DIGESTS = [sha256(each).hexdigest() for each in DESCRIPTORS]
FACT = core_pb2.Relationship(resource=FOLDER, relation="viewer", subject=ANN)
ESTATE = b'{"apiVersion":"remit/v1","kind":"Estate","metadata":{"name":"acme"}}'
FILTER = core_pb2.RelationshipFilter(resource_type="folder", resource_id="top")


# A run that lives below a system, and what another one needs.
RUNNING = (
    "user:owner#registered@directory:people",
    "domain:d#estate@estate:e",
    "system:clock#registered@directory:systems",
    "system:clock#owner@user:owner",
    "system:clock#domain@domain:d",
    "agent:bot#registered@directory:agents",
    "agent:bot#owner@user:owner",
    "agent:bot#domain@domain:d",
    "agent_version:bot.1#version_of@agent:bot",
    "agent_version:bot.1#certified@directory:reviews",
    "profile:all#holder@system:clock",
    "credential:local#registered@directory:keys",
    "user:ann#consent@consent:given",
    "consent:given#agent@agent:bot",
    "run:r-2#delegated_by@system:clock",
    "run:r-2#instance_of@agent_version:bot.1",
    "run:r-2#spawned_by@credential:local",
    "profile:all#holder@run:r-2",
    "profile:all#declarer@run:r-2",
)


def register_credential(engine: Engine, store: str, id: str) -> None:
    """So that a key of that id can start runs."""
    fact = parse_relationship(f"credential:{id}#registered@directory:keys")
    engine.relationships.write(store, [Update(Operation.TOUCH, fact)])


def prepare(engine: Engine, store: str) -> None:
    """Make a store such that it would carry out each of the requests."""
    engine.schemas.write(store, AGENT_SCHEMA)
    facts = (
        "folder:top#viewer@user:ann",
        "run:r-1#delegated_by@user:ann",
        "user:ben#registered@directory:people",
        "domain:retail#estate@estate:acme",
        "agent:kept#owner@user:ann",
        *RUNNING,
    )
    engine.relationships.write(store, [Update(Operation.TOUCH, parse_relationship(each)) for each in facts])
    engine.holds.hold(store, ObjectRef("user", "ann"), reason="", id="placed")
    for tool in ("tool", "accepted", "rejected", "retired"):
        engine.tools.register(store, tool, domain="d", descriptor=DESCRIPTORS[0], tags=["a"])
    for agent in ("payer", "over"):
        engine.registrations.register(store, agent, owners=[SubjectRef("user", "ben")], domain="retail")
    engine.versions.add(store, "payer", "payer/1", digests=Digests(model="m"))


def request(verb: str, store: str) -> Message:
    """A request that a server would carry out, and that leaves the store such that it would carry out every other."""
    A = agents_pb2
    P, R, S, T = permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
    update = R.Update(operation=R.OPERATION_TOUCH, relationship=FACT)
    item = P.CheckItem(resource=FOLDER, permission="view", subject=ANN)
    match verb:
        case "Check":
            return P.CheckRequest(store=store, resource=FOLDER, permission="view", subject=ANN)
        case "CheckMany":
            return P.CheckManyRequest(store=store, items=[item])
        case "Expand":
            return P.ExpandRequest(store=store, resource=FOLDER, permission="view")
        case "LookupResources":
            return P.LookupResourcesRequest(store=store, resource_type="folder", permission="view", subject=ANN)
        case "LookupSubjects":
            return P.LookupSubjectsRequest(store=store, resource=FOLDER, permission="view", subject_type="user")
        case "LookupPermissions":
            return P.LookupPermissionsRequest(store=store, resource=FOLDER, subject=ANN)
        case "WatchPermission":
            return P.WatchPermissionRequest(
                store=store,
                resource_type="folder",
                permission="view",
                subject_type="user",
                checkpoint_interval_ms=100,
            )
        case "Write":
            return R.WriteRequest(store=store, updates=[update])
        case "Read":
            return R.ReadRequest(store=store)
        case "Delete":
            return R.DeleteRequest(store=store, filter=FILTER)
        case "Import":
            return R.ImportRequest(store=store, relationships=[FACT])
        case "Export":
            return R.ExportRequest(store=store)
        case "Watch":
            return R.WatchRequest(store=store, checkpoint_interval_ms=100)
        case "WriteSchema":
            return S.WriteSchemaRequest(store=store, schema=AGENT_SCHEMA + "\n// again")
        case "ReadSchema":
            return S.ReadSchemaRequest(store=store)
        case "DiffSchema":
            return S.DiffSchemaRequest(store=store, schema=AGENT_SCHEMA)
        case "CreateStore":
            return T.CreateStoreRequest(name=store)
        case "ListStores":
            return T.ListStoresRequest()
        case "DeleteStore":
            return T.DeleteStoreRequest(name=store)
        case "Backup":
            return T.BackupRequest(name=store)
        case "Restore":
            return T.RestoreRequest(name=store, chunk=b"no backup")
        case "WhoAmI":
            return T.WhoAmIRequest()
        case "Hold":
            return A.HoldRequest(store=store, on=ANN.object)
        case "Release":
            return A.ReleaseRequest(store=store, id="placed")
        case "Terminate":
            return A.TerminateRequest(store=store, object=RUN)
        case "GiveConsent":
            return A.GiveConsentRequest(store=store, giver=ANN.object, agents=["bot"])
        case "WithdrawConsent":
            return A.WithdrawConsentRequest(store=store, id="given")
        case "ListConsents":
            return A.ListConsentsRequest(store=store, giver=ANN.object)
        case "Spawn":  # below a person it would need a second right
            return A.SpawnRequest(store=store, delegator=SYSTEM, version="bot.1", profiles=["all"])
        case "Renew":
            return A.RenewRequest(store=store, run="r-2")
        case "Narrow":
            return A.NarrowRequest(store=store, run="r-2", intent="all")
        case "DeclareIntent":
            return A.DeclareIntentRequest(store=store, run="r-2", intent="all")
        case "DescribeRun":
            return A.DescribeRunRequest(store=store, run="r-2")
        case "ListRuns":
            return A.ListRunsRequest(store=store)
        case "ShowChain":
            return A.ShowChainRequest(store=store, run="r-2")
        case "ShowSubtree":
            return A.ShowSubtreeRequest(store=store, object=SYSTEM)
        case "RegisterAgent":
            return A.RegisterAgentRequest(store=store, agent=_new(), owners=[BEN], domain="retail")
        case "ChangeAgent":
            return A.ChangeAgentRequest(store=store, agent="payer", owners=[BEN])
        case "RetireAgent":
            return A.RetireAgentRequest(store=store, agent="over")
        case "AddVersion":
            return A.AddVersionRequest(store=store, agent="payer", version=_new(), digests=A.Digests(model="m"))
        case "Certify":
            until = Timestamp(seconds=NOW_US // 1_000_000 + 3600)
            return A.CertifyRequest(store=store, version="payer/1", until=until)
        case "Decertify":
            return A.DecertifyRequest(store=store, version="payer/1")
        case "ListAgents":
            return A.ListAgentsRequest(store=store)
        case "DescribeAgent":
            return A.DescribeAgentRequest(store=store, agent="payer")
        case "Orphans":
            return A.OrphansRequest(store=store)
        case "TransferOwner":
            return A.TransferOwnerRequest(store=store, from_owner=ANN, to_owner=BEN, dry_run=True)
        case "Impact":
            return A.ImpactRequest(store=store, object=RUN)
        case "RegisterTool":
            # A dry run, since a tool is registered once.
            return A.RegisterToolRequest(
                store=store, tool="new", domain="d", descriptor=DESCRIPTORS[0], tags=["a"], dry_run=True
            )
        case "ProposeDescriptor":
            return A.ProposeDescriptorRequest(store=store, tool="tool", descriptor=DESCRIPTORS[1])
        case "AcceptDescriptor":
            return A.AcceptDescriptorRequest(store=store, tool="accepted", digest=DIGESTS[0], dry_run=True)
        case "RejectDescriptor":
            return A.RejectDescriptorRequest(store=store, tool="rejected", digest=DIGESTS[0], dry_run=True)
        case "ChangeTool":
            return A.ChangeToolRequest(store=store, tool="tool", tags=["b"])
        case "RelaxTool":
            return A.RelaxToolRequest(store=store, tool="tool", risk="high")
        case "RetireTool":
            return A.RetireToolRequest(store=store, tool="retired")
        case "ListTools":
            return A.ListToolsRequest(store=store)
        case "DescribeTool":
            return A.DescribeToolRequest(store=store, tool="tool")
        case "Apply":
            return A.ApplyRequest(store=store, documents=[ESTATE])
    raise AssertionError(f"the test knows no request for `{verb}`: add one")


_numbers = itertools.count()


def _new() -> str:
    """A name that no request has had: what is made is made once."""
    return f"new-{next(_numbers)}"
