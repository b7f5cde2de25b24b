"""What can be seen of a request to be too much before it is read: how many of what, and how large its JSON.

Python takes four seconds to make updates of a message of 8 MiB, and as long to make a context of it, in which nobody
else gets on. To count what is parsed takes it next to nothing; parsing, which is C's, takes a tenth of a second, or of
millions of empty messages half of one. The engine counts again, for those who ask it themselves.
Law: what a limit of `Limits` refuses by its count, or by many times its bytes, costs no more than its parsing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.engine.limits import Limits
from remit.wire.values import decode_context

_FACT = "relationship_context_bytes_max"
_CONTEXT = "context_bytes_max"


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


UNBOUNDED = SizeLimits()  # what a message without repeated fields and JSON needs


def read_context(struct: Struct, limits: Limits, field: str) -> dict[str, object]:
    """The context of a question, where it can be within its limit; whether it is, the engine judges before it
    evaluates anything. Raises LimitExceeded, InvalidContext. Cost: O(bytes), and O(1) where there are far too many."""
    limits.require_sent(_CONTEXT, struct.ByteSize(), "context")
    return decode_context(struct, field)
