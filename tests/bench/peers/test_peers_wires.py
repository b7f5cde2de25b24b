"""The adapters' encodings: over Remit's two wires by loading and asking it; OpenFGA's by bytes written out by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from bench.in_process import WrongAnswer
from bench.known_question import known
from bench.peers.costs import Costs
from bench.peers.listing import listed
from bench.peers.openfga_messages import message
from bench.peers.openfga_wire import OpenfgaPeer
from bench.peers.peer import CannotAsk, Occupied, Peer, Refused
from bench.peers.remit_wire import RemitPeer
from bench.peers.spicedb_wire import FULLY_CONSISTENT, MINIMIZE_LATENCY, RemitBySpicedbPeer, SpicedbPeer
from bench.peers.storms import SteadyWriter, ask_after
from bench.peers.world import PEER_SCHEMA, Expected, Kind, touched, unrelated
from remit.model import ObjectRef, Operation, Relationship, SubjectRef, Update, Verdict
from tests.support.tiny_world import empty_remit, tiny_world

ASKED_OF_EACH = 25
ANNE, BOB = SubjectRef("user", "anne"), SubjectRef("user", "bob")
PLAN, NOTES = ObjectRef("document", "plan"), ObjectRef("document", "notes")


def with_peer(make: Callable[[str], Peer], go: Callable[[Peer], Awaitable[None]]) -> None:
    """An empty Remit, asked by the adapter."""

    async def ask(address: str) -> None:
        peer = make(address)
        try:
            await go(peer)
        finally:
            await peer.close()

    with empty_remit() as address:
        asyncio.run(ask(address))


@pytest.mark.parametrize("make", (RemitPeer, RemitBySpicedbPeer))
def test_a_world_goes_in_and_every_workload_is_answered_as_expected(make: Callable[[str], Peer]) -> None:
    world = tiny_world()

    async def go(peer: Peer) -> None:
        await peer.prepare("world", PEER_SCHEMA)
        for facts in (world.facts(), world.chain_facts(), world.tenth_facts()):
            await peer.load(facts)
        answered = set()
        for workload in [*world.workloads(), world.in_a_tenth()]:
            for fresh in (False, True):
                try:
                    load = peer.load_of(workload, fresh=fresh)
                except CannotAsk:
                    assert make is RemitBySpicedbPeer and workload.kind is Kind.EXPAND
                    continue
                for number in range(min(ASKED_OF_EACH, len(load.requests))):
                    load.require(number, await peer.call(load.path, load.requests[number]))
                answered.add(workload.name)
        assert len(answered) >= len(world.workloads())
        with pytest.raises(Occupied, match="empty server"):
            await peer.prepare("world", PEER_SCHEMA)
        await peer.take_up("world")

    with_peer(make, go)


@pytest.mark.parametrize("make", (RemitPeer, RemitBySpicedbPeer))
def test_writes_and_deletes_are_seen_by_the_check_after_and_a_wrong_answer_is_told(make: Callable[[str], Peer]) -> None:
    fact = Relationship(PLAN, "viewer", ANNE)
    yes, no = known(PLAN, "view", ANNE, True), known(PLAN, "view", ANNE, False)

    async def go(peer: Peer) -> None:
        with pytest.raises(Occupied, match="leave out --loaded"):
            await peer.take_up("world")
        await peer.prepare("world", PEER_SCHEMA)
        for updates, right, wrong in (
            (touched([fact, Relationship(NOTES, "viewer", BOB)]), yes, no),
            ([Update(Operation.DELETE, fact)], no, yes),
        ):
            load = peer.writes([updates])
            written = await peer.call(load.path, load.requests[0])
            load.require(0, written)
            await ask_after(peer, right, written)
            with pytest.raises(WrongAnswer, match=r"right after an acknowledged write, `document:plan#view@user:anne`"):
                await ask_after(peer, wrong, written)
        bulk = peer.bulks([[no, known(NOTES, "view", BOB, False)]], fresh=True)
        with pytest.raises(WrongAnswer, match="document:notes"):
            bulk.require(0, await peer.call(bulk.path, bulk.requests[0]))

    with_peer(make, go)


def test_an_expand_that_names_somebody_else_is_wrong() -> None:
    async def go(peer: Peer) -> None:
        await peer.prepare("world", PEER_SCHEMA)
        load = peer.writes([touched([Relationship(PLAN, "viewer", ANNE)])])
        await peer.call(load.path, load.requests[0])
        for named, wrong in (([ANNE], False), ([BOB], True), ([ANNE, BOB], True), ([], True)):
            expand = peer.expands([Expected(PLAN, "viewer", named)])
            answer = await peer.call(expand.path, expand.requests[0])
            if wrong:
                with pytest.raises(WrongAnswer, match=r"named \[user:anne\]"):
                    expand.require(0, answer)
            else:
                expand.require(0, answer)

    with_peer(RemitPeer, go)


def test_the_steady_writer_asks_after_every_write_and_stops_when_told() -> None:
    async def go(peer: Peer) -> None:
        await peer.prepare("world", PEER_SCHEMA)
        writer = SteadyWriter(peer, 1e6, "w")
        running = asyncio.create_task(writer.run())
        while writer.written.asked_after < 4:
            await asyncio.sleep(0)
            assert not running.done()
        writer.stop()
        await running
        done = writer.written
        assert done.latencies.count == done.asked_after >= 4
        assert done.tuples >= 2 * 20
        kept = peer.checks([known(PLAN, "view", ANNE, False)], fresh=True)
        kept.require(0, await peer.call(kept.path, kept.requests[0]))
        first, given = unrelated("w", 0), unrelated("w", 19)
        for fact, there in ((first, True), (given, False)):
            load = peer.checks([known(fact.resource, "view", fact.subject, there)], fresh=True)
            load.require(0, await peer.call(load.path, load.requests[0]))

    with_peer(RemitPeer, go)


# --- SpiceDB's words ------------------------------------------------------------------------------------------------


async def spicedb_request(consistency: str, fresh: bool) -> bytes:
    peer = SpicedbPeer("127.0.0.1:1", "k", consistency)
    try:
        assert peer.metadata == (("authorization", "Bearer k"),)
        return peer.checks([known(PLAN, "view", ANNE, True)], fresh=fresh).requests[0]
    finally:
        await peer.close()


def test_a_check_bears_what_staleness_it_is_told_to_and_none_when_it_must_be_fresh() -> None:
    minimize, full = bytes([0x0A, 2, 0x08, 1]), bytes([0x0A, 2, 0x20, 1])  # consistency = 1 { 1 or 4 = true }
    rest = b"\x12\x10\x0a\x08document\x12\x04plan\x1a\x04view\x22\x0e\x0a\x0c\x0a\x04user\x12\x04anne"
    for consistency, fresh, expected in (
        (MINIMIZE_LATENCY, False, minimize),
        (MINIMIZE_LATENCY, True, full),
        (FULLY_CONSISTENT, False, full),
    ):
        assert asyncio.run(spicedb_request(consistency, fresh)) == expected + rest


@pytest.mark.parametrize("make", (RemitPeer, RemitBySpicedbPeer))
def test_lists_come_whole_and_one_that_is_not_as_expected_is_told(make: Callable[[str], Peer]) -> None:
    world = tiny_world()

    async def go(peer: Peer) -> None:
        await peer.prepare("world", PEER_SCHEMA)
        await peer.load(world.facts())
        for known_list in world.lists().values():
            for first_only in (True, False):
                take = partial(listed, peer, costs=Costs(()), seconds=0, first_only=first_only)
                assert (await take(known_list)).answered == 1
                with pytest.raises(WrongAnswer, match="should not"):
                    await take(known_list._replace(ids=("nobody",)))
            with pytest.raises(Refused, match="no word of the others"):
                await take(known_list._replace(ids=(*known_list.ids, "zoe")))

    with_peer(make, go)


# --- OpenFGA's ------------------------------------------------------------------------------------------------------


async def openfga() -> OpenfgaPeer:
    peer = OpenfgaPeer("127.0.0.1:1")
    peer._store, peer._model = "st", "mo"
    await peer.close()  # nothing is sent: bytes are made and judged
    return peer


def field(number: int, value: bytes) -> bytes:
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


KEY = field(1, b"user:anne") + field(2, b"view") + field(3, b"document:plan")


@pytest.mark.parametrize(("fresh", "consistency"), ((False, b"\x38\x64"), (True, b"\x38\xc8\x01")))
def test_a_check_of_openfga_is_these_bytes(fresh: bool, consistency: bytes) -> None:
    peer = asyncio.run(openfga())
    load = peer.checks([known(PLAN, "view", ANNE, True)], fresh=fresh)
    assert load.path == "/openfga.v1.OpenFGAService/Check"
    assert load.requests[0] == field(1, b"st") + field(2, KEY) + field(4, b"mo") + consistency
    load.require(0, b"\x08\x01")
    for wrong in (b"\x08\x00", b""):
        with pytest.raises(WrongAnswer, match="came to NO, expected YES"):
            load.require(0, wrong)


def test_a_batch_of_openfga_is_these_bytes_and_needs_an_answer_for_each() -> None:
    peer = asyncio.run(openfga())
    load = peer.bulks([[known(PLAN, "view", ANNE, True), known(NOTES, "view", BOB, False)]], fresh=False)
    other = field(1, b"user:bob") + field(2, b"view") + field(3, b"document:notes")
    items = field(2, field(1, KEY) + field(4, b"0")) + field(2, field(1, other) + field(4, b"1"))
    assert load.requests[0] == field(1, b"st") + items + field(3, b"mo") + b"\x20\x64"
    yes, no = field(1, field(1, b"0") + field(2, b"\x08\x01")), field(1, field(1, b"1") + field(2, b"\x08\x00"))
    load.require(0, no + yes)
    with pytest.raises(WrongAnswer, match="document:notes"):
        load.require(0, yes + field(1, field(1, b"1") + field(2, b"\x08\x01")))
    for missing in (yes, yes + field(1, field(1, b"1") + field(2, field(2, field(3, b"too deep"))))):
        with pytest.raises(Refused, match="item 1 of a batch"):
            load.require(0, missing)


def test_a_write_of_openfga_is_these_bytes() -> None:
    peer = asyncio.run(openfga())
    team = Relationship(PLAN, "viewer", SubjectRef("group", "g", "member"))
    everyone = Relationship(ObjectRef("mandate", "m"), "granted", SubjectRef("run", "*"))
    load = peer.writes([[*touched([team]), Update(Operation.DELETE, everyone)]])
    written = field(1, field(1, b"group:g#member") + field(2, b"viewer") + field(3, b"document:plan"))
    deleted = field(1, field(1, b"run:*") + field(2, b"granted") + field(3, b"mandate:m"))
    expected = field(2, written + field(2, b"ignore")) + field(3, deleted + field(2, b"ignore"))
    assert load.requests[0] == field(1, b"st") + expected + field(4, b"mo")


def test_what_openfga_expands_to_is_read_as_subjects() -> None:
    peer = asyncio.run(openfga())
    group = SubjectRef("group", "g", "member")
    load = peer.expands([Expected(PLAN, "viewer", [ANNE, group])])
    assert load.requests[0].startswith(field(1, b"st") + field(2, field(1, b"viewer") + field(2, b"document:plan")))

    def tree(*users: bytes) -> bytes:
        leaf = field(2, field(1, b"".join(field(1, user) for user in users)))
        return field(1, field(1, leaf))

    load.require(0, tree(b"group:g#member", b"user:anne"))
    with pytest.raises(WrongAnswer, match="expected"):
        load.require(0, tree(b"user:anne"))


def test_openfga_is_not_asked_what_it_has_no_word_for() -> None:
    peer = asyncio.run(openfga())
    needing = [workload for workload in tiny_world().workloads() if workload.needs_along]
    assert needing
    for workload in needing:
        with pytest.raises(CannotAsk, match="has no `along`"):
            peer.load_of(workload)


def test_only_what_the_proto_file_describes_is_a_message() -> None:
    assert message("CheckResponse").FromString(b"\x08\x01").allowed
    with pytest.raises(KeyError):
        message("ReadChangesRequest")


def test_a_verdict_is_never_taken_for_granted() -> None:
    peer = asyncio.run(openfga())
    expected = peer.checks([known(PLAN, "view", ANNE, False)], fresh=False)
    expected.require(0, b"")
    assert Verdict.NO is known(PLAN, "view", ANNE, False).expected
