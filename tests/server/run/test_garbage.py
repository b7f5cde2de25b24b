"""Laws of `garbage.py`: what is in use is looked at once, and what became garbage since is collected in a minute."""

from __future__ import annotations

import gc
import weakref

from remit.server.run.garbage import FULL_S, short_collections


class Knot:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_became_garbage_after_it_was_set_aside_is_collected_within_the_minute() -> None:
    now_s = [0.0]
    with short_collections(lambda: now_s[0]):
        knot = Knot()
        gone = weakref.ref(knot)
        gc.collect()
        del knot
        gc.collect()
        assert gone() is not None, "it was set aside"
        new = Knot()
        new_gone = weakref.ref(new)
        del new
        gc.collect()
        assert new_gone() is None, "what is new is collected as ever"
        now_s[0] = FULL_S
        gc.collect()
        assert gone() is None


def test_nothing_stays_set_aside_afterwards_and_nobody_looks_any_more() -> None:
    callbacks = list(gc.callbacks)
    with short_collections():
        gc.collect()
        assert gc.get_freeze_count() > 0
        knot = Knot()
        gone = weakref.ref(knot)
        gc.collect()
    assert (gc.get_freeze_count(), gc.callbacks) == (0, callbacks)
    del knot
    gc.collect()
    assert gone() is None


def test_what_nobody_refers_to_is_freed_at_once_though_it_was_set_aside() -> None:
    with short_collections():
        kept = [Knot()]
        kept[0].itself = None  # type: ignore[assignment]
        gone = weakref.ref(kept[0])
        gc.collect()
        kept.clear()
        assert gone() is None
