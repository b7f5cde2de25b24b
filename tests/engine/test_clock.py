"""Law: time never goes backwards, whatever the machine's clock does, and not across restarts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.engine import clock
from remit.engine.clock import ManualClock, SystemClock
from remit.errors import RemitError, StoreFull
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore

if TYPE_CHECKING:
    from remit import _core

SECOND_US = 1_000_000
START_US = 1_700_000_000 * SECOND_US


class Machine:
    """The two clocks of a machine: one that people set, one that only ticks."""

    def __init__(self) -> None:
        self.set_us = START_US
        self.ticks_us = 77
        self.told: list[_core.Clock] = []

    def pass_us(self, by_us: int, set_back_us: int = 0) -> None:
        self.set_us += by_us - set_back_us
        self.ticks_us += by_us
        for native in self.told:
            native.tell(self.set_us, self.ticks_us)

    def native(self) -> _core.Clock | None:
        """The core's clock on this machine; None where the test is of Python's."""
        if clock.core is None:
            return None
        self.told.append(clock.core.Clock(clock._PATIENCE_US, (self.set_us, self.ticks_us)))
        return self.told[-1]


@pytest.fixture(autouse=True, params=["python", "core"])
def ticking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clocks keep the same laws."""
    if request.param == "python":
        monkeypatch.setattr(clock, "core", None)
    elif clock.core is None:
        pytest.skip("the native core is not built")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return faked(monkeypatch)


def faked(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(clock, "_machine_us", lambda: machine.set_us)
    monkeypatch.setattr(clock, "_ticks_us", lambda: machine.ticks_us)
    monkeypatch.setattr(clock, "_native_clock", machine.native)
    return machine


class Keeper:
    """A store that keeps a promise in memory, or cannot."""

    def __init__(self, ceiling_us: int = 0) -> None:
        self.ceiling_us = ceiling_us
        self.failure: RemitError | None = None
        self.promised = threading.Event()
        self.failed = threading.Event()
        self.busy = threading.Lock()  # while it is held, no promise is taken

    def dies(self) -> None:
        """Take nothing any more, as the disk of a process that was killed."""
        with self.busy:
            self.failure = StoreFull("dead")

    def clock_us(self) -> int:
        return self.ceiling_us

    def promise_clock(self, ceiling_us: int) -> None:
        with self.busy:
            if self.failure is not None:
                self.failed.set()
                raise self.failure
            self.ceiling_us = max(self.ceiling_us, ceiling_us)
        self.promised.set()


@pytest.fixture
def closing() -> Iterator[list[SystemClock]]:
    """The clocks of a test, whose threads end with it."""
    clocks: list[SystemClock] = []
    yield clocks
    for each in clocks:
        each.close()


# --- one process ------------------------------------------------------------------------------------------------


def test_a_manual_clock_goes_only_forward() -> None:
    manual = ManualClock(5)
    manual.advance_us(0)
    manual.advance_us(3)
    assert manual.now_us() == 8
    with pytest.raises(AssertionError):
        manual.advance_us(-1)


def test_a_right_clock_says_what_the_machine_says(machine: Machine) -> None:
    system = SystemClock()
    for passed_us in (0, 1, 5, SECOND_US):
        machine.pass_us(passed_us)
        assert system.now_us() == machine.set_us


def test_a_clock_behind_goes_at_half_speed_until_it_has_caught_up(machine: Machine) -> None:
    system = SystemClock()
    before_us = system.now_us()
    machine.pass_us(0, set_back_us=10 * SECOND_US)
    assert system.now_us() == before_us
    machine.pass_us(6 * SECOND_US)
    assert system.now_us() == before_us + 3 * SECOND_US
    machine.pass_us(6 * SECOND_US)
    assert system.now_us() == before_us + 6 * SECOND_US
    machine.pass_us(9 * SECOND_US)
    assert system.now_us() == machine.set_us == before_us + 11 * SECOND_US


def test_a_clock_behind_that_is_asked_all_the_time_does_not_stand_still(machine: Machine) -> None:
    """Asked each microsecond, half of one is nothing; half of all of them is not."""
    system = SystemClock()
    machine.pass_us(0, set_back_us=SECOND_US)
    before_us = system.now_us()
    for _ in range(1_000):
        machine.pass_us(1)
        system.now_us()
    assert system.now_us() == before_us + 500


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(-(10**10), 10**10))))
def test_time_never_goes_backwards(steps: list[tuple[int, int]]) -> None:
    """And never further ahead than the machine has ever been."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        machine = faked(monkeypatch)
        system = SystemClock()
        last_us = highest_us = system.now_us()
        for passed_us, set_back_us in steps:
            machine.pass_us(passed_us, set_back_us)
            now_us = system.now_us()
            assert last_us <= now_us
            assert now_us >= machine.set_us
            highest_us = max(highest_us + passed_us, machine.set_us)
            assert now_us <= highest_us
            last_us = now_us


def test_time_never_goes_backwards_between_threads() -> None:
    system = SystemClock()
    seen: list[list[int]] = []
    shared = [0]
    start = threading.Barrier(4)

    def ask() -> None:
        start.wait()
        mine = []
        for _ in range(2_000):
            floor_us = shared[0]
            now_us = system.now_us()
            mine.append(now_us - floor_us)
            shared[0] = max(shared[0], now_us)
        seen.append(mine)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    assert min(min(mine) for mine in seen) >= 0


# --- restarts ---------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.lists(st.tuples(st.integers(0, 10**7), st.integers(-(10**10), 10**10), st.booleans()), max_size=5),
        ),
        max_size=5,
    )
)
def test_time_never_goes_backwards_across_restarts(lives: list[tuple[bool, list[tuple[int, int, bool]]]]) -> None:
    """Each life is one process on the same store; it ends well, or is killed: whatever it was doing, what the disk was
    promised by then is all that the next one knows. The machine's clock jumps by hours both ways, and may be asked
    before anybody could renew anything."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(clock, "_PATIENCE_US", 10**12)
        machine = faked(monkeypatch)
        on_disk = last_us = 0
        for ends_well, steps in lives:
            keeper = Keeper(on_disk)
            system = SystemClock()
            system.keep(keeper)
            for passed_us, set_back_us, is_renewed in steps:
                machine.pass_us(passed_us, set_back_us)
                assert last_us <= (last_us := system.now_us()) <= keeper.ceiling_us
                if is_renewed:
                    renewed(system, keeper)
                    now_us = system.now_us()
                    assert last_us <= now_us <= keeper.ceiling_us
                    assert now_us >= machine.set_us, "a renewed promise holds back nothing"
                    last_us = now_us
            if ends_well:
                system.close()
            on_disk = keeper.ceiling_us
            keeper.dies()
            system.close()
            assert keeper.ceiling_us == on_disk


