"""Law: whatever is asked, the frontend tells what grpcio's server alone would have told, but for the steps."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest
from google.protobuf import struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.engine.tokens import encode_token
from remit.v1 import core_pb2, permissions_pb2
from tests.support.ways_in import CHECK, CHECK_MANY, Both, Refused, told

usual = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

types = st.sampled_from(["folder", "user", "folder", "user", "ghost", "Folder", "", "a/b", "folder/"])
ids = st.sampled_from(["top", "sub", "ann", "bob", "cara", "dan", "", "*", "a b", "x#y", "é", "x" * 1_025])
names = st.sampled_from(["view", "viewer", "parent", "view", "view", "vieww", "", "View", "view_"])
relations = st.sampled_from(["", "", "viewer", "view", "ghost", "Bad"])
stores = st.sampled_from(["", "", "default", "other", "Bad Store", "é"])


def object_of(kind: str, id: str) -> core_pb2.ObjectReference:
    return core_pb2.ObjectReference(type=kind, id=id)


objects = st.builds(object_of, types, ids)
subjects = st.builds(
    lambda object, relation: core_pb2.SubjectReference(object=object, relation=relation), objects, relations
)
contexts = st.sampled_from(
    [
        *(None, None, None, {}, {"amount": 3}, {"amount": 9}, {"amount": "3"}, {"amount": 3, "most": 1}),
        *({"amount": None}, {"amount": "x"}, {"amount": 2.0**60}, {"amount": -0.0}, {"amount": [3]}),
        *({"amount": 3, "unheard": {"of": [1, {}, True]}}, {"amount": 3, "long": "é" * 3_000}),
    ]
)


# Nothing here is constrained: one that can be read decides nothing, and is not passed over where it cannot.
calls = st.sampled_from(
    [
        *[None] * 6,
        permissions_pb2.Call(),
        permissions_pb2.Call(tool="pay", arguments=b'{"amount":"99"}', purpose="invoices"),
        permissions_pb2.Call(tool="pay", arguments=b'{"amount":1.0}'),
        permissions_pb2.Call(tool="*", arguments=b"{}"),
    ]
)


@st.composite
def items(draw: st.DrawFn) -> permissions_pb2.CheckItem:
    item = permissions_pb2.CheckItem(permission=draw(names))
    if draw(st.integers(0, 9)):
        item.resource.CopyFrom(draw(objects))
    if draw(st.integers(0, 9)):
        item.subject.CopyFrom(draw(subjects))
    if (context := draw(contexts)) is not None:
        item.context.CopyFrom(struct_pb2.Struct())
        item.context.update(context)
    if (call := draw(calls)) is not None:
        item.call.CopyFrom(call)
    return item


@st.composite
def requests(draw: st.DrawFn) -> permissions_pb2.CheckRequest:
    item = draw(items())
    request = permissions_pb2.CheckRequest(store=draw(stores), permission=item.permission)
    for name in ("resource", "subject", "context", "call"):
        if item.HasField(name):
            getattr(request, name).CopyFrom(getattr(item, name))
    request.explain = draw(st.integers(0, 9)) == 0
    return request


def same(pair: Both, door: grpc.Channel, bare: grpc.Channel, path: str, data: bytes) -> bytes | Refused:
    here, there = told(door, path, data), told(bare, path, data)
    assert alike(path, here) == alike(path, there)
    return here


def alike(path: str, answer: bytes | Refused) -> object:
    """The answer without the steps, which caches change."""
    if isinstance(answer, Refused):
        return answer
    if path == CHECK:
        one = permissions_pb2.CheckResponse.FromString(answer)
        assert one.SerializeToString() == answer, "in protobuf's own order"
        one.steps = 0
        return one
    many = permissions_pb2.CheckManyResponse.FromString(answer)
    assert many.SerializeToString() == answer, "in protobuf's own order"
    for result in many.results:
        if result.HasField("answer"):
            result.answer.steps = 0
    return many


@usual
@given(request=requests())
def test_a_question_is_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, request: permissions_pb2.CheckRequest
) -> None:
    same(pair, door, bare, CHECK, request.SerializeToString())


@usual
@given(asked=st.lists(items(), max_size=4), store=stores)
def test_many_questions_are_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, asked: list[permissions_pb2.CheckItem], store: str
) -> None:
    request = permissions_pb2.CheckManyRequest(store=store, items=asked)
    same(pair, door, bare, CHECK_MANY, request.SerializeToString())


PLAIN = permissions_pb2.CheckRequest(
    resource=object_of("folder", "sub"),
    permission="view",
    subject=core_pb2.SubjectReference(object=object_of("user", "ann")),
)
BYTES = PLAIN.SerializeToString()


@usual
@given(at=st.integers(0, len(BYTES)), cut=st.integers(0, 3), put=st.binary(max_size=3))
def test_a_damaged_question_is_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, at: int, cut: int, put: bytes
) -> None:
    same(pair, door, bare, CHECK, BYTES[:at] + put + BYTES[at + cut :])


def spread(number: int, size: int) -> bytes:
    """A small number as a varint that is longer than it need be."""
    return bytes((number | 0x80, *[0x80] * (size - 2), 0)) if size > 1 else bytes((number,))


@pytest.mark.parametrize("tag_size", [1, 5, 6, 9, 10])
@pytest.mark.parametrize("length_size", [1, 5, 6, 9, 10])
def test_a_number_that_is_longer_than_it_need_be_is_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, tag_size: int, length_size: int
) -> None:
    plain = spread(0x22, 1) + spread(4, 1) + b"view"
    assert BYTES.count(plain) == 1
    strange = spread(0x22, tag_size) + spread(4, length_size) + b"view"
    answer = same(pair, door, bare, CHECK, BYTES.replace(plain, strange))
    assert isinstance(answer, bytes) == (max(tag_size, length_size) <= 5)


@usual
@given(data=st.binary(max_size=40), path=st.sampled_from([CHECK, CHECK_MANY]))
def test_garbage_is_answered_alike(pair: Both, door: grpc.Channel, bare: grpc.Channel, data: bytes, path: str) -> None:
    same(pair, door, bare, path, data)


@pytest.mark.parametrize("change", ["as it is", "ahead", "other", "damaged", "empty", "exactly"])
def test_a_token_is_judged_alike(pair: Both, door: grpc.Channel, bare: grpc.Channel, change: str) -> None:
    loaded = pair.engine.loaded.of("")
    revision = loaded.revision + (change == "ahead")
    token = encode_token(loaded.identity, revision)
    if change == "other":
        token = encode_token(replace(loaded.identity, epoch=99), 1)
    token = {"damaged": token[:-1], "empty": ""}.get(change, token)
    request = permissions_pb2.CheckRequest()
    request.CopyFrom(PLAIN)
    setattr(request.consistency, "at_exactly" if change == "exactly" else "at_least", token)
    answer = same(pair, door, bare, CHECK, request.SerializeToString())
    assert isinstance(answer, bytes) == (change in ("as it is", "exactly"))


def test_time_passes_for_both_alike(pair: Both, door: grpc.Channel, bare: grpc.Channel) -> None:
    request = permissions_pb2.CheckRequest()
    request.CopyFrom(PLAIN)
    request.subject.object.id = "dan"  # whose fact expires
    verdicts = []
    for _ in range(2):
        answer = same(pair, door, bare, CHECK, request.SerializeToString())
        assert isinstance(answer, bytes)
        verdicts.append(permissions_pb2.CheckResponse.FromString(answer).verdict)
        pair.clock.advance_us(10**12)
    assert verdicts == [core_pb2.VERDICT_YES, core_pb2.VERDICT_NO]
