"""What is too much is refused before it is read: whatever a request repeats is counted, and every Struct measured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, MutableMapping
from dataclasses import replace
from typing import Any

import pytest
from authzed.api.v1 import permission_service_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import DeadlineExceeded, LimitExceeded, MalformedRequest, RemitError
from remit.notation import canonical_json
from remit.server.answering import respond, respond_each
from remit.server.call import Call
from remit.server.handlers import permissions, relationships
from remit.server.handlers.spicedb import permissions as spicedb_permissions
from remit.server.handlers.spicedb import relationships as spicedb_relationships
from remit.server.limits import request_size
from remit.server.limits.request_size import UNBOUNDED, SizeLimits, read_context
from remit.server.verb import Queue, Verb
from remit.server.verbs import STREAMING, UNARY, UnaryVerb
from remit.v1 import permissions_pb2, relationships_pb2
from remit.wire.values import decode_context
from tests.support.serving import SCHEMA

P, R, SP = permissions_pb2, relationships_pb2, permission_service_pb2
LIMITS = Limits(
    updates_max=2,
    preconditions_max=2,
    contextual_max=2,
    items_max=2,
    filters_max=2,
    spicedb_items_max=2,
    spicedb_import_max=2,
    spicedb_preconditions_max=2,
)
VERBS: dict[str, UnaryVerb] = {verb.path: verb for verb in UNARY}
KINDS: dict[str, type[Message]] = {verb.path: verb.request for verb in (*UNARY, *STREAMING)}
SIZES: dict[str, SizeLimits] = {verb.path: verb.sizes for verb in (*UNARY, *STREAMING)}

# Written down a second time, by the names of fields: a slip in a row of the table shows.
COUNTED = {
    "items": "items_max",
    "updates": "updates_max",
    "relationships": "updates_max",
    "preconditions": "preconditions_max",
    "optional_preconditions": "spicedb_preconditions_max",
    "contextual": "contextual_max",
    "filters": "filters_max",
    "optional_filters": "filters_max",
    "optional_relationship_filters": "filters_max",
    "optional_object_types": "filters_max",
    "optional_update_kinds": "filters_max",
    **dict.fromkeys(
        ("agents", "profiles", "bindings", "owners", "only", "tags", "remove_tags", "documents", "selector"),
        "updates_max",
    ),
}
OF_SPICEDB = {"items_max": "spicedb_items_max"}  # where the fields of both wires have one name
OF_SPICEDB_STREAMS = {"updates_max": "spicedb_import_max"}
MEASURED = {"metadata": "metadata_bytes_max", "optional_transaction_metadata": "spicedb_metadata_bytes_max"}


def limit_of(path: str, field: str) -> str:
    name = COUNTED[field]
    if not path.startswith("/authzed."):
        return name
    return (OF_SPICEDB if path in VERBS else OF_SPICEDB_STREAMS).get(name, name)


def too_many(kind: type[Message], field: str) -> Message:
    request = kind()
    repeated = getattr(request, field)
    for at in range(3):
        if isinstance(repeated, MutableMapping):
            repeated[f"{at}"] = "x"
        elif hasattr(repeated, "add"):
            repeated.add()
        elif kind.DESCRIPTOR.fields_by_name[field].type == FieldDescriptor.TYPE_BYTES:
            repeated.append(b"x")
        else:
            repeated.append(1 if kind.DESCRIPTOR.fields_by_name[field].enum_type is not None else "x")
    return request


@pytest.mark.parametrize("path", KINDS)
def test_everything_that_a_request_repeats_is_counted_and_every_struct_measured(path: str) -> None:
    """A new field that is not in the row of its verb fails here."""
    kind, sizes = KINDS[path], SIZES[path]
    sizes.require(kind(), LIMITS, 0)
    for field in kind.DESCRIPTOR.fields:
        if field.is_repeated:
            with pytest.raises(LimitExceeded, match="this one has 3") as caught:
                sizes.require(too_many(kind, field.name), LIMITS, 0)
            assert (caught.value.field, caught.value.metadata["name"]) == (field.name, limit_of(path, field.name))
        elif field.message_type is Struct.DESCRIPTOR and field.name != "context":  # of a question: see below
            request = kind()
            getattr(request, field.name)["text"] = "x" * 600_000
            with pytest.raises(LimitExceeded, match="was sent in 6000") as caught:
                sizes.require(request, LIMITS, request.ByteSize())
            assert (caught.value.field, caught.value.metadata["name"]) == (field.name, MEASURED[field.name])


LARGE = 1 << 20


@pytest.mark.parametrize("verb", [verb for verb in (*UNARY, *STREAMING) if verb.sizes.counted], ids=lambda v: v.path)
def test_a_large_message_is_counted_before_it_is_parsed(engine: Engine, verb: Verb[Any]) -> None:
    """Millions of empty messages are small as bytes, and take half a second to parse."""

    class Unread:
        DESCRIPTOR = verb.request.DESCRIPTOR

        @staticmethod
        def FromString(data: bytes) -> Message:
            raise AssertionError(f"{len(data)} bytes were parsed")

    unread = replace(verb, request=Unread)  # type: ignore[arg-type]
    for field, limit in verb.sizes.counted:
        tag = bytes([verb.request.DESCRIPTOR.fields_by_name[field].number << 3 | 2, 0])
        with pytest.raises(LimitExceeded, match="or more") as caught:
            asked(unread, engine, tag * LARGE)
        most = getattr(engine.limits, limit)
        assert (caught.value.metadata["name"], caught.value.metadata["given"]) == (limit, str(most + 1))
    with pytest.raises(MalformedRequest):  # nor is what hides the others behind fields that nobody knows
        asked(unread, engine, b"\xf8\x7f\x00" * LARGE)


def asked(verb: Verb[Any], engine: Engine, data: bytes) -> None:
    """A call of whichever kind, as far as its first message."""
    if not verb.is_stream:
        respond(verb, engine, data, Call())
        return

    async def frames() -> AsyncIterator[bytes]:
        yield data

    async def first() -> None:
        async with contextlib.aclosing(respond_each(verb, engine, frames(), InPlace())) as messages:  # type: ignore[arg-type]
            await anext(messages, None)

    asyncio.run(first())


class InPlace:
    """A stream whose steps are taken where they are asked for."""

    def __init__(self) -> None:
        self.call = Call()
        self.resume: dict[str, str] = {}

    async def run_heavy(self, _: Queue, work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    run_until_heavy = run_heavy


FIELDS = st.lists(
    st.tuples(st.integers(1, 40), st.binary(max_size=300) | st.integers(0, 2**64 - 1)), min_size=1, max_size=30
)


@given(FIELDS)
def test_fields_are_counted_as_protobuf_reads_them(fields: list[tuple[int, bytes | int]]) -> None:
    """Of a message that knows none of them, protobuf keeps each."""
    data = b"".join(
        varint(number << 3 | 2) + varint(len(value)) + value
        if isinstance(value, bytes)
        else varint(number << 3) + varint(value)
        for number, value in fields
    )
    unknown = UnknownFieldSet(Empty.FromString(data))
    assert list(request_size._field_numbers(data)) == [each.field_number for each in unknown]


def varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


@given(st.binary(max_size=60))
def test_whatever_bytes_come_they_are_counted_or_refused(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        list(request_size._field_numbers(data))


def asks_about_ann(item: Any) -> Any:
    """A question in either wire's form, or one with a part left away, with everything that it needs."""
    fields = item.DESCRIPTOR.fields_by_name
    types = {"resource_type": "folder", "resource_object_type": "folder"}
    types |= {"subject_type": "user", "subject_object_type": "user"}
    for name, value in {"permission": "view", **types}.items():
        if name in fields:
            setattr(item, name, value)
    references = [(item.resource, "folder:top")] if "resource" in fields else []
    references += [(item.subject.object, "user:ann")] if "subject" in fields else []
    for reference, text in references:
        names = [field.name for field in reference.DESCRIPTOR.fields]
        for name, value in zip(names, text.split(":"), strict=True):
            setattr(reference, name, value)
    return item