def renewed(system: SystemClock, keeper: Keeper) -> None:
    """Wait for a renewal that began after this, and has come to its end."""
    for _ in range(3):  # the first may have been under way, the third says that the second is done
        keeper.promised.clear()
        system._ticking.renew_now()
        assert keeper.promised.wait(30), "the promise was not renewed"


def test_a_clock_that_jumps_ahead_stands_at_its_promise_until_there_is_a_new_one(
    machine: Machine, closing: list[SystemClock]
) -> None:
    """And a kill in that very moment loses nothing: the next life begins no earlier."""
    keeper = Keeper()
    system = SystemClock()
    closing.append(system)
    system.keep(keeper)
    promised_us = keeper.ceiling_us
    with keeper.busy:
        machine.pass_us(1, set_back_us=-3600 * SECOND_US)
        assert system.now_us() == promised_us == system.now_us()
        machine.pass_us(0, set_back_us=3600 * SECOND_US)
        next_life = SystemClock()
        closing.append(next_life)
        next_life.keep(Keeper(promised_us))
        assert next_life.now_us() >= promised_us
        machine.pass_us(0, set_back_us=-3600 * SECOND_US)
    renewed(system, keeper)
    assert system.now_us() == machine.set_us < keeper.ceiling_us


def test_time_waits_for_no_store_that_does_not_answer(
    machine: Machine, closing: list[SystemClock], caplog: pytest.LogCaptureFixture
) -> None:
    """Standing still for ever would keep alive what expires."""
    caplog.set_level(logging.WARNING, logger="remit.engine.clock")
    keeper = Keeper()
    system = SystemClock()
    closing.append(system)
    system.keep(keeper)
    promised_us = keeper.ceiling_us
    with keeper.busy:
        machine.pass_us(6 * SECOND_US)
        assert system.now_us() == promised_us
        machine.pass_us(clock._PATIENCE_US - 1)
        assert system.now_us() == promised_us
        machine.pass_us(1)
        assert system.now_us() == machine.set_us == system.now_us()
    renewed(system, keeper)
    with keeper.busy:
        machine.pass_us(6 * SECOND_US)
        assert system.now_us() == keeper.ceiling_us, "and once it answers, its promise counts again"
    assert [record.getMessage() for record in caplog.records] == [
        "the clock's promise was not renewed in time: the store does not answer"
    ]


