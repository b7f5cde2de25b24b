"""Keys that come, change and go while the server runs: believed at the next look, and none is never everyone."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from remit.access import keyring
from remit.access.key_file import changing_keys, encode_keys
from remit.access.keyring import KeyRing
from remit.access.keys import Key, Keys, Right, new_key_text
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import KeyMissing, KeysUnreadable, KeyUnknown
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.call import Call
from remit.server.rights import Gate
from remit.server.run.background import BackgroundServer
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, stores_pb2
from tests.support.keyed import Keyed, Refusal, ask, keyed_server, refusal_of
from tests.support.serving import NOW_US, PATIENCE_S, SCHEMA, GatedEngine, opened

WHO = "/remit.v1.Stores/WhoAmI"
READ_PATH = "/remit.v1.Relationships/Read"
FACT = core_pb2.Relationship(
    resource=core_pb2.ObjectReference(type="folder", id="top"),
    relation="viewer",
    subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
)


def write(path: Path, keys: Keys) -> None:
    with changing_keys(path) as change:
        change.keys = keys


def one(right: Right = Right.READ) -> tuple[Keys, Key, str]:
    return Keys().with_new(principal="anne", stores=["default"], rights=[right], now_us=NOW_US)


def ring_of(path: Path, *, required: bool = True) -> KeyRing:
    return KeyRing(path, ManualClock(NOW_US).now_us, required=required)


# --- the ring -----------------------------------------------------------------------------------------------------


def test_a_key_that_is_added_counts_and_one_that_is_removed_does_not(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys, key, text = one()
    write(path, keys)
    ring = ring_of(path)
    shown = ring.authenticate(text)
    assert not ring.refresh()
    more, _, second = keys.with_new(principal="bob", stores=["a"], rights=[Right.READ], now_us=NOW_US)
    write(path, more)
    with pytest.raises(KeyUnknown):
        ring.authenticate(second)
    assert ring.refresh()
    assert ring.is_valid(ring.authenticate(second))
    assert ring.is_valid(shown)
    write(path, more.without(key.id))
    assert ring.refresh()
    with pytest.raises(KeyUnknown):
        ring.authenticate(text)
    assert not ring.is_valid(shown)


def test_what_could_not_be_read_once_is_read_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    keys, key, text = one()
    write(path, keys)
    ring = ring_of(path)
    write(path, keys.without(key.id))
    with monkeypatch.context() as broken:
        broken.setattr(keyring, "read_keys", failing)
        assert not ring.refresh()
        assert ring.is_valid(ring.authenticate(text)), "what was read last still counts"
    assert ring.refresh()
    with pytest.raises(KeyUnknown):
        ring.authenticate(text)


def test_a_file_that_is_made_trustworthy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys, key, text = one()
    write(path, keys)
    ring = ring_of(path)
    write(path, keys.without(key.id))
    path.chmod(0o664)
    assert not ring.refresh() and "chmod go-w" in ring.problem
    path.chmod(0o600)
    assert ring.refresh()
    with pytest.raises(KeyUnknown):
        ring.authenticate(text)


def failing(path: Path) -> Keys:
    raise KeysUnreadable(f"keys file `{path}` cannot be read: Too many open files")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 9, "keys": []}', b"\x00" * 100])
def test_a_damaged_file_changes_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    path = tmp_path / "keys.json"
    keys, _, text = one()
    write(path, keys)
    ring = ring_of(path)
    path.write_bytes(damage)
    with caplog.at_level(logging.ERROR):
        assert not ring.refresh()
        assert not ring.refresh()
    assert [record.message for record in caplog.records] == ["keys not read"]
    assert str(path) in ring.problem
    assert ring.authenticate(text) is not None
    write_anew(path, Keys())
    assert ring.refresh()
    assert ring.problem == ""
    with pytest.raises(KeyUnknown):
        ring.authenticate(text)


def write_anew(path: Path, keys: Keys) -> None:
    path.unlink()
    path.touch(0o600)
    path.write_bytes(encode_keys(keys))


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys, _, text = one()
    write(path, keys)
    ring = ring_of(path)
    write(path, Keys())
    path.chmod(0o666)
    assert not ring.refresh()
    assert ring.authenticate(text) is not None
    assert "chmod" in ring.problem


def test_a_file_that_is_gone_takes_every_key_with_it_and_opens_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    keys, _, text = one()
    write(path, keys)
    ring = ring_of(path, required=False)
    shown = ring.authenticate(text)
    path.unlink()
    with caplog.at_level(logging.ERROR):
        assert ring.refresh()
        ring.refresh()
    assert len(caplog.records) == 1
    assert not ring.is_open
    assert not ring.is_valid(shown)
    assert not ring.is_valid(None)
    with pytest.raises(KeyUnknown):
        ring.authenticate(text)
    with pytest.raises(KeyMissing):
        Gate(ring).admit("WhoAmI", None, (), Call())
    write(path, keys)
    assert ring.refresh()
    assert ring.is_valid(ring.authenticate(text))


def test_a_server_without_keys_is_open_until_there_are_some_and_never_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = ring_of(path, required=False)
    assert ring.is_open
    assert ring.is_valid(None)
    assert not ring.refresh()
    call = Call(peer="ipv4:10.0.0.1:5000")
    Gate(ring).admit("Read", Right.READ, (), call)
    assert call.key is None
    assert call.caller.client_id == call.peer  # whose turns are counted: a connection's
    write(path, Keys())  # a file without keys is a file
    assert ring.refresh()
    assert not ring.is_open
    assert not ring.is_valid(None)
    Gate(ring).end_if_revoked(call)
    with pytest.raises(KeyUnknown):
        call.interrupt()
    path.unlink()
    ring.refresh()
    assert not ring.is_open


def test_a_file_that_must_be_there_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(KeysUnreadable, match="remit key bootstrap"):
        ring_of(tmp_path / "keys.json")
    (tmp_path / "keys.json").write_bytes(b"[]")
    for required in (True, False):
        with pytest.raises(KeysUnreadable):
            ring_of(tmp_path / "keys.json", required=required)


# --- the server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Keyed]:
    with keyed_server(tmp_path) as keyed:
        yield keyed


@pytest.fixture
def channel(keyed: Keyed) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        yield channel


def test_a_running_server_believes_what_the_file_says(keyed: Keyed, channel: grpc.Channel) -> None:
    def answer(text: str) -> str:
        told = ask(channel, WHO, stores_pb2.WhoAmIRequest(), text)
        return told.reason if isinstance(told, Refusal) else "answered"

    text = keyed.make(Right.READ)
    assert answer(text) == "answered"
    with changing_keys(keyed.path) as change:
        change.keys, _, new = change.keys.with_rotated(text[3:11], now_us=keyed.clock.now_us(), grace_us=10)
    keyed.server.look_at_files()
    assert (answer(text), answer(new)) == ("answered", "answered")
    keyed.clock.advance_us(10)
    assert (answer(text), answer(new)) == ("KEY_UNKNOWN", "answered")
    keyed.path.write_text("damaged")
    keyed.server.look_at_files()
    assert answer(new) == "answered"
    keyed.path.unlink()
    keyed.server.look_at_files()
    assert answer(new) == "KEY_UNKNOWN"
    told = ask(channel, WHO, stores_pb2.WhoAmIRequest())
    assert isinstance(told, Refusal)
    assert told.reason == "KEY_MISSING"


def test_it_looks_by_itself(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.server.run.refresher.LOOK_EVERY_S", 0.01)
    path = tmp_path / "keys.json"
    looked = threading.Event()

    class Watched(KeyRing):
        def refresh(self) -> bool:
            changed = super().refresh()
            if changed:
                looked.set()
            return changed

    ring = Watched(path, ManualClock(NOW_US).now_us, required=False)
    with BackgroundServer(engine, keys=ring) as server, grpc.insecure_channel(server.endpoint) as channel:
        assert isinstance(ask(channel, WHO, stores_pb2.WhoAmIRequest()), bytes)
        keys, _, text = one()
        write(path, keys)
        assert looked.wait(PATIENCE_S)
        assert isinstance(ask(channel, WHO, stores_pb2.WhoAmIRequest()), Refusal)
        assert isinstance(ask(channel, WHO, stores_pb2.WhoAmIRequest(), text), bytes)


@pytest.mark.parametrize("end", ["revoked", "expired", "changed", "gone"])
def test_what_a_key_that_ends_has_under_way_is_ended(tmp_path: Path, end: str) -> None:
    engine = opened(GatedEngine)
    assert isinstance(engine, GatedEngine)
    clock = ManualClock(NOW_US)
    engine.schemas.write("default", SCHEMA)
    path = tmp_path / "keys.json"
    keys, key, text = Keys().with_new(
        principal="anne", stores=["default"], rights=[Right.CHECK], now_us=NOW_US, expiration_us=NOW_US + 100
    )
    keys, _, other = keys.with_new(principal="bob", stores=["default"], rights=[Right.CHECK], now_us=NOW_US)
    write(path, keys)
    request = permissions_pb2.CheckRequest(permission="view")
    request.resource.type, request.resource.id = "folder", "top"
    request.subject.object.type, request.subject.object.id = "user", "ann"
    with (
        BackgroundServer(engine, keys=KeyRing(path, clock.now_us)) as server,
        grpc.insecure_channel(server.endpoint) as channel,
    ):
        check = channel.unary_unary("/remit.v1.Permissions/Check", request_serializer=lambda m: m.SerializeToString())
        ended, kept = (
            check.future(request, PATIENCE_S, metadata=[("authorization", f"Bearer {each}")]) for each in (text, other)
        )
        for _ in range(2):
            assert engine.begun.get(timeout=PATIENCE_S) == "check"
        server.look_at_files()
        assert not ended.done()
        match end:
            case "revoked":
                write(path, keys.without(key.id))
            case "expired":
                clock.advance_us(100)
            case "changed":
                widened = path.read_text().replace('"check"', '"read"', 1)
                path.write_text(widened)
            case "gone":
                path.unlink()
        server.look_at_files()
        assert ended.exception(timeout=PATIENCE_S).code() is grpc.StatusCode.UNAUTHENTICATED
        if end != "gone":
            assert not kept.done()
            engine.gate.set()
            assert isinstance(kept.result(timeout=PATIENCE_S), bytes)
        else:
            assert kept.exception(timeout=PATIENCE_S).code() is grpc.StatusCode.UNAUTHENTICATED
            engine.gate.set()
    engine.close()


def test_where_the_disk_of_the_keys_hangs_a_key_that_expires_still_ends_its_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remit.server.run.refresher.LOOK_EVERY_S", 0.01)
    engine, clock, path = opened(GatedEngine), ManualClock(NOW_US), tmp_path / "keys.json"
    assert isinstance(engine, GatedEngine)
    engine.schemas.write("default", SCHEMA)
    keys, _, text = Keys().with_new(
        principal="anne", stores=["default"], rights=[Right.CHECK], now_us=NOW_US, expiration_us=NOW_US + 100
    )
    write(path, keys)
    hangs, answers = threading.Event(), threading.Event()

    class Hanging(KeyRing):
        def refresh(self) -> bool:
            hangs.set()
            return not answers.wait(PATIENCE_S)

    request = permissions_pb2.CheckRequest(permission="view")
    request.resource.type, request.resource.id = "folder", "top"
    request.subject.object.type, request.subject.object.id = "user", "ann"
    with (
        BackgroundServer(engine, keys=Hanging(path, clock.now_us)) as server,
        grpc.insecure_channel(server.endpoint) as channel,
    ):
        check = channel.unary_unary("/remit.v1.Permissions/Check", request_serializer=lambda m: m.SerializeToString())
        ended = check.future(request, PATIENCE_S, metadata=[("authorization", f"Bearer {text}")])
        assert engine.begun.get(timeout=PATIENCE_S) == "check"
        assert hangs.wait(PATIENCE_S)
        clock.advance_us(100)
        assert ended.exception(timeout=PATIENCE_S).code() is grpc.StatusCode.UNAUTHENTICATED
        engine.gate.set()
        answers.set()
    engine.close()


@pytest.mark.parametrize("verb", ["Watch", "Import"])
def test_the_open_streams_of_a_revoked_key_are_closed_and_others_go_on(keyed: Keyed, verb: str) -> None:
    """A key rotated with a grace keeps its streams as long as its old text counts."""
    rights = (Right.READ, Right.WRITE)
    texts = {name: keyed.make(*rights, principal=name) for name in ("revoked", "rotated", "kept")}
    R = relationships_pb2
    request = R.WatchRequest(store="own") if verb == "Watch" else R.ImportRequest(store="own", relationships=[FACT])
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        streams, sending = {}, {}
        for name, text in texts.items():
            sending[name] = queue.SimpleQueue[bytes | None]()
            sending[name].put(request.SerializeToString())
            streams[name] = channel.stream_stream(f"/remit.v1.Relationships/{verb}")(
                iter(sending[name].get, None), PATIENCE_S, metadata=[("authorization", f"Bearer {text}")]
            )
            next(streams[name])  # it is open
        keyed.revoke(texts["revoked"])
        with pytest.raises(grpc.RpcError) as ended:
            next(streams["revoked"])
        assert refusal_of(ended.value).reason == "KEY_UNKNOWN"
        with changing_keys(keyed.path) as change:
            change.keys, _, _ = change.keys.with_rotated(
                texts["rotated"][3:11], now_us=keyed.clock.now_us(), grace_us=1_000
            )
        keyed.server.look_at_files()
        assert streams["rotated"].is_active()
        keyed.clock.advance_us(1_000)
        keyed.server.look_at_files()
        with pytest.raises(grpc.RpcError) as ended:
            next(streams["rotated"])
        assert refusal_of(ended.value).reason == "KEY_UNKNOWN"
        assert streams["kept"].is_active()
        sending["kept"].put(R.ImportRequest(relationships=[FACT]).SerializeToString())
        keyed.engine.relationships.write(
            "own", [Update(Operation.TOUCH, parse_relationship("folder:kept#viewer@user:bob"))]
        )
        assert next(streams["kept"])
        streams["kept"].cancel()
        for each in sending.values():
            each.put(None)


# --- secrets ------------------------------------------------------------------------------------------------------


def test_no_key_shows_in_a_log_or_an_answer(
    keyed: Keyed, channel: grpc.Channel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = keyed.make(Right.READ)
    unknown = new_key_text("aaaaaaaa")
    mistyped = good[:-1] + ("a" if good[-1] != "a" else "b")
    said = []
    seen: list[Call] = []
    admit = Gate.admit
    monkeypatch.setattr(Gate, "admit", lambda *arguments: (seen.append(arguments[4]), admit(*arguments)))
    with caplog.at_level(logging.DEBUG):
        for text in (good, unknown, mistyped):
            for path in (WHO, READ_PATH, "/remit.v1.Relationships/Write", "/remit.v1.Nothing/AtAll"):
                said.append(str(ask(channel, path, stores_pb2.WhoAmIRequest(), text)))
        monkeypatch.setattr(
            keyed.engine.relationships, "read", None
        )  # a defect of ours, told in the log with a traceback
        said.append(
            str(ask(channel, READ_PATH, stores_pb2.WhoAmIRequest(), keyed.make(Right.READ, stores=["default"])))
        )
    assert "request failed" in caplog.text
    assert len(seen) == 10
    everything = "\n".join([*said, caplog.text, *map(repr, seen), *(str(vars(each)) for each in caplog.records)])
    for text in (good, unknown, mistyped):
        assert text[12:30] not in everything
        assert text[30:60] not in everything
