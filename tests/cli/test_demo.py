"""The story is true: told against a real server, it says what the server answers and leaves the store as it was."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from remit.cli.commands import demo
from remit.cli.render.reasons import reasons_against
from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import RemoteError, Status
from remit.eval.explain import explain
from remit.eval.semantics import Evaluation
from remit.model import Operation, Relationship, Update, Verdict
from remit.notation import parse_relationship, parse_time
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.world import World
from tests.support.places import WORLDS

NOW_US = parse_time("2026-01-01T00:00:00Z")


@cache
def organisation() -> World:
    return World.read(WORLDS / "organisation.yaml")


def shipped() -> set[Relationship]:
    """The organisation's facts as a store shows them: what is over is not there."""
    return {
        fact
        for fact in organisation().relationships
        if fact.qualifiers.expiration_us is None or fact.qualifiers.expiration_us > NOW_US
    }


@pytest.fixture
def engine() -> Iterator[Engine]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    yield engine
    engine.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A client of a server that holds the organisation."""
    engine.write_schema("", organisation().schema.text)
    engine.write("", [Update(Operation.TOUCH, fact) for fact in organisation().relationships])
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        yield client


def told(client: Client, *, width: int = 100, terminal: bool = False) -> tuple[bool, str]:
    """Whether it was told, and the page."""
    page = io.StringIO()
    console = Console(file=page, width=width, force_terminal=terminal)
    return demo.tell_story(client, console), page.getvalue()


def facts(client: Client) -> set[Relationship]:
    return {stored.relationship for stored in client.read()}


# --- the story ----------------------------------------------------------------------------------------------------


def test_a_telling_leaves_the_facts_as_they_were_and_can_be_repeated(client: Client) -> None:
    before = facts(client)
    first_told, first = told(client)
    assert first_told
    assert facts(client) == before == shipped()
    assert told(client) == (True, first)


def test_the_page_shows_the_hold_and_the_departure_at_work(client: Client) -> None:
    _, page = told(client)
    held, left = page.split("One hold on a parent")[1].split("The human at the root leaves the team")
    assert _row(held, "tool:erp.pay#use@run:r-1") == ["yes", "yes"]
    for below in ("run:r-4", "run:r-6", "run:r-7"):
        assert _row(held, f"tool:erp.pay#use@{below}") == ["yes", "no"]
    assert "held back by `run:r-4#hold@hold:demo`" in held
    assert _row(held, "tool:mail.send#use@run:r-9") == ["yes", "yes"]

    for link in demo.CHAIN:
        assert _row(left, f"tool:erp.pay#use@{link}") == ["yes", "no"]
    assert _row(left, "tool:mail.send#use@run:r-41") == ["yes", "yes"]
    assert "no `tool:erp.pay#may_use@user:anne`" in left
    assert page.count(f"All {len(demo.EVERYTHING)} answers are what they were.") == 2
    assert page.count("and 0 from no to yes") == 2


def _row(chapter: str, question: str) -> list[str]:
    """The two answers of a question's line in a comparison."""
    lines = (line.split() for line in chapter.splitlines())
    return next(line[1:] for line in lines if line[:1] == [question] and len(line) == 3)


def test_the_page_says_each_no_with_its_reason(client: Client) -> None:
    _, page = told(client)
    chapter = page.split("Who may not, and why")[1].split("One hold")[0]
    for question, remark in demo.NO:
        assert f"no   {question}   {remark}" in chapter
    for reason in (
        "no `tool:erp.pay#in_intent@run:r-8`",
        "no `tool:crm.update#may_use@agent:finder`",
        "no `level:secret#cleared@run:r-6`",
        "no `level:secret#cleared@user:carla`",
        "held back by `agent:scout#domain@domain:lab` and `domain:lab#hold@hold:incident-12`",
        "no `user:frank#present@user:frank`",
    ):
        assert reason in chapter


def test_the_page_is_plain_where_nobody_looks_at_it_and_coloured_on_a_terminal(client: Client) -> None:
    assert "\x1b" not in told(client)[1]
    assert "\x1b[" in told(client, terminal=True)[1]
    assert told(client, width=30) == told(client, width=200), "lines are left for the reader to wrap"


# --- nothing is left behind ---------------------------------------------------------------------------------------


class _Interrupted(Exception):
    pass


@pytest.mark.parametrize("chapter", ["held", "left"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, _Interrupted])
def test_an_interrupted_telling_puts_everything_back(
    client: Client, monkeypatch: pytest.MonkeyPatch, chapter: str, error: type[BaseException]
) -> None:
    compare = demo._Story._compare

    def interrupted(story: demo._Story, now: str, before: Sequence[bool]) -> None:
        compare(story, now, before)
        if now == chapter:
            raise error

    monkeypatch.setattr(demo._Story, "_compare", interrupted)
    with pytest.raises(error):
        told(client)
    assert facts(client) == shipped()


