"""Apply: what must be refused first, then that it writes the difference, once, and nothing that is not its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.engine.agents.applies import Change, DocumentChange
from remit.engine.agents.documents import BYTES_MAX, DOCUMENTS_MAX
from remit.engine.agents.kinds import BY_NAME, BY_TYPE, DIRECTORY, INTENT, KINDS, Form
from remit.engine.agents.performing import REGISTRY, Performed, Submission
from remit.engine.record_kinds import AGENT, APPLIED, PROFILE
from remit.engine.remembered import RequestKey
from remit.errors import (
    AgentsNotInSchema,
    ApplyInvalid,
    ApplyRefused,
    ConstraintsUnfit,
    DocumentInvalid,
    InvalidArgument,
    LimitExceeded,
    RemitError,
    RequestIdReused,
    WeakeningRefused,
)
from remit.model import Caller, ObjectRef, RecordKey, Verdict
from tests.support.apply_documents import AGENT_SPEC, EXAMPLE, MISFORMED, SMALL, TOOL_SPEC, document, documents
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\n'
ANNE = Caller("service:anne")


def applied(world: EngineOfTest, *given: bytes, **asked: Any) -> Performed[tuple[DocumentChange, ...]]:
    return world.engine.applies.apply("", given, **asked)


def changes(performed: Performed[tuple[DocumentChange, ...]]) -> dict[str, Change]:
    return {f"{each.kind}/{each.name}": each.change for each in performed.told}


def facts_of(performed: Performed[tuple[DocumentChange, ...]]) -> list[tuple[str, str]]:
    return [(fact.change.name, fact.fact) for each in performed.told for fact in each.facts]


def revision(world: EngineOfTest) -> int:
    with world.store.read("default") as view:
        return view.head.revision


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    applied(engine, *documents(SMALL))
    return engine


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "pointer", "words"), [row[1:] for row in MISFORMED], ids=[row[0] for row in MISFORMED]
)
def test_what_is_not_of_its_form_is_refused_by_its_place(
    world: EngineOfTest, sent: Any, pointer: str, words: str
) -> None:
    before = revision(world)
    given = document(sent[0], sent[1], **sent[2]) if isinstance(sent, tuple) else json.dumps(sent).encode()
    with pytest.raises(ApplyInvalid) as refused:
        applied(world, document("Estate", "other"), given)
    assert refused.value.metadata["document"] == "1"
    assert refused.value.metadata["pointer"] == pointer
    assert words in refused.value.message
    assert refused.value.metadata["fix"]
    assert revision(world) == before


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b'{"kind":1,"kind":2}', b"\xff", b'"x"', b"[" * 100_000])
def test_bytes_that_are_no_document_are_refused(world: EngineOfTest, sent: bytes) -> None:
    with pytest.raises(ApplyInvalid):
        applied(world, sent)


_REFUSED: list[tuple[str, list[bytes], str]] = [
    ("an owner nobody knows", [document("Agent", "x", owners=["ann"], domain="office")], "`user:ann`"),
    ("a domain nobody knows", [document("Agent", "x", owners=["anne"], domain="offic")], "`domain:offic`"),
    ("a tag nobody knows", [document("Tool", "x", domain="office", tags=["spneds"])], "`tag:spneds`"),
    ("a profile nobody knows", [document("Agent", "x", **AGENT_SPEC, ceilings={"profiles": ["p"]})], "`profile:p`"),
    ("a contact nobody knows", [document("Contact", "bob", known_by=["anne"])], "`user:bob`"),
    ("a tool of a profile", [document("Profile", "x", tools=["erp.pya"])], "`tool:erp.pya`"),
    ("an estate nobody knows", [document("Domain", "x", estate="acm")], "`estate:acm`"),
    ("a descriptor that is not kept", [document("Tool", "x", **TOOL_SPEC, descriptor="0" * 64)], "is not kept"),
    ("an owner who has left", [document("Team", "t"), document("Agent", "x", owners=["team:t"], domain="office")],
     "no owner who is present"),
    ("a system without an owner", [document("Team", "t"), document("System", "x", owners=["team:t"], domain="office")],
     "no owner who is present"),
    ("a profile that is edited", [document("Profile", "pay.1", tools=["erp.pay"], holders=["anne"])], "is not edited"),
    ("a profile with less intent", [document("Profile", "pay.1", tools=[{"name": "erp.pay", "arguments":
     {"amount": {"max": "500"}}}], intent="none", holders=["anne"])], "is not edited"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "words"), [row[1:] for row in _REFUSED], ids=[row[0] for row in _REFUSED])
def test_what_does_not_fit_what_is_there_is_refused(world: EngineOfTest, sent: list[bytes], words: str) -> None:
    before, facts = revision(world), world.facts()
    with pytest.raises(ApplyRefused) as refused:
        applied(world, *sent)
    assert words in refused.value.message
    assert refused.value.metadata["document"] == str(len(sent) - 1)
    assert (revision(world), world.facts()) == (before, facts)


def test_a_domain_that_others_have_placed_nowhere_takes_nobody(world: EngineOfTest) -> None:
    world.write("domain:lab#hold@hold:h")
    with pytest.raises(ApplyRefused, match="`domain:lab` is in no estate"):
        applied(world, document("Tool", "x", domain="lab", untagged=True))


def test_an_owner_who_is_held_is_not_present(world: EngineOfTest) -> None:
    world.engine.holds.hold("", ObjectRef("user", "anne"), reason="")
    with pytest.raises(ApplyRefused, match="no owner who is present"):
        applied(world, document("Agent", "other", **AGENT_SPEC))
    # What changes nothing is not judged again: who is held would otherwise stop what has nothing to do with them.
    assert applied(world, document("Agent", "payer", **AGENT_SPEC)).told[0].change is Change.UNCHANGED


def test_what_is_written_between_the_rehearsal_and_the_write_is_judged_too(world: EngineOfTest) -> None:
    """The owner is held at the last moment before the write is queued."""
    queued = []

    def before_bulk() -> None:
        queued.append(True)
        if len(queued) == 2:  # the first is that of the rehearsal
            world.write("user:anne#hold@hold:late")

    given = [document("Agent", "late", **AGENT_SPEC), *(document("Person", f"p{at}") for at in range(20))]
    before = world.facts()
    with pytest.raises(ApplyRefused, match="no owner who is present"):
        applied(world, *given, submission=Submission(before_bulk=before_bulk))
    assert len(queued) == 2
    assert set(world.facts()) - set(before) == {"user:anne#hold@hold:late"}


def test_a_crowd_is_not_looked_through_while_other_writes_wait(world: EngineOfTest) -> None:
    for begin in range(0, 3_000, 1_000):
        world.write(*(f"team:crowd#member@user:gone{at:04}" for at in range(begin, begin + 1_000)))
    world.write("team:crowd#member@user:zoe", "user:zoe#registered@directory:people")
    with pytest.raises(ApplyRefused, match="no owner who is present"):
        applied(world, document("Agent", "late", **{**AGENT_SPEC, "owners": ["team:crowd"]}))


@pytest.mark.parametrize(
    "given", [document("Agent", "payer", **AGENT_SPEC), document("Version", "payer.1", of="payer")]
)
def test_what_is_terminated_does_not_return(world: EngineOfTest, given: bytes) -> None:
    applied(world, document("Version", "payer.1", of="payer"))
    world.engine.ends.terminate("", ObjectRef("agent", "payer"))
    world.engine.ends.terminate("", ObjectRef("agent_version", "payer.1"))
    with pytest.raises(ApplyRefused, match="terminated for good"):
        applied(world, given)


def test_a_tool_that_is_retired_does_not_return(world: EngineOfTest) -> None:
    world.engine.tools.retire("", "erp.pay")
    with pytest.raises(ApplyRefused, match="retired for good"):
        applied(world, document("Tool", "erp.pay", **TOOL_SPEC))


def test_a_consent_that_is_withdrawn_does_not_return(world: EngineOfTest) -> None:
    applied(world, document("Consent", "c", agents=["payer"]))
    world.write("consent:c#withdrawn@directory:remit")
    with pytest.raises(ApplyRefused, match="withdrawn for good"):
        applied(world, document("Consent", "c", agents=["payer"]))


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("held", [ObjectRef("domain", "office"), ObjectRef("estate", "acme")], ids=str)
def test_nothing_is_taken_from_under_a_hold(world: EngineOfTest, held: ObjectRef, prune: bool) -> None:
    applied(world, document("Domain", "lab", estate="acme"))
    world.engine.holds.hold("", held, reason="")
    facts = world.facts()
    moved = [document("Agent", "payer", owners=["anne"], domain="lab")]
    with pytest.raises(ApplyRefused, match="out of `domain:office`") as refused:
        applied(world, *(documents(SMALL)[:3] if prune else moved), prune=prune)
    assert refused.value.field == ("prune" if prune else "documents[0]")
    assert world.facts() == facts


def test_a_domain_is_not_taken_from_under_a_held_estate(world: EngineOfTest) -> None:
    applied(world, document("Estate", "other"))
    world.engine.holds.hold("", ObjectRef("estate", "acme"), reason="")
    with pytest.raises(ApplyRefused, match="out of `estate:acme`"):
        applied(world, document("Domain", "office", estate="other"))


def test_what_was_decertified_or_rejected_is_not_written_again(world: EngineOfTest) -> None:
    version = document("Version", "payer.1", of="payer", certified={"name": "r", "until": "2099-01-01T00:00:00Z"})
    tool = document("Tool", "mail", **TOOL_SPEC, descriptor={"input_schema": {"type": "object"}})
    applied(world, version, tool)
    (accepted,) = [each for each in world.facts() if each.startswith("tool:mail#descriptor")]
    world.write("delete agent_version:payer.1#certified@directory:r", f"delete {accepted}")
    before, facts = revision(world), world.facts()
    again = applied(world, version, tool)
    assert [change for change, _ in facts_of(again)] == ["LEFT", "LEFT"]
    assert set(changes(again).values()) == {Change.UNCHANGED}
    assert (revision(world), world.facts()) == (before, facts)


def test_a_version_stays_with_its_agent(world: EngineOfTest) -> None:
    applied(world, document("Agent", "other", **AGENT_SPEC), document("Version", "payer.1", of="payer"))
    with pytest.raises(ApplyRefused, match="once and for all"):
        applied(world, document("Version", "payer.1", of="other"))


def test_a_constraint_that_is_no_document_is_refused_by_its_place(world: EngineOfTest) -> None:
    given = document("Profile", "x", tools=["erp.pay", {"name": "erp.pay", "arguments": {"amount": {"mx": 1}}}][1:])
    with pytest.raises(DocumentInvalid) as refused:
        applied(world, document("Estate", "other"), given)
    assert refused.value.field == "documents[1]"
    assert refused.value.message.startswith("Profile/x at `/spec/tools/0`")


def test_a_constraint_has_to_fit_what_the_tool_says_of_its_arguments(world: EngineOfTest) -> None:
    types = {"input_schema": {"type": "object", "properties": {"to": {"type": "string"}}}, "types": {"to": "email"}}
    tool = document("Tool", "mail", **TOOL_SPEC, descriptor=types)
    profile = document("Profile", "x", tools=[{"name": "mail", "arguments": {"to": {"subpath": "/srv"}}}])
    facts = world.facts()
    with pytest.raises(ConstraintsUnfit) as refused:
        applied(world, tool, profile)
    assert refused.value.field in ("documents[0]", "documents[1]")
    assert world.facts() == facts


def test_a_store_without_the_agent_schema_takes_nothing(engine: EngineOfTest) -> None:
    engine.schema("definition user {}")
    with pytest.raises(AgentsNotInSchema):
        applied(engine, document("Estate", "acme"))


def test_nothing_at_all_is_not_applied_so_that_a_lost_file_prunes_nothing(world: EngineOfTest) -> None:
    with pytest.raises(InvalidArgument, match="nothing is applied"):
        applied(world, prune=True)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ([b" " * (BYTES_MAX + 1)], "bytes_max"),
        ([b"{}"] * (DOCUMENTS_MAX + 1), "documents_max"),
        (
            [
                json.dumps(
                    {
                        "apiVersion": "remit/v1",
                        "kind": "People",
                        "items": [f"p{each}" for each in range(DOCUMENTS_MAX + 1)],
                    }
                ).encode()
            ],
            "documents_max",
        ),
        (
            [document("Team", f"t{each}", members=[f"u{who}" for who in range(1_001)]) for each in range(10)],
            "facts_max",
        ),
    ],
)
def test_more_than_one_request_may_have_is_refused(world: EngineOfTest, given: list[bytes], name: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        applied(world, *given)
    assert refused.value.metadata["name"] == name


def test_all_problems_are_told_as_far_as_they_fit(world: EngineOfTest) -> None:
    sent = [document("Agent", f"x{each}", domain="office") for each in range(30)]
    with pytest.raises(ApplyInvalid) as refused:
        applied(world, *sent)
    assert "Agent/x1" in refused.value.message
    assert len(refused.value.message) < 800
    assert refused.value.message.splitlines()[-1].startswith("and ")


# --- what is written ----------------------------------------------------------------------------------------------


def test_applied_again_it_changes_nothing_and_writes_nothing(world: EngineOfTest) -> None:
    before = revision(world)
    again = applied(world, *documents(SMALL))
    assert set(changes(again).values()) == {Change.UNCHANGED}
    assert facts_of(again) == []
    assert again.token
    assert (again.revision, revision(world)) == (before, before)


def test_an_agent_that_was_applied_may_act(world: EngineOfTest) -> None:
    assert world.verdict("agent:payer#live@agent:payer") is Verdict.YES
    assert world.verdict("tool:erp.pay#offered@user:anne") is Verdict.NO  # nobody has accepted a descriptor


def test_a_difference_is_one_revision_and_an_entry_tells_it(world: EngineOfTest) -> None:
    before = revision(world)
    done = applied(
        world,
        document("Person", "bob"),
        document("Agent", "payer", owners=["bob"], domain="office"),
        submission=Submission(ANNE),
    )
    assert facts_of(done) == [
        ("ADDED", "user:bob#registered@directory:remit"),
        ("ADDED", "agent:payer#owner@user:bob"),
        ("REMOVED", "agent:payer#owner@user:anne"),
    ]
    assert done.revision == revision(world) == before + 1
    with world.store.read("default") as view:
        (delta,) = view.changelog(before)
    entry = json.loads(delta.entry_json)
    assert entry == {
        "verb": "Apply",
        "set": "default",
        "added": 1,
        "changed": 1,
        "documents": ["Person/bob", "Agent/payer"],
    }
    assert delta.principal == "service:anne"


def test_a_dry_run_tells_the_same_and_changes_nothing(world: EngineOfTest) -> None:
    before, facts = revision(world), world.facts()
    given = [document("Person", "bob"), document("Agent", "payer", owners=["bob"], domain="office")]
    dry = applied(world, *given, submission=Submission(dry_run=True))
    assert (dry.token, revision(world), world.facts()) == ("", before, facts)
    assert applied(world, *given).told == dry.told


def test_what_others_have_written_is_shared_and_never_removed(world: EngineOfTest) -> None:
    world.write("team:t#member@user:anne")
    first = applied(world, document("Team", "t", members=["anne"]))
    assert facts_of(first) == []
    applied(world, document("Team", "t"))
    assert "team:t#member@user:anne" in world.facts()
    applied(world, document("Estate", "acme"), prune=True)
    assert "team:t#member@user:anne" in world.facts()


def test_what_others_have_written_otherwise_is_not_overwritten(world: EngineOfTest) -> None:
    world.write("user:anne#contact@user:bob[expiration:2099-01-01T00:00:00Z]", "user:bob#registered@directory:remit")
    with pytest.raises(ApplyRefused, match="written by somebody else"):
        applied(world, document("Contact", "anne", known_by=["bob"]))


def test_what_somebody_has_changed_since_is_left_where_it_would_be_removed(world: EngineOfTest) -> None:
    applied(world, document("Team", "t", members=["anne"]))
    longer = "team:t#member@user:anne[expiration:2099-01-01T00:00:00Z]"
    world.write(longer)
    done = applied(world, document("Team", "t"))
    assert facts_of(done) == [("LEFT", longer)]
    assert longer in world.facts()
    # Nor is it Apply's from then on.
    assert facts_of(applied(world, document("Estate", "acme"), prune=True)).count(("REMOVED", longer)) == 0


def test_what_somebody_has_removed_is_written_anew(world: EngineOfTest) -> None:
    world.write("delete agent:payer#owner@user:anne")
    done = applied(world, *documents(SMALL))
    assert facts_of(done) == [("ADDED", "agent:payer#owner@user:anne")]
    assert changes(done)["Agent/payer"] is Change.CHANGED


def test_a_guardrail_may_be_made_milder_by_saying_so(world: EngineOfTest) -> None:
    def rule(least: str) -> bytes:
        return document(
            "Guardrail", "g", over=["tool:erp.pay"], forbids=[{"name": "run:*", "matching": {"amount": {"min": least}}}]
        )

    applied(world, rule("100"))
    done = applied(world, rule("200"))
    ((change,),) = [each.facts for each in done.told]
    assert change.change is Change.CHANGED
    assert '"100"' in change.before
    assert '"200"' in change.fact
    with pytest.raises(WeakeningRefused):
        world.write('guardrail:g#forbids@run:*[matching:{"amount":{"min":"300"}}]')


def test_what_has_an_end_is_applied_again_after_it_without_a_change(world: EngineOfTest) -> None:
    given = document("Version", "payer.1", of="payer", certified={"name": "r", "until": "2099-01-01T00:00:00Z"})
    applied(world, given)
    world.clock.advance_us(4_102_444_800_000_000 - world.clock.now_us())  # 2100
    before = revision(world)
    assert changes(applied(world, given)) == {"Version/payer.1": Change.UNCHANGED}
    assert revision(world) == before


def test_ceilings_are_a_record_of_which_the_rest_stays(world: EngineOfTest) -> None:
    def kept() -> Any:
        with world.store.read("default") as view:
            stored = view.get_record(RecordKey(AGENT, ObjectRef("agent", "payer")))
        return json.loads(stored.record.document) if stored is not None else None

    assert kept() is None
    given = document("Agent", "payer", **AGENT_SPEC, ceilings={"depth_max": 3, "profiles": ["pay.1"]})
    done = applied(world, given)
    assert facts_of(done) == [("ADDED", 'agent:payer ceilings {"depth_max":3,"profiles":["pay.1"]}')]
    assert kept() == {"depth_max": 3, "profiles": ["pay.1"]}
    assert facts_of(applied(world, given)) == []
    gone = applied(world, document("Agent", "payer", **AGENT_SPEC))
    assert [change for change, _ in facts_of(gone)] == ["CHANGED"]
    assert kept() == {}


def test_a_profile_keeps_its_meaning_also_after_it_was_removed(world: EngineOfTest) -> None:
    rest = [each for each in documents(SMALL) if b'"Profile"' not in each]
    done = applied(world, *rest, prune=True)
    assert changes(done)["Profile/pay.1"] is Change.REMOVED
    with pytest.raises(ApplyRefused, match="is not edited"):
        applied(world, *rest, document("Profile", "pay.1", tools=["erp.pay"]))
    applied(world, *documents(SMALL))
    with world.store.read("default") as view:
        assert view.get_record(RecordKey(PROFILE, ObjectRef("profile", "pay.1"))) is not None


@pytest.mark.parametrize(
    ("intent", "covered"),
    [
        ("same", ['tool:erp.pay#in_intent@profile:x#declares[arguments:{"amount":{"max":"5"}}]']),
        ("none", []),
        ({"tools": ["erp.pay"]}, ["tool:erp.pay#in_intent@profile:x#declares"]),
    ],
)
def test_the_intent_of_a_profile(world: EngineOfTest, intent: object, covered: list[str]) -> None:
    tools = [{"name": "erp.pay", "arguments": {"amount": {"max": "5"}}}]
    done = applied(world, document("Profile", "x", tools=tools, intent=intent))
    assert [fact for _, fact in facts_of(done) if "#in_intent@" in fact] == covered


def test_lists_have_defaults_which_items_say_otherwise(world: EngineOfTest) -> None:
    whole = {
        "apiVersion": "remit/v1",
        "kind": "Tools",
        "metadata": {"labels": {"team": "finance"}},
        "defaults": {"domain": "office", "untagged": True, "risk": "low"},
        "items": ["a", {"name": "b", "risk": "high"}, {"name": "c", "tags": ["t"], "labels": {"team": "ops"}}],
    }
    done = applied(world, document("Tag", "t"), json.dumps(whole).encode())
    facts = {fact for _, fact in facts_of(done)}
    assert {"tool:a#risk@risk:low", "tool:b#risk@risk:high", "tool:c#tag@tag:t"} <= facts
    assert "tool:c#untagged@directory:remit" not in facts
    assert [each.pointer for each in done.told] == ["", "/items/0", "/items/1", "/items/2"]


# --- sets, labels and what is removed -----------------------------------------------------------------------------


def test_a_document_is_of_one_set(world: EngineOfTest) -> None:
    with pytest.raises(ApplyRefused, match="is of the set `default`"):
        applied(world, document("Person", "anne"), set="other")


def test_without_prune_what_is_not_there_any_more_stays(world: EngineOfTest) -> None:
    facts = world.facts()
    applied(world, document("Estate", "acme"))
    assert world.facts() == facts


def test_prune_removes_what_its_own_set_has_and_no_more(world: EngineOfTest) -> None:
    world.write("user:eve#registered@directory:people")
    applied(world, document("Person", "zoe"), set="other")
    done = applied(world, document("Estate", "acme"), prune=True)
    assert Change.REMOVED in changes(done).values()
    assert sorted(world.facts()) == ["user:eve#registered@directory:people", "user:zoe#registered@directory:remit"]
    with world.store.read("default") as view:
        assert sorted(each.record.object.id for each in view.records(APPLIED)) == ["Estate/acme", "Person/zoe"]


def test_prune_leaves_what_is_final(world: EngineOfTest) -> None:
    world.engine.ends.terminate("", ObjectRef("agent", "payer"))
    applied(world, document("Estate", "acme"), prune=True)
    assert world.facts() == ["agent:payer#terminated@directory:remit"]


def test_what_is_named_is_not_removed_in_the_same_breath(world: EngineOfTest) -> None:
    rest = [each for each in documents(SMALL) if b'"Person"' not in each]
    with pytest.raises(ApplyRefused, match="which this very request removes"):
        applied(world, *rest, prune=True)


def _labelled(name: str, team: str) -> bytes:
    metadata = {"name": name, "labels": {"team": team}}
    return json.dumps({"apiVersion": "remit/v1", "kind": "Person", "metadata": metadata}).encode()


def test_a_selector_passes_over_what_has_other_labels(world: EngineOfTest) -> None:
    applied(world, _labelled("f1", "finance"), _labelled("f2", "finance"), _labelled("s1", "support"))
    given = [_labelled("f1", "finance"), _labelled("s2", "support")]
    done = applied(world, *given, selector={"team": "finance"}, prune=True)
    assert changes(done) == {"Person/f1": Change.UNCHANGED, "Person/f2": Change.REMOVED}


def test_a_document_whose_label_has_changed_is_passed_over_and_not_removed(world: EngineOfTest) -> None:
    applied(world, _labelled("f1", "finance"))
    done = applied(world, _labelled("f1", "support"), selector={"team": "finance"}, prune=True)
    assert changes(done) == {}


# --- sent again ---------------------------------------------------------------------------------------------------


def test_a_request_sent_again_is_told_how_things_stand_now(world: EngineOfTest) -> None:
    def sent(digest: str) -> Submission:
        return Submission(ANNE, RequestKey("id-1", digest))

    given = document("Person", "bob")
    assert changes(applied(world, given, submission=sent("a"))) == {"Person/bob": Change.ADDED}
    facts = world.facts()
    assert changes(applied(world, given, submission=sent("a"))) == {"Person/bob": Change.UNCHANGED}
    world.write("delete user:bob#registered@directory:remit")
    applied(world, given, submission=sent("a"))
    assert world.facts() == [each for each in facts if "bob" not in each]
    with pytest.raises(RequestIdReused):
        applied(world, document("Person", "zoe"), submission=sent("b"))


# --- the table ----------------------------------------------------------------------------------------------------


def test_the_example_is_three_agents_forty_tools_and_four_teams(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    done = applied(engine, *documents(EXAMPLE))
    counts = {kind: sum(each.kind == kind for each in done.told) for kind in ("Agent", "Tool", "Team")}
    assert counts == {"Agent": 3, "Tool": 40, "Team": 4}
    assert len(EXAMPLE.splitlines()) <= 75
    for agent in ("closer", "payer", "helper"):
        assert engine.verdict(f"agent:{agent}#live@agent:{agent}") is Verdict.YES
        assert engine.verdict(f"agent_version:{agent}.1#live@agent_version:{agent}.1") is Verdict.YES
    assert engine.verdict("tool:erp.read#use@user:anne") is Verdict.YES
    assert engine.verdict("tool:erp.read#use@user:carla") is Verdict.NO
    before = revision(engine)
    assert set(changes(applied(engine, *documents(EXAMPLE), prune=True)).values()) == {Change.UNCHANGED}
    assert revision(engine) == before


def test_every_fact_of_the_table_is_of_one_document() -> None:
    """So that no two documents claim the same fact, and that what one removes no other has said."""
    owners: dict[tuple[str, str, str], str] = {}
    for kind in KINDS:
        for each in (*kind.fields, *(INTENT if kind.name == "Profile" else ())):
            if not each.fact:
                continue
            resource, _, rest = each.fact.partition("#")
            relation, _, subject = rest.partition("@")
            assert "{name}" in each.fact, each
            types = {resource.split(":")[0]} if resource != "{ref}" else set(each.types)
            # Where the document is the subject, its type tells whose the fact is; else the resource does.
            owned = subject.partition(":")[0] if "{name}" in subject else "*"
            for type in types:
                place = (type, relation, owned)
                assert owners.setdefault(place, f"{kind.name}.{each.name}") == f"{kind.name}.{each.name}", place
    for type, relation, owned in owners:
        clash = owners.get((type, relation, "*")) if owned != "*" else None
        if clash is not None:
            field = BY_NAME[clash.split(".")[0]].field(clash.split(".")[1])
            assert field is not None
            assert owned not in {each.partition("#")[0] for each in field.types}, (type, relation, owned)


def test_the_schema_has_a_place_for_every_fact_of_the_table(engine: EngineOfTest) -> None:
    """And for every way to name somebody in it; and none of its relations is final."""
    engine.schema(SCHEMA)
    schema = engine.engine.loaded.of("").schema
    assert schema is not None
    for kind in KINDS:
        for each in (*kind.fields, *(INTENT if kind.name == "Profile" else ())):
            if not each.fact:
                continue
            resource, _, rest = each.fact.partition("#")
            relation, _, subject = rest.partition("@")
            types = {resource.split(":")[0]} if resource != "{ref}" else set(each.types)
            named = {
                Form.CHOICE: (each.name,),
                Form.DESCRIPTOR: ("descriptor",),
                Form.FLAG: ("directory",),
            }.get(each.form, each.types)
            subjects = named if subject == "{ref}" else [subject.partition(":")[0] + _relation_of(subject)]
            for type in types:
                found = schema.definitions[type].relations[relation]
                assert not found.final
                places = {str(place) for place in found.subject_types}
                for to in subjects:
                    assert any(place == to or place.startswith(f"{to} ") for place in places), (type, relation, to)


def _relation_of(subject: str) -> str:
    _, hash, relation = subject.partition("#")
    return hash + relation


def test_the_directory_is_that_of_the_verbs() -> None:
    assert REGISTRY.id == DIRECTORY
    assert set(BY_TYPE) == {kind.type for kind in KINDS}
    assert all(isinstance(each, type) and issubclass(each, RemitError) for each in (ApplyInvalid, ApplyRefused))
