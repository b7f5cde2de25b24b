"""Requests of the verbs of agents that cost as much as one may, over a store of their own.

A person owns as many agents as the world is large, gave as many consents and has as many runs below; a team of as many
of whom nobody is there owns with them; one profile gives as many tools. Those that change something are dry runs, so
that the world stays.
Law: every verb of agents has a generator here; a new one joins on the day it is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from random import Random

from google.protobuf.message import Message

from remit.v1 import agents_pb2, core_pb2
from remit.wire.values import encode_time

A = agents_pb2
STORE = "agents"
SCHEMA = 'use import\n\nimport "remit:agents@1"\n'
DESCRIPTORS = [json.dumps({"input_schema": {"type": "object", "maxProperties": at}}).encode() for at in range(2)]


def facts(size: int) -> Iterator[str]:
    yield from ("user:boss#registered@directory:people", "user:next#registered@directory:people")
    yield from (
        "domain:d#estate@estate:e",
        "credential:local#registered@directory:keys",
        "profile:all#holder@user:boss",
    )
    yield from (
        "system:clock#registered@directory:systems",
        "system:clock#owner@user:boss",
        "system:clock#domain@domain:d",
    )
    yield from ("profile:all#holder@system:clock", "profile:all#holder@agent:0", "profile:all#holder@agent_version:v0")
    yield from ("agent_version:v0#version_of@agent:0", "agent_version:v0#certified@directory:reviews")
    for at in range(size):
        yield f"team:crowd#member@user:gone{at}"
        yield from (
            f"agent:{at}#registered@directory:agents",
            f"agent:{at}#owner@user:boss",
            f"agent:{at}#domain@domain:d",
        )
        yield from (f"user:boss#consent@consent:c{at}", f"consent:c{at}#agent@agent:0")
        yield from (f"run:{at}#delegated_by@user:boss", f"run:{at}#instance_of@agent_version:v0")
        yield from (f"consent:c0#run@run:{at}", f"run:{at}#spawned_by@credential:local")
        yield from (f"profile:all#holder@run:{at}", f"profile:all#declarer@run:{at}")
        yield from (
            f"tool:{at}#registered@directory:tools",
            f"tool:{at}#domain@domain:d",
            f"tool:{at}#untagged@directory:t",
        )
        yield from (f"tool:{at}#may_use@profile:all#holds", f"tool:{at}#in_intent@profile:all#declares")
        yield f"tool:{at}#descriptor@descriptor:{sha256(DESCRIPTORS[0]).hexdigest()}"


def _object(type: str, id: str) -> core_pb2.ObjectReference:
    return core_pb2.ObjectReference(type=type, id=id)


def _subject(type: str, id: str, relation: str = "") -> core_pb2.SubjectReference:
    return core_pb2.SubjectReference(object=_object(type, id), relation=relation)


BOSS, NEXT, CROWD = _subject("user", "boss"), _subject("user", "next"), _subject("team", "crowd", "member")
_TOOL = "0"
_DIGEST, _PENDING = (sha256(each).hexdigest() for each in DESCRIPTORS)


def _documents(count: int) -> list[bytes]:
    named = ({"apiVersion": "remit/v1", "kind": "Person", "metadata": {"name": f"new{at}"}} for at in range(count))
    return [json.dumps(each).encode() for each in named]


# By verb: of the world's size, how many updates a write may have, and a time that is to come.
_MAKERS: Mapping[str, Callable[[int, int, int], Message]] = {
    "Hold": lambda n, most, soon: A.HoldRequest(on=BOSS.object, dry_run=True),
    "Release": lambda n, most, soon: A.ReleaseRequest(id="placed", dry_run=True),
    "Terminate": lambda n, most, soon: A.TerminateRequest(object=_object("agent", "0"), dry_run=True),
    "GiveConsent": lambda n, most, soon: A.GiveConsentRequest(
        giver=BOSS.object, agents=[f"{at}" for at in range(min(n, most, 100))], dry_run=True),
    "WithdrawConsent": lambda n, most, soon: A.WithdrawConsentRequest(id="c0", dry_run=True),
    "ListConsents": lambda n, most, soon: A.ListConsentsRequest(giver=BOSS.object),
    "Spawn": lambda n, most, soon: A.SpawnRequest(
        delegator=BOSS.object, version="v0", profiles=["all"], dry_run=True),
    "Renew": lambda n, most, soon: A.RenewRequest(run="0", lifetime_s=600, dry_run=True),
    "Narrow": lambda n, most, soon: A.NarrowRequest(run="0", intent="all", dry_run=True),
    "DeclareIntent": lambda n, most, soon: A.DeclareIntentRequest(run="0", intent="all", dry_run=True),
    "DescribeRun": lambda n, most, soon: A.DescribeRunRequest(run="0"),
    "ListRuns": lambda n, most, soon: A.ListRunsRequest(),
    "ShowChain": lambda n, most, soon: A.ShowChainRequest(run="0"),
    "ShowSubtree": lambda n, most, soon: A.ShowSubtreeRequest(object=BOSS.object),
    "RegisterAgent": lambda n, most, soon: A.RegisterAgentRequest(
        agent="new", owners=[CROWD, BOSS], domain="d", dry_run=True),
    "ChangeAgent": lambda n, most, soon: A.ChangeAgentRequest(agent="0", owners=[CROWD, BOSS], dry_run=True),
    "RetireAgent": lambda n, most, soon: A.RetireAgentRequest(agent="0", dry_run=True),
    "AddVersion": lambda n, most, soon: A.AddVersionRequest(
        agent="0", version="v1", digests=A.Digests(model="m"), dry_run=True),
    "Certify": lambda n, most, soon: A.CertifyRequest(version="v0", until=encode_time(soon), dry_run=True),
    "Decertify": lambda n, most, soon: A.DecertifyRequest(version="v0", dry_run=True),
    "ListAgents": lambda n, most, soon: A.ListAgentsRequest(),
    "DescribeAgent": lambda n, most, soon: A.DescribeAgentRequest(agent="0"),
    "Orphans": lambda n, most, soon: A.OrphansRequest(leaving=BOSS.object),
    "TransferOwner": lambda n, most, soon: A.TransferOwnerRequest(from_owner=BOSS, to_owner=NEXT, dry_run=True),
    "Impact": lambda n, most, soon: A.ImpactRequest(object=BOSS.object, with_chains=True),
    "RegisterTool": lambda n, most, soon: A.RegisterToolRequest(
        tool="new", domain="d", descriptor=DESCRIPTORS[0], tags=["a"], dry_run=True),
    "ProposeDescriptor": lambda n, most, soon: A.ProposeDescriptorRequest(
        tool=_TOOL, descriptor=DESCRIPTORS[1], dry_run=True),
    "AcceptDescriptor": lambda n, most, soon: A.AcceptDescriptorRequest(
        tool=_TOOL, digest=_PENDING, dry_run=True),
    "RejectDescriptor": lambda n, most, soon: A.RejectDescriptorRequest(tool=_TOOL, digest=_DIGEST, dry_run=True),
    "ChangeTool": lambda n, most, soon: A.ChangeToolRequest(tool=_TOOL, tags=["b"], dry_run=True),
    "RelaxTool": lambda n, most, soon: A.RelaxToolRequest(tool=_TOOL, risk="low", dry_run=True),
    "RetireTool": lambda n, most, soon: A.RetireToolRequest(tool=_TOOL, dry_run=True),
    "ListTools": lambda n, most, soon: A.ListToolsRequest(),
    "DescribeTool": lambda n, most, soon: A.DescribeToolRequest(tool=_TOOL),
    "Apply": lambda n, most, soon: A.ApplyRequest(documents=_documents(most), dry_run=True),
}  # fmt: skip


def generators(soon_us: int) -> dict[str, Callable[..., Sequence[Message]]]:
    """By path."""

    def of(verb: str) -> Callable[..., Sequence[Message]]:
        def generate(world: object, chance: Random) -> Sequence[Message]:
            size, most = world.size, world.limits.updates_max  # type: ignore[attr-defined]
            request = _MAKERS[verb](size, most, soon_us)
            request.store = STORE  # type: ignore[attr-defined]
            return [request]

        return generate

    return {f"/remit.v1.Agents/{verb}": of(verb) for verb in _MAKERS}
