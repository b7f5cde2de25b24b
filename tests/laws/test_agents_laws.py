"""Laws 2, 4 and 5 of the design, on random organisations over the agent schema before profiles.

Each question is asked of every tool and dataset for every person, system, run, agent and release of a world, so that
one example is some fifty questions; the last tests watch that enough of them are answered yes for the laws to bite.
Law: a test here compares two answers, or an answer with what the facts say, never an answer with itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.model import ObjectRef, Relationship, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support.organisations import (
    ACTION,
    ACTORS,
    CHAIN,
    HOLDING_BACK,
    NOW_US,
    OVER,
    Answers,
    Organisation,
    Reading,
    admitted,
    agents_schema,
    answers,
    assert_answered_yes_and_no_often,
    assert_matters,
    healthy,
    hold_on,
    holdable,
    organisations,
)

laws = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def answered(organisation: Organisation, asked: Organisation | None = None) -> Answers:
    return answers(organisation, Graph(organisation.facts), asked)


def yes(found: Answers, *types: str) -> list[tuple[ObjectRef, ObjectRef]]:
    return [question for question, is_yes in found.items() if is_yes and (not types or question[1].type in types)]


# --- what the schema means --------------------------------------------------------------------------------------


@laws
@given(organisations())
def test_the_schema_says_what_its_rules_say(organisation: Organisation) -> None:
    """The evaluator over agents.zed agrees with the rules read from the facts: an agreement in both directions."""
    reading = Reading(organisation)
    for (resource, link), is_yes in answered(organisation).items():
        assert is_yes == reading.may(resource, link), f"{resource}#{ACTION[resource.type]}@{link} is {is_yes}"


# --- law 2: fail closed -----------------------------------------------------------------------------------------


@laws
@given(organisations())
def test_no_stranger_is_allowed(organisation: Organisation) -> None:
    """Names without facts, sets of subjects, and agents that act without a run: each is a no."""
    evaluation = Evaluation(agents_schema(), Graph(organisation.facts), now_us=NOW_US)
    strangers = [SubjectRef(type, "nobody") for type in (*ACTORS, "agent", "agent_version", "directory", "tool")]
    usersets = [
        SubjectRef("team", "t0", "member"),
        SubjectRef("run", "r0", "delegated_by"),
        SubjectRef("level", "secret", "cleared"),
    ]
    machines = [SubjectRef(*object) for object in organisation.objects("agent", "agent_version", "team", "domain")]
    for resource in [
        *organisation.objects("tool", "dataset"),
        ObjectRef("tool", "nothing"),
        ObjectRef("dataset", "nothing"),
    ]:
        for subject in (*strangers, *usersets, *machines):
            assert evaluation.check(resource, ACTION[resource.type], subject).verdict is Verdict.NO


# --- law 4: authority only narrows ------------------------------------------------------------------------------


@st.composite
def with_second_parents(draw: st.DrawFn) -> Organisation:
    """An organisation in which `single` was not kept: some links have two above them."""
    organisation = draw(organisations())
    for relation, type in zip(CHAIN, ("run", "run", "agent_version"), strict=True):
        links = organisation.objects(type)
        above = organisation.objects(
            *(subject.type for subject in agents_schema().definitions[type].relations[relation].subject_types)
        )
        if links and above and draw(st.booleans()):
            second = Relationship(draw(st.sampled_from(links)), relation, SubjectRef(*draw(st.sampled_from(above))))
            organisation = organisation.having(second)
    return organisation


@laws
@given(organisations() | with_second_parents())
def test_an_allowed_run_has_allowed_delegators_and_a_live_root(organisation: Organisation) -> None:
    """Up every edge, each delegator may do the same, each agent and release could be given it, and the walk, which
    meets nothing twice on one path, ends only in people and systems that are live."""
    reading, found = Reading(organisation), answered(organisation)
    evaluation = Evaluation(agents_schema(), Graph(organisation.facts), now_us=NOW_US)

    def climb(resource: ObjectRef, run: ObjectRef, below: tuple[ObjectRef, ...]) -> None:
        assert run not in below, f"{run} stands above itself"
        delegators = reading.targets(run, "delegated_by")
        assert delegators, f"nobody stands above {run}"
        for delegator in delegators:
            assert found[resource, delegator], f"{run} may, {delegator} above it may not"
            if delegator.type == "run":
                climb(resource, delegator, (*below, run))
            else:
                assert delegator.type in ("user", "system")
                assert reading.live(delegator), f"{delegator} is not live"
        releases = reading.targets(run, "instance_of")
        machines = [*releases, *(agent for release in releases for agent in reading.targets(release, "version_of"))]
        assert {each.type for each in machines} == {"agent", "agent_version"}
        for each in machines:
            assert reading.live(each), f"{each} is not live"
            assert evaluation.check(resource, "granted", SubjectRef(*each)).verdict is Verdict.YES

    for resource, run in yes(found, "run"):
        climb(resource, run, ())


@laws
@given(st.data(), organisations())
def test_nobody_gains_by_what_is_deleted_or_expires(data: st.DataObject, organisation: Organisation) -> None:
    """Chain, intent, owner, registration, place, membership, grant, clearance: everything but what holds back."""
    giving = [fact for fact in organisation.facts if fact.relation not in HOLDING_BACK]
    gone = data.draw(st.lists(st.sampled_from(giving), min_size=1, max_size=4, unique_by=lambda fact: fact.key))
    late = [replace(fact, qualifiers=OVER) for fact in data.draw(st.lists(st.sampled_from(giving), max_size=4))]
    after = organisation.having(*filter(admitted, late)).without(*gone)

    before, found = answered(organisation), answered(after, asked=organisation)
    gained = [question for question in yes(found) if not before[question]]
    assert not gained, f"without {gone} and past {late}: {gained}"
    event("something was lost" if yes(before) != yes(found) else "nothing changed")


@settings(laws, max_examples=10)
@given(organisations(damages_max=1), st.integers(0, 2))
def test_nobody_gains_by_any_one_deletion(organisation: Organisation, third: int) -> None:
    """The same, one fact at a time and none left out (a third of them an example, so that an example stays quick)."""
    before, graph = answered(organisation), Graph(organisation.facts)
    for fact in organisation.facts[third::3]:
        if fact.relation in HOLDING_BACK:
            continue
        graph.remove(fact.key)
        gained = [question for question in yes(answers(organisation, graph)) if not before[question]]
        graph.add(fact)
        assert not gained, f"without {fact}: {gained}"


@laws
@given(st.data(), organisations(damages_max=1))
def test_a_run_gains_nothing_above_its_delegator_by_facts_about_itself(
    data: st.DataObject, organisation: Organisation
) -> None:
    """A run that may write relationships of itself, all of those that policy allows and its own intents too, may do
    what its delegator may at most."""
    runs = organisation.objects("run")
    if not runs:
        return
    run = data.draw(st.sampled_from(runs))
    own = [
        f"{run}#intent@intent:anything",
        f"{run}#without_intent@directory:agents",
        f"{run}#inherits_data@directory:agents",
    ]
    own += [
        f"{tool}#{relation}@{run}" for tool in organisation.objects("tool") for relation in ("may_use", "in_intent")
    ]
    own += [
        f"{data_}#{relation}@{run}" for data_ in organisation.objects("dataset") for relation in ("reader", "in_intent")
    ]
    own += [f"{level}#cleared@{run}" for level in organisation.objects("level")]
    before = answered(organisation)
    after = answered(organisation.having(*map(parse_relationship, own)), asked=organisation)
    for resource, _ in (question for question in yes(after, "run") if question[1] == run):
        for delegator in Reading(organisation).targets(run, "delegated_by"):
            assert before[resource, delegator], f"{run} gave itself {resource}, which {delegator} does not have"


# --- law 5: a hold is one write ---------------------------------------------------------------------------------


@laws
@given(st.data(), organisations())
def test_a_hold_silences_everything_below_and_its_release_restores_exactly(
    data: st.DataObject, organisation: Organisation
) -> None:
    graph = Graph(organisation.facts)
    before = answers(organisation, graph)
    held = data.draw(st.sampled_from(holdable(organisation)))
    hold = replace(hold_on(held), subject=SubjectRef("hold", "law-5"))

    graph.add(hold)
    during = answers(organisation, graph)
    silent = Reading(organisation).below(held)
    spoke = [(resource, link) for resource, link in yes(during) if resource in silent or link in silent]
    assert not spoke, f"a hold on {held} left {spoke}"
    assert not [question for question in yes(during) if not before[question]], f"a hold on {held} gave something"
    event("the hold mattered" if before != during else "the hold changed nothing")

    graph.remove(hold.key)
    assert answers(organisation, graph) == before
    assert set(graph.relationships()) == set(organisation.facts)
    graph.check_invariants()


@laws
@given(st.data(), organisations(damages_max=1))
def test_holds_are_released_in_any_order(data: st.DataObject, organisation: Organisation) -> None:
    """Two holds, on the same place or on two: releasing one leaves exactly what the other one holds."""
    places = st.sampled_from(holdable(organisation))
    first = replace(hold_on(data.draw(places)), subject=SubjectRef("hold", "first"))
    second = replace(hold_on(data.draw(places)), subject=SubjectRef("hold", "second"))
    both = organisation.having(first, second)
    assert answered(both.without(first), asked=organisation) == answered(
        organisation.having(second), asked=organisation
    )
    assert answered(both.without(second), asked=organisation) == answered(
        organisation.having(first), asked=organisation
    )


# --- are the laws worth anything? -------------------------------------------------------------------------------


def test_random_organisations_are_answered_yes_and_no_often() -> None:
    assert_answered_yes_and_no_often(organisations(), answered, Reading, deep=20)


@pytest.mark.parametrize(
    "relation",
    sorted(
        {
            *CHAIN,
            "intent",
            "without_intent",
            "owner",
            "registered",
            "certified",
            "domain",
            "estate",
            "member",
            "may_use",
            "in_intent",
            "reader",
            "cleared",
            "classification",
            "above",
        }
    ),
)
def test_every_kind_of_fact_matters(relation: str) -> None:
    """Somewhere in the first healthy organisations, losing all facts of the relation takes a yes away."""
    assert_matters(relation, map(healthy, range(20)), answered)
