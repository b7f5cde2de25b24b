"""What `--json` prints: the shapes that docs/cli.md promises, in one place.

Law: keys are never renamed or dropped, only added; a key whose value is absent is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar

from remit.access.keys import Key, right_names
from remit.arguments.differences import Differences
from remit.cli.render.delegations import StandsAlone
from remit.cli.render.output import WORDS
from remit.client import (
    Answer,
    Expanded,
    Found,
    HoldResult,
    ImpactResult,
    PermissionEvent,
    Permissionship,
    ToolDescription,
    ToolState,
    TransferResult,
    Unanswered,
    WatchEvent,
    WouldStop,
)
from remit.engine.agents.applies import DocumentChange
from remit.engine.agents.consents import ConsentState
from remit.engine.agents.descriptions import AgentState, VersionState
from remit.engine.agents.lineage import ChainLink, RunBelow
from remit.engine.agents.owners import Orphan
from remit.engine.agents.run_states import RunState
from remit.errors import RemitError, RemoteError, SchemaInvalid, WorldInvalid
from remit.eval.trees import (
    ExpandAlong,
    ExpandArrow,
    ExpandExclusion,
    ExpandExists,
    ExpandIntersection,
    ExpandLeaf,
    ExpandNobody,
    ExpandNode,
    ExpandReference,
    ExpandSelf,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
    Explanation,
    ExplanationNode,
)
from remit.language.source import Issue
from remit.model import Relationship, StoredRelationship, StoreInfo
from remit.notation import (
    format_relationship,
    format_time,
)
from remit.wire.schemas import Finding as SchemaFinding
from remit.world import Finding, World

Json = dict[str, object]
T = TypeVar("T")


# --- answers ----------------------------------------------------------------------------------------------------


def answer_json(question: str, answer: Answer | Unanswered) -> Json:
    if isinstance(answer, Unanswered):
        return {"question": question, "error": error_json(answer.error)}
    shape: Json = {
        "question": question,
        "verdict": WORDS[answer.verdict],
        "missing": list(answer.missing),
        "token": answer.token,
        "evaluated_at": format_time(answer.evaluated_at_us),
    }
    if answer.historical:
        shape["historical"] = True
    if answer.explanation is not None:
        shape["explanation"] = explanation_json(answer.explanation)
    return shape


def found_json(what: str, found: Found[T]) -> Json:
    """`what` is `resource`, `subject` or `permission`."""
    shape: Json = {what: str(found.what), "verdict": WORDS[found.verdict], "missing": list(found.missing)}
    if found.excluded:
        shape["excluded"] = [str(each) for each in found.excluded]
    return shape


def explanation_json(explanation: Explanation) -> Json:
    return {
        "questions": [
            {
                "question": f"{each.resource}#{each.relation}@{each.subject}",
                "verdict": WORDS[each.verdict],
                "definition": _explained(each.definition),
            }
            for each in explanation.questions
        ],
        "truncated": explanation.truncated,
        "witness": [format_relationship(each) for each in explanation.witness],
        "fix": [f"{each.operation.value} {format_relationship(each.relationship)}" for each in explanation.fix],
        "unfinished": explanation.unfinished,
    }


def _explained(node: ExplanationNode) -> Json:
    shape: Json = {"kind": node.kind.name.lower(), "verdict": WORDS[node.verdict]}
    if node.resource is not None:
        shape["question"] = f"{node.resource}#{node.relation}@{node.subject}"
    if node.relationship is not None:
        shape["relationship"] = format_relationship(node.relationship)
    if node.missing:
        shape["missing"] = list(node.missing)
    if node.note:
        shape["note"] = node.note
    if node.children:
        shape["children"] = [_explained(child) for child in node.children]
    return shape


def expanded_json(expanded: Expanded) -> Json:
    shape: Json = {
        "sets": _sets(expanded.expansion),
        "token": expanded.token,
        "evaluated_at": format_time(expanded.evaluated_at_us),
    }
    return {**shape, "historical": True} if expanded.historical else shape


def _sets(expansion: Expansion) -> list[Json]:
    return [
        {"set": f"{each.resource}#{each.relation}", "definition": _expanded(each.definition)} for each in expansion.sets
    ]


def _expanded(node: ExpandNode) -> Json:
    match node:
        case ExpandReference(resource, relation, truncated):
            shape: Json = {"kind": "set", "set": f"{resource}#{relation}"}
            return {**shape, "truncated": True} if truncated else shape
        case ExpandUnion(children):
            return {"kind": "union", "children": [_expanded(child) for child in children]}
        case ExpandIntersection(children):
            return {"kind": "intersection", "children": [_expanded(child) for child in children]}
        case ExpandExclusion(base, subtracted):
            return {"kind": "exclusion", "base": _expanded(base), "subtracted": _expanded(subtracted)}
        case ExpandLeaf(relation, subjects):
            return {"kind": "relation", "relation": relation, "facts": [_fact(each) for each in subjects]}
        case ExpandExists(relation, subjects):
            return {"kind": "exists", "relation": relation, "facts": [_fact(each) for each in subjects]}
        case ExpandArrow(relation, permission, every, targets):
            return {
                "kind": "arrow_all" if every else "arrow",
                "relation": relation,
                "permission": permission,
                "facts": [_fact(each) for each in targets],
            }
        case ExpandAlong(child, relations):
            return {"kind": "along", "child": _expanded(child), "relations": list(relations)}
        case ExpandSubjectFilter(permission):
            return {"kind": "subject_filter", "permission": permission}
        case ExpandSelf(resource):
            return {"kind": "self", "object": str(resource)}
        case ExpandNobody():
            return {"kind": "nobody"}


def _fact(subject: ExpandSubject) -> Json:
    shape: Json = {"relationship": format_relationship(subject.relationship)}
    if subject.userset is not None:
        shape["set"] = _expanded(subject.userset)
    return shape


# --- facts ------------------------------------------------------------------------------------------------------


def stored_json(stored: StoredRelationship) -> Json:
    provenance = stored.provenance
    shape = relationship_json(stored.relationship)
    shape["written_by"] = provenance.principal
    if provenance.run:
        shape["written_by_run"] = provenance.run
    shape["revision"] = provenance.revision
    return shape


def relationship_json(relationship: Relationship) -> Json:
    resource, subject, qualifiers = relationship.resource, relationship.subject, relationship.qualifiers
    subject_shape: Json = {"type": subject.type, "id": subject.id}
    if subject.relation:
        subject_shape["relation"] = subject.relation
    shape: Json = {
        "relationship": format_relationship(relationship),
        "resource": {"type": resource.type, "id": resource.id},
        "relation": relationship.relation,
        "subject": subject_shape,
    }
    if qualifiers.caveat is not None:
        shape["caveat"] = {"name": qualifiers.caveat.name, "context": json.loads(qualifiers.caveat.context_json)}
    if qualifiers.not_before_us is not None:
        shape["not_before"] = format_time(qualifiers.not_before_us)
    if qualifiers.expiration_us is not None:
        shape["expiration"] = format_time(qualifiers.expiration_us)
    return shape


def event_json(event: WatchEvent) -> Json:
    """An event of a watch: a revision's changes, or a checkpoint."""
    if event.checkpoint:
        return {"token": event.token, "checkpoint": True}
    changes = [{"kind": each.kind.value, **relationship_json(each.relationship)} for each in event.changes]
    shape: Json = {"token": event.token, "changes": changes}
    if event.schema is not None:
        shape["schema"] = event.schema
    if event.records:
        shape["records"] = [
            {"kind": each.kind.value, "record": each.record_kind, "object": str(each.object)} for each in event.records
        ]
    if event.metadata:
        shape["metadata"] = dict(event.metadata)
    if event.entry:
        shape["entry"] = dict(event.entry)
    shape["written_by"] = event.written_by
    shape["committed_at"] = format_time(event.committed_at_us)
    return shape