WITH_A_CONTEXT = [path for path, kind in KINDS.items() if "context" in kind.DESCRIPTOR.fields_by_name]


@pytest.mark.parametrize("path", WITH_A_CONTEXT)
def test_a_question_s_context_is_measured_before_it_is_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    engine.schemas.write("", SCHEMA)
    request = asks_about_ann(KINDS[path]())
    request.context["text"] = "x" * 50_000
    read: list[object] = []
    monkeypatch.setattr(request_size, "decode_context", lambda *asked: read.append(asked))
    with pytest.raises(LimitExceeded, match="was sent in 500") as caught:
        asked(next(verb for verb in (*UNARY, *STREAMING) if verb.path == path), engine, request.SerializeToString())
    assert (caught.value.field, caught.value.metadata["name"]) == ("context", "context_bytes_max")
    assert read == []


def too_large(path: str, field: str) -> Message:
    """Its second relationship has a caveat with far too large a context."""
    request = KINDS[path]()
    for _ in range(2):
        each = getattr(request, field).add()
    fact = each.relationship if hasattr(each, "relationship") else each
    caveat = fact.optional_caveat if hasattr(fact, "optional_caveat") else fact.caveat
    caveat.context["text"] = "x" * 300_000
    return request


@pytest.mark.parametrize(
    ("path", "field", "where"),
    [
        ("/remit.v1.Relationships/Write", "updates", "relationship.caveat"),
        ("/remit.v1.Relationships/Import", "relationships", "caveat"),
        ("/remit.v1.Permissions/Check", "contextual", "caveat"),
        ("/remit.v1.Permissions/CheckMany", "contextual", "caveat"),
        ("/remit.v1.Permissions/Expand", "contextual", "caveat"),
        ("/remit.v1.Permissions/LookupResources", "contextual", "caveat"),
        ("/remit.v1.Permissions/LookupSubjects", "contextual", "caveat"),
        ("/remit.v1.Permissions/LookupPermissions", "contextual", "caveat"),
        ("/authzed.api.v1.PermissionsService/WriteRelationships", "updates", "relationship.optional_caveat"),
        ("/authzed.api.v1.PermissionsService/ImportBulkRelationships", "relationships", "optional_caveat"),
    ],
)
def test_a_relationship_s_context_is_measured_too(path: str, field: str, where: str) -> None:
    request = too_large(path, field)
    with pytest.raises(LimitExceeded, match="was sent in 3000") as caught:
        SIZES[path].require(request, LIMITS, request.ByteSize())
    assert caught.value.field == f"{field}[1].{where}.context"
    assert caught.value.metadata["name"] == "relationship_context_bytes_max"


