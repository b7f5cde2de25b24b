"""Laws of the world of peers: what it expects is what Check answers, and mandates answer as `along` does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.chains import Chains
from bench.known_question import KnownQuestion
from bench.peers.mandates import Mandates
from bench.peers.openfga_model import model_of
from bench.peers.peer import CannotAsk
from bench.peers.world import ALONG_SCHEMA, IN_A_TENTH, PEER_SCHEMA, Kind, PeerWorld
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.model import Relationship, Verdict
from tests.support.tiny_world import TINY, tiny_world


def verdicts(schema: str, facts: list[Relationship], asked: Sequence[KnownQuestion]) -> list[Verdict]:
    evaluation = Evaluation(compile_schema(schema).schema, Graph(facts), now_us=0)
    questions = [each.question for each in asked]
    return [evaluation.check(each.resource, each.permission, each.subject).verdict for each in questions]


def test_every_expected_verdict_is_what_check_answers_under_the_schema_of_each_server() -> None:
    world = tiny_world()
    common = list(world.facts())
    everything = [*common, *world.chain_facts(), *world.tenth_facts()]
    for workload in [*world.workloads(), world.in_a_tenth(), world.random_documents()]:
        asked = list(workload.checks[:80]) + [each for bulk in workload.bulks[:1] for each in bulk]
        expected = [each.expected for each in asked]
        assert asked or workload.kind is Kind.EXPAND, workload.name
        assert verdicts(ALONG_SCHEMA, everything, asked) == expected, workload.name
        if not workload.needs_along and workload.name != IN_A_TENTH:
            assert verdicts(PEER_SCHEMA, common, asked) == expected, workload.name


def test_expanding_must_name_exactly_who_a_document_is_shared_with() -> None:
    world = tiny_world()
    shared: dict[object, set[object]] = {}
    for fact in world.facts():
        if fact.resource.type == "document" and fact.relation == "viewer":
            shared.setdefault(fact.resource, set()).add(fact.subject)
    expands = [each for workload in world.workloads() for each in workload.expands]
    assert expands
    for each in expands:
        assert set(each.subjects) == shared[each.resource]


@pytest.mark.parametrize("seed", (1, 2, 3))
def test_a_mandate_answers_as_its_link_does_under_along(seed: int) -> None:
    chains = Chains(900, 4, seed)
    mandates = Mandates(chains)
    by_arrows, by_links = mandates.questions(150, "s"), chains.questions(150, "s")
    assert [each.expected for each in by_arrows] == [each.expected for each in by_links]
    assert {each.expected for each in by_arrows} == {Verdict.YES, Verdict.NO}
    assert verdicts(PEER_SCHEMA, list(mandates.relationships()), by_arrows) == [each.expected for each in by_links]


def test_what_is_spawned_may_once_it_is_written_and_not_before() -> None:
    world = tiny_world()
    facts = [*world.facts(), *world.chain_facts()]
    spawned = [world.spawned_mandate("t", number) for number in range(4)]
    spawned += [world.spawned_along("t", number) for number in range(4)]
    asked = [each.asked for each in spawned]
    assert verdicts(ALONG_SCHEMA, facts, asked) == [Verdict.NO] * len(asked)
    facts += [fact for each in spawned for fact in each.facts]
    assert verdicts(ALONG_SCHEMA, facts, asked) == [Verdict.YES] * len(asked)


def test_there_are_exactly_as_many_common_facts_as_asked_for_each_once() -> None:
    for world in (tiny_world(), PeerWorld(TINY, 2)):
        keys = [fact.key for fact in world.facts()]
        assert len(keys) == len(set(keys)) == TINY.relationships
        tenth = [fact.key for fact in world.tenth_facts()]
        assert len(tenth) == TINY.relationships // 10
        assert not set(tenth) & set(keys), "the smaller world has ids of its own"


# --- the schema as OpenFGA's model ---------------------------------------------------------------------------------


class Interpreter:
    """Reads a model as OpenFGA's documents say, one tuple after another; `held` are (user, relation, object)."""

    def __init__(self, model: list[dict[str, object]], facts: list[Relationship]) -> None:
        self._relations = {each["type"]: each["relations"] for each in model}
        self._users: dict[tuple[str, str], set[str]] = {}
        for fact in facts:
            self._users.setdefault((str(fact.resource), fact.relation), set()).add(str(fact.subject))

    def holds(self, user: str, relation: str, object: str) -> bool:
        relations = self._relations[object.split(":")[0]]
        assert isinstance(relations, dict)
        return self._in(relations[relation], user, relation, object)

    def _in(self, userset: dict[str, dict[str, object]], user: str, relation: str, object: str) -> bool:
        ((word, rest),) = userset.items()

        def inner(each: object) -> bool:
            assert isinstance(each, dict)
            return self._in(each, user, relation, object)

        match word:
            case "this":
                return any(self._is(each, user) for each in self._users.get((object, relation), ()))
            case "computed_userset":
                return self.holds(user, str(rest["relation"]), object)
            case "union" | "intersection":
                children = rest["child"]
                assert isinstance(children, list)
                return (any if word == "union" else all)(inner(each) for each in children)
            case "difference":
                return inner(rest["base"]) and not inner(rest["subtract"])
            case "tuple_to_userset":
                tupleset, computed = rest["tupleset"], rest["computed_userset"]
                assert isinstance(tupleset, dict) and isinstance(computed, dict)
                targets = self._users.get((object, tupleset["relation"]), ())
                return any(self.holds(user, computed["relation"], target) for target in targets)
        raise AssertionError(word)

    def _is(self, held: str, user: str) -> bool:
        if "#" in held:
            object, _, relation = held.partition("#")
            return self.holds(user, relation, object)
        return held in (user, f"{user.split(':')[0]}:*")