def permission_event_json(event: PermissionEvent) -> Json:
    """An event of a watch of a permission: updates, a reset, or a checkpoint."""
    shape: Json = {"token": event.token, "evaluated_at": format_time(event.evaluated_at_us)}
    if event.checkpoint:
        return {**shape, "checkpoint": True}
    if event.reset is not None:
        return {**shape, "reset": event.reset.value}
    updates = [
        {
            "resource": str(each.resource),
            "subject": str(each.subject),
            "before": _permissionship_json(each.before),
            "now": _permissionship_json(each.now),
        }
        for each in event.updates
    ]
    return {**shape, "updates": updates}


def _permissionship_json(permissionship: Permissionship) -> Json:
    shape: Json = {}
    if permissionship.verdict is not None:
        shape["verdict"] = WORDS[permissionship.verdict]
    if permissionship.missing:
        shape["missing"] = list(permissionship.missing)
    if permissionship.error is not None:
        shape["error"] = permissionship.error.reason
    return {**shape, "listed": permissionship.listed}


# --- schemas and worlds -----------------------------------------------------------------------------------------


def issue_json(issue: Issue | SchemaFinding) -> Json:
    """A finding of the compiler, made here (it knows its file) or by a server."""
    shape: Json = {"code": issue.code, "message": issue.message, "line": issue.line, "column": issue.column}
    if issue.suggestion:
        shape["suggestion"] = issue.suggestion
    if isinstance(issue, Issue):
        shape = {"severity": issue.severity, "file": issue.file, **shape}
    return shape


