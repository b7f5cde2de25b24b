"""Laws of the wire: what is encoded comes back the same, over the bytes and not only over the objects."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from google.protobuf.message import Message
from hypothesis import given, settings

from remit.engine.agents.descriptions import AgentState, VersionState
from remit.engine.agents.versions import Snapshot
from remit.eval.trees import Expansion, Explanation
from remit.model import (
    ObjectRef,
    Precondition,
    Relationship,
    RelationshipFilter,
    StoredRelationship,
    SubjectRef,
    Update,
)
from remit.notation import CONTEXT_DEPTH_MAX, normalized_context
from remit.v1 import permissions_pb2
from remit.wire import expansions, explanations, facts, values
from remit.wire.agents import registry
from remit.wire.spicedb import facts as spicedb_facts
from tests.support import wire_strategies as some

M = TypeVar("M", bound=Message)

few = settings(max_examples=60, deadline=None)


def over_the_wire(message: M) -> M:
    return type(message).FromString(message.SerializeToString())


@few
@given(some.objects)
def test_an_object_comes_back(object: ObjectRef) -> None:
    assert facts.decode_object(over_the_wire(facts.encode_object(object)), "resource") == object


@few
@given(some.subjects)
def test_a_subject_comes_back(subject: SubjectRef) -> None:
    assert facts.decode_subject(over_the_wire(facts.encode_subject(subject)), "subject", wildcard=True) == subject


@few
@given(some.relationships)
def test_a_relationship_comes_back(relationship: Relationship) -> None:
    message = over_the_wire(facts.encode_relationship(relationship))
    assert facts.decode_relationship(message, "relationship") == relationship


@few
@given(some.relationships)
def test_a_relationship_comes_back_over_spicedbs_wire(relationship: Relationship) -> None:
    told = replace(
        relationship, qualifiers=relationship.qualifiers._replace(not_before_us=None)
    )  # it has no word for it
    message = over_the_wire(spicedb_facts.encode_relationship(told))
    assert spicedb_facts.decode_relationship(message, "relationship") == told


@few
@given(some.stored)
def test_a_stored_relationship_comes_back(stored: StoredRelationship) -> None:
    assert facts.decode_stored(over_the_wire(facts.encode_stored(stored)), "items[0]") == stored


@few
@given(some.updates)
def test_an_update_comes_back(update: Update) -> None:
    assert facts.decode_update(over_the_wire(facts.encode_update(update)), "updates[0]") == update


@few
@given(some.preconditions)
def test_a_precondition_comes_back(precondition: Precondition) -> None:
    message = over_the_wire(facts.encode_precondition(precondition))
    assert facts.decode_precondition(message, "preconditions[0]") == precondition


@few
@given(some.filters())
def test_a_filter_comes_back_with_what_was_left_unset(filter: RelationshipFilter) -> None:
    assert facts.decode_filter(over_the_wire(facts.encode_filter(filter)), "filter") == filter


@few
@given(some.times_us)
def test_a_time_comes_back_however_it_would_be_rounded(time_us: int) -> None:
    message = over_the_wire(values.encode_time(time_us))
    assert values.decode_time(message, "time") == values.decode_time(message, "time", round_up=True) == time_us


@few
@given(some.contexts)
def test_a_context_comes_back_normalized(context: dict[str, object]) -> None:
    normalized = normalized_context(context)
    assert values.decode_context(over_the_wire(values.encode_context(normalized)), "context") == normalized


def test_a_verdict_comes_back() -> None:
    for verdict in values._VERDICT_TO_WIRE:
        assert values.decode_verdict(values.encode_verdict(verdict)) is verdict


@few
@given(some.explanations)
def test_an_explanation_comes_back(explanation: Explanation) -> None:
    message = over_the_wire(explanations.encode_explanation(explanation))
    assert explanations.decode_explanation(message) == explanation


@few
@given(some.expansions)
def test_an_expansion_comes_back(expansion: Expansion) -> None:
    response = permissions_pb2.ExpandResponse()
    expansions.encode_sets(expansion, response)
    response = over_the_wire(response)
    assert expansions.decode_sets(response.sets) == expansion


def test_the_deepest_context_comes_back() -> None:
    context: dict[str, object] = {"last": 1}
    for _ in range(CONTEXT_DEPTH_MAX - 1):
        context = {"next": context}
    assert values.decode_context(over_the_wire(values.encode_context(context)), "context") == context


@few
@given(some.agents)
def test_an_agent_comes_back(agent: AgentState) -> None:
    assert registry.decode_agent(over_the_wire(registry.encode_agent(agent))) == agent


@few
@given(some.versions)
def test_a_version_comes_back(version: VersionState) -> None:
    assert registry.decode_version(over_the_wire(registry.encode_version(version))) == version


@few
@given(some.snapshots)
def test_a_snapshot_comes_back(snapshot: Snapshot) -> None:
    assert registry.decode_snapshot(over_the_wire(registry.encode_snapshot(snapshot))) == snapshot
