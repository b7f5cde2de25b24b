"""Laws of the native generator's side in Python: what it is told, what is believed of what it says, what is judged."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.in_process import WrongAnswer
from bench.known_question import known
from bench.over_grpc import Load, check_load
from bench.peers.costs import Costs
from bench.peers.generator import Overrun, Stretch
from bench.peers.native import NativeGenerator, NoAnswer, is_judged_whole, stretch_of
from bench.peers.peer import Refused
from bench.peers.remit_wire import RemitPeer
from remit.model import ObjectRef, SubjectRef

LATENCY = {"mean": 6.0, "p50": 5.0, "p90": 7.0, "p99": 9.0, "p999": 11.0, "max": 20.0}
SAID = {"answers": 1_000, "wrong": 0, "failed": 0, "seconds": 2.0, "latency_us": LATENCY, "cpu_share": 0.25}

# Stands for the program: keeps what it was given, and says what it was told to.
STAND_IN = """#!{python}
import json, pathlib, sys
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
for name in ("--requests", "--expected"):
    if name in flags:
        flags[name] = pathlib.Path(flags[name]).read_bytes().hex()
here = pathlib.Path({here!r})
with (here / "given").open("a") as given:
    given.write(json.dumps(flags) + "\\n")
said = json.loads((here / "said").read_text())
print(json.dumps(said.pop(0)))
(here / "said").write_text(json.dumps(said))
"""


def generator(here: Path, *said: dict[str, object]) -> NativeGenerator:
    program = here / "remit-load"
    program.write_text(STAND_IN.format(python=sys.executable, here=str(here)))
    program.chmod(0o700)
    (here / "said").write_text(json.dumps(said))
    return NativeGenerator(program, connections=2)


def given(here: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (here / "given").read_text().splitlines()]


class Peer(RemitPeer):
    """Answers in place of a server; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1", "k")
        self.asked: list[bytes] = []

    async def call(self, path: str, request: bytes) -> bytes:
        self.asked.append(request)
        return request


def nothing_wrong(number: int, answer: bytes) -> None:
    if answer == b"bad":
        raise WrongAnswer(f"request {number}")


def ran(generator: NativeGenerator, load: Load, **flags: Any) -> tuple[Stretch, Peer]:
    async def run() -> tuple[Stretch, Peer]:
        peer = Peer()
        await peer.close()
        if "rate" in flags:
            return await generator.fixed(peer, load, Costs(()), seconds=2.0, **flags), peer
        return await generator.closed(peer, load, Costs(()), seconds=2.0, **flags), peer

    return asyncio.run(run())


WHOLE = Load("/a/B", [b"x", b"yy", b""], nothing_wrong, bytes([3, 1, 3]))
IN_PART = Load("/a/B", [b"x", b"yy", b""], nothing_wrong, bytes([1, 0, 1]))


def test_a_stretch_begins_where_it_is_told_to_and_verdicts_go_along(tmp_path: Path) -> None:
    stretch, peer = ran(generator(tmp_path, SAID), WHOLE, in_flight=64, start=7)
    (flags,) = given(tmp_path)
    assert flags["--requests"] == "00000002" + "7979" + "00000000" + "00000001" + "78"
    assert flags["--expected"] == "010303"
    assert (flags["--verdict-at"], flags["--connections"], flags["--in-flight"]) == ("1", "2", "32")
    assert (flags["--path"], flags["--authorization"]) == ("/a/B", "Bearer k")
    assert (stretch.answered, stretch.rate, stretch.judged) == (1_000, 500.0, "every answer")
    assert stretch.percentiles == {"p50_us": 5.0, "p90_us": 7.0, "p99_us": 9.0, "p99.9_us": 11.0, "max_us": 20.0}
    assert stretch.generator_cpu_s == 0.5
    assert not peer.asked


def test_what_it_cannot_judge_is_judged_beforehand_once(tmp_path: Path) -> None:
    native = generator(tmp_path, SAID, SAID)

    async def twice() -> tuple[Stretch, Peer]:
        peer = Peer()
        await peer.close()
        for _ in range(2):
            stretch = await native.closed(peer, IN_PART, Costs(()), in_flight=1, seconds=1.0, start=0)
        return stretch, peer

    stretch, peer = asyncio.run(twice())
    assert sorted(peer.asked) == sorted(IN_PART.requests)
    assert stretch.judged == "3 beforehand"
    with pytest.raises(WrongAnswer, match="request 1"):
        ran(generator(tmp_path, SAID), Load("/a/B", [b"x", b"bad"], nothing_wrong), in_flight=1, start=0)


def test_verdicts_of_remit_are_all_known_before() -> None:
    plan, anne = ObjectRef("document", "plan"), SubjectRef("user", "anne")
    load = check_load([known(plan, "view", anne, True), known(plan, "view", anne, False)])
    assert is_judged_whole(load)
    for number, verdict in enumerate(load.verdicts):
        answer = bytes([8, verdict])
        load.require(number, answer)
        assert answer[load.verdict_at] == verdict
    assert load.verdicts[0] != load.verdicts[1]
    assert not is_judged_whole(IN_PART)
    assert not is_judged_whole(Load("/a/B", [b"x"], nothing_wrong))


@pytest.mark.parametrize(
    ("change", "error", "why"),
    (
        ({"wrong": 3}, WrongAnswer, "3 of 1,003 answers"),
        ({"failed": 2}, Refused, "2 of 1,002 requests"),
        ({"answers": 0}, NoAnswer, "no answer within 2.0 s"),
    ),
)
def test_what_it_says_is_not_a_figure_unless_all_was_well(
    change: dict[str, object], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        stretch_of(SAID | change)


def test_a_slow_server_is_given_longer_once(tmp_path: Path) -> None:
    stretch, _ = ran(generator(tmp_path, SAID | {"answers": 0}, SAID), WHOLE, in_flight=1, start=0)
    assert stretch.answered == 1_000
    assert [flags["--duration-s"] for flags in given(tmp_path)] == ["2.000", "10.000"]


def test_a_rate_that_was_not_kept_is_no_figure(tmp_path: Path) -> None:
    stretch, _ = ran(generator(tmp_path, SAID), WHOLE, rate=510.0, start=0)
    assert stretch.offered == 510.0
    assert given(tmp_path)[0]["--rate"] == "510.000"
    with pytest.raises(Overrun, match="1,000 answers came of 4,000"):
        ran(generator(tmp_path, SAID), WHOLE, rate=2_000.0, start=0)


def test_a_program_that_ends_with_an_error_is_told_of(tmp_path: Path) -> None:
    native = generator(tmp_path)  # it has nothing to say
    with pytest.raises(Refused, match="IndexError"):
        ran(native, WHOLE, in_flight=1, start=0)