def world_json(world: World, findings: list[Finding]) -> Json:
    return {
        "file": str(world.path),
        "ok": not findings,
        "relationships": len(world.facts),
        "records": len(world.records),
        "assertions": len(world.assertions),
        "expected_sets": len(world.expected_sets),
        "expected_lists": len(world.expected_lists),
        "findings": [finding_json(finding) for finding in findings],
    }


def finding_json(finding: Finding) -> Json:
    shape: Json = {
        "file": finding.file,
        "line": finding.line,
        "kind": finding.kind.value,
        "message": finding.message,
    }
    optional = {"about": finding.about, "expected": finding.expected, "found": finding.found}
    shape |= {key: value for key, value in optional.items() if value}
    if finding.missing:
        shape["missing"] = list(finding.missing)
    return shape


# --- errors -----------------------------------------------------------------------------------------------------


def error_json(error: RemitError) -> Json:
    shape: Json = {"reason": error.reason, "message": error.message}
    if error.field:
        shape["field"] = error.field
    if error.metadata:
        shape["metadata"] = dict(error.metadata)
    if isinstance(error, SchemaInvalid):
        shape["findings"] = [issue_json(issue) for issue in error.issues if isinstance(issue, Issue)]
    elif isinstance(error, RemoteError) and error.findings:
        shape["findings"] = [issue_json(each) for each in error.findings if isinstance(each, SchemaFinding)]
    elif isinstance(error, WorldInvalid):
        shape["findings"] = [finding_json(each) for each in error.findings if isinstance(each, Finding)]
    return shape


def held_json(held: HoldResult) -> Json:
    hold = held.hold
    return {
        "id": hold.id,
        "on": str(hold.on),
        "placed": hold.is_placed,
        "reason": hold.reason,
        "placed_by": hold.placed_by or None,
        "placed_at": _time_json(hold.placed_at_us),
        "token": held.token,
        "stops": would_stop_json(held.stops, named=False) if held.stops is not None else None,
    }


def would_stop_json(stops: WouldStop, *, named: bool = True) -> Json:
    """`named`: with the objects, as far as they were told."""
    types: list[Json] = []
    for each in stops.types:
        objects: Json = {"objects": [str(object) for object in each.objects]} if named else {}
        types.append({"type": each.type, "count": each.count, **objects})
    return {"types": types, "more": stops.more}


def orphan_json(orphan: Orphan) -> Json:
    owners = [str(each) for each in orphan.owners]
    return {"object": str(orphan.object), "owners": owners, "undecided": orphan.is_undecided}


def transfer_json(done: TransferResult, from_owner: str, to_owner: str) -> Json:
    objects = [str(each) for each in done.objects]
    return {"from": from_owner, "to": to_owner, "objects": objects, "token": done.token}


def impact_json(object: str, leaving: bool, impact: ImpactResult, alone: Sequence[StandsAlone]) -> Json:
    return {
        "object": object,
        "leaving": leaving,
        "stops": would_stop_json(impact.stops),
        "alone": [
            {"principal": str(each.principal), "run": str(each.run), "runs": each.runs, "agents": each.agents}
            for each in alone
        ],
        "chains_more": impact.chains_more,
        "token": impact.token,
        "evaluated_at": format_time(impact.evaluated_at_us),
    }


def consent_json(consent: ConsentState, token: str | None = None) -> Json:
    """`token` None: that of a list, which has none."""
    return {
        "id": consent.id,
        "giver": str(consent.giver),
        "agents": list(consent.agents),
        "withdrawn": consent.is_withdrawn,
        "reason": consent.reason,
        "given_by": consent.given_by or None,
        "given_at": _time_json(consent.given_at_us),
        **({"token": token} if token is not None else {}),
    }