def test_no_request_has_relationships_that_are_not_measured() -> None:
    """Whatever is repeated and holds a JSON object somewhere, but for items, of which each has an answer of its own."""

    def holds_json(descriptor: Any) -> bool:
        held = [field.message_type for field in descriptor.fields if field.message_type is not None]
        return any(each is Struct.DESCRIPTOR or holds_json(each) for each in held)

    for path, kind in KINDS.items():
        repeated = [field for field in kind.DESCRIPTOR.fields if field.is_repeated and field.name != "items"]
        holding = {field.name for field in repeated if field.message_type and holds_json(field.message_type)}
        assert {name for name, _ in SIZES[path].caveats} == holding, path


def test_a_field_that_is_not_known_yet_costs_no_request() -> None:
    """SpiceDB's messages may grow."""
    UNBOUNDED.require(too_many(P.CheckManyRequest, "items"), LIMITS, 1 << 20)


@pytest.mark.parametrize(
    ("path", "field", "reader"),
    [
        ("/remit.v1.Relationships/Write", "updates", "decode_update"),
        ("/remit.v1.Relationships/Write", "preconditions", "decode_precondition"),
        ("/remit.v1.Permissions/CheckMany", "contextual", "decode_relationship"),
        ("/remit.v1.Permissions/CheckMany", "items", "_question"),
        ("/authzed.api.v1.PermissionsService/WriteRelationships", "updates", "decode_update"),
        ("/authzed.api.v1.PermissionsService/CheckBulkPermissions", "items", "_question"),
    ],
)
def test_nothing_of_what_is_too_much_is_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str, field: str, reader: str
) -> None:
    """It would be refused afterwards as well, of a message of 8 MiB four seconds later."""
    read: list[object] = []
    for module in (permissions, relationships, spicedb_permissions, spicedb_relationships):
        if hasattr(module, reader):
            monkeypatch.setattr(module, reader, lambda *asked: read.append(asked))
    monkeypatch.setattr(engine, "limits", LIMITS)
    with pytest.raises(LimitExceeded, match="this one has 3"):
        respond(VERBS[path], engine, too_many(VERBS[path].request, field).SerializeToString(), Call())
    assert read == []


