"""A run in a client: its block ends it, however it ends, and leaves alone what it has not begun."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from remit.client import AsyncClient, Client, RemoteError
from remit.engine.agents.run_states import RunLife
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.agent_world import FACTS, SCHEMA
from tests.support.serving import NOW_US


@pytest.fixture
def server() -> Iterator[BackgroundServer]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch(*FACTS)
        yield server
    engine.close()


@pytest.fixture
def client(server: BackgroundServer) -> Iterator[Client]:
    with Client(server.endpoint) as client:
        yield client


def life(client: Client, run: str) -> RunLife:
    return client.describe_run(run).life


def test_a_block_ends_its_run_however_it_ends(client: Client) -> None:
    with client.spawn("user:anne", "payer.2", "pay") as run:
        assert client.check(f"tool:erp.pay#use@{run}")
        with run.spawn("payer.2", ["pay"], intent="small", bindings={"n": 1.5, "text": "é", "none": None}) as below:
            assert below.state.bindings == {"n": "1.5", "none": "null", "text": '"é"'}
            assert [str(each.object) for each in client.show_chain(below.id)][3] == str(run)
        assert life(client, below.id) is RunLife.TERMINATED
        assert life(client, run.id) is RunLife.LIVE
    assert life(client, run.id) is RunLife.TERMINATED
    with pytest.raises(ZeroDivisionError), client.spawn("user:anne", "payer.2", "pay") as run:
        _ = 1 / 0
    assert life(client, run.id) is RunLife.TERMINATED


def test_a_run_that_was_found_under_its_session_goes_on(client: Client) -> None:
    with client.spawn("user:anne", "payer.2", "pay", session="s") as run:
        with client.spawn("user:anne", "payer.2", "pay", session="s") as found:
            assert (found.id, found.was_there, run.was_there) == (run.id, True, False)
        assert life(client, run.id) is RunLife.LIVE
    assert life(client, run.id) is RunLife.TERMINATED


def test_one_that_is_sent_again_is_the_senders_own(client: Client) -> None:
    first = client.spawn("user:anne", "payer.2", "pay", request_id="k")
    with client.spawn("user:anne", "payer.2", "pay", request_id="k") as again:
        assert (again.id, again.was_there) == (first.id, False)
    assert life(client, first.id) is RunLife.TERMINATED


def test_a_run_is_renewed_and_narrowed_where_it_is(client: Client) -> None:
    run = client.spawn("user:anne", "payer.2", "pay", lifetime_s=60)
    before = run.state.ends_at_us
    run.renew(120)
    assert before is not None and run.state.ends_at_us == before + 60_000_000
    run.narrow("small")
    assert run.state == client.describe_run(run.id)
    with pytest.raises(RemoteError) as refused:
        run.narrow("tell")
    assert refused.value.reason == "NOT_NARROWER"


def test_a_dry_run_has_no_id_and_tells_the_excess(client: Client) -> None:
    run = client.spawn("user:anne", "payer.2", "tell", dry_run=True)
    assert (run.id, run.token, [str(each) for each in run.excess]) == ("", "", ["tool:mail.send"])
    with pytest.raises(RemoteError) as refused:
        client.spawn("user:anne", "payer.2", "tell")
    assert refused.value.reason == "EXCESS"
    assert refused.value.metadata["count"] == "1"


def test_the_same_over_asyncio(server: BackgroundServer) -> None:
    async def go() -> None:
        async with AsyncClient(server.endpoint) as client:
            async with await client.spawn("user:anne", "payer.2", "pay") as run:
                below = await run.spawn("payer.2", "pay")
                page = await client.show_subtree(str(run))
                assert [each.run.id for each in page.runs] == [below.id]
            assert (await client.describe_run(run.id)).life is RunLife.TERMINATED
            given = await client.give_consent("user:ben", ["payer"], reason="so")
            assert (given.consent.reason, given.consent.given_by) == ("so", "local")
            assert await client.list_consents("user:ben") == (given.consent,)

    asyncio.run(go())