def run_json(run: RunState) -> Json:
    return {
        "id": run.id or None,
        "delegator": str(run.delegator),
        "version": run.version or None,
        "profiles": list(run.profiles),
        "intent": run.intent or None,
        "bindings": {name: json.loads(text) for name, text in run.bindings.items()},
        "life": run.life.value,
        "holds": list(run.holds),
        "credential": run.credential or None,
        "spawned_by": run.spawned_by or None,
        "spawned_at": _time_json(run.spawned_at_us),
        "ends_at": _time_json(run.ends_at_us),
    }


def link_json(link: ChainLink) -> Json:
    return {"object": str(link.object), "live": link.is_live, "holds": list(link.holds)}


def below_json(below: RunBelow) -> Json:
    return {**run_json(below.run), "depth": below.depth, "cut": below.is_cut}


def _time_json(time_us: int | None) -> str | None:
    return format_time(time_us) if time_us is not None else None


def store_json(info: StoreInfo) -> Json:
    return {
        "name": info.name,
        "uuid": info.uuid,
        "epoch": info.epoch,
        "token": info.token,
        "relationships": info.relationships,
        "has_schema": info.has_schema,
    }


def key_json(key: Key) -> Json:
    return {
        "id": key.id,
        "principal": key.principal,
        "stores": sorted(key.stores),
        "rights": right_names(key.rights),
        "bootstrap": key.bootstrap,
    } | ({} if key.expiration_us is None else {"expiration": format_time(key.expiration_us)})


def agent_json(agent: AgentState) -> Json:
    ceilings = agent.ceilings
    set_ones: Json = {
        "depth_max": ceilings.depth_max,
        "fan_out_max": ceilings.fan_out_max,
        "lifetime_max_s": ceilings.lifetime_max_s,
        "profiles": list(ceilings.profiles),
    }
    return {
        "id": agent.id,
        "state": agent.state,
        "owners": [str(each) for each in agent.owners],
        "owned": agent.is_owned,
        "domain": agent.domain.id if agent.domain is not None else None,
        "ceilings": {name: value for name, value in set_ones.items() if value} or None,
        "registered_by": agent.registered_by or None,
        "registered_at": _time_json(agent.registered_at_us),
    }


def version_json(version: VersionState) -> Json:
    digests, until_us = version.digests, version.certified_until_us
    known = {"model": digests.model, "prompt": digests.prompt, "tools": digests.tools}
    return {
        "id": version.id,
        "agent": version.agent,
        "state": version.state,
        "digests": {name: digest for name, digest in known.items() if digest},
        "like": version.like or None,
        "differs": list(version.differs) if version.like else None,
        "certified_by": version.certified_by or None,
        "certified_until": _time_json(until_us),
        "added_by": version.added_by or None,
        "added_at": _time_json(version.added_at_us),
    }


def described_json(agent: AgentState, versions: Sequence[VersionState], token: str) -> Json:
    of_versions = [_present(version_json(each)) for each in versions]
    return agent_json(agent) | {"versions": of_versions, "token": token}


def _present(shape: Json) -> Json:
    return {key: value for key, value in shape.items() if value is not None}


def tool_json(tool: ToolState) -> Json:
    return {
        "tool": tool.id,
        "registered": tool.is_registered,
        "retired": tool.is_retired,
        "domain": tool.domain or None,
        "risk": tool.risk or None,
        "tags": list(tool.tags),
        "untagged": tool.is_untagged,
        "accepted": list(tool.accepted),
        "pending": tool.pending or None,
    }


def described_tool_json(described: ToolDescription) -> Json:
    return {
        **tool_json(described.tool),
        "accepted_descriptor": _descriptor_json(described.accepted),
        "pending_descriptor": _descriptor_json(described.pending),
        **differences_json(described.differences),
        "token": described.token,
    }


def differences_json(differences: Differences) -> Json:
    return {
        "differences": [
            {key: value for key, value in each._asdict().items() if value is not None} for each in differences.found
        ],
        "differences_left_off": not differences.is_complete,
    }


def _descriptor_json(document: bytes | None) -> object:
    return json.loads(document) if document is not None else None


def document_change_json(change: DocumentChange, place: tuple[str, int] | None) -> Json:
    """`place` is the file and the line where the document stands; None where it is removed."""
    facts = [
        {"change": each.change.name.lower(), "fact": each.fact} | ({"before": each.before} if each.before else {})
        for each in change.facts
    ]
    shape: Json = {"kind": change.kind, "name": change.name, "change": change.change.name.lower(), "facts": facts}
    return shape | ({"file": place[0], "line": place[1]} if place is not None else {})
