"""Laws 2, 4 and 5 of the design, on random organisations over `remit:agents@1`: profiles, consents, credentials, tags
and guardrails.

Each question is asked of every tool and dataset for every person, system, run, agent and version of a world; the last
tests watch that enough of them are answered yes for the laws to bite.
Law: a test here compares two answers, or an answer with what the facts say, never an answer with itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.model import ObjectRef, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support.organisations import (
    ACTORS,
    CHAIN,
    NOW_US,
    OVER,
    Answers,
    Organisation,
    assert_answered_yes_and_no_often,
    assert_matters,
    hold_on,
)
from tests.support.profile_organisations import (
    ACTION,
    HOLDING_BACK,
    LINKS,
    STAGES,
    STAYING,
    Reading,
    admitted,
    answers,
    healthy,
    holdable,
    profile_organisations,
    profiles_schema,
    staged,
)

laws = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def answered(organisation: Organisation, asked: Organisation | None = None) -> Answers:
    return answers(organisation, Graph(organisation.facts), asked)


def yes(found: Answers, *types: str) -> list[tuple[ObjectRef, ObjectRef]]:
    return [question for question, is_yes in found.items() if is_yes and (not types or question[1].type in types)]


def with_lines(organisation: Organisation, *lines: str) -> Organisation:
    return organisation.having(*map(parse_relationship, lines))


# --- what the schema means --------------------------------------------------------------------------------------


@laws
@given(profile_organisations())
def test_the_schema_says_what_its_rules_say(organisation: Organisation) -> None:
    """The evaluator agrees with the rules read from the facts, in both directions: of the whole and of each stage."""
    reading, graph = Reading(organisation), Graph(organisation.facts)
    for (resource, link), is_yes in answered(organisation).items():
        assert is_yes == reading.may(resource, link), f"{resource}#{ACTION[resource.type]}@{link} is {is_yes}"
    for at in range(4):
        stage = {type: names[at] for type, names in STAGES.items()}
        for (resource, link), is_yes in staged(organisation, graph, None, stage).items():
            chain = reading.chain(link)
            said = chain is not None and all(reading.stages(resource, each)[at] for each in chain)
            said = said and (at != 1 or link.type in ACTORS)
            assert is_yes == said, f"{resource}#{stage[resource.type]}@{link} is {is_yes}"


@laws
@given(profile_organisations())
def test_the_whole_is_all_of_its_stages(organisation: Organisation) -> None:
    graph = Graph(organisation.facts)
    stages = [staged(organisation, graph, None, {type: names[at] for type, names in STAGES.items()}) for at in range(4)]
    for question, is_yes in answered(organisation).items():
        assert is_yes == all(stage[question] for stage in stages), question
        event(f"{sum(not stage[question] for stage in stages)} stages fail")


@laws
@given(profile_organisations())
def test_a_binding_and_an_observation_are_what_the_facts_say(organisation: Organisation) -> None:
    reading = Reading(organisation)
    evaluation = Evaluation(profiles_schema(), Graph(organisation.facts), now_us=NOW_US)
    for link in organisation.objects(*LINKS):
        chain = reading.chain(link)
        for binding in organisation.objects("binding"):
            bound = chain is not None and all(
                each in reading.targets(binding, "of") for each in chain if each.type == "run"
            )
            assert (evaluation.check(binding, "bound", SubjectRef(*link)).verdict is Verdict.YES) == bound
        for tool in organisation.objects("tool"):
            observed = link.type == "run" and reading.is_of(link, reading.targets(tool, "observed"))
            assert (evaluation.check(tool, "observing", SubjectRef(*link)).verdict is Verdict.YES) == observed


# --- law 2: fail closed -----------------------------------------------------------------------------------------


@laws
@given(profile_organisations())
def test_no_stranger_is_allowed(organisation: Organisation) -> None:
    """Names without facts, sets of subjects, and agents that act without a run: each is a no."""
    evaluation = Evaluation(profiles_schema(), Graph(organisation.facts), now_us=NOW_US)
    strangers = [SubjectRef(type, "nobody") for type in (*ACTORS, "agent", "agent_version", "directory", "profile")]
    usersets = [
        SubjectRef("team", "t0", "member"),
        SubjectRef("profile", "p0", "holds"),
        SubjectRef("profile", "p0", "holder"),
        SubjectRef("run", "r0", "delegated_by"),
    ]
    machines = [SubjectRef(*object) for object in organisation.objects("agent", "agent_version", "team", "profile")]
    for resource in [*organisation.objects("tool", "dataset"), ObjectRef("tool", "nothing")]:
        for subject in (*strangers, *usersets, *machines):
            assert evaluation.check(resource, ACTION[resource.type], subject).verdict is Verdict.NO


# --- law 4: authority only narrows ------------------------------------------------------------------------------


@laws
@given(profile_organisations())
def test_an_allowed_run_has_allowed_delegators_and_a_live_root(organisation: Organisation) -> None:
    reading, found = Reading(organisation), answered(organisation)
    for resource, run in yes(found, "run"):
        below: tuple[ObjectRef, ...] = ()
        link = run
        while link.type == "run":
            assert link not in below, f"{link} stands above itself"
            (above,) = reading.targets(link, "delegated_by")
            assert found[resource, above], f"{link} may, {above} above it may not"
            below, link = (*below, link), above
        assert reading.live(link) and reading.consents(link, below[-1])


@laws
@given(st.data(), profile_organisations())
def test_nobody_gains_by_what_is_deleted_or_expires(data: st.DataObject, organisation: Organisation) -> None:
    """Chain, consent, credential, owner, registration, place, profile held or declared, descriptor: everything but what
    holds back and what stays."""
    giving = [fact for fact in organisation.facts if fact.relation not in HOLDING_BACK | STAYING]
    gone = data.draw(st.lists(st.sampled_from(giving), min_size=1, max_size=4, unique_by=lambda fact: fact.key))
    late = [replace(fact, qualifiers=OVER) for fact in data.draw(st.lists(st.sampled_from(giving), max_size=4))]
    after = organisation.having(*filter(admitted, late)).without(*gone)
    before, found = answered(organisation), answered(after, asked=organisation)
    gained = [question for question in yes(found) if not before[question]]
    assert not gained, f"without {gone} and past {late}: {gained}"
    event("something was lost" if yes(before) != yes(found) else "nothing changed")


@settings(laws, max_examples=12)
@given(profile_organisations(), st.integers(0, 3))
def test_nobody_gains_by_any_one_deletion_or_expiry(organisation: Organisation, fourth: int) -> None:
    """The same, one fact at a time and none left out (a fourth of them an example, so that an example stays quick): the
    only deletions that widen are of relations that hold back."""
    before, graph = answered(organisation), Graph(organisation.facts)
    for fact in organisation.facts[fourth::4]:
        if fact.relation in STAYING:
            continue
        over = replace(fact, qualifiers=OVER)
        for changed in (None, over if admitted(over) else None):
            graph.remove(fact.key)
            if changed is not None:
                graph.add(changed)
            gained = [question for question in yes(answers(organisation, graph)) if not before[question]]
            if changed is not None:
                graph.remove(changed.key)
            graph.add(fact)
            assert not gained or fact.relation in HOLDING_BACK, f"without {fact}: {gained}"


def test_nothing_else_holds_back() -> None:
    """What the compiler says of the whole language: behind a `-` stand the named exceptions, what is final, the place
    of a thing, without which it does not work at all, and a tool's descriptors, without which no constraint is
    judged."""
    schema = profiles_schema()
    others = {relation for _, relation in schema.subtracted} - HOLDING_BACK - STAYING
    assert others == {*CHAIN, "domain", "estate", "descriptor"}
    relations = [each for definition in schema.definitions.values() for each in definition.relations.values()]
    assert {each.name for each in relations if each.final} == STAYING


@pytest.mark.parametrize("relation", sorted(HOLDING_BACK | STAYING))
def test_each_named_exception_is_one(relation: str) -> None:
    """Somewhere a deletion of each relation that the last law leaves out gives something back: it is named for a
    reason, and those that must never be deleted are final."""
    lines = {
        "hold": ["run:r0#hold@hold:h"],
        "denied": ["tool:t0#denied@run:*", "tool:t0#denied@user:*", "tool:t0#denied@system:*"],
        "classification": ["dataset:d0#classification@level:made-up"],
        "guardrail": ["tool:t0#guardrail@guardrail:g", *(f"guardrail:g#forbids@{type}:*" for type in LINKS)],
        "forbids": ["tool:t0#guardrail@guardrail:g", *(f"guardrail:g#forbids@{type}:*" for type in LINKS)],
        "tag": [
            "tool:t0#untagged@directory:tools",
            "tool:t0#tag@tag:z",
            "tag:z#guardrail@guardrail:g",
            *(f"guardrail:g#forbids@{type}:*" for type in LINKS),
        ],
        "terminated": ["run:r0#terminated@directory:agents"],
        "withdrawn": ["consent:user-u0#withdrawn@directory:people", "consent:directory-people#withdrawn@directory:x"],
        "spawned_by": ["credential:stolen#hold@hold:h", *(f"run:r{i}#spawned_by@credential:stolen" for i in range(6))],
    }[relation]
    for seed in range(60):
        organisation = with_lines(healthy(seed), *lines)
        added = {parse_relationship(line).key for line in lines}
        gone = [fact for fact in organisation.facts if fact.key in added and fact.relation == relation]
        before, after = answered(organisation), answered(organisation.without(*gone), asked=organisation)
        if any(not before[question] for question in yes(after)):
            return
    raise AssertionError(f"no deletion of `{relation}` ever gave anything back")


@laws
@given(st.data(), profile_organisations(damages_max=1))
def test_a_run_gains_nothing_above_its_delegator_by_facts_about_itself(
    data: st.DataObject, organisation: Organisation
) -> None:
    """A run that may write relationships of itself, all of those that policy allows and its lifecycle too, may do what
    its delegator may at most."""
    run = data.draw(st.sampled_from(organisation.objects("run")))
    own = [f"{run}#inherits_data@directory:agents", f"{run}#spawned_by@credential:k0"]
    for type, relations in {"tool": ("may_use",), "dataset": ("reader",), "level": ("cleared",)}.items():
        own += [f"{each}#{relation}@{run}" for each in organisation.objects(type) for relation in relations]
    own += [f"{each}#{word}@{run}" for each in organisation.objects("profile") for word in ("holder", "declarer")]
    own += [f"{each}#run@{run}" for each in organisation.objects("consent")]
    before, after = answered(organisation), answered(with_lines(organisation, *own), asked=organisation)
    for resource, _ in (question for question in yes(after, "run") if question[1] == run):
        for delegator in Reading(organisation).targets(run, "delegated_by"):
            assert before[resource, delegator], f"{run} gave itself {resource}, which {delegator} does not have"


@laws
@given(st.data(), profile_organisations(damages_max=1))
def test_an_intent_that_is_withdrawn_covers_nothing_that_another_does_not(
    data: st.DataObject, organisation: Organisation
) -> None:
    """A run that goes over to another profile is about that one, and what the first covered does not come back."""
    run = data.draw(st.sampled_from(organisation.objects("run")))
    declared = [fact for fact in organisation.facts if fact.relation == "declarer" and fact.subject.object == run]
    after = with_lines(organisation.without(*declared), f"profile:unrelated#declarer@{run}")
    silent = Reading(after).below(run)
    assert not [question for question in yes(answered(after, asked=organisation)) if question[1] in silent]


@laws
@given(st.data(), profile_organisations(damages_max=1))
def test_what_is_terminated_or_withdrawn_is_over_whatever_is_written_afterwards(
    data: st.DataObject, organisation: Organisation
) -> None:
    over = data.draw(st.sampled_from(organisation.objects("run", "agent", "agent_version", "consent")))
    reading = Reading(organisation)
    if over.type == "consent":
        under = set(reading.targets(over, "run"))
        silent = {
            run
            for run in under
            for above in reading.targets(run, "delegated_by")
            if above.type == "user"
            and [each for each in organisation.objects("consent") if run in reading.targets(each, "run")] == [over]
        }
        word = "withdrawn"
    else:
        silent, word = reading.below(over), "terminated"
    lines = [f"{over}#{word}@directory:agents"]
    if over.type == "agent":
        lines.append(f"{over}#registered@directory:again")
    # A consent that is given anew is another, and names no run of the old one.
    for person in organisation.objects("user"):
        lines.append(f"{person}#consent@consent:anew")
    lines += [f"consent:anew#agent@{agent}" for agent in organisation.objects("agent")]
    spoke = [question for question in yes(answered(with_lines(organisation, *lines))) if question[1] in silent]
    assert not spoke, f"{over} is over, and {spoke}"


# --- law 5: a hold is one write ---------------------------------------------------------------------------------


@laws
@given(st.data(), profile_organisations())
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
    graph.check_invariants()


@laws
@given(st.data(), profile_organisations(damages_max=1))
def test_a_held_profile_gives_nothing_and_is_about_nothing(data: st.DataObject, organisation: Organisation) -> None:
    """It is as if nobody held it, and nobody had declared it."""
    profile = data.draw(st.sampled_from(organisation.objects("profile")))
    theirs = [
        fact for fact in organisation.facts if fact.resource == profile and fact.relation in ("holder", "declarer")
    ]
    held = answered(organisation.having(hold_on(profile)), asked=organisation)
    assert held == answered(organisation.without(*theirs), asked=organisation)


# --- are the laws worth anything? -------------------------------------------------------------------------------


def test_random_organisations_are_answered_yes_and_no_often() -> None:
    assert_answered_yes_and_no_often(profile_organisations(), answered, Reading, deep=10)


@pytest.mark.parametrize(
    "relation",
    sorted(
        {
            *CHAIN,
            *("holder", "declarer", "consent", "run", "agent", "spawned_by", "owner", "registered", "certified"),
            *("domain", "estate", "member", "may_use", "in_intent", "descriptor", "untagged", "reader", "cleared"),
            *("classification", "above", "inherits_data"),
        }
    ),
)
def test_every_kind_of_fact_matters(relation: str) -> None:
    """Somewhere in the first healthy organisations, losing all facts of the relation takes a yes away."""
    assert_matters(relation, map(healthy, range(40)), answered)
