"""docs/spicedb.md says of every method, field and refusal of SpiceDB's wire how it is here, and of no other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from authzed.api.v1 import (
    core_pb2,
    debug_pb2,
    error_reason_pb2,
    experimental_service_pb2,
    permission_service_pb2,
    schema_service_pb2,
    watch_service_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from remit.server.verbs import SPICEDB_STREAMS, SPICEDB_VERBS
from remit.wire.spicedb.refusals import BY_FAULT, BY_KIND, BY_LIMIT
from tests.support.places import ROOT

PAGE = (ROOT / "docs/spicedb.md").read_text(encoding="utf-8")
MODULES = (
    core_pb2,
    debug_pb2,
    permission_service_pb2,
    schema_service_pb2,
    watch_service_pb2,
    experimental_service_pb2,
)
QUOTED = re.compile(r"`([^`]+)`")


def messages() -> Iterator[Descriptor]:
    waiting = [message for module in MODULES for message in module.DESCRIPTOR.message_types_by_name.values()]
    while waiting:
        message = waiting.pop()
        yield message
        waiting.extend(message.nested_types)


MESSAGES = {message.full_name.removeprefix("authzed.api.v1."): message for message in messages()}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, or of the first of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0] if heading else PAGE.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_field_of_every_message_has_its_row() -> None:
    said: Counter[tuple[str, str]] = Counter()
    for message, fields, how in rows("Every field of every message"):
        (name,) = QUOTED.findall(message)
        if fields.startswith("as "):
            (other,) = QUOTED.findall(fields)
            assert shape(MESSAGES[name]) == shape(MESSAGES[other]), name
            said.update((name, field.name) for field in MESSAGES[name].fields)
        else:
            assert re.match(r"(same|differs|refused)\b", how), (message, how)
            said.update((name, field) for field in QUOTED.findall(fields))
    wanted = {(name, field.name) for name, message in MESSAGES.items() for field in message.fields}
    assert set(said) == wanted
    assert [pair for pair, count in said.items() if count > 1] == []
    assert {QUOTED.findall(row[0])[0] for row in rows("Every field of every message")} == set(MESSAGES)


def shape(message: Descriptor, above: tuple[str, ...] = ()) -> object:
    """What of a message is on the wire, and by which names its fields are known."""
    if message.full_name in above:
        return "again"
    inner = (*above, message.full_name)
    return [
        (field.number, field.name, field.type, field.is_repeated, shape(field.message_type, inner))
        if field.type == FieldDescriptor.TYPE_MESSAGE
        else (field.number, field.name, field.type, field.is_repeated)
        for field in message.fields
        # What was added to the one since and not to the other comes as a field that is not known.
        if field.name not in ("debug_trace",)
    ]


def test_every_method_that_is_answered_is_listed_with_its_right() -> None:
    listed = {}
    for methods, right in rows(""):
        service, *names = QUOTED.findall(methods)
        listed.update({f"/authzed.api.v1.{service}/{name}": QUOTED.findall(right)[0] for name in names})
    verbs = (*SPICEDB_VERBS, *SPICEDB_STREAMS)
    assert listed == {verb.path: verb.right.value for verb in verbs if verb.right is not None}


def test_every_reason_that_is_told_is_listed() -> None:
    listed = {reason for row in rows("Errors") for reason in QUOTED.findall(row[2])}
    told = {each.reason for table in (BY_FAULT, BY_KIND, BY_LIMIT) for each in table.values()}
    assert listed == (told | {"SCHEMA_PARSE_ERROR"}) - {""}
    assert {f"ERROR_REASON_{reason}" for reason in listed} <= set(error_reason_pb2.ErrorReason.keys())
