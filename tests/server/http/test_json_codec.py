"""What is written is what protobuf's own library writes, and what that wrote is read; and how much of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf import any_pb2, duration_pb2, json_format, struct_pb2, timestamp_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.engine.limits import Limits
from remit.errors import AnswerTooLarge, Cancelled, LimitExceeded, MalformedRequest
from remit.interrupt import never_interrupted
from remit.server.http.json_codec import JsonCodec
from remit.server.verb import Verb
from remit.server.verbs import UNARY
from remit.v1 import permissions_pb2, relationships_pb2, schemas_pb2
from tests.support.simulation.messages import fill

CODEC = JsonCodec()
LIMITS = Limits()
WORDS = ["folder", "top", "view", 'a"b\\c\n', "ü€🙂", "</script>", "\x00\x7f\u2028"]
VERBS = {f"{verb.service}/{verb.method}": verb for verb in UNARY}
CHECK, READ, CHECK_MANY, WRITE = (
    VERBS[f"remit.v1.{name}"]
    for name in ("Permissions/Check", "Relationships/Read", "Permissions/CheckMany", "Relationships/Write")
)
ANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


def filled(data: st.DataObject, kind: type[Message]) -> Message:
    message = kind()
    data.draw(st.composite(lambda draw: fill(draw, message, WORDS))())
    make_sayable(message)
    return message


def make_sayable(message: Message) -> None:
    """Without what JSON has no text for: times before or after the calendar, numbers that are none, details of no
    known kind."""
    for field, value in list(message.ListFields()):
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            parts = [value]
        elif field.message_type.GetOptions().map_entry:
            parts = [each for each in value.values() if isinstance(each, Message)]
        else:
            parts = list(value)
        for each in parts:
            match each:
                case timestamp_pb2.Timestamp():
                    each.seconds, each.nanos = each.seconds % 10**11, each.nanos % 10**9
                case duration_pb2.Duration():
                    each.seconds, each.nanos = abs(each.seconds) % 10**11, abs(each.nanos) % 10**9
                case any_pb2.Any():
                    each.Pack(error_details_pb2.ErrorInfo(reason=each.type_url))
                case struct_pb2.Value() if each.WhichOneof("kind") in (None, "number_value", "null_value"):
                    each.number_value = each.number_value if math.isfinite(each.number_value) else 0.5
                case _:
                    make_sayable(each)


def written(message: Message, limits: Limits | None = LIMITS) -> Any:
    return json.loads(CODEC.answer(message, limits, never_interrupted))


@settings(ANY, max_examples=60)
@given(data=st.data(), verb=st.sampled_from(UNARY))
def test_an_answer_is_written_as_protobuf_maps_it(data: st.DataObject, verb: Verb[Any]) -> None:
    answer = filled(data, verb.response)
    expected = json_format.MessageToDict(answer, always_print_fields_with_no_presence=True)
    assert written(answer) == written(answer, None) == json.loads(json.dumps(expected))


@settings(ANY, max_examples=60)
@given(data=st.data(), verb=st.sampled_from(UNARY), names=st.booleans())
def test_what_protobuf_writes_is_read(data: st.DataObject, verb: Verb[Any], names: bool) -> None:
    request = filled(data, verb.request)
    text = json_format.MessageToJson(request, preserving_proto_field_name=names)
    assert verb.request.FromString(CODEC.request(verb, text.encode(), LIMITS)) == request


@settings(ANY, max_examples=100)
@given(data=st.data(), verb=st.sampled_from(UNARY))
def test_whatever_comes_is_a_message_or_malformed(data: st.DataObject, verb: Verb[Any]) -> None:
    found = json.loads(json_format.MessageToJson(filled(data, verb.request)))
    broken = json.dumps(data.draw(with_a_fault(found))).encode()
    try:
        verb.request.FromString(CODEC.request(verb, broken, LIMITS))
    except (MalformedRequest, LimitExceeded) as error:
        error.message.encode()
        error.field.encode()


@st.composite
def with_a_fault(draw: st.DrawFn, found: Any) -> Any:
    """The same with one of its values, somewhere, replaced by another, or another name for it."""
    if isinstance(found, dict) and found and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(found)))
        if draw(st.integers(0, 5)):
            return found | {name: draw(with_a_fault(found[name]))}
        return found | {draw(st.text(max_size=8) | st.just(name.lower())): found[name]}
    if isinstance(found, list) and found and draw(st.integers(0, 5)):
        return [draw(with_a_fault(found[0])), *found[1:]]
    return draw(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(), max_size=8)
        | st.sampled_from(["NaN", "1e400", "-1", "2027-13-01T00:00:00Z", "PT1S", "10000000000000s", [], {}, [[]], [{}]])
    )


@pytest.mark.parametrize(
    "value",
    ["1.9", "3.99", "4294967297", "2147483648", "-2147483649", "1e300", "true", "[]", "{}", '"1"', '"TOUCH"', '""'],
)
@pytest.mark.parametrize(
    "verb, body",
    [
        (WRITE, '{"updates": [{"operation": %s}]}'),
        (WRITE, '{"preconditions": [{"kind": %s}]}'),
        (VERBS["authzed.api.v1.PermissionsService/WriteRelationships"], '{"updates": [{"operation": %s}]}'),
    ],
)
def test_what_is_no_value_of_an_enum_becomes_none(verb: Verb[Any], body: str, value: str) -> None:
    with pytest.raises(
        MalformedRequest, match=r"s\[0\]\.(operation|kind)` is no value of .*: it is one of `"
    ) as caught:
        CODEC.request(verb, (body % value).encode(), LIMITS)
    assert "UNSPECIFIED" not in caught.value.message


def test_a_value_of_an_enum_is_named_or_its_number() -> None:
    for value in ('"OPERATION_DELETE"', "3", "3.0"):
        sent = CODEC.request(WRITE, b'{"updates": [{"operation": %b}]}' % value.encode(), LIMITS)
        (update,) = relationships_pb2.WriteRequest.FromString(sent).updates
        assert update.operation == relationships_pb2.OPERATION_DELETE


@pytest.mark.parametrize(
    "text", ["1_0", "\u0661", "+1", "\t1", "1\n", "0x1", "1.", ".1", "1.5", "nan", "", "1" * 5_000]
)
def test_a_text_that_is_no_whole_number_becomes_none(text: str) -> None:
    with pytest.raises(MalformedRequest, match="limit"):
        CODEC.request(READ, json.dumps({"limit": text}).encode(), LIMITS)


def test_numbers_that_json_has_not_are_text() -> None:
    message = struct_pb2.Value(number_value=1.5)
    assert written(message) == 1.5
    info = error_details_pb2.ErrorInfo(metadata={'a"': "b"})
    assert written(info)["metadata"] == {'a"': "b"}


def test_an_answer_that_is_too_large_is_given_up_before_it_is_whole() -> None:
    answer = schemas_pb2.ReadSchemaResponse(schema="x" * 2_000)
    with pytest.raises(AnswerTooLarge):
        CODEC.answer(answer, Limits(response_bytes_max=1_000), never_interrupted)
    many = relationships_pb2.ReadResponse()
    for _ in range(50_000):
        many.items.add()
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    with pytest.raises(AnswerTooLarge):
        CODEC.answer(many, Limits(response_bytes_max=100_000), look)
    assert 1 < looks < 100
    assert len(CODEC.answer(many, None, look)) > 100_000, "what was written is told"


def test_an_answer_that_nobody_waits_for_is_given_up() -> None:
    def gone() -> None:
        raise Cancelled("the caller is gone")

    many = relationships_pb2.ReadResponse()
    for _ in range(5_000):
        many.items.add()
    with pytest.raises(Cancelled):
        CODEC.answer(many, LIMITS, gone)
    assert CODEC.answer(many, None, gone)


def test_too_many_of_what_is_counted_are_refused_under_either_name() -> None:
    body = json.dumps({"items": [{}] * 1_001}).encode()
    with pytest.raises(LimitExceeded):
        CODEC.request(CHECK_MANY, body, LIMITS)
    bulk = VERBS["authzed.api.v1.PermissionsService/WriteRelationships"]
    for name in ("optionalPreconditions", "optional_preconditions"):
        with pytest.raises(LimitExceeded):
            CODEC.request(bulk, json.dumps({name: [{}] * 1_001}).encode(), LIMITS)


def test_a_request_nests_as_deep_as_over_grpc_and_no_deeper() -> None:
    def body(depth: int) -> bytes:
        return b'{"context": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"

    def is_read(depth: int) -> bool:
        try:
            permissions_pb2.CheckRequest.FromString(CODEC.request(CHECK, body(depth), LIMITS))
        except (MalformedRequest, DecodeError):
            return False
        return True

    deepest = max(depth for depth in range(1, 60) if is_read(depth))
    assert all(is_read(depth) for depth in range(1, deepest))
    context: dict[str, object] = {}
    innermost = context
    for _ in range(deepest):
        innermost["a"] = innermost = {}
    deep = permissions_pb2.CheckRequest()
    deep.context.update(context)
    assert permissions_pb2.CheckRequest.FromString(deep.SerializeToString()) == deep
