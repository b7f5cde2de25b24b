"""Laws of metrics: what is counted is what happened, by names that are known beforehand, told to who may know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from remit.access.keys import Right
from remit.client import Client, RemoteError
from remit.engine.facade import Engine
from remit.eval.native import Caches
from remit.model import Operation, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.server.request_summary import VERDICTS
from remit.server.run.background import BackgroundServer
from remit.server.telemetry.log import JsonLines
from remit.server.telemetry.metrics import (
    OTHER,
    REASONS,
    SECONDS,
    STEPS,
    STORES_MAX,
    Metrics,
    known_reason,
)
from remit.server.telemetry.server_stats import NativeVerb, QueueStats, ServerStats
from remit.server.verbs import STREAMS, VERBS
from remit.store.port import Commit
from remit.v1 import permissions_pb2
from tests.support.keyed import Keyed, ask, keyed_server
from tests.support.places import DOCS
from tests.support.scraping import counts, fetched, refused, scraped
from tests.support.serving import SCHEMA, opened

VERB_LABELS = {verb.method for verb in (*VERBS, *STREAMS)} | {"unknown"}


@pytest.fixture
def server(engine: Engine) -> Iterator[BackgroundServer]:
    engine.schemas.write("", SCHEMA)
    with BackgroundServer(engine, http="127.0.0.1:0") as server:
        yield server


@pytest.fixture
def client(server: BackgroundServer) -> Iterator[Client]:
    with Client(server.endpoint) as client:
        yield client


def test_known_traffic_is_counted_exactly(server: BackgroundServer, client: Client) -> None:
    client.touch("folder:top#viewer@user:ann", "folder:sub#parent@folder:top")
    client.touch('folder:sub#viewer@user:ben[small:{"most":1}]')
    client.delete("folder:top#viewer@user:nobody")
    assert client.check("folder:sub#view@user:ann")
    assert not client.check("folder:sub#view@user:eve")
    assert client.check("folder:sub#view@user:ben").missing == ("amount",)
    client.check_many(["folder:sub#view@user:ann", "folder:sub#view@user:eve", "nowhere:sub#view@user:eve"])
    with pytest.raises(RemoteError):
        client.check("nowhere:sub#view@user:eve")
    assert len(list(client.read())) == 3
    sample = scraped(server)
    assert counts(sample, "remit_requests_total") == {
        "reason=OK,verb=Write": 3,
        "reason=OK,verb=Check": 3,
        "reason=UNKNOWN_TYPE,verb=Check": 1,
        "reason=OK,verb=CheckMany": 1,
        "reason=OK,verb=Read": 1,
    }
    assert counts(sample, "remit_verdicts_total") == {
        "verb=Check,verdict=yes": 1,
        "verb=Check,verdict=no": 1,
        "verb=Check,verdict=conditional": 1,
        "verb=CheckMany,verdict=yes": 1,
        "verb=CheckMany,verdict=no": 1,
        "verb=CheckMany,verdict=error": 1,
    }
    assert counts(sample, "remit_request_seconds_count") == {
        "verb=Write,verdict=": 3,
        "verb=Check,verdict=yes": 1,
        "verb=Check,verdict=no": 1,
        "verb=Check,verdict=conditional": 1,
        "verb=Check,verdict=": 1,  # the one that was refused
        "verb=CheckMany,verdict=": 1,
        "verb=Read,verdict=": 1,
    }
    assert sample.one("remit_check_steps_count") == 5
    assert counts(sample, "remit_write_relationships_count") == {"verb=Write": 3}
    assert counts(sample, "remit_write_relationships_sum") == {"verb=Write": 4}
    # One client, who waited for each: every write had a commit of its own.
    assert (sample.one("remit_commit_requests_count"), sample.one("remit_commit_requests_sum")) == (3, 3)
    assert sample.one("remit_commit_seconds_count") == 3
    assert counts(sample, "remit_store_relationships") == {"store=default": 3}
    assert counts(sample, "remit_store_revision") == {"store=default": 4}
    assert sample.one("remit_ready") == 1
    assert sample.one("remit_store_bytes") > 0
    assert counts(sample, "remit_in_flight_max") == {"lane=reads": 256, "lane=writes": 512, "lane=streams": 16_384}
    assert not counts(sample, "remit_in_flight") and not counts(sample, "remit_refused_total")


def test_steps_of_a_check_are_those_that_its_answer_tells(server: BackgroundServer, client: Client) -> None:
    client.touch("folder:top#viewer@user:ann", "folder:sub#parent@folder:top")
    (one,) = client.check_many(["folder:sub#view@user:ann"])
    assert one.allowed
    assert scraped(server).one("remit_check_steps_sum") == one.steps > 1
    first, second = client.check_many(["folder:sub#view@user:ann", "folder:sub#view@user:ann"])
    assert second.steps <= 1  # it finds everything settled by the first
    sample = scraped(server)
    assert sample.one("remit_check_steps_sum") == one.steps + first.steps + second.steps
    assert sample.one("remit_check_steps_count") == 3


def test_a_dry_run_writes_nothing_and_counts_as_a_request_only(server: BackgroundServer, client: Client) -> None:
    client.write([Update(Operation.TOUCH, parse_relationship("folder:top#viewer@user:ann"))], dry_run=True)
    client.touch("folder:top#viewer@user:ann", "folder:top#viewer@user:ben")
    client.delete_by_filter(RelationshipFilter(resource_type="folder"))
    sample = scraped(server)
    assert counts(sample, "remit_requests_total") == {"reason=OK,verb=Write": 2, "reason=OK,verb=Delete": 1}
    assert counts(sample, "remit_write_relationships_sum") == {"verb=Write": 2, "verb=Delete": 2}


def test_streams_are_counted_while_they_are_open_and_once_they_have_ended(
    server: BackgroundServer, client: Client
) -> None:
    token = client.touch("folder:top#viewer@user:ann")
    with client.watch(token) as watching:
        client.touch("folder:top#viewer@user:ben")
        assert next(event for event in watching if event.changes)
        sample = scraped(server)
        assert counts(sample, "remit_streams") == {"verb=Watch": 1}
        assert sample.one("remit_watchers") == 1
    assert len(list(client.export())) == 2
    sample = scraped(server)
    assert counts(sample, "remit_requests_total")["reason=OK,verb=Export"] == 1
    assert counts(sample, "remit_stream_messages_total")["verb=Export"] == 1
    assert not any("verb=Export" in labels for labels in counts(sample, "remit_request_seconds_count"))


def test_what_callers_invent_becomes_no_label(server: BackgroundServer, client: Client) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        for number in range(5):
            for path in (f"/remit.v1.Permissions/Invented{number}", f"/invented.Service{number}/Check"):
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(path)(b"")
    for number in range(5):
        with Client(server.endpoint, store=f"invented-{number}") as other, pytest.raises(RemoteError):
            other.check("folder:a#view@user:b")
        with pytest.raises(RemoteError):
            client.check(f"invented{number}:a#view@user:b")
    sample = scraped(server)
    assert counts(sample, "remit_requests_total") == {
        "reason=UNKNOWN_METHOD,verb=unknown": 10,
        "reason=STORE_NOT_FOUND,verb=Check": 5,
        "reason=UNKNOWN_TYPE,verb=Check": 5,
    }
    assert_labels_are_known(server)


def assert_labels_are_known(server: BackgroundServer) -> None:
    known = {
        "verb": VERB_LABELS,
        "reason": REASONS | {OTHER},
        "verdict": {*VERDICTS, ""},  # of a request that asks no one question
        "lane": {"reads", "writes", "streams"},
        "outcome": {"read", "failed"},
        "store": {"default"},
    }
    _, body = fetched(server, "/metrics")
    seen = set()
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label in ("le", "version", "python") or value in known[label], sample
                seen.add(label)
    assert seen >= {"verb", "reason", "lane", "store", "le"}


@settings(max_examples=50)
@given(st.text(max_size=20))
def test_a_reason_that_is_not_ours_is_another(reason: str) -> None:
    assert known_reason(reason) == (reason if reason in REASONS else OTHER)
    assert known_reason("OVERLOADED") == "OVERLOADED"


def test_stores_are_named_up_to_a_number_and_counted_beyond() -> None:
    stores = {f"store-{number:04}": (number, number) for number in range(STORES_MAX + 50)}
    text = Metrics().text(ServerStats(stores=stores)).decode()
    assert text.count("remit_store_revision{") == STORES_MAX
    assert f"remit_stores {STORES_MAX + 50}.0" in text


def test_when_a_series_began_is_left_out() -> None:
    metrics = Metrics()
    metrics.request("Check", "OK", 0.001)
    assert "_created" not in metrics.text(ServerStats()).decode()


def test_a_commit_that_failed_is_counted_apart() -> None:
    metrics = Metrics()
    metrics.commit(Commit(3, 12, 0.001))
    metrics.commit(Commit(5, 20, 0.002, "STORE_FULL"))
    text = metrics.text(ServerStats()).decode()
    assert 'remit_commit_failures_total{reason="STORE_FULL"} 1.0' in text
    assert "remit_commit_requests_sum 3.0" in text
    assert "remit_commit_rows_total 12.0" in text


def test_two_servers_in_one_process_count_apart() -> None:
    engines = opened(), opened()
    with (
        BackgroundServer(engines[0], http="127.0.0.1:0") as one,
        BackgroundServer(engines[1], http="127.0.0.1:0") as other,
        Client(one.endpoint) as client,
    ):
        client.write_schema(SCHEMA)
        assert counts(scraped(one), "remit_requests_total") == {"reason=OK,verb=WriteSchema": 1}
        assert counts(scraped(other), "remit_requests_total") == {}
        assert scraped(other).one("remit_commit_requests_count") == 0
    for engine in engines:
        engine.close()


# --- who may know -----------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Keyed]:
    with keyed_server(tmp_path, http="127.0.0.1:0") as keyed:
        yield keyed


def test_a_refused_page_leaves_one_line_in_which_nothing_stands_that_was_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with keyed_server(tmp_path, http="127.0.0.1:0") as keyed:
        forged = "rk_nobody_forged"
        assert refused(keyed.server, "/metrics", forged)[0] == 401
    [line] = [JsonLines().format(each) for each in caplog.records if each.getMessage() == "metrics refused"]
    assert "\n" not in line
    assert forged not in line
    told = json.loads(line)
    assert told["peer"] == "127.0.0.1"
    assert told["reason"].startswith("KEY_")


def test_a_server_with_keys_tells_its_numbers_to_keys_that_may_audit(keyed: Keyed) -> None:
    assert refused(keyed.server, "/metrics") == (401, "KEY_MISSING")
    others = keyed.make(*(right for right in Right if right is not Right.AUDIT), stores=["*"])
    assert refused(keyed.server, "/metrics", others) == (403, "RIGHT_MISSING")
    assert refused(keyed.server, "/metrics", others[:-1] + ("a" if others[-1] != "a" else "b"))[0] == 401
    auditor = keyed.make(Right.AUDIT, stores=["*"])
    assert scraped(keyed.server, auditor).one("remit_ready") == 1
    keyed.revoke(auditor)
    assert refused(keyed.server, "/metrics", auditor) == (401, "KEY_UNKNOWN")
    for path in ("/healthz", "/readyz", "/version"):
        assert fetched(keyed.server, path)[0] == 200


def test_a_key_learns_nothing_of_stores_it_may_not_see(keyed: Keyed) -> None:
    auditor = keyed.make(Right.AUDIT, stores=["own"])
    status, body = fetched(keyed.server, "/metrics", auditor)
    assert status == 200
    assert 'store="own"' in body
    for other in ("other", "doomed", "default"):
        assert other not in body
    assert "remit_stores 1.0" in body


def put(path: Path, data: bytes) -> None:
    """In one moment: the server looks by itself, too."""
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(path)


def test_reloads_of_the_keys_file_are_counted(keyed: Keyed) -> None:
    auditor = keyed.make(Right.AUDIT)
    assert counts(scraped(keyed.server, auditor), "remit_key_reloads_total") == {"outcome=read": 1}
    good = keyed.path.read_bytes()
    for _ in range(2):  # the same damage is told once
        put(keyed.path, b"{")
        keyed.server.look_at_files()
    sample = scraped(keyed.server, auditor)
    assert counts(sample, "remit_key_reloads_total") == {"outcome=read": 1, "outcome=failed": 1}
    assert (sample.one("remit_keys"), sample.one("remit_keys_damaged")) == (2, 1)
    put(keyed.path, good)
    keyed.server.look_at_files()
    sample = scraped(keyed.server, auditor)
    assert counts(sample, "remit_key_reloads_total") == {"outcome=read": 2, "outcome=failed": 1}
    assert sample.one("remit_keys_damaged") == 0


def test_callers_who_were_not_let_in_are_counted_by_why(keyed: Keyed) -> None:
    auditor = keyed.make(Right.AUDIT)
    request = permissions_pb2.CheckRequest(store="own")
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        for token in (None, auditor):
            ask(channel, "/remit.v1.Permissions/Check", request, token)
    assert counts(scraped(keyed.server, auditor), "remit_requests_total") == {
        "reason=KEY_MISSING,verb=Check": 1,
        "reason=RIGHT_MISSING,verb=Check": 1,
    }


def test_every_metric_has_a_name_of_ours_or_of_the_process_and_a_help() -> None:
    text = Metrics().text(ServerStats(keys=1)).decode()
    names = [line.split(" ", 3)[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert len(names) == len(set(names)) > 25
    assert all(name.startswith(("remit_", "process_")) for name in names)
    assert all(len(line.split(" ", 3)) == 4 for line in text.splitlines() if line.startswith("# HELP"))


def told_of(page: str) -> set[str]:
    return set(re.findall(r"remit_[a-z_]+", (DOCS / page).read_text()))


def there_are() -> set[str]:
    """Every series, with what makes it one of a histogram left away."""
    metrics = Metrics()
    metrics.commit(Commit(1, 1, 0.1, "STORE_FULL"))
    queue = QueueStats("reads", 1, 2, 3)
    names = "connections accepted handshakes handshakes_failed handshakes_let_go"
    carried = "proxied proxied_refused strangers strangers_refused unanswered_bytes"
    frontend = dict.fromkeys(f"{names} {carried}".split(), 1)
    stats = ServerStats(
        keys=1,
        queues=[queue],
        stores={"default": (1, 1)},
        streams={"Watch": 1},
        frontend=frontend,
        caches=Caches(1, 1, 1, 1),
        native_verbs=[
            NativeVerb("Check", 0, 0, 1, {"yes": ([0] * (len(SECONDS) + 1), 0.0)}, [0] * (len(STEPS) + 1), 0)
        ],
    )
    families = text_string_to_metric_families(metrics.text(stats).decode())
    suffix = {"counter": "_total"}
    return {family.name + suffix.get(family.type, "") for family in families if family.name.startswith("remit_")}


def test_the_page_tells_of_every_metric_and_of_no_other() -> None:
    assert told_of("operate/telemetry.md") == there_are()


def test_what_operators_are_told_to_alert_on_is_there() -> None:
    named = {name.removesuffix("_bucket") for name in told_of("operate/operations.md")}
    assert len(named) > 10
    assert named <= there_are()
