"""Laws of sandboxes: a token is a store of its own, and no two tokens share one however they are written."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from remit.engine.clock import ManualClock
from remit.engine.limits import Limits
from remit.errors import TooManySandboxes
from remit.server.call import AUTHORIZATION
from remit.server.run.sandboxes import IDLE_S, Sandboxes
from tests.support.serving import NOW_US

ONE, OTHER = (AUTHORIZATION, "Bearer one"), (AUTHORIZATION, "Bearer other")


@pytest.fixture
def sandboxes() -> Iterator[Sandboxes]:
    sandboxes = Sandboxes(ManualClock(NOW_US), Limits(), count_max=4)
    yield sandboxes
    sandboxes.close()


def test_a_token_finds_its_own_again_and_nobody_else_s(sandboxes: Sandboxes) -> None:
    assert sandboxes.of([ONE]) is sandboxes.of([("x-other", "y"), ONE])
    assert len({id(sandboxes.of(shown)) for shown in ([ONE], [OTHER], [])}) == 3


def test_two_tokens_are_not_the_one_that_is_written_like_both(sandboxes: Sandboxes) -> None:
    """No header holds a line's end, so that is what parts two of them."""
    assert sandboxes.of([ONE, OTHER]) is not sandboxes.of([(AUTHORIZATION, f"{ONE[1]}\\n{OTHER[1]}")])


def test_a_token_that_nobody_shows_for_an_hour_makes_room_and_no_other_does() -> None:
    now_s = [0.0]
    sandboxes = Sandboxes(ManualClock(NOW_US), Limits(), count_max=2, clock_s=lambda: now_s[0])
    first = weakref.ref(sandboxes.of([ONE]))
    kept = sandboxes.of([OTHER])
    now_s[0] = IDLE_S - 1
    assert sandboxes.of([OTHER]) is kept
    with pytest.raises(TooManySandboxes):
        sandboxes.of([])
    now_s[0] = IDLE_S
    sandboxes.of([])
    gc.collect()
    assert first() is None, "it is let go of, and still held"
    assert sandboxes.of([OTHER]) is kept
    assert len(sandboxes) == 2
    sandboxes.close()


def test_a_watch_that_is_open_for_longer_keeps_its_store() -> None:
    now_s = [0.0]
    sandboxes = Sandboxes(ManualClock(NOW_US), Limits(), count_max=2, clock_s=lambda: now_s[0])
    watched = sandboxes.of([ONE])
    watch = watched.streams.watch("default", lambda told: told)
    sandboxes.of([OTHER])
    now_s[0] = 3 * IDLE_S
    sandboxes.of([])  # in the place of the other
    assert sandboxes.of([ONE]) is watched
    with pytest.raises(TooManySandboxes):
        sandboxes.of([OTHER])
    watch.close()
    now_s[0] = 5 * IDLE_S
    assert sandboxes.of([OTHER]) is not watched
    assert len(sandboxes) <= 2
    sandboxes.close()


def test_where_every_store_is_watched_none_is_let_go_of() -> None:
    now_s = [0.0]
    sandboxes = Sandboxes(ManualClock(NOW_US), Limits(), count_max=2, clock_s=lambda: now_s[0])
    watches = [sandboxes.of([shown]).streams.watch("default", lambda told: told) for shown in (ONE, OTHER)]
    now_s[0] = 2 * IDLE_S
    with pytest.raises(TooManySandboxes):
        sandboxes.of([])
    for watch in watches:
        watch.close()
    sandboxes.close()


def test_there_are_as_many_as_are_allowed(sandboxes: Sandboxes) -> None:
    for number in range(4):
        sandboxes.of([(AUTHORIZATION, f"Bearer {number}")])
    with pytest.raises(TooManySandboxes):
        sandboxes.of([ONE])
    assert len(sandboxes) == 4
