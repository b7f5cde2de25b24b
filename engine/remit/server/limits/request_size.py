"""What can be seen of a request to be too much before it is read: how many of what, and how large its JSON.

Python takes four seconds to make updates of a message of 8 MiB, and as long to make a context of it, in which nobody
else gets on. Parsing, which is C's, takes a tenth of a second, or of millions of empty messages half of one, in which
nobody gets on either; so of a large message what it repeats is counted by its bytes, as far as its limit. The engine
counts again, for those who ask it themselves.
Law: what a limit of `Limits` refuses by its count is not parsed where it is large; what it refuses by many times its
bytes costs no more than its parsing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from remit.engine.limits import Limits
from remit.wire.values import decode_context

_FACT = "relationship_context_bytes_max"
_CONTEXT = "context_bytes_max"

_COUNTED_BYTES_MIN = 64 * 1024  # of what is less, parsing takes a millisecond or two at most
_OTHER_FIELDS_MAX = 1_000  # of a message beside what it repeats: the largest has a dozen


class Caveats(NamedTuple):
    """Where in each of a repeated field the caveat of a relationship stands: `of` finds it, `where` says it."""

    of: Callable[[Any], Any]
    where: str


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Of one kind of message, by its fields: `counted`, what it repeats and the limit of that; `measured`, its JSON
    objects likewise; `caveats`, of what it repeats, those of relationships."""

    counted: tuple[tuple[str, str], ...] = ()
    measured: tuple[tuple[str, str], ...] = ()
    caveats: tuple[tuple[str, Caveats], ...] = ()

    def require_sent(self, kind: type[Message], data: bytes, limits: Limits) -> None:
        """Of a request of that kind before it is parsed. Raises LimitExceeded, and DecodeError for what is no message
        of any kind. Cost: O(1) for a small one; of a large one O(its limits), some half a microsecond each."""
        if not self.counted or len(data) <= _COUNTED_BYTES_MIN:
            return
        by_name = kind.DESCRIPTOR.fields_by_name
        names = {by_name[field].number: field for field, _ in self.counted}
        limit_of = dict(self.counted)
        counts = dict.fromkeys(names, 0)
        others = 0
        for number in _field_numbers(data):
            if number in counts:
                counts[number] += 1
                limits.require_count(limit_of[names[number]], counts[number], names[number], or_more=True)
            else:
                others += 1
                if others > _OTHER_FIELDS_MAX:
                    raise DecodeError("more fields than any message has")

    def require_listed(self, kind: type[Message], found: Mapping[str, object], limits: Limits) -> None:
        """Of a request of that kind in JSON, before a message is made of it, which takes Python some microseconds for
        each value. Raises LimitExceeded. Cost: O(1)."""
        for field, limit in self.counted:
            for name in (field, kind.DESCRIPTOR.fields_by_name[field].json_name):
                if isinstance(listed := found.get(name), list):
                    limits.require_count(limit, len(listed), field)

    def require(self, request: Message, limits: Limits, sent_bytes: int) -> None:
        """Of a request that was sent in so many bytes. Raises LimitExceeded. Cost: O(1) for a small one; of a large
        one, what it repeats and the bytes of its JSON."""
        for field, limit in self.counted:
            limits.require_count(limit, len(getattr(request, field)), field)
        for field, limit in self.measured:
            if limits.is_beyond(limit, sent_bytes) and request.HasField(field):
                limits.require_sent(limit, getattr(request, field).ByteSize(), field)
        if not limits.is_beyond(_FACT, sent_bytes):
            return
        for field, caveats in self.caveats:
            for number, each in enumerate(getattr(request, field)):
                caveat = caveats.of(each)
                if caveat.HasField("context"):
                    size = caveat.context.ByteSize()
                    limits.require_sent(_FACT, size, f"{field}[{number}].{caveats.where}.context")


def _field_numbers(data: bytes) -> Iterator[int]:
    """Of each field of a message in turn, as it was sent. Raises DecodeError."""
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            match tag & 7:
                case 0:
                    _, at = _varint(data, at)
                case 1:
                    at += 8
                case 2:
                    size, at = _varint(data, at)
                    at += size
                case 5:
                    at += 4
                case 3 | 4:  # of groups, which no message has had for long, those inside are taken for its own
                    pass
                case kind:
                    raise DecodeError(f"a field of the kind {kind}")
            yield tag >> 3
    except IndexError:
        raise DecodeError("it ends within a field") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where what follows it begins. Raises IndexError, DecodeError."""
    number = data[at]
    if number < 0x80:
        return number, at + 1
    number &= 0x7F
    for shift in range(7, 70, 7):
        at += 1
        part = data[at]
        number |= (part & 0x7F) << shift
        if part < 0x80:
            return number, at + 1
    raise DecodeError("a number of more than ten bytes")


UNBOUNDED = SizeLimits()  # what a message without repeated fields and JSON needs


def read_context(struct: Struct, limits: Limits, field: str) -> dict[str, object]:
    """The context of a question, where it can be within its limit; whether it is, the engine judges before it
    evaluates anything. Raises LimitExceeded, InvalidContext. Cost: O(bytes), and O(1) where there are far too many."""
    limits.require_sent(_CONTEXT, struct.ByteSize(), "context")
    return decode_context(struct, field)
