"""A call over the wire: the same answers as from the engine, whatever carries it; nothing that a request says of a call
is passed over, and one that cannot be read is refused before anything is evaluated."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from authzed.api.v1 import core_pb2 as zed_core
from authzed.api.v1 import permission_service_pb2 as zed
from authzed.api.v1 import permission_service_pb2_grpc
from google.protobuf import json_format

from remit.client import Answer, Call, Client, Question, Unanswered
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import RemoteError
from remit.eval.trees import (
    ExpandExclusion,
    ExpandIntersection,
    ExpandLeaf,
    ExpandSubject,
    ExpandUnion,
    Expansion,
    Explanation,
    ExplanationNode,
)
from remit.model import Operation, Update, Verdict
from remit.notation import parse_question, parse_relationship
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.serving import NOW_US, PATIENCE_S

SCHEMA = """
use arguments
use expiration
definition user {
    relation contact_of: user
    permission contact = contact_of
}
definition guardrail {
    relation forbids: user:* with matching
    permission forbidden = forbids
}
definition tool {
    relation may_use: user with arguments(user#contact)
    relation owner: user
    relation guard: guardrail
    permission use = (may_use + owner) - guard->forbidden
}
"""
GRANT = (
    'tool:pay#may_use@user:anne[arguments:{"amount":{"max":"100"},'
    '"to":{"each":{"related":{"permission":"contact","type":"user"}}}}]'
)
FACTS = (
    GRANT,
    "tool:pay#owner@user:boss",
    "user:carl#contact_of@user:anne",
    "tool:pay#guard@guardrail:large",
    'guardrail:large#forbids@user:*[matching:{"amount":{"min":"90"}}]',
)
USE, BOSS = "tool:pay#use@user:anne", "tool:pay#use@user:boss"


def pays(amount: object, *to: str) -> Call:
    return Call("pay", json.dumps({"amount": amount, "to": list(to)}, separators=(",", ":")).encode())


FITS, MUCH = pays("50", "carl"), pays("95", "carl")
ANSWERS = [
    (USE, FITS, Verdict.YES),
    (USE, pays("101", "carl"), Verdict.NO),
    (USE, pays("50", "carl", "eve"), Verdict.NO),
    (USE, MUCH, Verdict.NO),  # covered, and forbidden
    (BOSS, FITS, Verdict.YES),
    (BOSS, MUCH, Verdict.NO),
    (USE, None, Verdict.CONDITIONAL),
    (BOSS, None, Verdict.CONDITIONAL),
]
REFUSED = [
    (BOSS, Call("pay", b'{"amount":1.0}'), "INVALID_CALL"),
    (BOSS, Call("pay", b""), "INVALID_CALL"),
    (BOSS, Call("", b"{}"), "INVALID_CALL"),
    (BOSS, Call("*", b"{}"), "INVALID_CALL"),
    (BOSS, Call("pay", b"{}", purpose="x" * 257), "INVALID_CALL"),
    (BOSS, Call("pay", b'{"text":"' + b"x" * 65_536 + b'"}'), "INVALID_CALL"),
    (BOSS, pays([1]), "CALL_UNJUDGEABLE"),
    (USE, FITS._replace(tool="mail"), "CALL_UNJUDGEABLE"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact)) for fact in FACTS])
    with BackgroundServer(engine, http="127.0.0.1:0", http_api=True) as server:
        yield server
    engine.close()


@pytest.fixture
def client(server: BackgroundServer) -> Iterator[Client]:
    with Client(server.endpoint) as client:
        yield client


@pytest.mark.parametrize(("question", "call", "verdict"), ANSWERS)
def test_an_answer_is_of_the_call(client: Client, question: str, call: Call | None, verdict: Verdict) -> None:
    for explain in (False, True, False):  # the second time what was remembered of the first is there
        answer = client.check(question, call=call, explain=explain)
        assert answer.verdict is verdict
        assert answer.missing == (("arguments",) if call is None else ())


@pytest.mark.parametrize(("question", "call", "reason"), REFUSED)
def test_what_cannot_be_read_or_judged_is_no_answer(client: Client, question: str, call: Call, reason: str) -> None:
    for explain in (False, True):
        with pytest.raises(RemoteError) as raised:
            client.check(question, call=call, explain=explain)
        assert raised.value.reason == reason
        if reason == "INVALID_CALL":
            assert raised.value.field.startswith("call.")
        else:
            assert raised.value.metadata.keys() >= {"relationship", "pointer", "problem"}
    assert isinstance(client.check_many([question], call=call)[0], Unanswered)


def test_many_questions_are_each_about_their_own_call(client: Client) -> None:
    asked = [(question, call) for question, call, _ in ANSWERS] + [(question, call) for question, call, _ in REFUSED]
    expected = [verdict for _, _, verdict in ANSWERS] + [reason for _, _, reason in REFUSED]
    for order in (1, -1):
        questions = [Question(*parse_question(text), call=call) for text, call in asked[::order]]
        answers = client.check_many(questions)
        found = [each.verdict if isinstance(each, Answer) else each.error.reason for each in answers]
        assert found == expected[::order]


def test_one_call_may_be_given_for_all_and_a_question_s_own_goes_before_it(client: Client) -> None:
    own = Question(*parse_question(USE), call=MUCH)
    assert [bool(each) for each in client.check_many([USE, own, BOSS], call=FITS)] == [True, False, True]


def test_the_same_call_says_the_same_after_it_was_asked_of_others(client: Client) -> None:
    for call, is_yes in ((FITS, True), (MUCH, False), (None, False), (FITS, True)):
        assert client.check(BOSS, call=call).allowed is is_yes


# --- as JSON, and over SpiceDB's wire ---------------------------------------------------------------------------


def posted(server: BackgroundServer, call: dict[str, str]) -> tuple[int, dict[str, Any]]:
    body = {
        "resource": {"type": "tool", "id": "pay"},
        "permission": "use",
        "subject": {"object": {"type": "user", "id": "anne"}},
        "call": call,
    }
    url = f"{server.http_endpoint}/remit.v1.Permissions/Check"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_in_json_arguments_are_in_base64(server: BackgroundServer) -> None:
    for call, verdict in ((FITS, "VERDICT_YES"), (MUCH, "VERDICT_NO")):
        sent = base64.b64encode(call.arguments).decode()
        status, answer = posted(server, {"tool": "pay", "arguments": sent})
        assert (status, answer["verdict"]) == (200, verdict)
    status, answer = posted(server, {"tool": "pay", "arguments": '{"amount":"50"}'})
    assert status == 400, "what is no base64 is refused, and not taken for other bytes"
    status, answer = posted(server, {"tool": "pay", "argument": ""})
    assert (status, answer["reason"]) == (400, "MALFORMED_REQUEST")


def test_spicedb_s_wire_knows_no_calls_and_says_what_is_missing(server: BackgroundServer) -> None:
    request = zed.CheckPermissionRequest(
        resource=zed_core.ObjectReference(object_type="tool", object_id="pay"),
        permission="use",
        subject=zed_core.SubjectReference(
            object=zed_core.ObjectReference(object_type="user", object_id="anne"),
        ),
        with_tracing=True,
    )
    with grpc.insecure_channel(server.endpoint) as channel:
        service = permission_service_pb2_grpc.PermissionsServiceStub(channel)
        answer = service.CheckPermission(request, timeout=PATIENCE_S)
        read = list(
            service.ReadRelationships(
                zed.ReadRelationshipsRequest(
                    relationship_filter=zed.RelationshipFilter(resource_type="tool", optional_relation="may_use")
                ),
                timeout=PATIENCE_S,
            )
        )
    assert answer.permissionship == zed.CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION
    assert list(answer.partial_caveat_info.missing_required_context) == ["arguments"]
    assert answer.debug_trace.check.result != 0
    (granted,) = (each.relationship for each in read)
    assert granted.optional_caveat.caveat_name == "arguments"
    context = json_format.MessageToDict(granted.optional_caveat.context)
    assert context == json.loads(GRANT.partition("[arguments:")[2][:-1])


# --- who asks for no call ---------------------------------------------------------------------------------------


def test_lookups_and_expand_drop_nothing(client: Client) -> None:
    users = {str(each.what): (each.verdict, each.missing) for each in client.lookup_subjects("tool:pay#use@user")}
    waiting = (Verdict.CONDITIONAL, ("arguments",))
    assert users == {"user:anne": waiting, "user:boss": waiting}
    tools = {str(each.what): each.missing for each in client.lookup_resources("tool#use@user:anne")}
    assert tools == {"tool:pay": ("arguments",)}
    permissions = {each.what: each.missing for each in client.lookup_permissions("tool:pay@user:anne")}
    assert permissions == {"use": ("arguments",)}
    expansion = client.expand("tool:pay#use").expansion
    told = {str(each.relationship.key): each.relationship for each in facts_of(expansion)}
    grant = parse_relationship(GRANT)
    assert told[str(grant.key)] == grant


def facts_of(expansion: Expansion) -> Iterator[ExpandSubject]:
    waiting: list[object] = [each.definition for each in expansion.sets]
    while waiting:
        match waiting.pop():
            case ExpandLeaf(_, subjects):
                yield from subjects
            case ExpandUnion(children) | ExpandIntersection(children):
                waiting += children
            case ExpandExclusion(base, subtracted):
                waiting += (base, subtracted)


# --- why --------------------------------------------------------------------------------------------------------


def test_an_explanation_shows_the_document_and_what_it_asked_of_the_graph(client: Client) -> None:
    yes = client.check(USE, call=FITS, explain=True)
    assert yes.explanation is not None
    assert {str(each.key) for each in yes.explanation.witness} == {
        "tool:pay#may_use@user:anne",
        "user:carl#contact_of@user:anne",
    }
    asked = {str(each.resource) + "#" + each.relation for each in yes.explanation.questions}
    assert "user:carl#contact" in asked
    no = client.check(USE, call=pays("101", "carl"), explain=True)
    assert no.explanation is not None
    (told,) = (each for each in nodes_of(no.explanation) if each.relationship and each.verdict is Verdict.NO)
    assert told.relationship == parse_relationship(GRANT)
    assert "/amount" in told.note
    eve = client.check("tool:pay#may_use@user:anne", call=pays("50", "eve"), explain=True)
    assert eve.explanation is not None
    fix = [(each.operation, str(each.relationship.key)) for each in eve.explanation.fix]
    assert fix == [(Operation.TOUCH, "user:eve#contact_of@user:anne")]
    assert parse_relationship(GRANT) in {each.relationship for each in nodes_of(eve.explanation)}


def nodes_of(explanation: Explanation) -> Iterator[ExplanationNode]:
    waiting = [each.definition for each in explanation.questions]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children
