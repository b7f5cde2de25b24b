"""What the edge refuses, and that it names the field at fault."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import InvalidArgument, InvalidContext, InvalidReference, RemitError
from remit.model import Operation
from remit.v1 import core_pb2, relationships_pb2
from remit.wire import facts, values


def relationship(**parts: object) -> core_pb2.Relationship:
    whole: dict[str, object] = {
        "resource": core_pb2.ObjectReference(type="tool", id="erp.pay"),
        "relation": "may_use",
        "subject": core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="run", id="r-7")),
    }
    return core_pb2.Relationship(**{**whole, **parts})  # type: ignore[arg-type]


def update(**parts: object) -> relationships_pb2.Update:
    return relationships_pb2.Update(operation=relationships_pb2.OPERATION_TOUCH, relationship=relationship(**parts))


def subject(type: str, id: str, relation: str = "") -> core_pb2.SubjectReference:
    return core_pb2.SubjectReference(object=core_pb2.ObjectReference(type=type, id=id), relation=relation)


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        (update(resource=core_pb2.ObjectReference(type="Tool", id="x")), "resource.type", "INVALID_REFERENCE"),
        (update(resource=core_pb2.ObjectReference(type="tool", id="a b")), "resource.id", "INVALID_REFERENCE"),
        (update(resource=core_pb2.ObjectReference(type="tool", id="ü")), "resource.id", "INVALID_REFERENCE"),
        (update(resource=core_pb2.ObjectReference(type="tool", id="*")), "resource.id", "INVALID_REFERENCE"),
        (update(resource=core_pb2.ObjectReference(type="tool", id="x" * 1025)), "resource.id", "INVALID_REFERENCE"),
        (update(resource=None), "resource", "INVALID_REFERENCE"),
        (update(relation=""), "relation", "INVALID_REFERENCE"),
        (update(relation="..."), "relation", "INVALID_REFERENCE"),
        (update(subject=None), "subject.object", "INVALID_REFERENCE"),
        (update(subject=subject("run", "r#7")), "subject.object.id", "INVALID_REFERENCE"),
        (update(subject=subject("run", "r-7", "Member")), "subject.relation", "INVALID_REFERENCE"),
        (update(subject=subject("run", "*", "member")), "subject.object.id", "INVALID_REFERENCE"),
        (update(caveat=core_pb2.Caveat()), "caveat.name", "INVALID_REFERENCE"),
        (
            update(caveat=core_pb2.Caveat(name="c", context=Struct(fields={"a": Value()}))),
            "caveat.context",
            "INVALID_CONTEXT",
        ),
        (update(expiration=Timestamp(seconds=253_402_300_800)), "expiration", "INVALID_ARGUMENT"),
        (update(expiration=Timestamp(nanos=-1)), "expiration", "INVALID_ARGUMENT"),
        (update(not_before=Timestamp(nanos=1_000_000_000)), "not_before", "INVALID_ARGUMENT"),
        (
            update(not_before=Timestamp(seconds=253_402_300_799, nanos=999_999_001)),
            "not_before",
            "INVALID_ARGUMENT",
        ),
    ],
)
def test_a_refusal_names_the_field_it_came_from(message: relationships_pb2.Update, field: str, reason: str) -> None:
    with pytest.raises(RemitError) as refused:
        facts.decode_update(message, "updates[3]")
    assert (refused.value.field, refused.value.reason) == (f"updates[3].relationship.{field}", reason)


@settings(max_examples=60, deadline=None)
@given(st.integers(-62_135_596_800, 253_402_300_798), st.integers(0, 999_999_999))
def test_rounding_never_makes_a_fact_count_longer(seconds: int, nanos: int) -> None:
    given_ns = seconds * 1_000_000_000 + nanos
    begins = values.decode_time(Timestamp(seconds=seconds, nanos=nanos), "not_before", round_up=True) * 1_000
    ends = values.decode_time(Timestamp(seconds=seconds, nanos=nanos), "expiration") * 1_000
    assert 0 <= begins - given_ns < 1_000
    assert 0 <= given_ns - ends < 1_000


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_is_no_number_of_a_context(number: float) -> None:
    with pytest.raises(InvalidContext) as refused:
        values.decode_context(Struct(fields={"n": Value(number_value=number)}), "context")
    assert refused.value.field == "context"


def test_a_double_and_a_json_number_mean_the_same() -> None:
    struct = Struct(fields={"n": Value(number_value=3.0), "zero": Value(number_value=-0.0)})
    assert values.decode_context_json(struct, "context") == '{"n":3,"zero":0}'


@pytest.mark.parametrize("number", [0, 99])
def test_an_operation_that_is_unset_or_unknown_is_refused(number: int) -> None:
    message = relationships_pb2.Update(operation=number, relationship=relationship())  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=r"one of TOUCH, CREATE, DELETE") as refused:
        facts.decode_update(message, "updates[0]")
    assert refused.value.field == "updates[0].operation"


def test_a_delete_looks_at_the_triple_alone() -> None:
    message = relationships_pb2.Update(
        operation=relationships_pb2.OPERATION_DELETE,
        relationship=relationship(caveat=core_pb2.Caveat(name="Not A Name"), expiration=Timestamp(nanos=-5)),
    )
    decoded = facts.decode_update(message, "updates[0]")
    assert decoded.operation is Operation.DELETE
    assert str(decoded.relationship.key) == "tool:erp.pay#may_use@run:r-7"


@pytest.mark.parametrize("number", [0, 4])
def test_a_verdict_that_is_not_understood_is_an_error_and_not_an_answer(number: int) -> None:
    with pytest.raises(InvalidArgument):
        values.decode_verdict(number)


def test_a_question_names_one_subject() -> None:
    with pytest.raises(InvalidReference, match="everyone"):
        facts.decode_subject(subject("run", "*"), "subject")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (core_pb2.RelationshipFilter(resource_id="a", resource_id_prefix="b"), "filter"),
        (core_pb2.RelationshipFilter(resource_type=""), "filter.resource_type"),
        (core_pb2.RelationshipFilter(resource_id=""), "filter.resource_id"),
        (core_pb2.RelationshipFilter(resource_id_prefix=""), "filter.resource_id_prefix"),
        (core_pb2.RelationshipFilter(resource_id_prefix="a b"), "filter.resource_id_prefix"),
        (core_pb2.RelationshipFilter(relation="X"), "filter.relation"),
        (core_pb2.RelationshipFilter(subject_type="X"), "filter.subject_type"),
        (core_pb2.RelationshipFilter(subject_id="#"), "filter.subject_id"),
        (core_pb2.RelationshipFilter(subject_relation="X"), "filter.subject_relation"),
    ],
)
def test_a_filter_that_could_match_nothing_is_a_mistake(message: core_pb2.RelationshipFilter, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        facts.decode_filter(message, "filter")
    assert refused.value.field == field


def test_a_precondition_without_a_filter_is_refused_and_an_empty_filter_means_everything() -> None:
    kind = relationships_pb2.Precondition.KIND_MUST_NOT_MATCH
    with pytest.raises(InvalidArgument, match="missing"):
        facts.decode_precondition(relationships_pb2.Precondition(kind=kind), "preconditions[0]")
    empty = relationships_pb2.Precondition(kind=kind, filter=core_pb2.RelationshipFilter())
    assert not facts.decode_precondition(empty, "preconditions[0]").must_match
    with pytest.raises(InvalidArgument, match="MUST_MATCH"):
        facts.decode_precondition(
            relationships_pb2.Precondition(filter=core_pb2.RelationshipFilter()), "preconditions[0]"
        )
