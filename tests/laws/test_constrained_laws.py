"""Laws 2, 4 and 5 of the design where grants, intents and guardrails hang on the call: random organisations over
`remit:agents@1` with constraint documents, contacts and bindings, and a call for each.

Each question is asked of every tool and dataset for every person, system, run, agent and version of a world; the last
tests watch that enough of them are answered yes for the laws to bite.
Law: a test here compares two answers, or an answer with what the facts say, never an answer with itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from remit.arguments.side import Side
from remit.graph.plain import Graph
from remit.model import PLAIN, ObjectRef, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support.constrained_organisations import (
    CONSTRAINED,
    DESCRIPTOR,
    Called,
    Reading,
    allowed,
    bound,
    called,
    called_with,
    calls,
    constrained,
    constrained_organisations,
    constrained_schema,
    healthy_with_calls,
)
from tests.support.organisations import ACTORS, OVER, Answers, Organisation, assert_matters, hold_on
from tests.support.profile_organisations import (
    ACTION,
    HOLDING_BACK,
    LINKS,
    STAGES,
    STAYING,
    admitted,
    healthy,
    holdable,
)

laws = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

PAYS = called_with("t0", "", amount="50", to=["u0"], invoice="881")


def answered(organisation: Organisation, of: Called, asked: Organisation | None = None) -> Answers:
    return allowed(organisation, Graph(organisation.facts), of.call, asked)


def yes(found: Answers, *types: str) -> list[tuple[ObjectRef, ObjectRef]]:
    return [question for question, is_yes in found.items() if is_yes and (not types or question[1].type in types)]


def with_lines(organisation: Organisation, *lines: str) -> Organisation:
    return organisation.having(*map(parse_relationship, lines))


# --- what the schema means --------------------------------------------------------------------------------------


@laws
@given(constrained_organisations(), calls())
def test_the_schema_says_what_its_rules_say(organisation: Organisation, of: Called) -> None:
    """Of the whole and of each stage, whether the call can be judged or not."""
    reading, graph = Reading(organisation, of), Graph(organisation.facts)
    for (resource, link), is_yes in answered(organisation, of).items():
        assert is_yes == reading.may(resource, link), f"{resource}#{ACTION[resource.type]}@{link} is {is_yes}"
        event("yes" if is_yes else "no")
    for at in range(4):
        stage = {type: names[at] for type, names in STAGES.items()}
        for (resource, link), is_yes in allowed(organisation, graph, of.call, None, stage).items():
            chain = reading.chain(link)
            said = chain is not None and all(reading.stages(resource, each)[at] for each in chain)
            said = said and (at != 1 or link.type in ACTORS)
            assert is_yes == said, f"{resource}#{stage[resource.type]}@{link} is {is_yes}"


@laws
@given(constrained_organisations(), calls())
def test_without_a_call_the_answer_says_whether_some_could_pass(organisation: Organisation, of: Called) -> None:
    """What passes with a call is a yes or waits for one without; what is settled without is so with every call."""
    graph = Graph(organisation.facts)
    without = called(organisation, graph, None)
    for question, verdict in called(organisation, graph, of.call).items():
        event(f"{without[question]}, then {verdict}")
        if without[question] is not Verdict.CONDITIONAL:
            assert verdict is without[question], question


@laws
@given(constrained_organisations(), calls())
def test_a_document_only_narrows_what_it_stands_beside(organisation: Organisation, of: Called) -> None:
    """Without those that give nobody has less, and without those that match nobody has more."""
    found = answered(organisation, of)

    def bare(side: Side) -> Answers:
        facts = (
            replace(fact, qualifiers=fact.qualifiers._replace(caveat=None))
            if fact.qualifiers.caveat and fact.qualifiers.caveat.name == side.value
            else fact
            for fact in organisation.facts
        )
        return answered(Organisation(tuple(facts)), of)

    wide, strict = bare(Side.ARGUMENTS), bare(Side.MATCHING)
    assert all(wide[question] for question in yes(found))
    assert all(found[question] for question in yes(strict))


# --- law 4: authority only narrows ------------------------------------------------------------------------------


@laws
@given(constrained_organisations(), calls())
def test_an_allowed_run_has_allowed_delegators_for_the_same_call(organisation: Organisation, of: Called) -> None:
    reading, found = Reading(organisation, of), answered(organisation, of)
    for resource, run in yes(found, "run"):
        link = run
        while link.type == "run":
            (above,) = reading.targets(link, "delegated_by")
            assert found[resource, above], f"{link} may, {above} above it may not"
            link = above
        assert reading.live(link)


@laws
@given(st.data(), constrained_organisations(), calls())
def test_nobody_gains_by_what_is_deleted_or_expires(
    data: st.DataObject, organisation: Organisation, of: Called
) -> None:
    """Contacts and bindings, too, and whatever has a document beside it."""
    giving = [fact for fact in organisation.facts if fact.relation not in HOLDING_BACK | STAYING]
    gone = data.draw(st.lists(st.sampled_from(giving), min_size=1, max_size=4, unique_by=lambda fact: fact.key))
    late = [replace(fact, qualifiers=OVER) for fact in data.draw(st.lists(st.sampled_from(giving), max_size=4))]
    after = organisation.having(*filter(admitted, late)).without(*gone)
    before, found = answered(organisation, of), answered(after, of, asked=organisation)
    gained = [question for question in yes(found) if not before[question]]
    assert not gained, f"without {gone} and past {late}: {gained}"
    event("something was lost" if yes(before) != yes(found) else "nothing changed")


@settings(laws, max_examples=12)
@given(constrained_organisations(), calls(), st.integers(0, 3))
def test_nobody_gains_by_any_one_deletion_or_expiry(organisation: Organisation, of: Called, fourth: int) -> None:
    """The same, one fact at a time and none left out (a fourth of them an example, so that an example stays quick)."""
    before, graph = answered(organisation, of), Graph(organisation.facts)
    for fact in organisation.facts[fourth::4]:
        if fact.relation in STAYING:
            continue
        over = replace(fact, qualifiers=OVER)
        for changed in (None, over if admitted(over) else None):
            graph.remove(fact.key)
            if changed is not None:
                graph.add(changed)
            gained = [question for question in yes(allowed(organisation, graph, of.call)) if not before[question]]
            if changed is not None:
                graph.remove(changed.key)
            graph.add(fact)
            assert not gained or fact.relation in HOLDING_BACK, f"without {fact}: {gained}"


@laws
@given(st.data(), constrained_organisations(damages_max=1), calls())
def test_a_run_gains_nothing_above_its_delegator_by_facts_about_itself(
    data: st.DataObject, organisation: Organisation, of: Called
) -> None:
    """Whatever it is bound to, holds, declares and is given for every call."""
    run = data.draw(st.sampled_from(organisation.objects("run")))
    own = [f"{run}#inherits_data@directory:agents", bound("881", run), bound("882", run)]
    for type, relations in {"tool": ("may_use",), "dataset": ("reader",), "level": ("cleared",)}.items():
        own += [f"{each}#{relation}@{run}" for each in organisation.objects(type) for relation in relations]
    own += [f"{each}#{word}@{run}" for each in organisation.objects("profile") for word in ("holder", "declarer")]
    own += [f"{each}#run@{run}" for each in organisation.objects("consent")]
    before, after = answered(organisation, of), answered(with_lines(organisation, *own), of, asked=organisation)
    for resource, _ in (question for question in yes(after, "run") if question[1] == run):
        for delegator in Reading(organisation, of).targets(run, "delegated_by"):
            assert before[resource, delegator], f"{run} gave itself {resource}, which {delegator} does not have"


# --- law 5: a hold is one write ---------------------------------------------------------------------------------


@laws
@given(st.data(), constrained_organisations(), calls())
def test_a_hold_silences_everything_below_and_its_release_restores_exactly(
    data: st.DataObject, organisation: Organisation, of: Called
) -> None:
    graph = Graph(organisation.facts)
    before = called(organisation, graph, of.call)
    held = data.draw(st.sampled_from(holdable(organisation)))
    hold = replace(hold_on(held), subject=SubjectRef("hold", "law-5"))
    graph.add(hold)
    during = allowed(organisation, graph, of.call)
    silent = Reading(organisation, of).below(held)
    spoke = [(resource, link) for resource, link in yes(during) if resource in silent or link in silent]
    assert not spoke, f"a hold on {held} left {spoke}"
    gained = [question for question in yes(during) if before[question] is not Verdict.YES]
    assert not gained, f"a hold on {held} gave {gained}"
    graph.remove(hold.key)
    assert called(organisation, graph, of.call) == before


# --- the exceptions, by name ------------------------------------------------------------------------------------


def test_nothing_else_holds_back() -> None:
    """Behind a `-` stand what documents behind one may ask for, here contacts by the importer's list; and descriptors,
    without which nothing is judged, neither what lets through nor what holds back."""
    subtracted = {relation for _, relation in constrained_schema().subtracted}
    places = {"delegated_by", "instance_of", "version_of", "domain", "estate"}
    assert subtracted - HOLDING_BACK - STAYING - places == {"descriptor", "contact", "member"}


@pytest.mark.parametrize("named", ["", DESCRIPTOR, "another"])
def test_a_second_descriptor_changes_nothing_for_who_does_not_name_it(named: str) -> None:
    """Neither when it is accepted nor when it goes: so nobody gains by deleting one of two. A call that names none, or
    one that nothing is kept of, is judged by none."""
    of = Called(PAYS.call._replace(descriptor=named), PAYS.filled)
    second = parse_relationship("tool:t0#descriptor@descriptor:another")
    judged = 0
    for seed in range(20):
        one = healthy_with_calls(seed)
        both = one.having(second)
        found = answered(both, of)
        assert found == answered(one, of, both)
        judged += len([question for question in yes(answered(both, PAYS)) if not found[question]])
    assert bool(judged) is (named != DESCRIPTOR)


@pytest.mark.parametrize(("word", "gains"), [("related", True), ("unrelated", False)])
def test_a_guardrail_that_asks_for_contacts_is_held_back_by_them_where_it_forbids_them(word: str, gains: bool) -> None:
    """Who may not write to contacts may, once they are none: so a guardrail asks who is `unrelated`."""
    asked = {"to": {"some": {word: {"type": "user", "permission": "contact_of_principal"}}}}
    gained = 0
    for seed in range(20):
        organisation = healthy_with_calls(seed)
        forbids = (constrained(parse_relationship(f"guardrail:g#forbids@{t}:*"), Side.MATCHING, asked) for t in LINKS)
        guarded = with_lines(organisation, "tool:t0#guardrail@guardrail:g").having(*forbids)
        contacts = [fact for fact in guarded.facts if fact.relation == "contact"]
        before, after = answered(guarded, PAYS), answered(guarded.without(*contacts), PAYS, guarded)
        gained += len([question for question in yes(after) if not before[question]])
    assert bool(gained) is gains


# --- are the laws worth anything? -------------------------------------------------------------------------------


def test_random_organisations_are_answered_yes_and_no_often_and_hang_on_the_call() -> None:
    """Of healthy ones, and a call that fits."""
    counts = dict.fromkeys(("yes", "deep", "no by a document"), 0)
    for seed in range(60):
        organisation = healthy_with_calls(seed)
        reading, plain = Reading(organisation, PAYS), answered(healthy(seed), PAYS)
        for (resource, link), is_yes in answered(organisation, PAYS).items():
            counts["yes"] += is_yes
            counts["deep"] += is_yes and len([each for each in reading.chain(link) or () if each.type == "run"]) > 1
            counts["no by a document"] += not is_yes and plain.get((resource, link), False)
    assert min(counts.values()) > 20, counts


@pytest.mark.parametrize("relation", ["contact", "of", "descriptor", *sorted(CONSTRAINED)])
def test_every_kind_of_fact_matters(relation: str) -> None:
    """Somewhere in the first healthy organisations, losing all facts of the relation takes a yes away."""
    assert_matters(
        relation,
        map(healthy_with_calls, range(40)),
        lambda organisation, asked: answered(organisation, PAYS, asked),
    )


def test_the_descriptor_is_the_one_that_calls_name() -> None:
    assert all(fact.qualifiers is PLAIN for fact in healthy_with_calls(1).facts if fact.subject.id == DESCRIPTOR)