def test_the_model_means_what_the_schema_means() -> None:
    world = tiny_world()
    interpreter = Interpreter(model_of(PEER_SCHEMA), list(world.facts()))
    seen = set()
    for workload in world.workloads():
        if not workload.needs_along:
            for question, expected in workload.checks[:60]:
                allowed = interpreter.holds(str(question.subject), question.permission, str(question.resource))
                assert allowed == (expected is Verdict.YES), question
                seen.add((question.resource.type, expected))
    assert seen == {
        (kind, verdict) for kind in ("document", "mandate", "instrument") for verdict in (Verdict.YES, Verdict.NO)
    }


def test_a_relation_says_in_the_model_whom_it_takes() -> None:
    types = {each["type"]: each for each in model_of(PEER_SCHEMA)}
    assert set(types) == {"user", "run", "group", "folder", "document", "mandate", "assistant", "crew", "instrument"}
    assert types["group"]["metadata"] == {
        "relations": {
            "member": {"directly_related_user_types": [{"type": "user"}, {"type": "group", "relation": "member"}]}
        }
    }
    mandate = types["mandate"]["metadata"]
    assert isinstance(mandate, dict)
    assert mandate["relations"]["granted"] == {"directly_related_user_types": [{"type": "run", "wildcard": {}}]}


@pytest.mark.parametrize(
    ("schema", "why"),
    (
        (ALONG_SCHEMA, "no word for `Exists"),
        (
            "use expiration\ndefinition user {}\ndefinition d {\n relation r: user with expiration\n}",
            "carries a caveat or a time",
        ),
        (
            "definition user {}\ndefinition d {\n relation r: d\n relation u: user\n permission p = r.all(u)\n}",
            "no word",
        ),
        ("use delegation\ndefinition d {\n relation r: d\n permission p = r.exists()\n}", "no word"),
    ),
)
def test_what_the_model_has_no_word_for_is_refused(schema: str, why: str) -> None:
    with pytest.raises(CannotAsk, match=why):
        model_of(schema)
