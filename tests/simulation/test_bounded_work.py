"""Law: nobody works for long without a look at whether somebody waits, whatever is asked of whichever verb.

Work is counted and not timed: the lines of Python that run between two looks at a call's interrupt, of requests as
heavy as they may be. What the core and libraries do between two looks is not seen here; a call that is known to be
heavy is meant, for one that turns out to be begins again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from remit.engine.limits import Limits
from remit.errors import Cancelled, RemitError
from remit.model import LOCAL_CALLER
from remit.server.call import Call
from remit.server.verb import Verb
from remit.server.verbs import STREAMING, UNARY
from tests.support.seeds import Seeds
from tests.support.simulation.heavy import HEAVY, HeavyWorld, heavy
from tests.support.simulation.heavy_work import worked

# A line of Python takes some 50 ns here, a slow one a microsecond: far within 10 ms.
LINES_MAX = 30_000
# A step of a restore looks at each relationship; what else a chunk of at most 1 MiB holds is checked at a stretch. What
# was read of a write is judged and carried out at a stretch: it is never given up halfway. So it is with verbs of
# agents that write much: consent for a hundred agents, six hundred agents of a leaver, three hundred documents, what a
# version could do on the day of its certificate.
MORE = {
    "Restore": 500_000,
    "Write": 60_000,
    "spicedb.WriteRelationships": 60_000,
    "GiveConsent": 100_000,
    "TransferOwner": 250_000,
    "Apply": 150_000,
    "Certify": 40_000,
}
# Why a heavy request of a verb may be refused; all others are answered. A schema over SpiceDB's wire is refused at its
# last step, and what a deletion there would remove is more than may go: neither has a dry run, and the world stays.
REFUSED = {
    "Write": {"FILTER_TOO_BROAD"},
    "WriteSchema": {"SCHEMA_ORPHANS_RELATIONSHIPS", "SCHEMA_INVALID"},
    "DiffSchema": {"SCHEMA_INVALID"},
    "spicedb.ExpandPermissionTree": {"STEP_BUDGET"},
    "spicedb.DeleteRelationships": {"TOO_MANY_MATCH", "FILTER_TOO_BROAD"},
    "spicedb.WriteSchema": {"SCHEMA_INVALID"},
    "spicedb.DiffSchema": {"SCHEMA_INVALID"},
    "spicedb.ExperimentalDiffSchema": {"SCHEMA_INVALID"},
}
ALWAYS_REFUSED = {"spicedb.WriteSchema"}
TRIES = 24
# So much of everything that whoever goes through it without a look takes more lines than that.
SIZE = 600
# What one item may cost is bounded by its limit, and what many cost by the looks between them: small items are enough.
LIMITS = Limits(
    updates_max=300,
    contextual_max=20,
    items_max=4,
    filters_max=10,
    page_max=300,
    context_bytes_max=256,
    relationship_context_bytes_max=1_000,
)


def test_every_verb_has_its_heavy_requests() -> None:
    assert set(HEAVY) == {verb.path for verb in (*UNARY, *STREAMING)}


@pytest.fixture(scope="module")
def world() -> Iterator[HeavyWorld]:
    world = HeavyWorld(SIZE, LIMITS)
    yield world
    world.close()


@pytest.mark.parametrize("label", REFUSED)
def test_of_a_verb_whose_requests_may_be_refused_some_are_answered(label: str, world: HeavyWorld) -> None:
    verb = next(verb for verb in (*UNARY, *STREAMING) if verb.label == label)
    answers = (worked_and_counted(verb, world, seed, Counted()) is None for seed in range(TRIES))
    assert any(answers) is (label not in ALWAYS_REFUSED)


class Counted:
    """Counts the looks of a call, and lets it be gone from its `last` look on; `with_lines`, which takes ten times as
    long, those of this thread between two looks as well."""

    def __init__(self, last: int | None = None, *, with_lines: bool = False) -> None:
        self.last = last
        self._with_lines = with_lines
        self.looks = 0
        self.most = 0  # lines between two looks
        self.where = ""  # and from where to where
        self._lines = 0
        self._since = "the beginning"

    def look(self) -> bool:
        if self._with_lines:
            self._begin_anew(_where(sys._getframe(2)))
        self.looks += 1
        return self.last is not None and self.looks >= self.last

    def _begin_anew(self, since: str) -> None:
        self._lines, self._since = 0, since

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame.f_code.co_filename != __file__:
            self._lines += 1
            if self._lines > self.most:
                self.most = self._lines
                self.where = f"from {self._since} to {_where(frame)}"
        return self._trace

    @contextmanager
    def counting(self) -> Iterator[None]:
        if not self._with_lines:
            yield
            return
        before = sys.gettrace()
        self._begin_anew("the beginning")
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)


def _where(frame: FrameType | None) -> str:
    assert frame is not None, "a look has a caller"
    return f"{frame.f_code.co_filename.rpartition('/remit/')[2]}:{frame.f_lineno}"


def worked_and_counted(verb: Verb[Any], world: HeavyWorld, seed: int, counted: Counted) -> RemitError | None:
    """How a heavy request was refused, with what there is to count counted."""
    call = Call(caller=LOCAL_CALLER, is_gone=counted.look, is_heavy=True)
    return worked(verb, world, heavy(verb.path, world, seed), call, counted.counting)


VERBS = pytest.mark.parametrize("verb", (*UNARY, *STREAMING), ids=lambda verb: verb.label)


@VERBS
@pytest.mark.seeds(1)
def test_there_is_a_look_every_so_many_lines(verb: Verb[Any], seeds: Seeds, world: HeavyWorld) -> None:
    require_looks(verb, seeds, world)


@VERBS
@pytest.mark.long
@pytest.mark.seeds(20, fresh=True)
def test_there_is_a_look_every_so_many_lines_on_fresh_seeds(verb: Verb[Any], seeds: Seeds, world: HeavyWorld) -> None:
    require_looks(verb, seeds, world)


def require_looks(verb: Verb[Any], seeds: Seeds, world: HeavyWorld) -> None:
    for seed in seeds:
        counted = Counted(with_lines=True)
        error = worked_and_counted(verb, world, seed, counted)
        assert error is None or error.reason in REFUSED.get(verb.label, ()), error
        assert counted.most <= MORE.get(verb.label, LINES_MAX), f"{counted.most} lines without a look, {counted.where}"


@VERBS
@pytest.mark.seeds(1)
def test_whoever_has_gone_at_a_look_is_worked_for_no_more(verb: Verb[Any], seeds: Seeds, world: HeavyWorld) -> None:
    for seed in seeds:
        counted = Counted()
        worked_and_counted(verb, world, seed, counted)
        looks = counted.looks
        for last in {1, 2, looks // 2, looks} - {0}:
            counted = Counted(last)
            error = worked_and_counted(verb, world, seed, counted)
            if counted.looks >= last:
                assert isinstance(error, Cancelled), f"gone at look {last} of {looks}: {error}"
