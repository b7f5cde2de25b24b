"""Lookups over SpiceDB's wire: what a client is told of an id, by whatever pages and cursors, is what Check says."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import grpc
import msgpack
import pytest
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.lookups import LookupWalk
from remit.engine.request_view import RequestView
from remit.eval.lookups import Entry
from remit.model import ObjectRef, Operation, Question, RelationshipFilter, SubjectRef, Update, Verdict
from remit.notation import parse_relationship
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.keyed import refusal_of
from tests.support.serving import NOW_US, until
from tests.support.spicedb_lookups import NOTHING, LookupRequest, Subjects, in_pages, resources_in, said_of, with_limit

SCHEMA = """
use expiration
use not_before

caveat small(amount int, most int) { amount <= most }
caveat shared(amount int, among int) { amount / among > 1 }

definition user {}

definition group {
    relation member: user | group#member
}

definition doc {
    relation viewer: user | user:* | user with small | user:* with small | group#member | user with shared
    relation passing: user:* with expiration | user:* with not_before | user
    relation banned: user | user with small | user:* | group#member
    permission view = viewer - banned
    permission both = viewer & passing
    permission open = (passing - banned) + viewer
}
"""
HAS = permissions.LOOKUP_PERMISSIONSHIP_HAS_PERMISSION
PERHAPS = permissions.LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION
EXCLUDE = permissions.LookupSubjectsRequest.WILDCARD_OPTION_EXCLUDE_WILDCARDS
INCLUDE = permissions.LookupSubjectsRequest.WILDCARD_OPTION_INCLUDE_WILDCARDS


class Served:
    """A server whose facts are changed at will; asked over the wire, and judged by the engine."""

    def __init__(self, limits: ServeLimits = DEFAULT_LIMITS) -> None:
        self.clock = ManualClock(NOW_US)
        self.engine = Engine(MemoryStore(clock_us=self.clock.now_us), self.clock)
        self.engine.schemas.write("", SCHEMA)
        self.server = BackgroundServer(self.engine, limits=limits)

    def __enter__(self) -> Served:
        self.server.__enter__()
        self.channel = grpc.insecure_channel(self.server.endpoint)
        self.asks = PermissionsServiceStub(self.channel)
        return self

    def __exit__(self, *raised: Any) -> None:
        self.channel.close()
        self.server.__exit__(*raised)
        self.engine.close()

    def touch(self, *facts: str) -> str:
        updates = [Update(Operation.TOUCH, parse_relationship(fact)) for fact in facts]
        return self.engine.relationships.write("", updates).token

    def delete(self, *facts: str) -> str:
        updates = [Update(Operation.DELETE, parse_relationship(fact)) for fact in facts]
        return self.engine.relationships.write("", updates).token

    def hold(self, facts: Iterable[str]) -> None:
        """These, and nothing else."""
        for type in ("doc", "group"):
            self.engine.relationships.delete("", RelationshipFilter(resource_type=type))
        if facts := list(facts):
            self.touch(*facts)

    def ask(self, request: LookupRequest) -> list[Any]:
        if isinstance(request, permissions.LookupResourcesRequest):
            return list(self.asks.LookupResources(request, timeout=60))
        return list(self.asks.LookupSubjects(request, timeout=60))

    def check(self, resource: str, permission: str, subject: str, context: dict[str, object]) -> Any:
        type, _, id = resource.partition(":")
        who = SubjectRef(*subject.partition(":")[::2])
        answer = self.engine.questions.check("", Question(ObjectRef(type, id), permission, who, context))
        return answer.verdict, answer.missing


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as served:
        yield served


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with Served() as served:
        yield served


def object_of(text: str) -> core.ObjectReference:
    type, _, id = text.partition(":")
    return core.ObjectReference(object_type=type, object_id=id)


def struct(context: dict[str, object]) -> Struct:
    made = Struct()
    made.update(context)
    return made


def of_resources(subject: str, permission: str = "view", **parts: Any) -> permissions.LookupResourcesRequest:
    return permissions.LookupResourcesRequest(
        resource_object_type=parts.pop("resource_object_type", "doc"),
        permission=permission,
        subject=core.SubjectReference(object=object_of(subject)),
        **parts,
    )


def of_subjects(resource: str, permission: str = "view", **parts: Any) -> permissions.LookupSubjectsRequest:
    return permissions.LookupSubjectsRequest(
        resource=object_of(resource),
        permission=permission,
        subject_object_type=parts.pop("subject_object_type", "user"),
        **parts,
    )


def refused(ask: Callable[[LookupRequest], list[Any]], request: LookupRequest) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        ask(request)
    return refusal_of(raised.value).reason


# --- what a message says ----------------------------------------------------------------------------------------


def test_every_resource_comes_with_its_condition_its_revision_and_a_cursor(served: Served) -> None:
    token = served.touch("doc:a#viewer@user:ann", 'doc:b#viewer@user:ann[small:{"most":3}]', "doc:c#viewer@user:ben")
    a, b = served.ask(of_resources("user:ann"))
    assert (a.resource_object_id, a.permissionship, a.HasField("partial_caveat_info")) == ("a", HAS, False)
    assert (b.resource_object_id, b.permissionship) == ("b", PERHAPS)
    assert list(b.partial_caveat_info.missing_required_context) == ["amount"]
    assert {each.looked_up_at.token for each in (a, b)} == {token}
    assert a.after_result_cursor != b.after_result_cursor
    asked = of_resources("user:ann", context=struct({"amount": 2}))
    assert {id: said[0] for id, said in resources_in(served.ask(asked)).items()} == {
        "a": Verdict.YES,
        "b": Verdict.YES,
    }
    assert list(resources_in(served.ask(of_resources("user:ann", context=struct({"amount": 5}))))) == ["a"]


def test_the_wildcard_comes_last_with_whom_it_does_not_stand_for(served: Served) -> None:
    served.touch(
        "doc:a#viewer@user:*",
        "doc:a#viewer@user:ann",
        "doc:a#banned@user:ben",
        'doc:a#banned@user:cleo[small:{"most":3}]',
    )
    *named, everybody = served.ask(of_subjects("doc:a"))
    assert [(each.subject.subject_object_id, each.subject.permissionship) for each in named] == [
        ("ann", HAS),
        ("cleo", PERHAPS),
    ]
    assert (everybody.subject_object_id, everybody.permissionship) == ("*", HAS)
    ben, cleo = everybody.excluded_subjects
    assert (ben.subject_object_id, ben.permissionship) == ("ben", HAS)
    assert (cleo.subject_object_id, cleo.permissionship) == ("cleo", PERHAPS)
    assert list(cleo.partial_caveat_info.missing_required_context) == ["amount"]
    assert list(everybody.excluded_subject_ids) == ["ben", "cleo"]
    without = served.ask(of_subjects("doc:a", wildcard_option=EXCLUDE))
    assert [each.subject.subject_object_id for each in without] == ["ann", "cleo"]
    assert served.ask(of_subjects("doc:a", wildcard_option=INCLUDE)) == [*named, everybody]
    decided = Subjects(served.ask(of_subjects("doc:a", context=struct({"amount": 9}))))
    assert (decided.of("cleo"), decided.of("ben"), list(decided.excluded)) == ((Verdict.YES, ()), NOTHING, ["ben"])


def test_a_wildcard_with_a_condition_says_which(served: Served) -> None:
    served.touch('doc:a#viewer@user:*[small:{"most":3}]', "doc:a#viewer@user:ann")
    ann, everybody = served.ask(of_subjects("doc:a"))
    assert (said_of(ann.subject), said_of(everybody.subject)) == (
        (Verdict.YES, ()),
        (Verdict.CONDITIONAL, ("amount",)),
    )
    assert not everybody.excluded_subjects


def test_usersets_are_found_as_subjects(served: Served) -> None:
    served.touch("doc:a#viewer@group:g#member", "group:g#member@group:h#member", "group:h#member@user:ann")
    asked = of_subjects("doc:a", subject_object_type="group", optional_subject_relation="member")
    assert sorted(Subjects(served.ask(asked)).concrete) == ["g", "h"]
    assert [each.subject_object_id for each in served.ask(of_subjects("doc:a"))] == ["ann"]
    plain = of_subjects("doc:a", subject_object_type="user", optional_subject_relation="...")
    assert [each.subject_object_id for each in served.ask(plain)] == ["ann"]
    member = of_resources("group:h")
    member.subject.optional_relation = "member"
    assert list(resources_in(served.ask(member))) == ["a"]


def test_nobody_and_nothing_are_found_where_there_is_none(served: Served) -> None:
    assert served.ask(of_resources("user:ann")) == served.ask(of_subjects("doc:a")) == []


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (of_resources("user:ann", resource_object_type="nothing"), "ERROR_REASON_UNKNOWN_DEFINITION"),
        (of_resources("nobody:ann"), "ERROR_REASON_UNKNOWN_DEFINITION"),
        (of_resources("user:ann", "edit"), "ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION"),
        (of_resources("user:*"), "ERROR_REASON_WILDCARD_NOT_ALLOWED"),
        (of_resources("user:ann", ""), "INVALID_REFERENCE"),
        (of_resources("user:ann", optional_limit=1_001), "ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT"),
        (of_resources("user:ann", context=struct({"amount": "x" * 5_000})), "LIMIT_EXCEEDED"),
        (of_resources("user:ann", optional_cursor=core.Cursor()), "ERROR_REASON_INVALID_CURSOR"),
        (of_subjects("nothing:a"), "ERROR_REASON_UNKNOWN_DEFINITION"),
        (of_subjects("doc:a", "edit"), "ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION"),
        (of_subjects("doc:a", subject_object_type="nobody"), "ERROR_REASON_UNKNOWN_DEFINITION"),
        (of_subjects("doc:a", optional_subject_relation="member"), "ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION"),
        (of_subjects("doc:a", optional_concrete_limit=1_001), "ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT"),
        (of_subjects("doc:a", wildcard_option=9), "INVALID_ARGUMENT"),
        (of_subjects("doc:a", optional_cursor=core.Cursor(token="x")), "ERROR_REASON_INVALID_CURSOR"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_what_cannot_be_asked_is_refused_as_spicedb_refuses(shared: Served, asked: LookupRequest, reason: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        shared.ask(asked)
    assert refusal_of(raised.value).reason == reason
    fields = fields_of(raised.value)
    assert fields
    for field in fields:
        at = asked.DESCRIPTOR
        for name in field.split("."):
            assert name in at.fields_by_name, f"`{field}` is no field of {asked.DESCRIPTOR.full_name}"
            at = at.fields_by_name[name].message_type


def fields_of(error: grpc.RpcError) -> list[str]:
    """The fields that a refusal names."""
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    return [each.field for detail in status.details if detail.Unpack(bad) for each in bad.field_violations]


def test_without_a_schema_every_name_is_unknown() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        asks = PermissionsServiceStub(channel)
        for call in (asks.LookupResources(of_resources("user:ann")), asks.LookupSubjects(of_subjects("doc:a"))):
            with pytest.raises(grpc.RpcError) as raised:
                list(call)
            assert refusal_of(raised.value).reason == "ERROR_REASON_UNKNOWN_DEFINITION"
    engine.close()


def test_a_cursor_goes_on_with_the_lookup_it_was_given_for_and_no_other(served: Served) -> None:
    token = served.touch("doc:a#viewer@user:ann", "doc:b#viewer@user:ann", "doc:a#viewer@user:ben")
    resources = served.ask(of_resources("user:ann"))[0].after_result_cursor
    subjects = served.ask(of_subjects("doc:a"))[0].after_result_cursor
    with Client(served.server.endpoint) as client:
        other = client.create_store("other").token
    elsewhere = core.Cursor(token=f"{other}~{resources.token.partition('~')[2]}")
    for asked, reason in (
        (of_resources("user:ben", optional_cursor=resources), "ERROR_REASON_INVALID_CURSOR"),
        (of_resources("user:ann", "open", optional_cursor=resources), "ERROR_REASON_INVALID_CURSOR"),
        (
            of_resources("user:ann", context=struct({"amount": 1}), optional_cursor=resources),
            "ERROR_REASON_INVALID_CURSOR",
        ),
        (of_resources("user:ann", optional_cursor=subjects), "ERROR_REASON_INVALID_CURSOR"),
        (of_resources("user:ann", optional_cursor=elsewhere), "FOREIGN_TOKEN"),
        (of_subjects("doc:a", optional_cursor=resources), "ERROR_REASON_INVALID_CURSOR"),
        (of_subjects("doc:b", optional_cursor=subjects), "ERROR_REASON_INVALID_CURSOR"),
        (
            of_subjects("doc:a", optional_subject_relation="", permission="open", optional_cursor=subjects),
            "ERROR_REASON_INVALID_CURSOR",
        ),
    ):
        assert refused(served.ask, asked) == reason, asked
    # The schema is that of the revision that the cursor is of, whatever it is by now.
    served.engine.schemas.write("", SCHEMA.replace("viewer - banned\n", "banned\n"))
    (b,) = served.ask(of_resources("user:ann", optional_cursor=resources))
    assert (b.resource_object_id, b.looked_up_at.token) == ("b", token)


def test_an_id_of_which_it_cannot_be_told_ends_the_list_with_the_reason(served: Served) -> None:
    """Of a caveat that divides by zero there is no answer: who was left out in silence would look like a no."""
    failing = '[shared:{"among":0}]'
    served.touch(*(f"doc:{id}#viewer@user:ann" for id in "ad"), f"doc:c#viewer@user:ann{failing}")
    served.touch(*(f"doc:x#viewer@user:{id}" for id in "ad"), f"doc:x#viewer@user:c{failing}")
    asks, amount = served.asks, struct({"amount": 1})
    lists = (
        (asks.LookupResources(of_resources("user:ann", context=amount)), "resource_object_id"),
        (asks.LookupSubjects(of_subjects("doc:x", context=amount)), "subject_object_id"),
        (asks.LookupSubjects(of_subjects("doc:x", context=amount, wildcard_option=EXCLUDE)), "subject_object_id"),
    )
    for stream, field in lists:
        told = []
        with pytest.raises(grpc.RpcError) as raised:
            for each in stream:
                told.append(getattr(each, field))
        assert (told, refusal_of(raised.value).reason) == (["a"], "ERROR_REASON_CAVEAT_EVALUATION_ERROR")


# --- pages and revisions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1_000])
def test_pages_are_of_the_revision_that_the_first_was_of(served: Served, limit: int) -> None:
    served.touch(*(f"doc:{number:02}#viewer@user:ann" for number in range(12)))
    served.touch("doc:x#viewer@user:*", *(f"doc:x#viewer@user:{number:02}" for number in range(12)))
    served.touch(*(f"doc:x#banned@user:{number:02}" for number in range(0, 12, 3)))
    numbers = itertools.count()

    def ask(request: LookupRequest) -> list[Any]:
        page = served.ask(request)
        assert len({each.looked_up_at.token for each in page}) <= 1
        number = next(numbers) % 12
        served.touch(
            f"doc:{number:02}#banned@user:ann", f"doc:x#banned@user:{number:02}", f"doc:new{number}#viewer@user:ann"
        )
        served.delete(f"doc:{11 - number:02}#viewer@user:ann", "doc:x#viewer@user:*")
        return page

    for asked in (of_resources("user:ann"), of_subjects("doc:x")):
        served.touch("doc:x#viewer@user:*")
        whole = served.ask(asked)
        paged = in_pages(ask, asked, limit)
        if isinstance(asked, permissions.LookupResourcesRequest):
            assert resources_in(paged) == resources_in(whole)
        else:
            one, other = Subjects(paged), Subjects(whole)
            assert (one.concrete, one.everybody, one.excluded) == (other.concrete, other.everybody, other.excluded)


def test_a_lookup_is_of_the_revision_that_is_asked_for(served: Served) -> None:
    before = served.touch("doc:a#viewer@user:ann")
    after = served.delete("doc:a#viewer@user:ann")
    exactly = permissions.Consistency(at_exact_snapshot=core.ZedToken(token=before))
    least = permissions.Consistency(at_least_as_fresh=core.ZedToken(token=after))
    for ask in (lambda at: of_resources("user:ann", consistency=at), lambda at: of_subjects("doc:a", consistency=at)):
        (found,) = served.ask(ask(exactly))
        assert found.looked_up_at.token == before
        assert served.ask(ask(least)) == served.ask(ask(permissions.Consistency(fully_consistent=True))) == []


MANY = 10_000  # more than are found at once, and than a connection holds before somebody reads


def import_many(served: Served, facts: Iterable[str]) -> None:
    with Client(served.server.endpoint) as client:
        client.import_(facts)


def test_a_long_list_is_of_one_revision_whatever_is_written_while_it_is_read(served: Served) -> None:
    import_many(served, (f"doc:{number:05}#viewer@user:ann" for number in range(MANY)))
    stream = served.asks.LookupResources(of_resources("user:ann"), timeout=120)
    first = next(stream)
    served.engine.relationships.delete("", RelationshipFilter("doc", resource_id_prefix="0999"))
    served.touch("doc:09998a#viewer@user:ann")
    found = resources_in([first, *stream])
    assert list(found) == [f"{number:05}" for number in range(MANY)]


def test_a_store_that_is_gone_ends_the_list_with_the_reason(served: Served) -> None:
    import_many(served, (f"doc:{number:05}#viewer@user:ann" for number in range(MANY)))
    stream = served.asks.LookupResources(of_resources("user:ann"), timeout=120)
    next(stream)
    served.engine.stores.delete("default")
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    assert refusal_of(raised.value).reason == "STORE_NOT_FOUND"


def test_whoever_leaves_is_worked_for_no_more() -> None:
    """There is room for one stream, so the next is answered when the first has gone; and of that one page was found."""
    with Served(replace(DEFAULT_LIMITS, streams_max=1)) as served:
        import_many(served, (f"doc:{number:05}#viewer@user:ann" for number in range(MANY)))
        pages: list[str] = []
        begin = served.engine.lookups.walk

        def walk(*arguments: Any, **options: Any) -> LookupWalk:
            walk = begin(*arguments, **options)
            page = walk.page

            def counted(view: RequestView, after: str, limit: int) -> tuple[Sequence[Entry], str | None]:
                pages.append(after)
                return page(view, after, limit)

            walk.page = counted  # type: ignore[method-assign]
            return walk

        served.engine.lookups.walk = walk  # type: ignore[method-assign]
        stream = served.asks.LookupResources(of_resources("user:ann"), timeout=120)
        next(stream)
        assert refused(served.ask, of_subjects("doc:a")) == "TOO_MANY_STREAMS"
        stream.cancel()
        until(lambda: is_answered(served, of_subjects("doc:a")))
        assert set(pages) == {""}


def is_answered(served: Served, request: LookupRequest) -> bool:
    try:
        served.ask(request)
    except grpc.RpcError as error:
        assert refusal_of(error).reason == "TOO_MANY_STREAMS"
        return False
    return True


def test_more_excluded_than_a_message_holds_is_an_error_and_never_a_part(served: Served) -> None:
    ids = [f"{number:04}-{'x' * 1_000}" for number in range(2_200)]
    import_many(served, ["doc:a#viewer@user:*", *(f"doc:a#banned@user:{id}" for id in ids)])
    assert refused(served.ask, of_subjects("doc:a")) == "ANSWER_TOO_LARGE"
    assert served.ask(of_subjects("doc:a", wildcard_option=EXCLUDE)) == []
    *named, everybody = served.ask(of_subjects("doc:a", "open"))
    assert (len(named), everybody.subject_object_id, len(everybody.excluded_subjects)) == (len(ids), "*", 0)


# --- laws -------------------------------------------------------------------------------------------------------

USERS = ("ann", "ben", "cleo", "dan")
DOCS = ("a", "b", "c")
CAVEATED = '[small:{"most":3}]'
SHAPES = (  # D is a document, U a user
    *(f"doc:D#{relation}@user:U" for relation in ("viewer", "banned", "passing")),
    *(f"doc:D#{relation}@user:U{CAVEATED}" for relation in ("viewer", "banned")),
    "doc:D#viewer@user:U[shared]",
    "doc:D#viewer@user:*",
    f"doc:D#viewer@user:*{CAVEATED}",
    "doc:D#passing@user:*[expiration:2099-01-01T00:00:00Z]",
    "doc:D#banned@user:*",
    "doc:D#viewer@group:D#member",
    "doc:D#banned@group:D#member",
    "group:D#member@user:U",
)
CONTEXTS: tuple[dict[str, object], ...] = ({}, {"amount": 2}, {"amount": 5}, {"amount": 4, "among": 2})


def one_each(facts: list[str]) -> list[str]:
    """The last that is said of each triple."""
    return list({fact.partition("[")[0]: fact for fact in facts}.values())


def fact(shape: str, doc: str, user: str) -> str:
    return shape.replace("D#", f"{doc}#").replace(":U", f":{user}")


FACTS = st.lists(
    st.builds(fact, st.sampled_from(SHAPES), st.sampled_from(DOCS), st.sampled_from(USERS)), max_size=14
).map(one_each)
PERMISSIONS = st.sampled_from(("view", "both", "open", "viewer", "banned"))


@settings(deadline=None, max_examples=60)
@given(facts=FACTS, permission=PERMISSIONS, context=st.sampled_from(CONTEXTS), limit=st.sampled_from((0, 1, 2, 3)))
def test_what_is_told_of_anybody_is_what_check_says(
    shared: Served, facts: list[str], permission: str, context: dict[str, object], limit: int
) -> None:
    shared.hold(facts)
    occurring = {each for fact in facts for each in DOCS if f"doc:{each}#" in fact}
    for user in ("ann", "nobody"):
        asked = of_resources(f"user:{user}", permission, context=struct(context))
        listed = resources_in(in_pages(shared.ask, asked, limit))
        for doc in DOCS:
            said = shared.check(f"doc:{doc}", permission, f"user:{user}", context)
            assert listed.get(doc, NOTHING) == (said if doc in occurring else NOTHING), (doc, user)
    for doc in DOCS:
        request = of_subjects(f"doc:{doc}", permission, context=struct(context))
        told = Subjects(in_pages(shared.ask, request, limit))
        request.wildcard_option = EXCLUDE
        by_name = Subjects(in_pages(shared.ask, request, limit))
        assert (by_name.concrete, by_name.everybody) == (told.concrete, NOTHING)
        for user in (*USERS, "nobody"):
            said = shared.check(f"doc:{doc}", permission, f"user:{user}", context)
            assert told.of(user) == said, (doc, user)
            assert told.by_wildcard(user)[0] <= said[0], (doc, user)


@settings(deadline=None, max_examples=40)
@given(facts=FACTS, permission=PERMISSIONS, limit=st.sampled_from((0, 1, 2)), data=st.data())
def test_any_message_can_be_gone_on_after_and_nobody_is_forgotten(
    shared: Served, facts: list[str], permission: str, limit: int, data: st.DataObject
) -> None:
    """Whoever is cut off anywhere, as often as may be, and goes on after the last message that came, has been told of
    everybody in the end, those among them whom `*` does not stand for."""
    shared.hold(facts)
    for asked in (of_resources("user:ann", permission), *(of_subjects(f"doc:{doc}", permission) for doc in DOCS)):
        whole = shared.ask(asked)
        found: list[Any] = []
        request = type(asked).FromString(asked.SerializeToString())
        for _ in range(40):
            with_limit(request, limit)
            page = shared.ask(request)
            is_cut = bool(page) and data.draw(st.booleans())
            taken = page[: data.draw(st.integers(1, len(page)))] if is_cut else page
            found += taken
            if not page or (not limit and len(taken) == len(page)):
                break
            if [each for each in taken if not is_wildcard(each)] == [] and len(taken) == len(page):
                break
            request.optional_cursor.CopyFrom(taken[-1].after_result_cursor)
        else:
            raise AssertionError("it has no end")
        if isinstance(asked, permissions.LookupResourcesRequest):
            assert resources_in(found) == resources_in(whole)
        else:
            one, other = Subjects(found), Subjects(whole)
            assert (one.concrete, one.everybody, one.excluded) == (other.concrete, other.everybody, other.excluded)


def is_wildcard(message: Any) -> bool:
    return isinstance(message, permissions.LookupSubjectsResponse) and message.subject_object_id == "*"


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Served]:
    with Served() as served:
        served.touch(*(f"doc:{id}#viewer@user:{user}" for id in DOCS for user in USERS), "doc:a#viewer@user:*")
        yield served


@settings(deadline=None)
@given(data=st.data())
def test_no_cursor_breaks_anything(fuzzed: Served, data: st.DataObject) -> None:
    asked = data.draw(st.sampled_from((of_resources("user:ann"), of_subjects("doc:a"))))
    token, _, place = fuzzed.ask(asked)[0].after_result_cursor.token.partition("~")
    at = data.draw(st.integers(0, len(place)))
    forged = data.draw(
        st.one_of(
            st.text(max_size=60),
            st.just(place[:at]),
            st.just(place[:at] + "A" + place[at + 1 :]),
            st.builds(repacked, st.just(place), st.lists(ANYTHING, min_size=1, max_size=4)),
        )
    )
    asked = type(asked).FromString(asked.SerializeToString())
    asked.optional_cursor.token = f"{token}~{forged}"
    whole = {str(each) for each in DOCS + USERS}
    try:
        for each in fuzzed.ask(asked):
            id = (
                each.subject_object_id
                if isinstance(asked, permissions.LookupSubjectsRequest)
                else each.resource_object_id
            )
            assert id in whole | {"*"}
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
        assert refusal_of(error).reason == "ERROR_REASON_INVALID_CURSOR"


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.text(max_size=5),
    st.binary(max_size=9),
    st.lists(st.text(max_size=2)),
)


def repacked(place: str, last: list[object]) -> str:
    """A cursor with the same binding, and another place."""
    form, store, schema, lookup, *_ = msgpack.unpackb(base64.b64decode(place + "=" * (-len(place) % 4), altchars=b"-_"))
    return base64.urlsafe_b64encode(msgpack.packb([form, store, schema, lookup, *last])).decode().rstrip("=")


# --- time -------------------------------------------------------------------------------------------------------


def test_a_stream_is_of_one_time(served: Served) -> None:
    """What ends while a list is read was there when it began: `*` is told with all whom it did not stand for then."""
    import_many(
        served,
        [
            "doc:a#passing@user:*[expiration:2027-01-15T08:01:00Z]",
            *(f"doc:a#banned@user:{number:05}" for number in range(MANY // 2)),
            *(f"doc:a#passing@user:a{number:05}" for number in range(MANY // 2)),
        ],
    )
    stream = served.asks.LookupSubjects(of_subjects("doc:a", "open"), timeout=120)
    first = next(stream)
    served.clock.advance_us(3_600 * 1_000_000)
    assert served.check("doc:a", "open", "user:nobody", {}) == NOTHING
    told = Subjects([first, *stream])
    assert told.everybody == (Verdict.YES, ())
    assert len(told.excluded) == len(told.concrete) == MANY // 2


def test_a_cursor_is_refused_where_everybody_has_another_answer_by_now(served: Served) -> None:
    """Whom `*` stood for on the pages before it would not be told of on the pages after."""
    served.touch(
        "doc:a#passing@user:*[expiration:2027-01-15T08:01:00Z]",
        "doc:a#passing@user:ann",
        "doc:a#passing@user:ben",
        "doc:a#banned@user:cleo",
    )
    ann, everybody = served.ask(of_subjects("doc:a", "open", optional_concrete_limit=1))
    assert (ann.subject_object_id, everybody.subject_object_id) == ("ann", "*")
    served.clock.advance_us(3_600 * 1_000_000)
    asked = of_subjects("doc:a", "open", optional_cursor=everybody.after_result_cursor)
    assert refused(served.ask, asked) == "ERROR_REASON_INVALID_CURSOR"
    asked.optional_cursor.CopyFrom(ann.after_result_cursor)  # before it was told that there is a `*`
    assert [each.subject_object_id for each in served.ask(asked)] == ["ben"]


def test_a_wildcard_that_begins_between_two_pages_is_told_with_all_it_does_not_stand_for(served: Served) -> None:
    served.touch(
        "doc:a#passing@user:*[not_before:2027-01-15T08:01:00Z]",
        "doc:a#passing@user:cleo",
        "doc:a#passing@user:dan",
        "doc:a#banned@user:ann",
    )
    (cleo,) = served.ask(of_subjects("doc:a", "open", optional_concrete_limit=1))
    served.clock.advance_us(3_600 * 1_000_000)
    later = served.ask(of_subjects("doc:a", "open", optional_cursor=cleo.after_result_cursor))
    told = Subjects([cleo, *later])
    assert (sorted(told.concrete), told.everybody, list(told.excluded)) == (["cleo", "dan"], (Verdict.YES, ()), ["ann"])