@pytest.mark.parametrize("chapter", ["held", "left"])
def test_what_a_killed_telling_left_behind_the_next_one_puts_back(client: Client, chapter: str) -> None:
    """As if the process had died in the middle of a chapter: its change was written, and never undone."""
    if chapter == "held":
        client.touch(demo.HOLD)
    else:
        client.write(demo._swapped(demo.MEMBERSHIP, demo.LEFT))
    assert facts(client) != shipped()
    assert told(client)[0]
    assert facts(client) == shipped()


def test_a_membership_with_an_end_gets_it_back(client: Client) -> None:
    ending = parse_relationship("team:finance#member@user:anne[expiration:2030-01-01T00:00:00Z]")
    client.touch(ending)
    before = facts(client)
    assert told(client)[0]
    assert facts(client) == before
    assert ending in before


def test_a_write_that_cannot_be_undone_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    write, page = client.write, io.StringIO()

    def fails_to_undo(updates: Sequence[Update], **options: object) -> str:
        if updates == [Update(Operation.DELETE, demo.HOLD)]:
            raise RemoteError("UNAVAILABLE", Status.UNAVAILABLE, "the server went away")
        return write(updates)

    monkeypatch.setattr(client, "write", fails_to_undo)
    with pytest.raises(RemoteError, match="went away"):
        demo.tell_story(client, Console(file=page, width=100))
    assert "could not be put back" in page.getvalue()
    monkeypatch.undo()
    assert told(client)[0]
    assert facts(client) == shipped()


def test_a_refused_write_is_told_as_it_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not write holds is told so, and not that something is left to put back."""
    written: list[Sequence[Update]] = []

    def refuses(updates: Sequence[Update]) -> str:
        written.append(updates)
        raise RemoteError("MANAGED_RELATION", Status.PERMISSION_DENIED, "`hold` is managed")

    monkeypatch.setattr(client, "write", refuses)
    page = io.StringIO()
    with pytest.raises(RemoteError, match="managed"):
        demo.tell_story(client, Console(file=page, width=100))
    assert len(written) == 1
    assert "put back" not in page.getvalue()


@pytest.mark.parametrize("status", [Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE])
def test_a_write_of_which_nobody_knows_is_undone(
    client: Client, monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    write, answers = client.write, iter((RemoteError(status.name, status, "no answer came"),))

    def goes_silent(updates: Sequence[Update]) -> str:
        token = write(updates)
        for error in answers:
            raise error
        return token

    monkeypatch.setattr(client, "write", goes_silent)
    with pytest.raises(RemoteError, match="no answer came"):
        told(client)
    assert facts(client) == shipped()


# --- another store ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema", ["", "definition user {}", "definition run {}\ndefinition hold {}\ndefinition team {}"]
)
def test_a_store_without_the_organisation_is_told_how_to_get_it(engine: Engine, schema: str) -> None:
    if schema:
        engine.write_schema("", schema)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        was_told, page = told(client)
        assert not was_told
        assert "remit serve --in-memory --with-example" in page
        with Client(server.endpoint, store="elsewhere") as stranger:
            assert told(stranger) == (False, page)


def test_a_changed_organisation_is_not_told_as_the_shipped_one(client: Client) -> None:
    client.touch("run:r-1#hold@hold:somebody")
    before = facts(client)
    was_told, page = told(client)
    assert not was_told
    assert page == f"{demo.ABSENT}\n"
    assert facts(client) == before


def test_a_server_that_is_not_there_is_an_error_and_no_answer() -> None:
    with Client("127.0.0.1:1", timeout_s=5) as nowhere, pytest.raises(RemoteError):
        told(nowhere)


# --- reasons ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(WORLDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_no_of_the_shipped_worlds_has_its_reasons(path: Path) -> None:
    """A no names what is missing or what holds back; and what it says holds back stands in the facts."""
    world = World.read(path)
    evaluation = Evaluation(world.schema, world.graph(), now_us=NOW_US)
    noes = [assertion for assertion in world.assertions if assertion.expected is not Verdict.YES]
    assert noes
    for assertion in noes:
        goal = evaluation.goal(assertion.resource, assertion.permission, assertion.subject)
        evaluation.check(assertion.resource, assertion.permission, assertion.subject)
        reasons = reasons_against(explain(evaluation, goal), world.schema)
        assert reasons, assertion.text
        assert not any("cut short" in reason for reason in reasons), assertion.text
        for reason in reasons:
            if reason.startswith("held back by "):
                assert {parse_relationship(fact) for fact in reason.split("`")[1::2]} <= set(world.relationships)
