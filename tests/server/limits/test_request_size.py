"""What is too much is refused before it is read: whatever a request repeats is counted, and every Struct measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from authzed.api.v1 import permission_service_pb2
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import DeadlineExceeded, LimitExceeded, RemitError
from remit.notation import canonical_json
from remit.server.call import Call
from remit.server.handlers import permissions as handlers
from remit.server.handlers import spicedb as spicedb_handlers
from remit.server.limits import request_size as sizes
from remit.server.limits.request_size import CAVEATED, COUNTED, MEASURED, require_sizes
from remit.server.verbs import STREAMS, UNARY, Verb
from remit.v1 import permissions_pb2, relationships_pb2
from remit.wire.values import decode_context
from tests.support.serving import SCHEMA

P, R, SP = permissions_pb2, relationships_pb2, permission_service_pb2
LIMITS = Limits(updates_max=2, preconditions_max=2, contextual_max=2, items_max=2, filters_max=2)
VERBS: dict[str, Verb] = {verb.path: verb for verb in UNARY}
KINDS: dict[str, type[Message]] = {verb.path: verb.request for verb in (*UNARY, *STREAMS)}


def too_many(kind: type[Message], field: str) -> Message:
    request = kind()
    for _ in range(3):
        getattr(request, field).add()
    return request


@pytest.mark.parametrize("verb", [*UNARY, *STREAMS], ids=lambda verb: verb.path)
def test_everything_that_a_request_repeats_is_counted_and_every_struct_measured(verb: Verb) -> None:
    """A new field that is in neither table fails here, and at its first request."""
    require_sizes(verb.request(), LIMITS, 0)
    for field in verb.request.DESCRIPTOR.fields:
        if field.is_repeated:
            with pytest.raises(LimitExceeded, match="this one has 3") as caught:
                require_sizes(too_many(verb.request, field.name), LIMITS, 0)
            assert (caught.value.field, caught.value.metadata["name"]) == (field.name, COUNTED[field.name])
        elif field.message_type is Struct.DESCRIPTOR:
            request = verb.request()
            getattr(request, field.name)["text"] = "x" * 50_000
            with pytest.raises(LimitExceeded, match="was sent in 500") as caught:
                require_sizes(request, LIMITS, request.ByteSize())
            assert (caught.value.field, caught.value.metadata["name"]) == (field.name, MEASURED[field.name])


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
        ("/authzed.api.v1.PermissionsService/WriteRelationships", "updates", "relationship.optional_caveat"),
    ],
)
def test_a_relationship_s_context_is_measured_too(path: str, field: str, where: str) -> None:
    request = too_large(path, field)
    with pytest.raises(LimitExceeded, match="was sent in 3000") as caught:
        require_sizes(request, LIMITS, request.ByteSize())
    assert caught.value.field == f"{field}[1].{where}.context"
    assert caught.value.metadata["name"] == "relationship_context_bytes_max"


def test_no_request_has_relationships_that_are_not_measured() -> None:
    """Whatever is repeated and holds a JSON object somewhere, but for items, of which each has an answer of its own."""

    def holds_json(descriptor: Any) -> bool:
        held = [field.message_type for field in descriptor.fields if field.message_type is not None]
        return any(each is Struct.DESCRIPTOR or holds_json(each) for each in held)

    for kind in KINDS.values():
        for field in kind.DESCRIPTOR.fields:
            if field.is_repeated and field.name != "items":
                assert (field.message_type in CAVEATED) == holds_json(field.message_type), field.full_name


def test_a_field_that_is_not_known_yet_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """SpiceDB's messages may grow."""
    monkeypatch.setattr(sizes, "COUNTED", {})
    monkeypatch.setattr(sizes, "MEASURED", {})
    sizes._fields.cache_clear()
    try:
        require_sizes(too_many(P.CheckManyRequest, "items"), LIMITS, 1 << 20)
    finally:
        sizes._fields.cache_clear()


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
    for module in (handlers, spicedb_handlers):
        if hasattr(module, reader):
            monkeypatch.setattr(module, reader, lambda *asked: read.append(asked))
    monkeypatch.setattr(engine, "limits", LIMITS)
    with pytest.raises(LimitExceeded, match="this one has 3"):
        VERBS[path].answer(engine, too_many(VERBS[path].request, field).SerializeToString(), Call())
    assert read == []


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/remit.v1.Permissions/CheckMany", lambda response: [item.WhichOneof("result") for item in response.results]),
        (
            "/authzed.api.v1.PermissionsService/CheckBulkPermissions",
            lambda response: [pair.WhichOneof("response") for pair in response.pairs],
        ),
    ],
)
def test_an_item_with_too_large_a_context_costs_its_own_answer_and_is_not_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str, answered: Callable[[Message], list[str]]
) -> None:
    engine.write_schema("", SCHEMA)
    request = VERBS[path].request()
    for _ in range(2):
        item = request.items.add()
        item.permission = "view"
        for reference, text in ((item.resource, "folder:top"), (item.subject.object, "user:ann")):
            names = [field.name for field in reference.DESCRIPTOR.fields]
            for name, value in zip(names, text.split(":"), strict=True):
                setattr(reference, name, value)
    request.items[0].context["text"] = "x" * 50_000
    read: list[object] = []
    for module in (handlers, spicedb_handlers):
        monkeypatch.setattr(module, "decode_context", lambda *asked: read.append(asked))
    response = VERBS[path].response.FromString(VERBS[path].answer(engine, request.SerializeToString(), Call()))
    first, second = answered(response)
    assert first == "error" and second in ("answer", "item")
    assert read == []


def test_reading_many_questions_ends_with_their_caller() -> None:
    def question(*_: object) -> RemitError:
        call.end(DeadlineExceeded("the deadline passed before there was an answer"))
        raise LimitExceeded("too much", name="x", limit=1, given=2)

    call = Call()
    with pytest.raises(DeadlineExceeded):
        handlers.read_each(question, [P.CheckItem(), P.CheckItem()], LIMITS, call)  # type: ignore[arg-type]


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