@pytest.mark.parametrize("kind", ["lmdb", "memory"])
def test_a_start_begins_no_earlier_than_the_store_was_promised(
    kind: str, machine: Machine, tmp_path: Path, closing: list[SystemClock]
) -> None:
    first = SystemClock()
    closing.append(first)
    store = MemoryStore(clock_us=first.now_us) if kind == "memory" else LmdbStore(tmp_path, clock_us=first.now_us)
    first.keep(store)
    seen_us = first.now_us()
    assert store.clock_us() > seen_us
    first.close()
    machine.pass_us(0, set_back_us=3600 * SECOND_US)
    second = SystemClock()
    closing.append(second)
    if kind == "lmdb":
        store.close()
        store = LmdbStore(tmp_path, clock_us=second.now_us)
    second.keep(store)
    assert second.now_us() >= seen_us
    second.close()
    store.close()


def test_a_start_after_a_crash_is_only_a_little_ahead(machine: Machine, closing: list[SystemClock]) -> None:
    keeper = Keeper()
    first = SystemClock()
    closing.append(first)
    first.keep(keeper)
    second = SystemClock()
    closing.append(second)
    second.keep(keeper)
    assert 0 <= second.now_us() - machine.set_us <= 5 * SECOND_US


# --- promises ---------------------------------------------------------------------------------------------------


def test_a_start_far_ahead_of_the_machine_is_told(
    machine: Machine, closing: list[SystemClock], caplog: pytest.LogCaptureFixture
) -> None:
    """As after a day on which the machine's clock was wrong: nothing takes the promise back."""
    for ahead_us, told in ((30 * SECOND_US, 0), (10 * 365 * 86_400 * SECOND_US, 1)):
        keeper = Keeper(machine.set_us + ahead_us)
        caplog.clear()
        system = SystemClock()
        closing.append(system)
        with caplog.at_level(logging.WARNING):
            system.keep(keeper)
        assert system.ahead_of_machine_us() == ahead_us
        warned = [record for record in caplog.records if "ahead of the machine's" in record.message]
        assert [vars(record)["ahead_s"] for record in warned] == [ahead_us // SECOND_US] * told


def test_the_promise_is_renewed_ahead_of_time(
    machine: Machine, closing: list[SystemClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_LEASE_US", 2_000)  # renewed each millisecond
    keeper = Keeper()
    system = SystemClock()
    closing.append(system)
    system.keep(keeper)
    machine.pass_us(SECOND_US)
    while keeper.ceiling_us < machine.set_us:
        keeper.promised.clear()
        assert keeper.promised.wait(30), "the promise was not renewed"
    assert keeper.ceiling_us == machine.set_us + 2_000


def test_time_goes_on_while_promises_fail_and_the_log_says_so_once(
    machine: Machine,
    closing: list[SystemClock],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(clock, "_LEASE_US", 2_000)
    caplog.set_level(logging.WARNING, logger="remit.engine.clock")
    keeper = Keeper()
    system = SystemClock()
    closing.append(system)
    system.keep(keeper)
    keeper.failure = StoreFull("the disk is full")
    for _ in range(3):
        keeper.failed.clear()
        assert keeper.failed.wait(30)
    machine.pass_us(SECOND_US)
    assert system.now_us() == machine.set_us
    keeper.failure = None
    keeper.promised.clear()
    assert keeper.promised.wait(30), "it tries again"
    assert [record.getMessage() for record in caplog.records] == [
        "the clock's promise could not be renewed: the disk is full"
    ]


def test_a_store_that_cannot_promise_is_not_started_with(machine: Machine) -> None:
    keeper = Keeper()
    keeper.failure = StoreFull("the disk is full")
    system = SystemClock()
    with pytest.raises(StoreFull):
        system.keep(keeper)
    system.close()


def test_closing_ends_the_renewals(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_LEASE_US", 2_000)
    keeper = Keeper()
    system = SystemClock()
    system.keep(keeper)
    assert [thread for thread in threading.enumerate() if thread.name == "remit-clock"]
    system.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "remit-clock"]
    SystemClock().close()  # one that never kept anything
