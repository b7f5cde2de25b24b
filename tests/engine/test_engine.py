"""Law: the graph of a store is what its relationships are, at every revision that anyone can see; and after a write is
acknowledged no answer ignores it."""

from __future__ import annotations

import base64
import functools
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine.limits import Limits
from remit.engine.results import CheckResult
from remit.engine.tokens import decode_token, encode_token
from remit.errors import (
    Cancelled,
    DeadlineExceeded,
    ForeignToken,
    FutureToken,
    InvalidArgument,
    InvalidContext,
    InvalidCursor,
    InvalidToken,
    LimitExceeded,
    ManagedRefused,
    NegativeCycle,
    RelationshipExists,
    RelationshipRefused,
    RemitError,
    SchemaNotFound,
    SingleTaken,
    StepBudgetSpent,
    StoreNotFound,
    StoreUnavailable,
    UnknownRelation,
    UnknownType,
    WeakeningRefused,
)
from remit.eval.evaluator import EvaluationView
from remit.eval.semantics import Answer, Evaluation
from remit.graph.plain import Graph
from remit.model import Operation, Question, Relationship, RelationshipFilter, RelationshipKey, Verdict
from remit.notation import format_time, parse_object, parse_question
from tests.support.engines import STRANGER, EngineOfTest, facts, update
from tests.support.small_worlds import AFTER, AT, CONDITIONAL, NO, NOW_US, YES, plan_of

SCHEMA = """
use delegation
use expiration

caveat small(x int) { x < 10 }

definition user {}
definition group {
    relation member: user | group#member | user with expiration | user with small
}
definition doc {
    relation viewer: user | user:* | group#member
    relation reader: user with small | user with expiration
    relation banned: user
    relation barred: user | user with expiration | user with small
    relation parent: doc
    single relation owner: user
    managed relation seal: user
    permission view = (viewer + reader + parent->view + owner) - banned
    permission open = viewer - barred
    permission odd = viewer - parent->odd
}
"""


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def question(text: str, **context: object) -> Question:
    return Question(*parse_question(text), context)


# --- questions --------------------------------------------------------------------------------------------------


def test_the_freshest_answer_is_the_default(world: EngineOfTest) -> None:
    for i in range(5):
        world.write("doc:1#viewer@user:a")
        assert world.verdict("doc:1#view@user:a") is YES, i
        world.write("delete doc:1#viewer@user:a")
        assert world.verdict("doc:1#view@user:a") is NO, i


def test_an_answer_says_when_and_of_which_revision(world: EngineOfTest) -> None:
    written = world.write("doc:1#viewer@user:a")
    first = world.check("doc:1#view@user:a")
    assert first.token == written.token
    assert decode_token(first.token)[2] == written.revision == 2
    assert first.evaluated_at_us == NOW_US
    assert first.steps > 0
    assert first.explanation is None
    world.clock.advance_us(5)
    assert world.check("doc:1#view@user:a").evaluated_at_us == NOW_US + 5


def test_time_passes_for_what_is_in_the_graph(world: EngineOfTest) -> None:
    world.write(f"group:g#member@user:a[expiration:{AFTER}]")
    assert world.verdict("group:g#member@user:a") is YES
    world.clock.advance_us(1)
    assert world.verdict("group:g#member@user:a") is NO


def test_a_context_is_of_its_request_alone(world: EngineOfTest) -> None:
    world.write("group:g#member@user:a[small]")
    assert world.check("group:g#member@user:a").missing == ("x",)
    assert world.verdict("group:g#member@user:a", {"x": 1}) is YES
    assert world.verdict("group:g#member@user:a", {"x": 11}) is NO
    assert world.verdict("group:g#member@user:a") is CONDITIONAL


