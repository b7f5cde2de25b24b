"""Tools: what is registered lets nothing through, what is accepted is what was seen, and what was retired stays so."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from remit.engine.agents.performing import Submission
from remit.engine.agents.tools import ACCEPTED_MAX, TAGS_MAX
from remit.engine.remembered import RequestKey
from remit.errors import (
    ConstraintsUnfit,
    DescriptorInvalid,
    DescriptorNotPending,
    DomainNotPlaced,
    DomainStopped,
    InvalidArgument,
    InvalidCursor,
    InvalidReference,
    LifecycleRefused,
    LimitExceeded,
    ObjectUnknown,
    RemitError,
    SchemaNotFound,
    WideningRefused,
)
from remit.model import Caller, Delta, ObjectRef, Provenance, Record, StoredRecord, Verdict
from remit.store.port import Draft, WriteTransaction
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\n'
OFFERED = "tool:pay#offered@tool:pay"


def described(text: str = "", **properties: str) -> bytes:
    schema = {"type": "object", "properties": {name: {"type": type} for name, type in properties.items()}}
    return json.dumps({"name": "pay", "description": text, "input_schema": schema}).encode()


def digest_of(document: bytes) -> str:
    return sha256(document).hexdigest()


FIRST, SECOND = described(amount="string"), described(amount="string", to="string")
ONE, TWO = digest_of(FIRST), digest_of(SECOND)


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write("domain:ops#estate@estate:acme", "domain:it#estate@estate:acme")
    return engine


@pytest.fixture
def paying(world: EngineOfTest) -> EngineOfTest:
    """A world in which `tool:pay` is registered, and its first descriptor accepted."""
    register(world)
    world.engine.tools.accept("", "pay", ONE)
    return world


def register(world: EngineOfTest, id: str = "pay", descriptor: bytes = FIRST, **said: object) -> None:
    given = {"domain": "ops", "tags": ["spends"], "risk": "medium", **said}
    world.engine.tools.register("", id, descriptor=descriptor, **given)  # type: ignore[arg-type]


def deltas(world: EngineOfTest) -> list[Delta]:
    with world.store.read("default") as view:
        return list(view.changelog(0))


# --- registered, then accepted ----------------------------------------------------------------------------------


def test_a_registered_tool_is_offered_to_nobody_until_its_descriptor_is_accepted(world: EngineOfTest) -> None:
    register(world)
    state = world.engine.tool_reading.describe("", "pay").tool
    assert (state.is_registered, state.pending, state.accepted) == (True, ONE, ())
    assert (state.domain, state.risk, state.tags, state.is_untagged) == ("ops", "medium", ("spends",), False)
    assert world.verdict(OFFERED) is Verdict.NO
    told = world.engine.tools.accept("", "pay", ONE).told
    assert (told.pending, told.accepted) == ("", (ONE,))
    assert world.verdict(OFFERED) is Verdict.YES
    assert told == world.engine.tool_reading.describe("", "pay").tool


def test_what_is_told_is_how_it_stands(world: EngineOfTest) -> None:
    tools = world.engine.tools
    steps = (
        lambda: tools.register("", "pay", domain="ops", descriptor=FIRST, is_untagged=True),
        lambda: tools.accept("", "pay", ONE),
        lambda: tools.propose("", "pay", descriptor=SECOND),
        lambda: tools.accept("", "pay", TWO, keep_earlier=True),
        lambda: tools.reject("", "pay", ONE),
        lambda: tools.relax("", "pay", risk="low", domain="it"),
        lambda: tools.change("", "pay", tags=["b", "a"], risk="medium"),
        lambda: tools.relax("", "pay", remove_tags=["a"]),
        lambda: tools.retire("", "pay"),
    )
    for step in steps:
        assert step().told == world.engine.tool_reading.describe("", "pay").tool


def test_what_nobody_has_rated_is_of_high_risk(world: EngineOfTest) -> None:
    register(world, risk="")
    assert world.engine.tool_reading.describe("", "pay").tool.risk == "high"


def test_what_facts_said_before_the_registration_lets_nothing_through(world: EngineOfTest) -> None:
    world.write("tool:pay#descriptor@descriptor:by-hand", "tool:pay#risk@risk:low", "tool:pay#domain@domain:it")
    register(world, domain="ops")
    assert world.verdict(OFFERED) is Verdict.NO
    state = world.engine.tool_reading.describe("", "pay").tool
    assert (state.accepted, state.risk, state.domain) == ((), "medium", "ops")


# --- what must say no -------------------------------------------------------------------------------------------


def test_only_what_is_pending_is_accepted(paying: EngineOfTest) -> None:
    tools, count = paying.engine.tools, len(deltas(paying))
    with pytest.raises(DescriptorNotPending, match="it is accepted already"):
        tools.accept("", "pay", ONE)
    with pytest.raises(DescriptorNotPending, match="nothing is"):
        tools.accept("", "pay", TWO)
    with pytest.raises(DescriptorNotPending, match="nothing is"):
        tools.reject("", "pay", digest_of(b"never kept"))
    assert len(deltas(paying)) == count
    assert paying.verdict(OFFERED) is Verdict.YES


def test_a_descriptor_that_is_pending_and_not_kept_is_not_accepted(world: EngineOfTest) -> None:
    """As a damaged backup might have it: the record of the tool without that of the descriptor."""
    register(world)

    def forget(view: WriteTransaction) -> Draft:
        document = json.dumps({"pending": TWO}).encode()
        record = Record("tool", ObjectRef("tool", "pay"), document)
        view.put_record(StoredRecord(record, Provenance("test", "", view.next_revision)))
        return Draft("test")

    world.store.write("default", forget)
    with pytest.raises(DescriptorNotPending, match="is not kept"):
        world.engine.tools.accept("", "pay", TWO)


def test_a_descriptor_that_changed_after_it_was_looked_at_is_not_accepted(world: EngineOfTest) -> None:
    register(world)
    world.engine.tools.propose("", "pay", descriptor=SECOND)
    with pytest.raises(DescriptorNotPending, match=f"`{TWO}` is"):
        world.engine.tools.accept("", "pay", ONE)
    assert world.verdict(OFFERED) is Verdict.NO


def test_a_retired_tool_is_not_registered_again_nor_anything_else(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    tools.propose("", "pay", descriptor=SECOND)
    tools.retire("", "pay", reason="replaced")
    assert paying.verdict(OFFERED) is Verdict.NO
    for refused in (
        lambda: register(paying),
        lambda: tools.propose("", "pay", descriptor=SECOND),
        lambda: tools.accept("", "pay", TWO),
        lambda: tools.reject("", "pay", ONE),
        lambda: tools.change("", "pay", risk="high"),
        lambda: tools.relax("", "pay", risk="low"),
    ):
        with pytest.raises(LifecycleRefused, match="`tool:pay` is retired"):
            refused()
    assert tools.retire("", "pay").told.is_retired
    paying.write("tool:pay#registered@directory:by-hand")
    with pytest.raises(LifecycleRefused, match="`tool:pay` is retired"):
        register(paying)
    assert not tools.retire("", "pay").told.is_registered
    assert paying.verdict(OFFERED) is Verdict.NO


def test_a_tool_that_nobody_registered_is_told_to_be_unknown(world: EngineOfTest) -> None:
    tools = world.engine.tools
    for refused in (
        lambda: tools.propose("", "pay", descriptor=FIRST),
        lambda: tools.accept("", "pay", ONE),
        lambda: tools.reject("", "pay", ONE),
        lambda: tools.change("", "pay", risk="high"),
        lambda: tools.relax("", "pay", risk="high"),
        lambda: tools.retire("", "pay"),
        lambda: world.engine.tool_reading.describe("", "pay"),
    ):
        with pytest.raises(ObjectUnknown, match="`tool:pay`"):
            refused()


def test_to_register_is_not_to_lower(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    with pytest.raises(LifecycleRefused, match="`tool:pay` is registered"):
        register(paying, risk="low")
    with pytest.raises(WideningRefused, match="is of medium risk, and would be of low"):
        tools.change("", "pay", risk="low")
    assert tools.change("", "pay", risk="high").told.risk == "high"
    with pytest.raises(WideningRefused):
        tools.change("", "pay", risk="medium")
    assert tools.relax("", "pay", risk="low").told.risk == "low"


def test_a_risk_that_facts_call_otherwise_is_lowered_by_no_change(paying: EngineOfTest) -> None:
    paying.write("delete tool:pay#risk@risk:medium", "tool:pay#risk@risk:catastrophic")
    with pytest.raises(WideningRefused):
        paying.engine.tools.change("", "pay", risk="high")


def test_a_first_tag_makes_a_tool_usable_and_so_is_no_change(paying: EngineOfTest) -> None:
    paying.write("delete tool:pay#tag@tag:spends")
    assert paying.verdict(OFFERED) is Verdict.NO
    with pytest.raises(WideningRefused, match="offered to nobody"):
        paying.engine.tools.change("", "pay", tags=["spends"])
    assert paying.verdict(OFFERED) is Verdict.NO
    paying.engine.tools.relax("", "pay", is_untagged=True)
    assert paying.verdict(OFFERED) is Verdict.YES


def test_a_tool_keeps_a_tag_or_is_untagged(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    with pytest.raises(InvalidArgument, match="would have no tag left"):
        tools.relax("", "pay", remove_tags=["spends"])
    with pytest.raises(InvalidArgument, match="has the tags `spends`"):
        tools.relax("", "pay", is_untagged=True)
    assert tools.relax("", "pay", remove_tags=["spends"], is_untagged=True).told.is_untagged
    told = tools.change("", "pay", tags=["sends"]).told
    assert (told.tags, told.is_untagged) == (("sends",), False)
    assert paying.verdict(OFFERED) is Verdict.YES


def test_a_domain_that_no_kill_switch_reaches_takes_no_tool(paying: EngineOfTest) -> None:
    with pytest.raises(DomainNotPlaced, match="`domain:nowhere`"):
        register(paying, "other", domain="nowhere")
    with pytest.raises(DomainNotPlaced, match="`domain:nowhere`"):
        paying.engine.tools.relax("", "pay", domain="nowhere")
    paying.write("domain:ops#hold@hold:h")
    assert paying.verdict("tool:pay#stopped@tool:pay") is Verdict.YES
    with pytest.raises(DomainStopped, match="`domain:ops`, which is held"):
        paying.engine.tools.relax("", "pay", domain="it")
    paying.engine.holds.release("", "h")
    assert paying.engine.tools.relax("", "pay", domain="it").told.domain == "it"
    paying.write("domain:ops#hold@hold:h")
    assert paying.verdict("tool:pay#stopped@tool:pay") is Verdict.NO


def test_a_descriptor_that_unfits_a_standing_constraint_is_not_accepted(paying: EngineOfTest) -> None:
    paying.write('tool:pay#may_use@user:anne[arguments:{"amount":{"max":"10"},"additional":true}]')
    document = json.loads(SECOND)
    document["types"] = {"amount": "path"}
    unfit = json.dumps(document).encode()
    paying.engine.tools.propose("", "pay", descriptor=unfit)
    with pytest.raises(ConstraintsUnfit, match="`/amount`"):
        paying.engine.tools.accept("", "pay", digest_of(unfit))
    assert paying.engine.tool_reading.describe("", "pay").tool.accepted == (ONE,)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"tags": []}, InvalidArgument),
        ({"is_untagged": True}, InvalidArgument),
        ({"tags": [f"t{n}" for n in range(TAGS_MAX + 1)]}, LimitExceeded),
        ({"tags": ["a b"]}, InvalidReference),
        ({"risk": "mild"}, InvalidArgument),
        ({"domain": ""}, InvalidReference),
        ({"id": "two words"}, InvalidReference),
        ({"id": "x" * 201}, LimitExceeded),
        ({"descriptor": b"{}"}, DescriptorInvalid),
        ({"descriptor": b'{"input_schema":true,"name":"' + b"x" * 2**16 + b'"}'}, DescriptorInvalid),
    ],
)
def test_what_is_wrong_is_named(world: EngineOfTest, said: dict[str, object], error: type[RemitError]) -> None:
    with pytest.raises(error) as refused:
        register(world, **said)  # type: ignore[arg-type]
    assert refused.value.field
    assert not [each for each in world.facts() if each.startswith("tool:")]


@pytest.mark.parametrize("digest", ["", "abc", ONE.upper(), ONE[:-1], ONE + "0", "../" + ONE])
def test_a_digest_is_named_whole(paying: EngineOfTest, digest: str) -> None:
    with pytest.raises(InvalidArgument, match="no digest of a descriptor"):
        paying.engine.tools.accept("", "pay", digest)


def test_without_a_schema_there_is_nothing_to_list(engine: EngineOfTest) -> None:
    with pytest.raises(SchemaNotFound):
        engine.engine.tool_reading.list("")


# --- descriptors ------------------------------------------------------------------------------------------------


def test_a_proposal_changes_no_answer_and_no_fact(paying: EngineOfTest) -> None:
    before = paying.facts()
    told = paying.engine.tools.propose("", "pay", descriptor=SECOND).told
    assert (told.accepted, told.pending) == ((ONE,), TWO)
    assert paying.facts() == before
    described = paying.engine.tool_reading.describe("", "pay")
    assert (described.accepted, described.pending) == (FIRST, SECOND)
    assert [(each.pointer, each.before) for each in described.differences.found] == [
        ("/input_schema/properties/to", None)
    ]


def test_what_is_accepted_again_is_no_longer_pending_otherwise(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    tools.propose("", "pay", descriptor=SECOND)
    told = tools.propose("", "pay", descriptor=FIRST).told
    assert (told.accepted, told.pending) == ((ONE,), "")
    with pytest.raises(DescriptorNotPending):
        tools.accept("", "pay", TWO)


def test_the_later_takes_the_place_of_the_earlier_unless_it_is_kept(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    tools.propose("", "pay", descriptor=SECOND)
    assert tools.accept("", "pay", TWO, keep_earlier=True).told.accepted == (TWO, ONE)
    assert paying.engine.tool_reading.describe("", "pay").tool.accepted == (TWO, ONE)
    third = described("third")
    tools.propose("", "pay", descriptor=third)
    assert tools.accept("", "pay", digest_of(third)).told.accepted == (digest_of(third),)
    assert len([each for each in paying.facts() if "#descriptor@" in each]) == 1


def test_only_so_many_are_kept(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    for number in range(ACCEPTED_MAX):
        document = described(str(number))
        tools.propose("", "pay", descriptor=document)
        if number < ACCEPTED_MAX - 1:
            tools.accept("", "pay", digest_of(document), keep_earlier=True)
    with pytest.raises(LimitExceeded, match=f"has {ACCEPTED_MAX} accepted"):
        tools.accept("", "pay", digest_of(document), keep_earlier=True)
    assert tools.accept("", "pay", digest_of(document)).told.accepted == (digest_of(document),)


def test_what_is_rejected_is_gone_and_may_be_proposed_again(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    tools.propose("", "pay", descriptor=SECOND)
    assert tools.reject("", "pay", TWO, reason="new argument").told.pending == ""
    with pytest.raises(DescriptorNotPending):
        tools.accept("", "pay", TWO)
    assert tools.reject("", "pay", ONE).told.accepted == ()
    assert paying.verdict(OFFERED) is Verdict.NO
    assert tools.propose("", "pay", descriptor=SECOND).told.pending == TWO


# --- sent again, judged only, and what it leaves ----------------------------------------------------------------


def test_a_request_is_carried_out_once_and_told_as_things_stand(world: EngineOfTest) -> None:
    tools, sent = world.engine.tools, Submission(Caller("service:anne"), RequestKey("k"))
    for _ in range(2):
        tools.register("", "pay", domain="ops", descriptor=FIRST, is_untagged=True, submission=sent)
    tools.accept("", "pay", ONE, submission=sent)
    again = tools.accept("", "pay", ONE, submission=sent).told
    assert again.accepted == (ONE,)
    tools.retire("", "pay")
    assert tools.accept("", "pay", ONE, submission=sent).told.is_retired
    assert world.verdict(OFFERED) is Verdict.NO


def test_a_dry_run_is_judged_and_leaves_nothing(paying: EngineOfTest) -> None:
    tools, count, dry = paying.engine.tools, len(deltas(paying)), Submission(dry_run=True)
    assert tools.propose("", "pay", descriptor=SECOND, submission=dry).told.pending == TWO
    assert tools.retire("", "pay", submission=dry).told.is_retired
    with pytest.raises(DescriptorNotPending):
        tools.accept("", "pay", TWO, submission=dry)
    assert len(deltas(paying)) == count


def test_what_widens_says_so_in_its_entry(paying: EngineOfTest) -> None:
    tools = paying.engine.tools
    tools.propose("", "pay", descriptor=SECOND)
    tools.accept("", "pay", TWO)
    tools.relax("", "pay", risk="low", domain="it")
    tools.change("", "pay", risk="high")
    tools.propose("", "pay", descriptor=FIRST)
    tools.accept("", "pay", ONE, keep_earlier=True)
    tools.reject("", "pay", TWO)  # calls that name it are judged no more, and others by what they named before
    entries = [json.loads(each.entry_json) for each in deltas(paying) if each.entry_json][-7:]
    assert [(each["verb"], each.get("widens")) for each in entries] == [
        ("ProposeDescriptor", None),
        ("AcceptDescriptor", ["descriptor"]),
        ("RelaxTool", ["risk", "domain"]),
        ("ChangeTool", None),
        ("ProposeDescriptor", None),
        ("AcceptDescriptor", ["descriptor"]),
        ("RejectDescriptor", None),
    ]
    assert entries[1]["dropped"] == [ONE]


# --- lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_list_has_each_tool_once_in_order_whatever_is_granted_on_it(world: EngineOfTest, limit: int) -> None:
    names = ["a", "a~", "b", "pay", "x" * 200]
    for name in names:
        register(world, name)
    world.write(*(f"tool:pay#may_use@user:u{n}" for n in range(50)), "tool:granted#may_use@user:anne")
    by_hand = ["by-hand", "x" * 201, "z" * 900 + "1", "z" * 900 + "2"]
    for name in by_hand:
        world.write(f"tool:{name}#registered@directory:d", f"tool:{name}#domain@domain:ops", f"tool:{name}#tag@tag:t")
    world.engine.tools.retire("", "b")
    page = world.engine.tool_reading.list("", limit=limit)
    listed = list(page.tools)
    while page.next_cursor and len(listed) < 20:
        page = world.engine.tool_reading.list("", limit=limit, cursor=page.next_cursor)
        listed += page.tools
    assert sorted(each.id for each in listed) == sorted([*names, *by_hand])
    assert [each.id for each in listed if each.is_retired] == ["b"]


def test_a_cursor_is_of_this_list(world: EngineOfTest) -> None:
    with pytest.raises(InvalidCursor):
        world.engine.tool_reading.list("", cursor="x")
