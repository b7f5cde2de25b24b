"""A call as it is judged: its arguments read strictly, with what the tool says of their types.

Reading a call knows nothing of any tool. Where the schema has descriptions of tools, whoever evaluates looks for the
one that counts and makes of the call what the tool would get: defaults filled in, types known, or why nobody can tell.
Law: the bytes that are judged are those that the answer returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from remit.arguments.json_text import Json, JsonRefused, canonical_text, in_order, joined, read_object
from remit.arguments.judged import Unjudged
from remit.arguments.values import Looks, ValueType, text_refusal
from remit.errors import InvalidCall, InvalidReference
from remit.model import Call
from remit.notation import checked_id, shortened

ARGUMENTS_BYTES_MAX = 65_536
VALUES_MAX = 1_000
PURPOSE_BYTES_MAX = 256


@dataclass(frozen=True, eq=False)
class ReadCall:
    """`types`: the tool's semantic types by JSON Pointers, in which a key `*` is every element of a list. `unjudged`:
    why no constraint at all can be judged by this call, where that is so."""

    tool: str
    purpose: str
    arguments: dict[str, Json]
    descriptor: str = ""
    types: Mapping[str, ValueType] = field(default_factory=dict)
    unjudged: Unjudged | None = None

    @cached_property
    def canonical(self) -> bytes:
        """The arguments as RFC 8785 writes them."""
        return canonical_text(self.arguments).encode()

    @cached_property
    def looks(self) -> Looks:
        """What was found of its texts, for all documents that it is judged by."""
        return Looks()

    @cached_property
    def refused(self) -> Unjudged | None:
        """The first thing because of which nothing of the call can be judged: a name that is not in NFC, for another
        reader may take it for one that is; or a value that is not of the type that the tool says."""
        return next(self._refusals(self.arguments, "", ""), None)

    def _refusals(self, value: Json, pointer: str, pattern: str) -> Iterator[Unjudged]:
        if isinstance(value, dict):
            for key, item in in_order(value):
                below = joined(pointer, key)
                if text_refusal(key):
                    yield Unjudged(below, "is a name that is not in Unicode's normal form NFC")
                yield from self._refusals(item, below, joined(pattern, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._refusals(item, joined(pointer, index), f"{pattern}/*")
        elif isinstance(value, str):
            type = self.types.get(pattern)
            if type and (reason := self.looks.refusal(type, value)):
                yield Unjudged(pointer, reason)

    def typed(self, arguments: dict[str, Json], types: Mapping[str, ValueType]) -> ReadCall:
        """The call as its tool understands it: arguments that were validated, with defaults filled in."""
        return replace(self, arguments=arguments, types=types)

    def unjudgeable(self, pointer: str, reason: str) -> ReadCall:
        """The call where nobody knows what its tool makes of it."""
        return replace(self, unjudged=Unjudged(pointer, reason))


def read_call(call: Call) -> ReadCall:
    """The call, its arguments read strictly. Raises InvalidCall."""
    try:
        checked_id(call.tool, field="call.tool")
        if call.descriptor:
            checked_id(call.descriptor, field="call.descriptor")
    except InvalidReference as error:
        raise InvalidCall(f"the call's {error.field.removeprefix('call.')}: {error}", field=error.field) from error
    _check_purpose(call.purpose)
    if len(call.arguments) > ARGUMENTS_BYTES_MAX:
        raise invalid_arguments("", f"is {len(call.arguments)} bytes, more than the {ARGUMENTS_BYTES_MAX} allowed")
    try:
        arguments = read_object(call.arguments, values_max=VALUES_MAX)
    except JsonRefused as error:
        raise invalid_arguments(error.pointer, error.reason) from error
    return ReadCall(call.tool, call.purpose, arguments, call.descriptor)


def _check_purpose(purpose: str) -> None:
    try:
        size = len(purpose.encode())
    except UnicodeEncodeError as error:
        raise InvalidCall("the call's purpose holds half of a surrogate pair", field="call.purpose") from error
    if size > PURPOSE_BYTES_MAX:
        raise InvalidCall(
            f"the call's purpose `{shortened(purpose)}` is {size} bytes, more than the {PURPOSE_BYTES_MAX} allowed",
            field="call.purpose",
        )
    if reason := text_refusal(purpose):
        raise InvalidCall(f"the call's purpose `{shortened(purpose)}` {reason}", field="call.purpose")


def invalid_arguments(pointer: str, reason: str) -> InvalidCall:
    """That what a pointer leads to is no part of a call; "" is the whole."""
    what = f"the call's argument `{shortened(pointer)}`" if pointer else "the call's object of arguments"
    return InvalidCall(f"{what} {reason}", field="call.arguments", pointer=pointer, problem=reason)