def test_why_is_told_when_asked(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@group:g#member", "group:g#member@user:a")
    told = world.check("doc:1#view@user:a", explain=True).explanation
    assert told is not None
    assert [each.relation for each in told.questions] == ["view", "viewer", "banned", "member"]


def test_a_store_that_is_not_there_is_not_found_by_any_verb(world: EngineOfTest) -> None:
    everything = RelationshipFilter(resource_type="doc")
    verbs: list[Callable[[], object]] = [
        lambda: world.engine.questions.check("other", question("doc:1#view@user:a")),
        lambda: world.engine.questions.check_many("other", [question("doc:1#view@user:a")]),
        lambda: world.engine.questions.expand("other", parse_object("doc:1"), "view"),
        lambda: world.engine.relationships.write("other", [update("doc:1#viewer@user:a")]),
        lambda: world.engine.relationships.delete("other", everything),
        lambda: world.engine.relationships.read("other", everything),
        lambda: world.engine.schemas.write("other", SCHEMA),
        lambda: world.engine.schemas.read("other"),
    ]
    for verb in verbs:
        with pytest.raises(StoreNotFound, match="there is no store `other`"):
            verb()
    assert world.engine.questions.check("default", question("doc:1#view@user:a")).verdict is NO


def test_without_a_schema_there_are_no_answers(engine: EngineOfTest) -> None:
    for ask in (
        lambda: engine.check("doc:1#view@user:a"),
        lambda: engine.engine.questions.check_many("", [question("doc:1#view@user:a")]),
        lambda: engine.engine.questions.expand("", parse_object("doc:1"), "view"),
        lambda: engine.engine.schemas.read(""),
    ):
        with pytest.raises(SchemaNotFound, match="has no schema yet"):
            ask()
    assert engine.facts() == []


def test_the_schema_is_read_as_it_was_written(world: EngineOfTest) -> None:
    text = "// a remark\n" + SCHEMA + "\n\n"
    token = world.schema(text)
    read = world.engine.schemas.read("")
    assert (read.text, read.token) == (text, token)


def test_steps_and_deadlines_end_a_question_with_an_error_of_their_own(open_engine) -> None:  # type: ignore[no-untyped-def]
    impatient, world = open_engine(Limits(steps_max=50)), open_engine()
    for each in (impatient, world):
        each.schema(SCHEMA)
        # Somebody views something, or nothing could lead to anybody, and the core would not walk at all.
        each.write(*(f"doc:{i}#parent@doc:{i + 1}" for i in range(300)), "doc:other#viewer@user:z")
    with pytest.raises(StepBudgetSpent):
        impatient.check("doc:0#view@user:a")
    with pytest.raises(StepBudgetSpent):
        impatient.engine.questions.expand("", parse_object("doc:0"), "view")

    def gone() -> None:
        raise Cancelled("the caller went away")

    with pytest.raises(Cancelled):
        world.check("doc:0#view@user:a", interrupt=gone)
    with pytest.raises(Cancelled):
        world.engine.questions.expand("", parse_object("doc:0"), "view", interrupt=gone)
    with pytest.raises(Cancelled):
        world.engine.relationships.read("", RelationshipFilter(), interrupt=gone)
    assert world.verdict("doc:0#view@user:a") is NO


def test_a_context_beyond_its_limit_is_refused(world: EngineOfTest) -> None:
    world.check("doc:1#view@user:a", {"k": "z" * 4_000})
    with pytest.raises(LimitExceeded, match="the context has 4108 bytes"):
        world.check("doc:1#view@user:a", {"k": "z" * 4_100})
    with pytest.raises(InvalidContext):
        world.check("doc:1#view@user:a", {"k": float("nan")})


def test_after_the_end_nothing_is_written(world: EngineOfTest) -> None:
    world.engine.close()
    with pytest.raises(StoreUnavailable):
        world.write("doc:1#viewer@user:a")
    world.open() if world.kind == "memory" else world.reopen()


# --- many questions ---------------------------------------------------------------------------------------------

MANY = [
    "doc:1#view@user:a",
    "doc:1#view@user:b",
    "doc:2#view@user:a",
    "doc:3#odd@user:a",
    "doc:1#nothing@user:a",
    "dock:1#view@user:a",
    "group:g#member@user:c",
    "doc:1#view@user:a",
    "doc:4#odd@user:a",
    "doc:1#view@group:g#member",
]
MANY_FACTS = [
    "doc:1#viewer@user:a",
    "doc:2#parent@doc:1",
    "doc:3#parent@doc:3",
    "doc:3#viewer@user:a",
    "doc:4#parent@doc:3",
    "doc:4#viewer@user:a",
    "doc:1#viewer@group:g#member",
    "group:g#member@user:c[small]",
    "doc:1#banned@user:b",
]


def outcome(ask: Callable[[], CheckResult | RemitError]) -> tuple[object, ...]:
    try:
        found = ask()
    except RemitError as error:
        found = error
    if isinstance(found, RemitError):
        return type(found), found.message
    return found.verdict, found.missing, found.token, found.evaluated_at_us


@given(
    st.lists(st.tuples(st.sampled_from(MANY), st.sampled_from(({}, {"x": 1}, {"x": 50}, {"x": "one"}))), max_size=12)
)
@settings(max_examples=40)
def test_many_questions_are_answered_as_each_alone(asked: list[tuple[str, dict[str, object]]]) -> None:
    with tempfile.TemporaryDirectory() as path:
        world = EngineOfTest("memory", Path(path))
        world.schema(SCHEMA)
        world.write(*MANY_FACTS)
        questions = [question(text, **context) for text, context in asked]
        found = world.engine.questions.check_many("", questions)
        alone = [outcome(lambda each=each: world.engine.questions.check("", each)) for each in questions]  # type: ignore[misc]
        assert [outcome(lambda each=each: each) for each in found.results] == alone  # type: ignore[misc]
        world.engine.close()


def test_of_many_a_context_beyond_its_limit_is_refused_before_anybody_evaluates_it(
    world: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of its own item; the evaluator, the core or Python, is asked of the others only."""
    world.write("doc:1#viewer@user:a")
    evaluator = world.engine.questions._evaluator
    asked: list[Question] = []

    def noting(view: EvaluationView, questions: Sequence[Question], *rest: Any) -> list[Answer | RemitError]:
        asked.extend(questions)
        return type(evaluator).check_many(evaluator, view, questions, *rest)

    monkeypatch.setattr(evaluator, "check_many", noting)
    large = question("doc:1#view@user:a", x="y" * 5_000)
    few = question("doc:1#view@user:a"), question("doc:1#view@user:b", x="y")
    results = world.engine.questions.check_many("", [large, few[0], large, few[1]]).results
    assert [each.verdict for each in results if isinstance(each, CheckResult)] == [YES, NO]
    refused = [each for each in results if isinstance(each, LimitExceeded)]
    assert [(each.field, each.metadata["name"]) for each in refused] == [("context", "context_bytes_max")] * 2
    assert results[0] is refused[0] and results[2] is refused[1]
    assert asked == [*few]


def test_errors_are_of_their_items(world: EngineOfTest) -> None:
    world.write(*MANY_FACTS)
    results = world.engine.questions.check_many("", [question(text) for text in MANY]).results
    kinds = [type(each) if isinstance(each, RemitError) else each.verdict for each in results]
    assert kinds == [
        YES,
        NO,
        YES,
        NegativeCycle,
        UnknownRelation,
        UnknownType,
        CONDITIONAL,
        YES,
        NegativeCycle,
        YES,
    ]


def test_what_ends_the_request_is_no_item_s_error(world: EngineOfTest) -> None:
    world.write(*(f"doc:{i}#parent@doc:{i + 1}" for i in range(500)))
    calls = 0

    def passes_in_the_middle() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise DeadlineExceeded("the deadline passed")

    with pytest.raises(DeadlineExceeded):
        world.engine.questions.check_many("", [question("doc:0#view@user:a")] * 5, interrupt=passes_in_the_middle)


def test_each_question_of_many_has_a_budget_of_its_own(open_engine) -> None:  # type: ignore[no-untyped-def]
    world = open_engine(Limits(steps_max=200))
    world.schema(SCHEMA)
    world.write(*(f"doc:{i}#parent@doc:{i + 1}" for i in range(300)), "doc:other#viewer@user:z")
    asked = [question(f"doc:{start}#view@user:a") for start in (0, 290, 280, 270)]
    first, *others = world.engine.questions.check_many("", asked).results
    assert isinstance(first, StepBudgetSpent)
    assert [each.verdict for each in others if isinstance(each, CheckResult)] == [NO] * 3


def test_too_many_questions_are_refused(world: EngineOfTest) -> None:
    asked = [question("doc:1#view@user:a")]
    assert len(world.engine.questions.check_many("", asked * 1_000).results) == 1_000
    assert world.engine.questions.check_many("", []).results == ()
    with pytest.raises(LimitExceeded, match="at most 1000 items, and this one has 1001"):
        world.engine.questions.check_many("", asked * 1_001)


# --- tokens -----------------------------------------------------------------------------------------------------


def test_every_verb_that_reads_heeds_its_token(world: EngineOfTest, tmp_path: Path) -> None:
    token = world.write("doc:1#viewer@user:a").token
    uuid, epoch, revision = decode_token(token)
    identity = world.engine.loaded.of("").identity
    elsewhere = EngineOfTest("memory", tmp_path)
    foreign = elsewhere.schema(SCHEMA)
    elsewhere.engine.close()
    verbs: list[Callable[[str], object]] = [
        lambda token: world.check("doc:1#view@user:a", at_least=token),
        lambda token: world.engine.questions.check_many("", [], at_least=token),
        lambda token: world.engine.questions.expand("", parse_object("doc:1"), "view", at_least=token),
        lambda token: world.engine.relationships.read("", RelationshipFilter(), at_least=token),
        lambda token: world.engine.schemas.read("", at_least=token),
    ]
    for verb in verbs:
        verb("")
        verb(token)
        for old in range(revision):
            verb(encode_token(identity, old))
        for wrong, error in (
            ("nonsense", InvalidToken),
            (foreign, ForeignToken),
            (encode_token(identity, revision + 1), FutureToken),
        ):
            with pytest.raises(error):
                verb(wrong)
    assert (uuid, epoch) == (identity.uuid, identity.epoch)


def test_each_answer_carries_the_token_of_what_it_saw(world: EngineOfTest) -> None:
    for i in range(3):
        token = world.write(f"doc:1#viewer@user:{i}").token
        assert world.check("doc:1#view@user:a").token == token
        assert world.engine.questions.check_many("", []).token == token
        assert world.engine.questions.expand("", parse_object("doc:1"), "view").token == token
        assert world.engine.relationships.read("", RelationshipFilter()).token == token
        assert world.engine.schemas.read("").token == token


# --- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 0])
def test_pages_make_the_whole_list_without_gaps_or_repeats(world: EngineOfTest, limit: int) -> None:
    world.write(*(f"doc:{i}#viewer@user:{j}" for i in range(4) for j in range(2)))
    whole = world.facts()
    assert len(whole) == len(set(whole)) == 8
    assert world.facts(limit=limit) == whole
    by_subject = RelationshipFilter(subject_type="user", subject_id="1")
    assert sorted(world.facts(by_subject, limit=limit)) == sorted(line for line in whole if line.endswith(":1"))


def test_a_full_last_page_says_that_it_is_the_last(world: EngineOfTest) -> None:
    world.write(*(f"doc:{i}#viewer@user:a" for i in range(4)), f"group:g#member@user:a[expiration:{AT}]")
    page = world.engine.relationships.read("", RelationshipFilter(), limit=4)
    assert (len(page.items), page.next_cursor) == (4, ""), "what is over is no reason for another page"


def test_what_is_over_is_not_read_and_what_has_not_begun_is(world: EngineOfTest) -> None:
    world.schema(
        SCHEMA.replace("use expiration", "use expiration\nuse not_before").replace(
            "relation banned: user", "relation banned: user | user with not_before"
        )
    )
    world.write(f"group:g#member@user:a[expiration:{AT}]", f"doc:1#banned@user:a[not_before:{AFTER}]")
    assert world.facts() == [f"doc:1#banned@user:a[not_before:{AFTER}]"]


def test_pages_go_on_while_others_write(world: EngineOfTest) -> None:
    """What stands still is read once; what is deleted under the cursor does not stop it."""
    world.write(*(f"doc:{i}#viewer@user:a" for i in range(9)))
    first = world.engine.relationships.read("", RelationshipFilter(), limit=3)
    world.write(
        "delete doc:2#viewer@user:a", "doc:0#viewer@user:z", "doc:7#viewer@user:z", "delete doc:5#viewer@user:a"
    )
    rest = world.engine.relationships.read("", RelationshipFilter(), cursor=first.next_cursor)
    assert [str(each.relationship.key) for each in rest.items] == [
        "doc:3#viewer@user:a",
        "doc:4#viewer@user:a",
        "doc:6#viewer@user:a",
        "doc:7#viewer@user:a",
        "doc:7#viewer@user:z",
        "doc:8#viewer@user:a",
    ]


def test_a_cursor_goes_on_only_with_its_own_filter(world: EngineOfTest) -> None:
    world.write(*(f"doc:{i}#viewer@user:a" for i in range(4)))
    docs = RelationshipFilter(resource_type="doc")
    cursor = world.engine.relationships.read("", docs, limit=2).next_cursor
    assert len(world.engine.relationships.read("", docs, cursor=cursor).items) == 2
    for other in (RelationshipFilter(), RelationshipFilter(resource_type="doc", relation="viewer")):
        with pytest.raises(InvalidCursor, match="of another filter"):
            world.engine.relationships.read("", other, cursor=cursor)


@given(st.data())
@settings(max_examples=150)
def test_no_text_is_a_cursor_but_a_cursor(data: st.DataObject) -> None:
    """Neither garbage, nor one with something changed, nor well-packed nonsense."""
    filter = RelationshipFilter(resource_type="doc")
    found = paged().engine.relationships.read("", filter, limit=1).next_cursor
    form, digest, resource, relation, subject = msgpack.unpackb(
        base64.urlsafe_b64decode(found + "=" * (-len(found) % 4))
    )
    anything = st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.binary(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=5,
    )
    part = data.draw(st.integers(0, 6))
    if part == 0:
        cursor = data.draw(st.text(min_size=1))
    elif part == 1:
        at = data.draw(st.integers(0, len(found) - 1))
        cursor = found[:at] + data.draw(st.sampled_from("AZaz09-_")) + found[at + 1 :]
    else:
        parts = [form, digest, resource, relation, subject]
        parts[part - 2] = data.draw(anything)
        cursor = base64.urlsafe_b64encode(msgpack.packb(parts)).decode().rstrip("=")
    try:
        page = paged().engine.relationships.read("", filter, cursor=cursor)
    except InvalidCursor:
        return
    assert {stored.relationship.resource.type for stored in page.items} <= {"doc"}, "at most another place in the list"


@functools.cache
def paged() -> EngineOfTest:
    world = EngineOfTest("memory", Path())
    world.schema(SCHEMA)
    world.write(*(f"doc:{i}#viewer@user:a" for i in range(4)), "group:g#member@user:a")
    return world


# --- facts of one request ---------------------------------------------------------------------------------------


def test_contextual_facts_count_for_their_request_alone(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:b")
    added = facts("doc:1#viewer@group:g#member", "group:g#member@user:a")
    assert world.verdict("doc:1#view@user:a", contextual=added) is YES
    assert world.verdict("doc:1#view@user:a") is NO
    assert world.verdict("doc:1#view@user:b", contextual=facts("doc:1#banned@user:b")) is NO
    assert world.verdict("doc:1#view@user:b") is YES


def test_a_contextual_fact_replaces_the_stored_one(world: EngineOfTest) -> None:
    world.write("doc:1#reader@user:a[small]")
    fixed = facts('doc:1#reader@user:a[small:{"x":1}]')
    assert world.verdict("doc:1#view@user:a", contextual=fixed) is YES
    assert world.verdict("doc:1#view@user:a", contextual=facts(f"doc:1#reader@user:a[expiration:{AT}]")) is NO


def test_contextual_facts_are_held_to_the_rules_of_a_write(world: EngineOfTest) -> None:
    world.write("doc:1#owner@user:a")
    for lines, error in (
        (["doc:1#viewer@group:g"], RelationshipRefused),
        (["doc:1#view@user:a"], RelationshipRefused),
        (["dock:1#view@user:a"], UnknownType),
        (['group:g#member@user:a[small:{"z":1}]'], InvalidContext),
        (["doc:1#owner@user:b"], SingleTaken),
        (["doc:2#owner@user:a", "doc:2#owner@user:b"], SingleTaken),
        (["doc:1#viewer@user:a", "doc:1#viewer@user:a"], InvalidArgument),
    ):
        with pytest.raises(error):
            world.check("doc:1#view@user:a", contextual=facts(*lines))
    assert world.verdict("doc:2#view@user:b", contextual=facts("doc:2#owner@user:b", "doc:1#owner@user:a")) is YES


def test_no_contextual_fact_makes_less_of_what_is_subtracted(world: EngineOfTest) -> None:
    """Or who asks could ask a denial away. Laid over what is not there it only holds back."""
    world.write(
        "doc:1#viewer@user:a", "doc:1#viewer@user:b", "doc:1#barred@user:a", f"doc:1#barred@user:b[expiration:{AT}]"
    )
    token = world.check("doc:1#open@user:a").token
    for at_exactly in ("", token):
        for qualified in (f"[expiration:{AT}]", f"[expiration:{AFTER}]", "[small]", '[small:{"x":50}]'):
            with pytest.raises(WeakeningRefused, match="no contextual fact takes its place") as refused:
                world.check(
                    "doc:1#open@user:a", contextual=facts(f"doc:1#barred@user:a{qualified}"), at_exactly=at_exactly
                )
            assert (refused.value.reason, refused.value.field) == ("SUBTRACTED_WEAKENED", "contextual[0]")
        assert world.verdict("doc:1#open@user:a", contextual=facts("doc:1#barred@user:a"), at_exactly=at_exactly) is NO
        world.write("delete doc:1#barred@user:a")  # what was there then is there then
    over = facts(f"doc:1#barred@user:b[expiration:{AFTER}]")
    assert (world.verdict("doc:1#open@user:b"), world.verdict("doc:1#open@user:b", contextual=over)) == (YES, NO)
    assert world.verdict("doc:1#open@user:a", contextual=facts('doc:1#barred@user:a[small:{"x":50}]')) is YES


def test_no_managed_relation_is_contextual_whoever_asks(world: EngineOfTest) -> None:
    world.write("doc:1#seal@user:a")
    for line in ("doc:1#seal@user:a", "doc:1#seal@user:b"):
        with pytest.raises(ManagedRefused, match="never contextual"):
            world.check("doc:1#view@user:a", contextual=facts(line))


# --- the graph, the store, and every revision -------------------------------------------------------------------

LINES = [
    "doc:1#viewer@user:a",
    "doc:1#viewer@user:*",
    "doc:1#viewer@group:g#member",
    "doc:1#parent@doc:2",
    "doc:2#parent@doc:1",
    "doc:2#viewer@user:b",
    "doc:1#banned@user:a",
    "doc:1#owner@user:a",
    "doc:1#owner@user:b",
    "group:g#member@user:a",
    "group:g#member@group:h#member",
    "group:h#member@user:b[small]",
    f"group:h#member@user:a[expiration:{format_time(NOW_US + 3)}]",
    f"group:g#member@user:b[expiration:{format_time(NOW_US + 1)}]",
    "doc:1#seal@user:a",
    "doc:1#viewer@doc:2",
]
ASKED = [f"doc:{d}#{p}@user:{u}" for d in (1, 2) for p in ("view", "viewer", "odd") for u in "ab"]
ASKED += ["group:g#member@user:a", "group:g#member@user:b", "doc:1#view@group:h#member"]
SCHEMAS = [
    SCHEMA,
    SCHEMA.replace("- banned", ""),
    SCHEMA.replace("view = (viewer + ", "view = (").replace("user:* | ", ""),
]


@dataclass
class Model:
    """What an engine should hold: a dictionary of triples, judged by the rules said again."""

    facts: dict[RelationshipKey, Relationship]
    now_us: int = NOW_US

    def write(self, lines: Sequence[str], is_stranger: bool) -> str:
        """What it is refused with, "" where it is not."""
        updates = [update(line) for line in lines]
        keys = [each.relationship.key for each in updates]
        if len(set(keys)) < len(keys):
            return "INVALID_ARGUMENT"
        for each in updates:
            if str(each.relationship.subject) == "doc:2" and each.relationship.relation == "viewer":
                return "RELATIONSHIP_NOT_ALLOWED"
            if each.relationship.relation == "seal" and is_stranger:
                return "MANAGED_RELATION"
        after = {key: fact for key, fact in self.facts.items() if key not in keys or not self.deletes(updates, key)}
        for each in updates:
            there = after.get(each.relationship.key)
            if each.operation is Operation.CREATE and there and there.qualifiers.counts_at(self.now_us):
                return "RELATIONSHIP_EXISTS"
            if each.operation is not Operation.DELETE:
                after[each.relationship.key] = each.relationship
        if len([key for key in after if key.relation == "owner"]) > 1:
            return "SINGLE_RELATION_TAKEN"
        self.facts = after
        return ""

    @staticmethod
    def deletes(updates: Sequence[object], key: RelationshipKey) -> bool:
        return any(u.operation is Operation.DELETE and u.relationship.key == key for u in updates)  # type: ignore[attr-defined]


WRITES = st.lists(
    st.tuples(st.sampled_from(("touch", "create", "delete")), st.sampled_from(LINES)).map(" ".join),
    min_size=1,
    max_size=4,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), WRITES),
        st.tuples(st.just("write as a stranger"), WRITES),
        st.tuples(st.just("advance"), st.integers(1, 2)),
        st.tuples(st.just("schema"), st.sampled_from(SCHEMAS[:2])),
    ),
    max_size=14,
)


def answers(world: EngineOfTest, **options: object) -> list[tuple[object, ...]]:
    """What every question is answered, but for the time it was answered at."""
    return [
        (*outcome(lambda text=text: world.check(text, **options))[:2],)  # type: ignore[misc]
        for text in ASKED
    ]


def expected_answers(world: EngineOfTest, model: Model) -> list[tuple[object, ...]]:
    schema = plan_of(world.engine.schemas.read("").text)
    evaluation = Evaluation(schema, Graph(model.facts.values()), now_us=model.now_us)
    found: list[tuple[object, ...]] = []
    for text in ASKED:
        try:
            answer = evaluation.check(*parse_question(text))
            found.append((answer.verdict, answer.missing))
        except RemitError as error:
            found.append((type(error), error.message))
    return found


def run_history(kind: str, path: Path, steps: Sequence[tuple[str, object]]) -> None:
    """Every step against the model; then every revision as of the past, and the whole once more after a restart."""
    world = EngineOfTest(kind, path)
    model = Model({})
    past: list[tuple[str, Model, str]] = []
    try:
        token = world.schema(SCHEMA)
        for word, what in steps:
            if word == "advance":
                world.clock.advance_us(what)  # type: ignore[arg-type]
                model.now_us = world.clock.now_us()
            elif word == "schema":
                token = world.schema(str(what))
            else:
                is_stranger = word == "write as a stranger"
                refusal = model.write(what, is_stranger)  # type: ignore[arg-type]
                try:
                    token = world.write(*what, **({"caller": STRANGER} if is_stranger else {})).token  # type: ignore[misc]
                except RemitError as error:
                    assert error.reason == refusal
                else:
                    assert not refusal
            past.append((token, Model(dict(model.facts)), world.engine.schemas.read("").text))
            assert set(world.graph().relationships()) == set(model.facts.values())
            assert answers(world) == expected_answers(world, model)
        for token, then, text in past:
            then.now_us = world.clock.now_us()
            assert world.engine.schemas.read("", at_exactly=token).text == text
            evaluated = Evaluation(plan_of(text), Graph(then.facts.values()), now_us=then.now_us)
            for asked in ASKED[:4]:
                try:
                    verdict: object = evaluated.check(*parse_question(asked)).verdict
                except RemitError as error:
                    verdict = type(error)
                assert outcome(lambda asked=asked, token=token: world.check(asked, at_exactly=token))[0] == verdict  # type: ignore[misc]
        world.check_laws()
        before = answers(world)
        if kind == "lmdb":
            world.reopen()
            assert answers(world) == before
            assert set(world.graph().relationships()) == set(model.facts.values())
            world.check_laws()
    finally:
        world.engine.close()


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_an_engine_over_memory_is_its_model(steps: list[tuple[str, object]]) -> None:
    run_history("memory", Path(), steps)


@given(STEPS)
@settings(max_examples=15, deadline=None)
def test_an_engine_over_lmdb_is_its_model_also_after_a_restart(steps: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as path:
        run_history("lmdb", Path(path), steps)


# --- threads ----------------------------------------------------------------------------------------------------


def together(*works: Callable[[], None]) -> None:
    """Run all at once; the first error of any is the test's."""
    start = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_revoke_is_seen_by_the_next_check(world: EngineOfTest) -> None:
    """One writer grants and revokes while checkers ask all the time. Each notes what was acknowledged before it asked
    and what had begun when it was answered: the answer must be of a revision between the two, and be true there."""
    rounds = 60
    truth: dict[int, Verdict] = {1: NO}  # by revision; the schema is the first
    acknowledged = begun = 1
    done = threading.Event()
    histories: list[list[tuple[int, int, int, Verdict]]] = []
    met: set[int] = set()  # revisions that a checker was answered from

    def write() -> None:
        nonlocal acknowledged, begun
        i = -1
        # Into memory, sixty writes may be done in a few turns of the interpreter, and the checkers have seen nothing.
        while (i := i + 1) < rounds or (len(met) <= 5 and i < 100 * rounds):
            begun += 1
            truth[begun] = NO if i % 2 else YES
            word = "delete" if i % 2 else ("touch", "create")[i % 4 == 2]
            revision = world.write(f"{word} doc:2#viewer@user:a").revision
            assert revision == begun
            acknowledged = revision
            assert world.verdict("doc:1#view@user:a") is truth[revision], "the writer's own next check"
        done.set()

    def check() -> None:
        history: list[tuple[int, int, int, Verdict]] = []
        while not done.is_set():
            before = acknowledged
            found = world.check("doc:1#view@user:a")
            revision = decode_token(found.token)[2]
            history.append((before, revision, begun, found.verdict))
            met.add(revision)
        histories.append(history)

    world.write("doc:1#parent@doc:2")
    truth[2], acknowledged, begun = NO, 2, 2
    together(write, check, check)
    assert len(histories) == 2
    answered = [each for history in histories for each in history]
    for before, revision, after, verdict in answered:
        assert before <= revision <= after, "an acknowledged write was ignored, or an answer came from the future"
        assert verdict is truth[revision], f"revision {revision} was answered {verdict}"
    for history in histories:
        revisions = [revision for _, revision, _, _ in history]
        assert revisions == sorted(revisions), "answers went back in time"
    assert len(met) > 5, "the checkers never ran beside the writer"


def test_one_request_sees_one_revision(world: EngineOfTest) -> None:
    """Two facts that change places in one write are never both there, nor both away, in one CheckMany or Expand."""
    world.write("doc:1#viewer@user:a")
    done = threading.Event()

    def write() -> None:
        for i in range(60):
            here, there = ("a", "b") if i % 2 else ("b", "a")
            world.write(f"delete doc:1#viewer@user:{there}", f"doc:1#viewer@user:{here}")
        done.set()

    def check() -> None:
        asked = [question(f"doc:1#view@user:{user}") for user in "abab"]
        while not done.is_set():
            results = world.engine.questions.check_many("", asked).results
            verdicts = [each.verdict for each in results if isinstance(each, CheckResult)]
            assert verdicts in ([YES, NO, YES, NO], [NO, YES, NO, YES])

    def read() -> None:
        while not done.is_set():
            assert len(world.engine.relationships.read("", RelationshipFilter(relation="viewer")).items) == 1
            leaf = world.engine.questions.expand("", parse_object("doc:1"), "viewer").expansion.sets[0].definition
            assert len(leaf.subjects) == 1  # type: ignore[union-attr]

    together(write, check, read)


def test_a_schema_and_its_facts_change_together(world: EngineOfTest) -> None:
    """Under one schema the answer is in `viewer`, under the other in `editor`; it is YES under both, all the time."""
    one = """
        definition user {}
        definition doc {
            relation viewer: user
            relation editor: user
            permission view = viewer
        }
        """
    other = one.replace("view = viewer", "view = editor")
    world.schema(one)
    world.write("doc:1#viewer@user:a", "doc:1#editor@user:a")
    done = threading.Event()

    def write() -> None:
        for i in range(20):
            world.schema(other if i % 2 else one)
        done.set()

    def check() -> None:
        while not done.is_set():
            found = world.check("doc:1#view@user:a", explain=True)
            assert found.verdict is YES
            assert found.explanation is not None
            assert len(found.explanation.questions) == 2

    together(write, check, check)


def test_concurrent_writes_become_revisions_without_gaps(world: EngineOfTest) -> None:
    writers, each = 6, 15
    revisions: list[int] = []

    def write(n: int) -> Callable[[], None]:
        def run() -> None:
            for i in range(each):
                result = world.write(f"create doc:{n}#viewer@user:{i}")
                assert world.verdict(f"doc:{n}#view@user:{i}", at_least=result.token) is YES
                revisions.append(result.revision)
                with pytest.raises(RelationshipExists):
                    world.write(f"create doc:{n}#viewer@user:{i}")

        return run

    together(*(write(n) for n in range(writers)))
    assert sorted(revisions) == list(range(2, 2 + writers * each))
    assert len(world.facts()) == writers * each
