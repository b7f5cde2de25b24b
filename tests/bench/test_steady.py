"""The steady client by itself: what it says was lost is the server's doing, and never its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.siege.steady import HOLD, RELEASE, Steady, Stops
from bench.siege.target import Target
from bench.siege.world import SCHEMA, SMALL, STEADY_DOC, STEADY_USER
from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support.serving import opened


@pytest.fixture
def target() -> Iterator[Target]:
    engine = opened()
    with BackgroundServer(engine) as server:
        with Client(server.endpoint) as client:
            client.write_schema(SCHEMA)
            client.touch(f"doc:{STEADY_DOC}#viewer@user:{STEADY_USER}")
        yield Target(server.endpoint, "", SMALL, "", "", "", "")
    engine.close()


@pytest.mark.parametrize("calls", range(7))
def test_whoever_leaves_in_the_midst_of_a_round_holds_nothing_for_who_comes_after(target: Target, calls: int) -> None:
    """Before anybody attacks, and while they do, are two clients: what the first left held, the second would report as
    a release that was lost."""
    first, second = Steady(), Steady()
    with target.channel() as channel:
        with closing(Stops(first, channel, target).round()) as round:
            for _ in range(calls):
                next(round, None)
        for _ in Stops(second, channel, target).round():
            pass
    assert (second.lost, second.failed) == ([], {})
    assert second.rounds == 1


class Unanswered:
    """A call that is carried out, and whose answer is lost the first time."""

    def __init__(self, call: object) -> None:
        self._call = call
        self._is_lost = True

    def __call__(self, message: bytes) -> object:
        answer = self._call(message)  # type: ignore[operator]
        if self._is_lost:
            self._is_lost = False
            raise OSError("the connection broke")
        return answer


@pytest.mark.parametrize("kind", [HOLD, RELEASE])
def test_what_was_carried_out_unheard_is_a_failure_and_no_lost_stop(target: Target, kind: str) -> None:
    steady = Steady()
    with target.channel() as channel:
        client = Stops(steady, channel, target)
        setattr(client, f"_{kind}", Unanswered(getattr(client, f"_{kind}")))
        for _ in range(3):
            for _ in client.round():
                pass
    assert steady.lost == []
    assert steady.failed == {kind: {"OSError: the connection broke": 1}}
