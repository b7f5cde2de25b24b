"""Every verb from a real client to a real engine and back."""

from __future__ import annotations

import grpc
import pytest

from remit.client import (
    Answer,
    Client,
    Operation,
    Precondition,
    Question,
    RelationshipFilter,
    RemoteError,
    Unanswered,
    Update,
    Verdict,
)
from remit.errors import Status
from remit.eval.trees import ExpandLeaf, ExpandReference, ExpandUnion
from remit.model import ObjectRef, SubjectRef
from remit.notation import format_relationship, parse_relationship
from remit.server.verbs import VERBS
from remit.v1 import agents_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from tests.support.serving import NOW_US, SCHEMA


def test_each_line_of_the_table_is_a_method_of_the_proto_files() -> None:
    declared = {
        (service.full_name, method.name, method.input_type.full_name, method.output_type.full_name)
        for file in (agents_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    table = [
        (verb.service, verb.method, verb.request.DESCRIPTOR.full_name, verb.response.DESCRIPTOR.full_name)
        for verb in VERBS
    ]
    assert set(table) <= declared
    assert len(set(table)) == len(table)


def test_check_answers_yes_no_and_conditional(client: Client) -> None:
    client.touch('folder:top#viewer@user:bob[small:{"most":5}]')
    assert client.check("folder:sub#view@user:ann").verdict is Verdict.YES
    assert client.check("folder:sub#view@user:eve").verdict is Verdict.NO
    waiting = client.check("folder:sub#view@user:bob")
    assert (waiting.verdict, waiting.missing) == (Verdict.CONDITIONAL, ("amount",))
    assert client.check("folder:sub#view@user:bob", context={"amount": 5}).verdict is Verdict.YES
    assert client.check("folder:sub#view@user:bob", context={"amount": 6}).verdict is Verdict.NO


def test_check_says_when_and_at_which_revision_it_answered(client: Client) -> None:
    token = client.touch("folder:other#viewer@user:ann")
    answer = client.check("folder:other#view@user:ann", at_least=token)
    assert (answer.token, answer.evaluated_at_us) == (token, NOW_US)
    assert answer.steps > 0


def test_check_explains_itself(client: Client) -> None:
    explanation = client.check("folder:sub#view@user:ann", explain=True).explanation
    assert explanation is not None
    first = explanation.questions[0]
    assert (str(first.resource), first.relation, str(first.subject)) == ("folder:sub", "view", "user:ann")
    assert first.verdict is Verdict.YES
    assert client.check("folder:sub#view@user:ann").explanation is None


def test_check_many_keeps_order_and_each_error_to_its_item(client: Client) -> None:
    unreadable = permissions_pb2.CheckManyRequest()
    for subject in ("ann", "no one", "eve"):
        item = unreadable.items.add(permission="view")
        item.resource.type, item.resource.id = "folder", "sub"
        item.subject.object.type, item.subject.object.id = "user", subject
    with grpc.insecure_channel(client.endpoint) as channel:
        method = channel.unary_unary(
            "/remit.v1.Permissions/CheckMany",
            request_serializer=permissions_pb2.CheckManyRequest.SerializeToString,
            response_deserializer=permissions_pb2.CheckManyResponse.FromString,
        )
        kinds = [result.WhichOneof("result") for result in method(unreadable).results]
    assert kinds == ["answer", "error", "answer"]

    good = Question(ObjectRef("folder", "sub"), "view", SubjectRef("user", "ann"))
    answers = client.check_many([good, "folder:sub#fly@user:ann", "folder:sub#view@user:eve"])
    assert isinstance(answers[1], Unanswered)
    assert answers[1].error.reason == "UNKNOWN_RELATION"
    assert [bool(answer) for answer in answers] == [True, False, False]
    assert len({answer.token for answer in answers if isinstance(answer, Answer)}) == 1


def test_check_many_of_nothing_is_nothing_and_of_too_much_is_refused(client: Client) -> None:
    assert client.check_many([]) == ()
    with pytest.raises(RemoteError) as refused:
        client.check_many(["folder:sub#view@user:ann"] * 1_001)
    assert (refused.value.reason, refused.value.field) == ("LIMIT_EXCEEDED", "items")


def test_expand_opens_every_set_once(client: Client) -> None:
    sets = client.expand("folder:sub#view").expansion.sets
    assert f"{sets[0].resource}#{sets[0].relation}" == "folder:sub#view"
    assert isinstance(sets[0].definition, ExpandUnion)
    leaves = [opened.definition for opened in sets if isinstance(opened.definition, ExpandLeaf)]
    found = [str(fact.relationship.key) for leaf in leaves for fact in leaf.subjects]
    assert "folder:top#viewer@user:ann" in found


def test_expand_stops_at_a_depth_and_marks_it(client: Client) -> None:
    expansion = client.expand("folder:sub#view", depth=1).expansion
    assert len(expansion.sets) == 1
    definition = expansion.sets[0].definition
    assert isinstance(definition, ExpandUnion)
    references = [child for child in definition.children if isinstance(child, ExpandReference)]
    assert references and all(reference.truncated for reference in references)


def test_a_chain_of_a_thousand_folders_is_explained_and_expanded_whole(client: Client) -> None:
    client.touch("folder:f0#viewer@user:ann")
    client.touch(*(f"folder:f{number + 1}#parent@folder:f{number}" for number in range(999)))
    answer = client.check("folder:f999#view@user:ann", explain=True)
    assert answer.allowed and answer.explanation is not None
    expansion = client.expand("folder:f999#view").expansion
    assert {opened.resource.id for opened in expansion.sets} == {f"f{number}" for number in range(1000)}


def test_a_write_is_all_or_nothing(client: Client) -> None:
    with pytest.raises(RemoteError) as refused:
        client.create("folder:new#viewer@user:ann", "folder:top#viewer@user:ann")
    assert (refused.value.reason, refused.value.status) == ("RELATIONSHIP_EXISTS", Status.ALREADY_EXISTS)
    assert not client.check("folder:new#view@user:ann")


def test_touch_create_and_delete_do_what_they_say(client: Client) -> None:
    client.create("folder:new#viewer@user:bob")
    client.touch("folder:new#viewer@user:bob")
    assert client.check("folder:new#view@user:bob").allowed
    client.delete("folder:new#viewer@user:bob", "folder:new#viewer@user:nobody")
    assert not client.check("folder:new#view@user:bob").allowed


def test_a_precondition_guards_a_write(client: Client) -> None:
    free = Precondition(RelationshipFilter(resource_type="folder", resource_id="new"), must_match=False)
    claim = Update(Operation.TOUCH, parse_relationship("folder:new#viewer@user:ann"))
    client.write([claim], preconditions=[free], metadata={"ticket": 7})
    with pytest.raises(RemoteError) as refused:
        client.write([claim], preconditions=[free])
    assert refused.value.reason == "PRECONDITION_FAILED"


def test_read_pages_through_everything_in_a_stable_order(client: Client) -> None:
    written = [f"folder:p{number:03}#viewer@user:u" for number in range(25)]
    client.touch(*written)
    wanted = RelationshipFilter(resource_type="folder", resource_id_prefix="p")
    read = [format_relationship(each.relationship) for each in client.read(wanted, page_size=7)]
    assert read == written
    assert len(list(client.read())) == 27


def test_read_tells_who_wrote_a_fact_and_keeps_its_qualifiers(client: Client) -> None:
    text = 'folder:q#viewer@user:u[small:{"most":5}]'
    client.touch(text)
    (stored,) = client.read(RelationshipFilter(resource_id="q"))
    assert format_relationship(stored.relationship) == text
    assert stored.provenance.principal == "local"
    assert stored.provenance.revision > 0


def test_a_schema_is_read_as_it_was_written(client: Client) -> None:
    assert client.read_schema().text == SCHEMA
    written = client.write_schema(SCHEMA + "\ndefinition team {}\n")
    assert client.read_schema(at_least=written.token).token == written.token


def test_a_broken_schema_comes_back_with_line_column_and_caret(client: Client) -> None:
    with pytest.raises(RemoteError) as refused:
        client.write_schema("definition user {}\ndefiniton team {}\n")
    assert (refused.value.reason, refused.value.status) == ("SCHEMA_INVALID", Status.INVALID_ARGUMENT)
    (finding,) = refused.value.findings
    assert (finding.line, finding.column) == (2, 1)  # type: ignore[attr-defined]
    assert "^" in str(finding)
    assert client.read_schema().text == SCHEMA
