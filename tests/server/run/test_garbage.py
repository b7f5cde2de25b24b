"""Laws of `garbage.py`: what is in use is looked at once, and what became garbage since is collected in a minute."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from remit.server.run.garbage import FULL_S, short_collections
from tests.support.serving import PATIENCE_S


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


@pytest.mark.parametrize(("leaves", "said"), [("", "taken apart\n"), ("leave_all_at_exit()", "")])
def test_at_the_end_of_the_process_nothing_is_taken_apart(leaves: str, said: str) -> None:
    code = f"""
from remit.server.run.garbage import leave_all_at_exit

class Knot:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("taken apart")

{leaves}
Knot()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert ended.stdout == said
