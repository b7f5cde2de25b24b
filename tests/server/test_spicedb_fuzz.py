"""Anything over SpiceDB's wire, by whoever means it ill: any bytes, any fields, tokens and cursors from elsewhere.

The requests are made from the table of verbs and the descriptors of their messages, so that a verb that is added later
is asked as well.
Law: each is answered, or refused with a reason for which the server is not to blame; and nobody hears anything of a
store that their key does not see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.access.keys import Right
from remit.engine.tokens import decode_token, encode_token
from remit.model import Operation, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.server.verb import Verb
from remit.server.verbs import SPICEDB_STREAMS, SPICEDB_VERBS
from remit.store.port import StoreIdentity
from tests.support.keyed import Keyed, keyed_server
from tests.support.serving import SCHEMA
from tests.support.simulation.hostile import FAILURES, Refusal, Told, refusal_of
from tests.support.simulation.messages import fill

VERBS: tuple[Verb[Any], ...] = (*SPICEDB_VERBS, *SPICEDB_STREAMS)
BY_VERB = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.label)
SECRET = "crown-jewels"  # the name of a store, and of what is in another
ANSWERS_MAX = 5
QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck))

# What a field is to hold by its name, wherever it is.
RIGHT: dict[str, object] = {
    "object_type": "folder",
    "object_id": "kept",
    "relation": "viewer",
    "permission": "view",
    "resource_object_type": "folder",
    "subject_object_type": "user",
    "resource_type": "folder",
    "schema": SCHEMA,
    "comparison_schema": SCHEMA,
    "definition_name": "folder",
    "permission_name": "view",
    "operation": 2,  # to touch
}
PARTS = {"resource", "subject", "object", "relationship", "relationship_filter", "updates", "items", "relationships"}


@dataclass
class Asked:
    """A server, a key that sees its default store alone, and what texts mean something there, or nearly."""

    keyed: Keyed
    channel: grpc.Channel
    key: str
    words: list[str]
    token: str
    foreign: dict[str, str]  # tokens, each with why it is refused

    def ask(self, verb: Verb[Any], *messages: bytes) -> Told:
        """At most some of the answers. Who watches waits for what may never be."""
        waits = "Watch" in verb.path
        found: list[bytes] = []
        metadata = (("authorization", f"Bearer {self.key}"),)
        call: Any = self.channel.stream_stream(verb.path)(iter(messages), 0.2 if waits else 20, metadata=metadata)
        try:
            for data in call:
                found.append(data)
                if len(found) == ANSWERS_MAX:
                    break
        except grpc.RpcError as error:
            refusal = refusal_of(error)
            if not (waits and refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED):
                return Told(tuple(found), refusal)
        finally:
            call.cancel()
        return Told(tuple(found), None)

    def hold(self) -> None:
        """What the default store has at first."""
        self.keyed.engine.schemas.write("default", SCHEMA)
        self.keyed.engine.relationships.delete("default", RelationshipFilter("folder"))
        facts = ("folder:kept#viewer@user:ann", "folder:also#viewer@user:ann", "folder:kept#viewer@user:ben")
        updates = [Update(Operation.TOUCH, parse_relationship(fact)) for fact in facts]
        self.keyed.engine.relationships.write("default", updates)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with (
        keyed_server(tmp_path_factory.mktemp("fuzzed")) as keyed,
        grpc.insecure_channel(keyed.server.endpoint) as channel,
    ):
        keyed.engine.stores.create(SECRET)
        secret = Update(Operation.TOUCH, parse_relationship(f"folder:{SECRET}#viewer@user:ann"))
        other = keyed.engine.relationships.write("other", [secret]).token
        key = keyed.make(Right.CHECK, Right.READ, Right.WRITE, Right.SCHEMA, stores=("default",))
        asked = Asked(keyed, channel, key, [], "", {})
        asked.hold()
        asked.token = keyed.engine.schemas.read("default").token
        uuid, epoch, head = decode_token(asked.token)
        asked.foreign = {
            other: "FOREIGN_TOKEN",
            encode_token(StoreIdentity("", uuid, epoch + 1), head): "FOREIGN_TOKEN",
            encode_token(StoreIdentity("", uuid, epoch), head + 10**9): "FUTURE_TOKEN",
        }
        asked.words = [
            *(
                "folder",
                "user",
                "group",
                "viewer",
                "view",
                "kept",
                "ann",
                "*",
                "",
                "...",
                "nothing",
                "a b",
                "ü",
                "\x00",
            ),
            *("x" * 1_025, SCHEMA, "definition user {", "{}", "default", "other", "own", "2~", "r1."),
            *(asked.token, asked.token[:-1], *asked.foreign),
            *(cursor for verb in VERBS for cursor in cursors_of(asked, verb)),
        ]
        yield asked


def template(verb: Verb[Any]) -> Any:
    """A request that is answered."""
    request = verb.request()
    # What is imported has to be new to the store.
    is_import = "relationships" in verb.request.DESCRIPTOR.fields_by_name
    _make_right(request, {"object_id": "new"} if is_import else {})
    return request


def _make_right(message: Message, here: dict[str, object]) -> None:
    """`here`: what is to be in fields of a part, other than elsewhere."""
    for field in message.DESCRIPTOR.fields:
        if field.name in RIGHT and field.message_type is None:
            setattr(message, field.name, {**RIGHT, **here}[field.name])
        elif field.name in PARTS:
            part = getattr(message, field.name)
            if field.is_repeated:
                part = part.add()
            part.SetInParent()
            _make_right(part, {"object_type": "user", "object_id": "ann"} if field.name == "subject" else here)


def cursors_of(asked: Asked, verb: Verb[Any]) -> list[str]:
    """Those that come with what it answers."""
    if "after_result_cursor" not in verb.response.DESCRIPTOR.fields_by_name:
        return []
    answers: list[Any] = [
        verb.response.FromString(each) for each in asked.ask(verb, template(verb).SerializeToString()).messages
    ]
    return [each.after_result_cursor.token for each in answers]


def require_decent(verb: Verb[Any], answer: Told) -> None:
    refusal = answer.refusal
    if refusal is not None:
        assert refusal.reason and refusal.domain in ("remit", "authzed.com"), f"{verb.path}: {refusal}"
        assert refusal.code not in FAILURES, f"{verb.path}: {refusal}"
        assert SECRET not in refusal.shown, f"{verb.path}: {refusal}"
    for data in answer.messages:
        assert SECRET.encode() not in data, verb.path
        for pair in getattr(verb.response.FromString(data), "pairs", ()):
            assert pair.error.code not in {code.value[0] for code in FAILURES}, pair


@BY_VERB
def test_a_request_made_from_the_descriptors_is_answered(served: Asked, verb: Verb[Any]) -> None:
    """Or all that is made of it would be refused for the same reason."""
    served.hold()
    answer = served.ask(verb, template(verb).SerializeToString())
    assert answer.refusal is None, answer.refusal


@st.composite
def nearly_right(draw: st.DrawFn, verb: Verb[Any], words: list[str]) -> bytes:
    """A request that is answered, or an empty one, with some fields as they come."""
    request: Message = template(verb) if draw(st.integers(0, 3)) else verb.request()
    fill(draw, request, words)
    return request.SerializeToString()


@BY_VERB
def test_any_fields_are_answered_or_refused_with_a_reason(served: Asked, verb: Verb[Any]) -> None:
    @settings(QUICK, max_examples=12)
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        if verb.right in (Right.WRITE, Right.SCHEMA):
            served.hold()
        require_decent(verb, served.ask(verb, data.draw(nearly_right(verb, served.words))))

    fuzz()


@BY_VERB
def test_bytes_that_are_no_message_are_refused_with_a_reason(served: Asked, verb: Verb[Any]) -> None:
    right = template(verb).SerializeToString()

    @settings(QUICK, max_examples=4)
    @given(noise=st.binary(max_size=60), at=st.integers(0, 100))
    def fuzz(noise: bytes, at: int) -> None:
        for mangled in (noise, right[:at], right[:at] + noise + right[at:], right + right):
            require_decent(verb, served.ask(verb, mangled))

    fuzz()


@pytest.mark.parametrize(
    "verb",
    [each for each in VERBS if "consistency" in each.request.DESCRIPTOR.fields_by_name],
    ids=lambda verb: verb.label,
)
@pytest.mark.parametrize("word", ["at_exact_snapshot", "at_least_as_fresh"])
def test_a_token_of_another_store_or_life_is_refused_for_what_it_is(served: Asked, verb: Verb[Any], word: str) -> None:
    for token, reason in served.foreign.items():
        request = template(verb)
        getattr(request.consistency, word).token = token
        answer = served.ask(verb, request.SerializeToString())
        require_decent(verb, answer)
        assert reason in (answer.reason, *_told(answer.refusal)), answer


def _told(refusal: Refusal | None) -> list[str]:
    """Remit's own reason stands beside SpiceDB's where they differ."""
    return [reason for reason in ("FOREIGN_TOKEN", "FUTURE_TOKEN") if refusal is not None and reason in refusal.shown]


def _query(verb: Verb[Any]) -> str:
    """What a verb lists. ExperimentalService exports what PermissionsService does."""
    return verb.method.replace("Bulk", "")


@pytest.mark.parametrize(
    "verb",
    [each for each in VERBS if "optional_cursor" in each.request.DESCRIPTOR.fields_by_name],
    ids=lambda verb: verb.label,
)
def test_a_cursor_of_another_query_store_or_life_is_refused(served: Asked, verb: Verb[Any]) -> None:
    served.hold()
    own = cursors_of(served, verb)
    others = {cursor for other in VERBS if _query(other) != _query(verb) for cursor in cursors_of(served, other)}
    assert others
    place = next(iter(own or others)).partition("~")[2]
    for cursor in [*others, *(f"{token}~{place}" for token in served.foreign), "", "~", "x" * 10_000]:
        request = template(verb)
        request.optional_cursor.token = cursor
        answer = served.ask(verb, request.SerializeToString())
        require_decent(verb, answer)
        assert answer.refusal is not None, f"{cursor[:80]}: {answer}"
