"""Registering, changing and retiring agents, adding and certifying their versions, and listing both."""

from __future__ import annotations

from collections.abc import Iterable

from remit.client.answers import AgentResult, CertifyResult, RetireResult, VersionResult
from remit.client.requests.agents.naming import id_of, request_id_of
from remit.client.requests.request import Request, consistency_of
from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.descriptions import Digests
from remit.engine.agents.inventory import AgentDescription, AgentPage
from remit.model import SubjectRef
from remit.notation import parse_subject
from remit.v1 import agents_pb2, core_pb2
from remit.wire.agents.registry import (
    decode_agent,
    decode_snapshot,
    decode_version,
    encode_ceilings,
    encode_digests,
)
from remit.wire.facts import encode_subject
from remit.wire.values import encode_time


def register_agent(
    store: str,
    agent: str,
    owners: Iterable[str | SubjectRef],
    domain: str,
    ceilings: Ceilings | None,
    directory: str,
    request_id: str,
    dry_run: bool,
) -> Request[AgentResult]:
    request = agents_pb2.RegisterAgentRequest(
        store=store,
        request_id=request_id_of(request_id),
        agent=id_of("agent", agent),
        owners=_owners(owners),
        domain=id_of("domain", domain),
        ceilings=encode_ceilings(ceilings) if ceilings is not None else None,
        directory=id_of("directory", directory),
        dry_run=dry_run,
    )
    return Request(
        "/remit.v1.Agents/RegisterAgent", request, agents_pb2.RegisterAgentResponse, _agent, is_repeatable=True
    )


def change_agent(
    store: str,
    agent: str,
    owners: Iterable[str | SubjectRef],
    domain: str,
    ceilings: Ceilings | None,
    request_id: str,
    dry_run: bool,
) -> Request[AgentResult]:
    request = agents_pb2.ChangeAgentRequest(
        store=store,
        request_id=request_id_of(request_id),
        agent=id_of("agent", agent),
        owners=_owners(owners),
        domain=id_of("domain", domain),
        ceilings=encode_ceilings(ceilings) if ceilings is not None else None,
        dry_run=dry_run,
    )
    return Request("/remit.v1.Agents/ChangeAgent", request, agents_pb2.ChangeAgentResponse, _agent, is_repeatable=True)


def retire_agent(store: str, agent: str, reason: str, request_id: str, dry_run: bool) -> Request[RetireResult]:
    request = agents_pb2.RetireAgentRequest(
        store=store,
        request_id=request_id_of(request_id),
        agent=id_of("agent", agent),
        reason=reason,
        dry_run=dry_run,
    )
    return Request(
        "/remit.v1.Agents/RetireAgent",
        request,
        agents_pb2.RetireAgentResponse,
        lambda answer: RetireResult(answer.token, decode_agent(answer.agent), answer.was_over),
        is_repeatable=True,
    )


def add_version(
    store: str, agent: str, version: str, digests: Digests, like: str, request_id: str, dry_run: bool
) -> Request[VersionResult]:
    request = agents_pb2.AddVersionRequest(
        store=store,
        request_id=request_id_of(request_id),
        agent=id_of("agent", agent),
        version=id_of("agent_version", version),
        digests=encode_digests(digests),
        like=id_of("agent_version", like),
        dry_run=dry_run,
    )
    return Request("/remit.v1.Agents/AddVersion", request, agents_pb2.AddVersionResponse, _version, is_repeatable=True)


def certify(
    store: str, version: str, until_us: int, reason: str, directory: str, request_id: str, dry_run: bool
) -> Request[CertifyResult]:
    request = agents_pb2.CertifyRequest(
        store=store,
        request_id=request_id_of(request_id),
        version=id_of("agent_version", version),
        until=encode_time(until_us),
        reason=reason,
        directory=id_of("directory", directory),
        dry_run=dry_run,
    )
    return Request("/remit.v1.Agents/Certify", request, agents_pb2.CertifyResponse, _certified, is_repeatable=True)


def decertify(store: str, version: str, reason: str, request_id: str, dry_run: bool) -> Request[VersionResult]:
    request = agents_pb2.DecertifyRequest(
        store=store,
        request_id=request_id_of(request_id),
        version=id_of("agent_version", version),
        reason=reason,
        dry_run=dry_run,
    )
    return Request("/remit.v1.Agents/Decertify", request, agents_pb2.DecertifyResponse, _version, is_repeatable=True)


def list_agents(store: str, at_least: str, limit: int, cursor: str) -> Request[AgentPage]:
    request = agents_pb2.ListAgentsRequest(
        store=store, consistency=consistency_of(at_least), limit=limit, cursor=cursor
    )
    return Request("/remit.v1.Agents/ListAgents", request, agents_pb2.ListAgentsResponse, _page, is_repeatable=True)


def describe_agent(store: str, agent: str, at_least: str, limit: int, cursor: str) -> Request[AgentDescription]:
    request = agents_pb2.DescribeAgentRequest(
        store=store, agent=id_of("agent", agent), consistency=consistency_of(at_least), limit=limit, cursor=cursor
    )
    return Request(
        "/remit.v1.Agents/DescribeAgent", request, agents_pb2.DescribeAgentResponse, _description, is_repeatable=True
    )


def _owners(owners: Iterable[str | SubjectRef]) -> list[core_pb2.SubjectReference]:
    return [encode_subject(parse_subject(each) if isinstance(each, str) else each) for each in owners]


def _agent(answer: agents_pb2.RegisterAgentResponse | agents_pb2.ChangeAgentResponse) -> AgentResult:
    return AgentResult(answer.token, decode_agent(answer.agent))


def _version(answer: agents_pb2.AddVersionResponse | agents_pb2.DecertifyResponse) -> VersionResult:
    return VersionResult(answer.token, decode_version(answer.version))


def _certified(answer: agents_pb2.CertifyResponse) -> CertifyResult:
    snapshot = decode_snapshot(answer.snapshot) if answer.HasField("snapshot") else None
    return CertifyResult(answer.token, decode_version(answer.version), snapshot)


def _page(answer: agents_pb2.ListAgentsResponse) -> AgentPage:
    return AgentPage(tuple(map(decode_agent, answer.agents)), answer.next_cursor, answer.token)


def _description(answer: agents_pb2.DescribeAgentResponse) -> AgentDescription:
    versions = tuple(map(decode_version, answer.versions))
    return AgentDescription(decode_agent(answer.agent), versions, answer.next_cursor, answer.token)
