"""Arbitrary protobuf messages of any type, by walking its descriptor: every field may be there, with any value that
its type can carry and many that mean something, or nearly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
# What a text may hold but for lone surrogates, which are no UTF-8.
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DEPTH_MAX = 6


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, words: Sequence[str], depth: int = DEPTH_MAX) -> Message:
    """A message of the type. `words`: texts that mean something."""
    message = GetMessageClass(descriptor)()
    fill(draw, message, words, depth)
    return message


def fill(draw: st.DrawFn, message: Message, words: Sequence[str], depth: int = DEPTH_MAX) -> None:
    """Set some fields of a message, over what is there."""
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    for field in draw(st.lists(st.sampled_from(list(fields)), unique_by=lambda field: field.name, max_size=4)):
        if field.message_type is not None and not depth:
            continue
        if field.is_repeated:
            _fill_repeated(draw, message, field, words, depth)
        elif field.message_type is not None:
            part = getattr(message, field.name)
            part.SetInParent()
            fill(draw, part, words, depth - 1)
        else:
            setattr(message, field.name, draw(_scalars(field, words)))


def _fill_repeated(draw: st.DrawFn, message: Message, field: FieldDescriptor, words: Sequence[str], depth: int) -> None:
    container: Any = getattr(message, field.name)
    for _ in range(draw(st.integers(0, 3))):
        if field.message_type is None:
            container.append(draw(_scalars(field, words)))
        elif field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name
            key = draw(_scalars(of["key"], words))
            if of["value"].message_type is not None:
                fill(draw, container[key], words, depth - 1)
            else:
                container[key] = draw(_scalars(of["value"], words))
        else:
            fill(draw, container.add(), words, depth - 1)


def _scalars(field: FieldDescriptor, words: Sequence[str]) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        return st.integers(0, 3) | st.sampled_from([low, high, high - 1]) | st.integers(low, high)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        # Open enums: a number that nobody knows yet is a value, too.
        return st.integers(0, 4) | st.sampled_from([-1, 99, 2**31 - 1, -(2**31)])
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return st.sampled_from([0.0, 1.5, 1e300, float("inf"), float("-inf"), float("nan"), 2.0**53])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=40)
    return st.sampled_from(words) | st.sampled_from(words) | _texts
