"""Laws of the figures: a percentile is a value that occurred, a wrong answer ends the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.__main__ import main
from bench.figures import GRPC, IN_PROCESS, percentile
from bench.in_process import WrongAnswer, check_many_slice, check_slice, require_written, write_slice
from bench.over_grpc import check_load, check_many_load
from bench.worlds import Sizes, World
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Operation, Update, Verdict
from remit.store.memory import MemoryStore

TINY = ("--relationships", "5000", "--group-members", "100", "--folder-depth", "12", "--chain-depth", "5")
TINY_FLAGS = (*TINY, "--wide-groups", "30", "--seconds", "0.05", "--no-pin", "--json")


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], percent: int) -> None:
    found = percentile(sorted(values), percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert all(sum(value <= less for value in values) * 100 < percent * len(values) for less in values if less < found)


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 50)


@pytest.fixture
def engine() -> Iterator[Engine]:
    clock = ManualClock()
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    world = World(Sizes(5_000, 100, 12, 5, 30, questions=400), 1)
    engine.schemas.write("", world.schema)
    facts = list(world.deep.relationships())
    engine.relationships.write("", [Update(Operation.TOUCH, fact) for fact in facts])
    yield engine
    engine.close()


def test_a_slice_that_is_over_before_it_begins_measures_something(engine: Engine) -> None:
    slice, acknowledged = write_slice(engine, 0.0, 3, count())
    assert len(slice.taken_ns) == len(acknowledged) >= 3 and slice.rate > 0


def test_a_wrong_answer_ends_the_run(engine: Engine) -> None:
    right = World(Sizes(5_000, 100, 12, 5, 30, questions=400), 1).deep.allowed()
    wrong = [each._replace(expected=Verdict.NO) for each in right]
    assert len(check_slice(engine, right, 0.001, 0).taken_ns) > 0
    assert len(check_many_slice(engine, [right], 0.001, 0).taken_ns) > 0
    with pytest.raises(WrongAnswer, match="came to YES, expected NO"):
        check_slice(engine, wrong, 0.001, 0)
    with pytest.raises(WrongAnswer, match="expected NO"):
        check_many_slice(engine, [wrong], 0.001, 0)
    with pytest.raises(WrongAnswer, match="is not seen"):
        require_written(engine, [1])


def test_a_wrong_answer_over_grpc_is_told_from_the_right_one() -> None:
    questions = World(Sizes(5_000, 100, 12, 5, 30, questions=400), 1).deep.allowed()
    yes = bytes([8, 3])  # field 1, VERDICT_YES
    no = bytes([8, 1])
    load = check_load(questions)
    load.require(0, yes)
    with pytest.raises(WrongAnswer):
        load.require(0, no)
    bulk = check_many_load([questions[:1]])
    result = bytes([10, 4, 10, 2])  # results[0].answer, two bytes long
    bulk.require(0, result + yes)
    with pytest.raises(WrongAnswer):
        bulk.require(0, result + no)


def test_a_run_measures_in_process_and_over_grpc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "result.json"
    only = ("--only", "hot pair", "--only", "writes", "--only", "bulk of 50, random")
    assert main([*TINY_FLAGS, *only, "--directory", str(tmp_path), "--output", str(kept)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(kept.read_text(encoding="utf-8"))
    names = {(each["where"], each["name"], each["in_flight"]) for each in told["figures"]}
    for in_flight in (1, 32):
        assert {(GRPC, "hot pair", in_flight), (GRPC, "durable writes", in_flight)} <= names
        assert {("bare echo", "hot pair", in_flight), (IN_PROCESS, "durable writes", in_flight)} <= names
    assert {(IN_PROCESS, "hot pair", 1), (IN_PROCESS, "bulk of 50, random documents", 1)} <= names
    assert all(each["rate_low"] <= each["rate"] <= each["rate_high"] for each in told["figures"])
    assert any(name.startswith("Remit : bare echo") for name in told["ratios"])
    assert told["machine"]["cores"] > 0
    assert not list(tmp_path.glob("remit-bench-*")), "the store is removed"


def test_a_run_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--relationships", "10"]) == 2
    assert "is too small" in capsys.readouterr().err
