"""What Impact says a hold, or a person who leaves, would stop, is exactly what has stopped afterwards: by the rules of
docs/agents.md said again in plain Python, and by Check before and after a hold that was placed by its verb."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from remit.engine.agents.stops import TYPES, Stopping
from remit.engine.limits import Limits
from remit.engine.request_view import RequestView
from remit.errors import RemitError
from remit.eval.evaluators import quickest_evaluator
from remit.graph.plain import Graph
from remit.interrupt import never_interrupted
from remit.model import ObjectRef, Question, SubjectRef, Verdict
from remit.notation import parse_relationship
from remit.store.port import StoreIdentity
from tests.support.organisation_engine import STORE, engine_of
from tests.support.organisations import NOW_US, Organisation
from tests.support.profile_organisations import Reading, healthy, holdable, profile_organisations, profiles_schema

STOPPING = Stopping(quickest_evaluator(), Limits())
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


def view_of(organisation: Organisation) -> RequestView:
    identity = StoreIdentity("default", b"u" * 16, 1)
    return RequestView(identity, profiles_schema(), Graph(organisation.facts), 1, NOW_US)


def working(organisation: Organisation) -> set[ObjectRef]:
    """What works, by the rules alone."""
    reading = Reading(organisation)
    return {each for each in organisation.objects(*TYPES) if _works(reading, each)}


def _works(reading: Reading, object: ObjectRef) -> bool:
    match object.type:
        case "tool":
            looked_at = reading.has(object, "tag") or reading.has(object, "untagged")
            offered = reading.has(object, "registered") and reading.has(object, "descriptor") and looked_at
            return offered and reading.placed(object) and not reading.stopped(object)
        case "dataset":
            return reading.placed(object) and not reading.stopped(object)
        case "credential":
            return reading.has(object, "registered") and not reading.has(object, "hold")
        case "profile":
            return not reading.has(object, "hold")
        case "domain" | "estate":
            return not reading.stopped(object)
    chain = reading.chain(object)
    return chain is not None and all(map(reading.live, chain))


def told(objects: Mapping[str, tuple[ObjectRef, ...]]) -> set[ObjectRef]:
    found = [each for some in objects.values() for each in some]
    assert len(set(found)) == len(found), "each is told once"
    return set(found)


@SLOW
@given(organisation=profile_organisations(), choose=st.data())
def test_what_a_hold_would_stop_is_what_has_stopped_after_it(organisation: Organisation, choose: st.DataObject) -> None:
    held = choose.draw(st.sampled_from(holdable(organisation)))
    stops = STOPPING.of_hold(view_of(organisation), held, never_interrupted)
    after = organisation.having(parse_relationship(f"{held}#hold@hold:new"))
    assert told(stops.objects) == working(organisation) - working(after)
    assert not stops.more
    assert stops.counts() == {type: len(found) for type, found in stops.objects.items()}


@SLOW
@given(organisation=profile_organisations(), choose=st.data())
def test_what_stops_with_a_leaver_is_what_has_stopped_without_them(
    organisation: Organisation, choose: st.DataObject
) -> None:
    person = choose.draw(st.sampled_from(organisation.objects("user")))
    stops = STOPPING.of_leaving(view_of(organisation), person, never_interrupted)
    gone = [each for each in organisation.facts if (each.resource, each.relation) == (person, "registered")]
    assert told(stops.objects) == working(organisation) - working(organisation.without(*gone))


@settings(SLOW, max_examples=25)
@given(seed=st.integers(0, 2**32), choose=st.data())
def test_a_hold_that_is_placed_stops_what_its_dry_run_has_told(seed: int, choose: st.DataObject) -> None:
    """Of runs, people and systems, asked with Check of a tool that nothing else stops."""
    free = ("tool:free#registered@directory:tools", "tool:free#domain@domain:free", "domain:free#estate@estate:free",
            "tool:free#descriptor@descriptor:d", "tool:free#untagged@directory:tools")  # fmt: skip
    organisation = healthy(seed).having(*map(parse_relationship, free))
    with engine_of(organisation) as engine:
        held = choose.draw(st.sampled_from([each for each in holdable(organisation) if not each.id.startswith("free")]))
        actors = organisation.objects("run", "user", "system")

        def live() -> set[ObjectRef]:
            questions = [Question(ObjectRef("tool", "free"), "stage_live", SubjectRef(*each)) for each in actors]
            answers = engine.questions.check_many(STORE, questions).results
            assert not any(isinstance(each, RemitError) for each in answers)
            return {each for each, answer in zip(actors, answers, strict=True) if answer.verdict is Verdict.YES}  # type: ignore[union-attr]

        impact = engine.impacts.impact(STORE, held, with_chains=True)
        before = live()
        engine.holds.hold(STORE, held, reason="")
        after = live()
        stopped = {each for each in told(impact.stops.objects) if each.type in ("run", "user", "system")}
        assert stopped == before - after
        assert set(impact.chains) <= set(organisation.facts)
        in_chains = {object for each in impact.chains for object in (each.resource, each.subject.object)}
        for run in stopped:
            assert run.type != "run" or (Reading(organisation).chain(run) or set()) <= in_chains
        again = engine.impacts.impact(STORE, held)
        assert not told(again.stops.objects), "what is held already stops no more"
    assume(before)
