"""The small values of the wire: times, verdicts, caveat contexts.

Times are microseconds inside and seconds with nanoseconds outside; contexts are protobuf's Struct, whose numbers are
all doubles, and come out as `notation.normalized_context` would have them.
Law: `decode(encode(x)) == x`; what cannot be said exactly inside is rounded so that a fact counts less, never more."""

from __future__ import annotations

import json
from collections.abc import Mapping

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from remit.errors import InvalidArgument, InvalidContext
from remit.model import Verdict
from remit.notation import normalized_context, normalized_json, shortened
from remit.v1 import core_pb2

# --- times ------------------------------------------------------------------------------------------------------

_SECOND_MIN = -62_135_596_800  # 0001-01-01T00:00:00Z, the first second a Timestamp may name
_SECOND_MAX = 253_402_300_799  # 9999-12-31T23:59:59Z, the last
_LAST_US = _SECOND_MAX * 1_000_000 + 999_999


def encode_time(time_us: int) -> Timestamp:
    seconds, us = divmod(time_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=us * 1_000)


def decode_time(message: Timestamp, field: str, *, round_up: bool = False) -> int:
    """Microseconds since the epoch. Raises InvalidArgument for what is no time of the years 1 to 9999."""
    if not _SECOND_MIN <= message.seconds <= _SECOND_MAX:
        raise InvalidArgument(f"`{message.seconds}` seconds is no time between the years 1 and 9999", field=field)
    if not 0 <= message.nanos <= 999_999_999:
        raise InvalidArgument(f"`{message.nanos}` nanoseconds is not between 0 and 999999999", field=field)
    time_us = message.seconds * 1_000_000 + (-(-message.nanos // 1_000) if round_up else message.nanos // 1_000)
    if time_us > _LAST_US:
        raise InvalidArgument("the time, rounded up to a microsecond, is beyond the year 9999", field=field)
    return time_us


# --- verdicts ---------------------------------------------------------------------------------------------------

_VERDICT_TO_WIRE = {
    Verdict.NO: core_pb2.VERDICT_NO,
    Verdict.CONDITIONAL: core_pb2.VERDICT_CONDITIONAL,
    Verdict.YES: core_pb2.VERDICT_YES,
}
_VERDICT_FROM_WIRE: dict[int, Verdict] = {number: verdict for verdict, number in _VERDICT_TO_WIRE.items()}


def encode_verdict(verdict: Verdict) -> core_pb2.Verdict.ValueType:
    return _VERDICT_TO_WIRE[verdict]


def decode_verdict(number: int) -> Verdict:
    """Raises InvalidArgument for anything but the three answers: what is not understood allows nothing."""
    verdict = _VERDICT_FROM_WIRE.get(number)
    if verdict is None:
        raise InvalidArgument(f"`{number}` is no verdict", field="verdict")
    return verdict


# --- contexts ---------------------------------------------------------------------------------------------------


def encode_context(context: Mapping[str, object]) -> Struct:
    """A normalized context (see `notation.normalized_context`)."""
    struct = Struct()
    _fill(struct, context)
    return struct


def encode_context_json(text: str) -> Struct:
    """A context that is kept as canonical JSON."""
    return Struct() if text == "{}" else encode_context(json.loads(text))


def decode_context(struct: Struct, field: str) -> dict[str, object]:
    """The normalized context. Raises InvalidContext."""
    try:
        return normalized_context({key: _plain(value) for key, value in struct.fields.items()})
    except InvalidContext as error:
        error.field = field
        raise


def decode_context_json(struct: Struct, field: str) -> str:
    """The canonical JSON of a context. Raises InvalidContext."""
    return normalized_json(decode_context(struct, field)) if struct.fields else "{}"


def _fill(struct: Struct, context: Mapping[str, object]) -> None:
    struct.SetInParent()
    for key, item in context.items():
        _put(struct.fields[key], item)


def _put(value: Value, item: object) -> None:
    """Sets the value in place; faster than Struct's own helpers, which walk everything twice."""
    match item:
        case None:
            value.null_value = NULL_VALUE
        case bool():
            value.bool_value = item
        case str():
            value.string_value = item
        case int() | float():
            value.number_value = item
        case list() | tuple():
            value.list_value.SetInParent()
            for each in item:
                _put(value.list_value.values.add(), each)
        case Mapping():
            _fill(value.struct_value, item)
        case _:
            raise InvalidContext(f"a value of type {type(item).__name__} is not JSON")


def _plain(value: Value) -> object:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case "null_value":
            return None
        case "struct_value":
            return {key: _plain(item) for key, item in value.struct_value.fields.items()}
        case "list_value":
            return _plain_list(value.list_value)
        case _:
            raise InvalidContext("a value of the context has no kind: say `null_value` for null")


def _plain_list(values: ListValue) -> list[object]:
    return [_plain(item) for item in values.values]


def unknown_enum(number: int, field: str, words: str) -> InvalidArgument:
    """The error of an enum that is unset or a number this version does not know."""
    problem = "is missing" if number == 0 else f"`{shortened(str(number))}` is not known"
    return InvalidArgument(f"`{field}` {problem}: it is one of {words}", field=field)
