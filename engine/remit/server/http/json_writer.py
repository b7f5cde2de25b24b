"""An answer as JSON, as protobuf maps messages to it, written piece by piece.

`json_format` first makes objects of all of an answer, which take many times its text, and asks nobody whether it is
still waited for.
Law: what is written is what `json_format` writes, with the fields that have no presence."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from remit.engine.limits import Limits
from remit.interrupt import Interrupt

GOOGLES = "google.protobuf."  # messages with a form of their own
_PARTS_BETWEEN_LOOKS = 512  # of an answer's text, each a value or a sign: some hundred microseconds


class JsonWriter:
    """The text of one answer as it grows, measured and looked after."""

    def __init__(self, limits: Limits | None, interrupt: Interrupt) -> None:
        self._limits = limits
        self._interrupt = interrupt
        self._parts: list[str] = []
        self._text = bytearray()

    def message(self, message: Message) -> None:
        """Raises AnswerTooLarge, and what the interrupt raises."""
        kind = message.DESCRIPTOR
        if kind.full_name.startswith(GOOGLES):
            found = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
            self._parts.append(json.dumps(found, ensure_ascii=False, separators=(",", ":")))
            self._look()
            return
        put, separator = self._parts.append, "{"
        for field in _fields_of(kind):
            if field.has_presence and not message.HasField(field.name):
                continue
            put(separator)
            separator = ","
            put(field.begins)
            value = getattr(message, field.name)
            if field.of_key is not None:
                self._map(value, field)
            elif field.is_repeated:
                self._list(value, field.scalar)
            else:
                self._value(value, field.scalar)
        put("{}" if separator == "{" else "}")
        self._look()

    def _value(self, value: Any, scalar: Callable[[Any], str] | None) -> None:
        if scalar is None:
            self.message(value)
        else:
            self._parts.append(scalar(value))

    def _list(self, values: Iterable[Any], scalar: Callable[[Any], str] | None) -> None:
        separator = "["
        for each in values:
            self._parts.append(separator)
            separator = ","
            self._value(each, scalar)
            self._look()
        self._parts.append("[]" if separator == "[" else "]")

    def _map(self, values: Mapping[Any, Any], field: _Field) -> None:
        separator = "{"
        for key in values:
            assert field.of_key is not None, "it is a map's"
            self._parts.append(f"{separator}{field.of_key(key)}:")
            separator = ","
            self._value(values[key], field.scalar)
            self._look()
        self._parts.append("{}" if separator == "{" else "}")

    def _look(self) -> None:
        if len(self._parts) >= _PARTS_BETWEEN_LOOKS:
            self._flush()
            if self._limits is not None:
                self._interrupt()

    def _flush(self) -> None:
        self._text += "".join(self._parts).encode()
        self._parts.clear()
        if self._limits is not None:
            self._limits.require_response(len(self._text))

    def text(self) -> bytes:
        self._flush()
        return bytes(self._text)


# --- how a field is written -----------------------------------------------------------------------------------------

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_WHOLE_AS_TEXT = frozenset(
    {
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_SINT64,
    }
)


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is written. `begins`: its name as text. `scalar`: how one of its values is, None where that is a
    message. `of_key`: of a map, how its keys are."""

    name: str
    begins: str
    is_repeated: bool
    has_presence: bool
    scalar: Callable[[Any], str] | None
    of_key: Callable[[Any], str] | None


@cache
def _fields_of(kind: Descriptor) -> tuple[_Field, ...]:
    return tuple(map(_field, kind.fields))


def _field(field: FieldDescriptor) -> _Field:
    entry = map_entry(field)
    value = field if entry is None else entry.fields_by_name["value"]
    return _Field(
        field.name,
        f"{_quoted(field.json_name)}:",
        field.is_repeated,
        field.has_presence,
        None if value.message_type is not None else _scalar(value),
        None if entry is None else _key(entry.fields_by_name["key"]),
    )


def _key(field: FieldDescriptor) -> Callable[[Any], str]:
    """Of a map: text, whatever it is."""
    scalar = _scalar(field)
    return scalar if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else lambda key: f'"{scalar(key).strip(chr(34))}"'


def _scalar(field: FieldDescriptor) -> Callable[[Any], str]:
    if field.type in _WHOLE_AS_TEXT:
        return lambda value: f'"{value}"'
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return lambda value: f'"{base64.b64encode(value).decode()}"'
            return _quoted
        case FieldDescriptor.CPPTYPE_BOOL:
            return lambda value: "true" if value else "false"
        case FieldDescriptor.CPPTYPE_ENUM:
            assert field.enum_type is not None, "it is of an enum"
            names = {number: f'"{each.name}"' for number, each in field.enum_type.values_by_number.items()}
            return lambda value: names.get(value, str(value))
        case FieldDescriptor.CPPTYPE_INT32 | FieldDescriptor.CPPTYPE_UINT32:
            return str
        case _:  # the rest are no numbers of JSON's where they are infinite or none
            return lambda value: json.dumps(value) if math.isfinite(value) else _NOT_FINITE[str(value)]


_NOT_FINITE = {"inf": '"Infinity"', "-inf": '"-Infinity"', "nan": '"NaN"'}


def map_entry(field: FieldDescriptor) -> Descriptor | None:
    """What each entry of a map is, where the field is one."""
    kind = field.message_type
    return kind if kind is not None and kind.GetOptions().map_entry else None
