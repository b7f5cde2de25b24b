"""JSON as protobuf maps messages to it, in and out.

`json_format` reads, once it is sure what is read: names that no message has, fields named twice (by one name, or by
both that protobuf knows a field by), and numbers that it would make others of, are refused here with the place where
they stand. What is written is written by ours, see `json_writer.py`.
Law: what is read is a message as gRPC would have brought it, or a MalformedRequest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import EncodeError, Message

from remit.engine.limits import Limits
from remit.errors import LimitExceeded, MalformedRequest
from remit.interrupt import Interrupt
from remit.notation import shortened
from remit.server.http.json_writer import GOOGLES, JsonWriter, map_entry
from remit.server.verb import Verb

# Of a body: values, or more exactly the signs before them, also those within text. `json` makes objects of all of it
# without letting anybody else on: of so many in some five milliseconds, of a mebibyte of empty lists in 25; and then
# protobuf takes microseconds for each. Nine thousand questions of SpiceDB's have as many.
VALUES_MAX = 100_000
_DIGITS_MAX = 400  # of a whole number: what is longer, no number of JSON's can carry
_SAID_MAX = 300  # characters of what was found wrong
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WHOLE = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


class JsonCodec:
    """See `answering.Codec`."""

    def request(self, verb: Verb[Any], data: bytes, limits: Limits) -> bytes:
        """Cost: some microseconds a value, in Python."""
        kind = verb.request
        if (values := sum(map(data.count, (b"[", b"{", b",")))) > VALUES_MAX:
            raise LimitExceeded(
                f"the body has {values} values, more than the {VALUES_MAX} allowed: send it in parts, or over gRPC",
                name="json_values_max",
                limit=VALUES_MAX,
                given=values,
            )
        found = _read(data, kind.DESCRIPTOR.full_name)
        verb.sizes.require_listed(kind, found, limits)
        message = kind()
        try:
            _require_fields(found, cast(Descriptor, kind.DESCRIPTOR), "")
            json_format.ParseDict(found, message)
            return message.SerializeToString()
        except (MalformedRequest, LimitExceeded):
            raise
        except (
            json_format.ParseError,
            EncodeError,
            ArithmeticError,
            AttributeError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise MalformedRequest(f"the body is not a `{kind.DESCRIPTOR.full_name}`: {_said(error)}") from error

    def answer(self, response: Message, limits: Limits | None, interrupt: Interrupt) -> bytes:
        writer = JsonWriter(limits, interrupt)
        writer.message(response)
        return writer.text()


def _read(data: bytes, name: str) -> dict[str, object]:
    """The object that the bytes are; none at all are an empty one. Raises MalformedRequest."""
    try:
        text = data.decode("utf-8")  # `json` would take UTF-16 as well, which no proxy on the way reads as we do
        found = _DECODER.decode(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {_said(error)}") from error
    if not isinstance(found, dict):
        raise MalformedRequest(f"the body is not a JSON object: send the fields of a `{name}`")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names: set[str] = set()
        twice = next(name for name, _ in pairs if name in names or names.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"an object has `{shortened(twice)}` twice")
    return found


def _whole(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError(f"a number of {len(text)} digits: {_DIGITS_MAX} are the most")
    return int(text)


def _decimal(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number `{shortened(text)}` is too large")
    return number


def _no_number(text: str) -> object:
    raise ValueError(f"`{text}` is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole, parse_float=_decimal, parse_constant=_no_number)


@cache
def _names_of(kind: Descriptor) -> Mapping[str, FieldDescriptor]:
    return {name: field for field in kind.fields for name in (field.name, field.json_name)}


def _require_fields(found: Mapping[str, object], kind: Descriptor, where: str) -> None:
    """That each name is a field's, each field is named once, and what should be an object, a list, a value of an enum
    or a number is one. Raises MalformedRequest."""
    known, named = _names_of(kind), set()
    for name, value in found.items():
        place = f"{where}{shortened(name)}"
        if (field := known.get(name)) is None:
            fields = ", ".join(f"`{each.json_name}`" for each in kind.fields) or "none"
            raise MalformedRequest(f"`{place}` is no field: `{kind.full_name}` has {fields}", field=_utf8(place))
        if field.number in named:
            raise MalformedRequest(f"`{place}` is there under both of its names: keep one", field=place)
        named.add(field.number)
        if value is None:
            continue
        each_in: Iterable[tuple[str, object]] = [(place, value)]
        if field.is_repeated and map_entry(field) is None:
            if not isinstance(value, list):
                raise MalformedRequest(f"`{place}` is not a list", field=place)
            each_in = ((f"{place}[{number}]", each) for number, each in enumerate(value))
        if (inner := field.message_type) is not None and not inner.full_name.startswith(GOOGLES):
            _require_objects(each_in, inner)
        elif field.enum_type is not None:
            _require_values(each_in, field.enum_type)
        elif field.cpp_type in _WHOLE:
            _require_numbers(each_in)


def _require_objects(found: Iterable[tuple[str, object]], kind: Descriptor) -> None:
    if kind.GetOptions().map_entry:
        return
    for place, each in found:
        if not isinstance(each, dict):
            raise MalformedRequest(f"`{place}` is not an object, of the fields of a `{kind.full_name}`", field=place)
        _require_fields(each, kind, f"{place}.")


def _require_values(found: Iterable[tuple[str, object]], kind: EnumDescriptor) -> None:
    """`json_format` would cut a number, 1.9 or 2³² + 1, to that of another value. One that nobody knows yet is left to
    whoever reads the message, as over gRPC."""
    for place, each in found:
        if not _is_value(each, kind):
            names = ", ".join(f"`{value.name}`" for value in kind.values if value.number)
            raise MalformedRequest(f"`{place}` is no value of `{kind.full_name}`: it is one of {names}", field=place)


def _is_value(found: object, kind: EnumDescriptor) -> bool:
    if isinstance(found, str):
        return found in kind.values_by_name
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return found == int(found) and -(2**31) <= found < 2**31


def _require_numbers(found: Iterable[tuple[str, object]]) -> None:
    """Whatever else Python reads as one, `1_0` or the digits of other scripts, is none of JSON's."""
    for place, each in found:
        if isinstance(each, str) and not _NUMBER.fullmatch(each):
            raise MalformedRequest(f"`{place}` is no number: `{shortened(_utf8(each))}`", field=place)


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError | EncodeError):
        return "it nests too deep"
    text = _utf8(str(error))
    return text if len(text) <= _SAID_MAX else f"{text[: _SAID_MAX - 1]}…"


def _utf8(text: str) -> str:
    """The text as it can be sent: without halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode()