ITEMS_ANSWERED: dict[str, Callable[[Any], list[str]]] = {
    "/remit.v1.Permissions/CheckMany": lambda response: [item.WhichOneof("result") for item in response.results],
    "/authzed.api.v1.PermissionsService/CheckBulkPermissions": lambda response: [
        pair.WhichOneof("response") for pair in response.pairs
    ],
}


@pytest.mark.parametrize("path", ITEMS_ANSWERED)
def test_an_item_with_too_large_a_context_costs_its_own_answer_and_is_not_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    engine.schemas.write("", SCHEMA)
    request: Any = KINDS[path]()
    for _ in range(2):
        asks_about_ann(request.items.add())
    request.items[0].context["text"] = "x" * 50_000
    read: list[object] = []
    monkeypatch.setattr(request_size, "decode_context", lambda *asked: read.append(asked))
    response = VERBS[path].response.FromString(respond(VERBS[path], engine, request.SerializeToString(), Call()))
    first, second = ITEMS_ANSWERED[path](response)
    assert first == "error" and second in ("answer", "item")
    assert read == []


@pytest.mark.parametrize("path", ITEMS_ANSWERED)
def test_an_item_whose_context_is_beyond_its_limit_costs_its_own_answer(engine: Engine, path: str) -> None:
    """One that only reading it can tell: it was sent in few enough bytes. Nobody evaluates it: see `test_engine`."""
    engine.schemas.write("", SCHEMA)
    request: Any = KINDS[path]()
    for _ in range(2):
        asks_about_ann(request.items.add()).context["text"] = "x" * 4_000
    request.items[0].context["text"] += "x" * 1_000
    response: Any = VERBS[path].response.FromString(respond(VERBS[path], engine, request.SerializeToString(), Call()))
    first, second = ITEMS_ANSWERED[path](response)
    assert first == "error" and second in ("answer", "item")


def test_reading_many_questions_ends_with_their_caller() -> None:
    def question(*_: object) -> RemitError:
        call.end(DeadlineExceeded("the deadline passed before there was an answer"))
        raise LimitExceeded("too much", name="x", limit=1, given=2)

    call = Call()
    with pytest.raises(DeadlineExceeded):
        permissions.read_each(question, [P.CheckItem(), P.CheckItem()], LIMITS, call)  # type: ignore[arg-type]


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53), 2**53)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
            max_leaves=40,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_context_within_its_limit_is_refused_by_how_it_was_sent(context: dict[str, object]) -> None:
    """The limit is as tight as it may be for this context."""
    struct = Struct()
    struct.update(context)
    size = len(canonical_json(decode_context(struct, "context")).encode())
    Limits(context_bytes_max=size).require_sent("context_bytes_max", struct.ByteSize(), "context")
    assert read_context(struct, Limits(context_bytes_max=size), "context") == decode_context(struct, "context")
