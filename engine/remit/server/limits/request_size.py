"""What can be seen of a request to be too much before it is read: how many of what, and how large its JSON.

Python takes four seconds to make updates of a message of 8 MiB, and as long to make a context of it, in which nobody
else gets on. To count what is parsed takes it next to nothing; parsing, which is C's, takes a tenth of a second, or of
millions of empty messages half of one. The engine counts again, for those who ask it themselves.
Law: what a limit of `Limits` refuses by its count, or by many times its bytes, costs no more than its parsing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from authzed.api.v1 import core_pb2 as spicedb_pb2
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.engine.limits import Limits
from remit.v1 import core_pb2, relationships_pb2

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
_FACT = "relationship_context_bytes_max"
# By what is repeated: the caveat of the relationship in it, and where that stands.
CAVEATED: Mapping[object, tuple[Callable[[Any], Any], str]] = {
    core_pb2.Relationship.DESCRIPTOR: (lambda fact: fact.caveat, "caveat"),
    relationships_pb2.Update.DESCRIPTOR: (lambda update: update.relationship.caveat, "relationship.caveat"),
    spicedb_pb2.RelationshipUpdate.DESCRIPTOR: (
        lambda update: update.relationship.optional_caveat,
        "relationship.optional_caveat",
    ),
}


def require_sizes(request: Message, limits: Limits, sent_bytes: int) -> None:
    """Of a request, or of one of its items, that was sent in so many bytes. Raises LimitExceeded. Cost: O(1) for a
    small one; of a large one, what it repeats and the bytes of its JSON."""
    counted, measured, caveated = _fields(request.DESCRIPTOR)
    for field, limit in counted:
        limits.require_count(limit, len(getattr(request, field)), field)
    for field, limit in measured:
        if limits.is_beyond(limit, sent_bytes) and request.HasField(field):
            limits.require_sent(limit, getattr(request, field).ByteSize(), field)
    if not limits.is_beyond(_FACT, sent_bytes):
        return
    for field, caveat_of, where in caveated:
        for number, each in enumerate(getattr(request, field)):
            caveat = caveat_of(each)
            if caveat.HasField("context"):
                size = caveat.context.ByteSize()
                limits.require_sent(_FACT, size, f"{field}[{number}].{where}.context")


@cache
def _fields(descriptor: Any) -> tuple[Any, Any, Any]:  # of a message: the library has two types, and declares neither
    """Of what is repeated its name and limit, and likewise of JSON; and of what holds caveats its name, and how to find
    them. A field that a later version of SpiceDB's messages may bring is in none: nothing here reads it."""
    repeated = [field for field in descriptor.fields if field.is_repeated]
    structs = [field for field in descriptor.fields if field.message_type is Struct.DESCRIPTOR]
    return (
        tuple((field.name, COUNTED[field.name]) for field in repeated if field.name in COUNTED),
        tuple((field.name, MEASURED[field.name]) for field in structs if field.name in MEASURED),
        tuple((field.name, *CAVEATED[field.message_type]) for field in repeated if field.message_type in CAVEATED),
    )
