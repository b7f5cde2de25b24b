"""What can be seen of a request to be too much before anything in it is read: how many of what, and how large a Struct.

Python needs four seconds to make updates of a message of 8 MiB, and one to make a context of it, in which nobody else
gets on; to count them it needs none. The engine counts again, for those who ask it themselves.
Law: whatever a limit of `Limits` refuses by its count, or by many times its bytes, costs no more than its parsing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.limits import Limits

# By the fields of requests, whichever request it is.
COUNTED: Mapping[str, str] = {
    "items": "items_max",
    "updates": "updates_max",
    "relationships": "updates_max",
    "preconditions": "preconditions_max",
    "optional_preconditions": "preconditions_max",
    "contextual": "contextual_max",
    "filters": "filters_max",
}
MEASURED: Mapping[str, str] = {
    "context": "context_bytes_max",
    "metadata": "metadata_bytes_max",
    "optional_transaction_metadata": "metadata_bytes_max",
}


def require_sizes(request: Message, limits: Limits) -> None:
    """Of a request, or of one of its items. Raises LimitExceeded. Cost: a Struct's bytes, less than parsing them."""
    counted, measured = _fields(request.DESCRIPTOR)
    for field, limit in counted:
        limits.require_count(limit, len(getattr(request, field)), field)
    for field, limit in measured:
        if request.HasField(field):
            limits.require_sent(limit, getattr(request, field).ByteSize(), field)


_Named = tuple[tuple[str, str], ...]  # a field, and the limit it is under


@cache
def _fields(descriptor: Any) -> tuple[_Named, _Named]:  # of a message: two types of the library, neither declared
    fields = descriptor.fields
    counted = tuple((field.name, COUNTED[field.name]) for field in fields if field.is_repeated)
    structs = (field.name for field in fields if field.message_type is Struct.DESCRIPTOR)
    return counted, tuple((name, MEASURED[name]) for name in structs)
