"""After a transfer nothing is the old owner's, whatever was live still is, and what others own is as it was; and it is
refused exactly where the rules of docs/agents.md, said again in plain Python, have nobody there to take over. Who is
said to be without an owner, now or once a person has left, is so by the same rules."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from remit.engine.facade import Engine
from remit.errors import OwnerNotPresent, RelationshipRefused
from remit.model import ObjectRef, Relationship, SubjectRef
from tests.support.organisation_engine import STORE, engine_of, facts_of
from tests.support.organisations import Organisation
from tests.support.profile_organisations import LINKS, Reading, profile_organisations

OWNED = ("agent", "system")
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def ownerships(organisation: Organisation) -> set[Relationship]:
    return {each for each in organisation.facts if each.relation == "owner"}


def live(organisation: Organisation) -> set[ObjectRef]:
    reading = Reading(organisation)
    return {each for each in organisation.objects(*LINKS) if reading.live(each)}


def is_present(organisation: Organisation, owner: SubjectRef) -> bool:
    reading = Reading(organisation)
    people = reading.people(owner.object) if owner.relation else {owner.object}
    return any(map(reading.present, people))


@settings(SLOW, max_examples=60)
@given(organisation=profile_organisations(), choose=st.data())
def test_a_transfer_moves_what_its_owner_has_and_nothing_else(
    organisation: Organisation, choose: st.DataObject
) -> None:
    owners = sorted({each.subject for each in ownerships(organisation)})
    assume(owners)
    source = choose.draw(st.sampled_from(owners), label="from")
    others = [SubjectRef(*each) for each in organisation.objects("user", "system")]
    teams = [SubjectRef(*each, "member") for each in organisation.objects("team")]
    target = choose.draw(
        st.sampled_from([each for each in (*others, *teams) if each != source] or [source]), label="to"
    )
    assume(target != source)
    own = {each.resource for each in ownerships(organisation) if each.subject == source}
    with engine_of(organisation) as engine:
        before = facts_of(engine)
        try:
            told = engine.owners.transfer(STORE, source, target).told
        except OwnerNotPresent:
            assert not is_present(before, target)
            assert facts_of(engine) == before
            return
        except RelationshipRefused:
            assert target.type == "system" and {each.type for each in own} >= {"system"}
            return
        after = facts_of(engine)
    assert is_present(before, target)
    assert set(told.objects) == own
    assert not [each for each in ownerships(after) if each.subject == source]
    assert live(before) <= live(after)
    moved = {Relationship(each, "owner", target) for each in own}
    assert (
        set(after.facts)
        == {each for each in before.facts if (each.relation, each.subject) != ("owner", source)} | moved
    )


@settings(SLOW, max_examples=60)
@given(organisation=profile_organisations(), choose=st.data(), limit=st.integers(1, 4))
def test_orphans_are_those_without_anybody_present(
    organisation: Organisation, choose: st.DataObject, limit: int
) -> None:
    person = choose.draw(st.sampled_from(organisation.objects("user")))
    with engine_of(organisation) as engine:
        now = _listed(engine, None, limit)
        leaving = _listed(engine, person, limit)
    assert now == _orphans(organisation)
    gone = [each for each in organisation.facts if (each.resource, each.relation) == (person, "registered")]
    after = _orphans(organisation.without(*gone))
    assert set(leaving) <= set(after), "who is told would be without one"
    assert set(after) - set(now) <= set(leaving), "and who would newly be is told"


def _listed(engine: Engine, leaving: ObjectRef | None, limit: int) -> list[ObjectRef]:
    found: list[ObjectRef] = []
    cursor = ""
    while True:
        page = engine.owners.orphans(STORE, leaving=leaving, limit=limit, cursor=cursor)
        assert len(page.orphans) <= limit and not any(each.is_undecided for each in page.orphans)
        found += [each.object for each in page.orphans]
        cursor = page.next_cursor
        if not cursor:
            return found


def _orphans(organisation: Organisation) -> list[ObjectRef]:
    reading = Reading(organisation)
    return [
        each
        for each in organisation.objects(*OWNED)
        if (reading.has(each, "registered") or reading.has(each, "owner")) and not reading.over(each)
        if not any(
            reading.present(owner) for named in reading.targets(each, "owner") for owner in reading.people(named)
        )
    ]
