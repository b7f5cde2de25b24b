"""Laws of `remit top`: what it says of the time between two looks is what happened in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from remit.cli.commands.top import Looker, keep_looking
from remit.cli.metrics import Figures, Sample, VerbFigures, figures_between, parse_metrics, quantile
from remit.cli.render.top import figures_json, view_of
from remit.cli.session import Session
from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import InvalidArgument, RemoteError
from remit.server.run.background import BackgroundServer
from remit.server.telemetry.metrics import Metrics
from remit.server.telemetry.server_stats import QueueStats, ServerStats
from remit.store.memory import MemoryStore
from remit.store.port import Commit
from tests.support.cli_shell import FACTS, NOW_US, SCHEMA, Shell


@pytest.fixture
def http_server() -> Iterator[BackgroundServer]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    with BackgroundServer(engine, http="127.0.0.1:0") as server:
        yield server
    engine.close()


def sample_of(metrics: Metrics, **stats: object) -> Sample:
    return parse_metrics(metrics.text(ServerStats(**stats)).decode())  # type: ignore[arg-type]


def shown(figures: Figures) -> str:
    stream = io.StringIO()
    Console(file=stream, width=120).print(view_of(figures))
    return stream.getvalue()


# --- figures ----------------------------------------------------------------------------------------------------


def test_what_happened_between_two_looks_is_told_by_the_second() -> None:
    metrics = Metrics()
    metrics.request("Check", "OK", 0.0002)
    metrics.verdict("Check", "yes")
    before = sample_of(metrics, uptime_s=10.0)
    for _ in range(20):
        metrics.request("Check", "OK", 0.003)
        metrics.verdict("Check", "no")
    for _ in range(10):
        metrics.request("Write", "OVERLOADED", 0.0001)
    metrics.request("Check", "UNKNOWN_TYPE", 0.003)
    metrics.commit(Commit(6, 12, 0.002))
    metrics.commit(Commit(2, 4, 0.002))
    after = sample_of(
        metrics,
        uptime_s=20.0,
        queues=[QueueStats("reads", 3, 256, 10)],
        stores={"default": (1_234, 56)},
        streams={"Watch": 7},
        store_bytes=4_096,
        writes_waiting=5,
    )
    figures = figures_between(before, after)
    assert figures.verbs["Check"].requests == 22
    assert figures.verbs["Check"].per_s == pytest.approx(2.1)
    p50, p99 = figures.verbs["Check"].p50_ms, figures.verbs["Check"].p99_ms
    assert p50 is not None and p99 is not None
    assert 2.5 <= p50 <= p99 <= 5  # the bucket of 3 ms
    assert figures.verdicts_per_s == {"no": 2.0, "yes": 0.0}
    assert figures.refused_per_s == {"OVERLOADED": 1.0}
    assert figures.failed_per_s == {"UNKNOWN_TYPE": pytest.approx(0.1)}
    assert figures.queues == {"reads": (3, 256)}
    assert figures.stores == {"default": (1_234, 56)}
    assert figures.streams == {"Watch": 7}
    assert (figures.commits_per_s, figures.requests_per_commit) == (0.2, 4.0)
    assert (figures.store_bytes, figures.writes_waiting, figures.ready) == (4_096, 5, True)
    text = shown(figures)
    for part in ("Check", "2.10", "no 2.00/s", "OVERLOADED 1.00/s", "reads 3/256", "Watch 7", "1,234", "5 waiting"):
        assert part in text
    assert "yes 0" not in text


def test_a_server_that_was_started_anew_is_looked_at_anew() -> None:
    old, new = Metrics(), Metrics()
    for _ in range(100):
        old.request("Check", "OK", 0.001)
    new.request("Check", "OK", 0.001)
    figures = figures_between(sample_of(old, uptime_s=1_000.0), sample_of(new, uptime_s=2.0))
    assert figures.verbs["Check"] == VerbFigures(1, 0.5, figures.verbs["Check"].p50_ms, figures.verbs["Check"].p99_ms)


def test_nothing_at_all_is_shown_as_nothing() -> None:
    figures = figures_between(None, Sample())
    assert figures.verbs == {} and figures.requests_per_commit is None
    assert "not ready" in shown(figures)


bounds = st.lists(st.floats(0.001, 1_000), min_size=1, max_size=8, unique=True).map(sorted)


@given(bounds, st.lists(st.floats(0.0005, 2_000), min_size=1, max_size=30), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_in_which_the_value_does(
    edges: list[float], values: list[float], share: float
) -> None:
    buckets = [(edge, float(sum(value <= edge for value in values))) for edge in (*edges, float("inf"))]
    found = quantile(share, buckets)
    assert found is not None
    rank = share * len(values)
    true = next(value for number, value in enumerate(sorted(values), 1) if number >= rank - 1e-9)
    upper = next((edge for edge in edges if true <= edge), edges[-1])
    lower = max((edge for edge in edges if edge < true), default=0.0)
    assert min(lower, upper) - 1e-9 <= found <= upper + 1e-9


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile(0.5, []) is None
    assert quantile(0.5, [(1.0, 0.0), (float("inf"), 0.0)]) is None


# --- the command ------------------------------------------------------------------------------------------------


def test_once_as_json_tells_what_a_server_has_done(http_server: BackgroundServer, bare_shell: Shell) -> None:
    with Client(http_server.endpoint) as client:
        client.touch(*FACTS)
        client.check("doc:part#view@user:anne")
        client.check("doc:part#view@user:nobody")
    outcome = bare_shell("top", "--http", http_server.http_endpoint, "--once", "--json")
    assert outcome.code == 0
    (told,) = outcome.json
    assert {verb: each["requests"] for verb, each in told["verbs"].items()} == {"Check": 2, "Write": 1}
    assert told["stores"] == {"default": {"relationships": len(FACTS), "revision": 2}}
    assert set(told["verdicts_per_s"]) == {"yes", "no"}
    assert told["lanes"]["reads"] == {"in_flight": 0, "max": 256}
    assert told["ready"] is True and told["refused_per_s"] == {}


def test_once_shows_tables(http_server: BackgroundServer, bare_shell: Shell) -> None:
    with Client(http_server.endpoint) as client:
        client.touch(*FACTS)
    address = http_server.http_endpoint.removeprefix("http://")
    outcome = bare_shell("top", "--http", address, "--once")
    assert outcome.code == 0
    for part in ("ready", "VERB", "Write", "STORE", "default", "in flight", "commits"):
        assert part in outcome.out


def test_the_address_may_come_from_the_environment(
    http_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMIT_HTTP", http_server.http_endpoint)
    assert bare_shell("top", "--once", "--json").json[0]["ready"] is True


def test_where_nothing_answers_the_command_says_so(bare_shell: Shell) -> None:
    outcome = bare_shell("top", "--once", "--http", "127.0.0.1:1")
    assert outcome.code == 2
    assert "no metrics at `http://127.0.0.1:1/metrics`" in outcome.err and "(UNAVAILABLE)" in outcome.err
    outcome = bare_shell("top", "--once", "--http", "gopher://x")
    assert (outcome.code, "(INVALID_ARGUMENT)" in outcome.err) == (2, True)
    outcome = bare_shell("top", "--once", "--http", "http://127.0.0.1:99999")
    assert (outcome.code, "(INVALID_ARGUMENT)" in outcome.err) == (2, True)


def test_what_is_no_remit_is_not_taken_for_one(bare_shell: Shell, http_server: BackgroundServer) -> None:
    outcome = bare_shell("top", "--once", "--http", f"{http_server.http_endpoint}/elsewhere?", "--json")
    assert outcome.code == 0  # only scheme, host and port count


def test_a_key_is_not_shown_to_the_network() -> None:
    with pytest.raises(InvalidArgument):
        Looker(Session(token="secret"), "http://198.51.100.7:8080")


def test_looks_go_on_while_a_server_is_away(http_server: BackgroundServer) -> None:
    class Enough(Exception):
        pass

    metrics = Metrics()
    answers: list[Callable[[], Sample]] = [
        lambda: sample_of(metrics, uptime_s=1.0),
        lambda: (_ for _ in ()).throw(RemoteError("UNAVAILABLE", InvalidArgument.status, "away")),
        lambda: sample_of(metrics, uptime_s=3.0),
    ]
    seen: list[float] = []
    problems: list[str] = []
    waits = iter(range(3))

    def wait() -> None:
        if next(waits, None) is None or not answers:
            raise Enough

    with pytest.raises(Enough):
        keep_looking(lambda: answers.pop(0)(), lambda figures: seen.append(figures.uptime_s), wait, problems.append)
    assert (seen, problems) == ([1.0, 3.0], ["away"])
    answers = [lambda: sample_of(metrics, uptime_s=1.0), answers_away]
    waits = iter(range(3))
    with pytest.raises(RemoteError):
        keep_looking(lambda: answers.pop(0)(), lambda figures: None, wait)


def answers_away() -> Sample:
    raise RemoteError("UNAVAILABLE", InvalidArgument.status, "away")


def test_json_has_a_shape_of_plain_values() -> None:
    told = figures_json(figures_between(None, Sample({"remit_in_flight": {(("lane", "reads"),): 2.0}})))
    assert told["lanes"] == {"reads": {"in_flight": 2, "max": 0}}


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Looker(Session(ca=str(tmp_path / "none.pem")), "https://127.0.0.1:8080")
    assert "cannot be read for TLS" in refused.value.message
