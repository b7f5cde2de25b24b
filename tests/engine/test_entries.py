"""Entries of verbs in their files: each once and in order, whatever fails, and no verb waits for that."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from remit.engine.agents.performing import Submission
from remit.engine.clock import ManualClock
from remit.engine.entries import PASSED_MAX, Entries
from remit.engine.entry_files import ENTRIES_FOLDER, EntryFiles
from remit.engine.facade import Engine
from remit.engine.remembered import RequestKey
from remit.engine.tokens import decode_token
from remit.engine.upkeep import DAY_US
from remit.errors import RemitError, StoreFull, StoreUnavailable
from remit.model import LOCAL_CALLER, Caller, Delta, Operation, Update
from remit.notation import parse_object, parse_relationship
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.port import Draft, StoreIdentity
from tests.support.restoring import feed
from tests.support.seeds import Seeds
from tests.support.small_worlds import NOW_US

SCHEMA = 'use import\nimport "remit:agents@1"\n'
RUN = parse_object("run:r-1")
FACT = Update(Operation.TOUCH, parse_relationship("run:r-1#delegated_by@user:anne"))
MAP_SIZE_BYTES = 64 * 2**20


class Kept:
    """An engine on a data directory, with the files of entries in it; nothing goes there but when it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock(NOW_US)
        self.open()
        self.engine.schemas.write("", SCHEMA)
        self.write()

    def open(self) -> None:
        self.store = LmdbStore(self.path, clock_us=self.clock.now_us, map_size_bytes=MAP_SIZE_BYTES)
        self.engine = Engine(self.store, self.clock, retention_us=DAY_US, entries=EntryFiles(self.path))

    def reopen(self) -> None:
        """End the process, as it were, and begin another."""
        self.engine.close()
        self.open()

    @property
    def entries(self) -> Entries:
        assert self.engine.entries is not None
        return self.engine.entries

    @property
    def file(self) -> Path:
        return self.path / ENTRIES_FOLDER / "default.jsonl"

    def write(self) -> None:
        """What is no verb."""
        self.engine.relationships.write("", [FACT], caller=LOCAL_CALLER)

    def hold(self, **submission: Any) -> str:
        return self.engine.holds.hold("", RUN, reason="é\n", submission=Submission(**submission)).told.id

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_bytes().splitlines()] if self.file.exists() else []

    def told(self) -> list[tuple[int, dict[str, Any]]]:
        """Which revision had which entry, as the file has it."""
        return [(each["revision"], each["entry"]) for each in self.lines() if "entry" in each]

    def left(self) -> list[tuple[int, dict[str, Any]]]:
        """The same, as far as the changelog still has it."""
        with self.store.read("default") as view:
            deltas = view.changelog(view.head.oldest_revision)
            return [(each.revision, json.loads(each.entry_json)) for each in deltas if each.entry_json]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "data")


def test_every_entry_is_a_line_that_says_whose_and_which_revision_it_is(kept: Kept) -> None:
    id = kept.hold(caller=Caller("service:anne", run="r-7"), key=RequestKey("q-1", "x"))
    kept.hold(caller=Caller("service:anne", run="r-7"), key=RequestKey("q-1", "x"))  # carried out once
    kept.write()
    kept.engine.holds.release("", id)
    kept.entries.take()
    assert kept.told() == kept.left()
    placed, released = kept.lines()
    assert {**placed, "token": ""} == {
        "token": "",
        "revision": 3,
        "committed_at": "2026-01-01T00:00:00Z",
        "written_by": "service:anne",
        "entry": {
            "verb": "Hold",
            "request_id": "q-1",
            "written_by_run": "r-7",
            "hold": id,
            "on": "run:r-1",
            "reason": "é\n",
        },
    }
    assert (released["written_by"], released["entry"]["verb"]) == ("local", "Release")
    assert [decode_token(each["token"])[2] for each in (placed, released)] == [3, released["revision"]]
    assert kept.entries.behind_us() == 0
    assert kept.file.stat().st_mode & 0o077 == 0


def test_where_there_is_no_verb_there_is_no_file(kept: Kept) -> None:
    kept.write()
    kept.engine.upkeep()
    assert not kept.file.exists()


@pytest.mark.parametrize("from_end", [0, 1, 2, 60, 199, 200, 201, 100_000])
def test_a_line_that_was_cut_is_written_again_and_none_twice(kept: Kept, from_end: int) -> None:
    """A cut takes the ends of lines, whole lines, or all of them."""
    for _ in range(3):
        kept.hold()
    kept.entries.take()
    size = kept.file.stat().st_size
    kept.engine.close()
    os.truncate(kept.file, max(size - from_end, 0))
    kept.open()
    kept.hold()
    kept.entries.take()
    assert kept.told() == kept.left()
    assert len(kept.told()) == 4


def test_zeros_that_a_machine_left_at_the_end_are_cut_off(kept: Kept) -> None:
    kept.hold()
    kept.entries.take()
    kept.engine.close()
    with kept.file.open("ab") as file:
        file.write(bytes(5_000))
    kept.open()
    kept.hold()
    kept.entries.take()
    assert kept.told() == kept.left()


def test_a_last_line_of_somebody_else_is_told_and_left_alone(kept: Kept) -> None:
    kept.hold()
    kept.entries.take()
    kept.engine.close()
    with kept.file.open("a") as file:
        file.write('{"token": 3}\n')
    kept.open()
    before = kept.file.read_bytes()
    kept.hold()  # goes on
    with pytest.raises(StoreUnavailable, match="none of Remit's: move the file away"):
        kept.entries.take()
    assert kept.file.read_bytes() == before
    kept.file.unlink()
    kept.entries.take()
    assert kept.told() == kept.left()


class FullDisk:
    """`os.pwrite` on a disk with so many bytes left; `can_truncate`: what was written can be taken back."""

    def __init__(self, room: int, *, can_truncate: bool) -> None:
        self.room = room
        self.can_truncate = can_truncate
        self._write, self._truncate = os.pwrite, os.ftruncate

    def pwrite(self, file: int, data: bytes, at: int) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(file, data[: self.room], at)
        self.room -= written
        return written

    def ftruncate(self, file: int, size: int) -> None:
        if not self.can_truncate and size < os.fstat(file).st_size:
            raise OSError(errno.EIO, "Input/output error")
        self._truncate(file, size)


@pytest.mark.parametrize("can_truncate", [True, False])
@pytest.mark.parametrize("room", [0, 1, 250, 500])
def test_a_full_disk_holds_up_no_verb_and_loses_none(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, room: int, can_truncate: bool
) -> None:
    kept.hold()
    kept.entries.take()
    disk = FullDisk(room, can_truncate=can_truncate)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", disk.pwrite)
        patched.setattr(os, "ftruncate", disk.ftruncate)
        for _ in range(3):
            kept.hold()
            kept.clock.advance_us(1_000_000)
        for _ in range(2):
            with pytest.raises(RemitError, match="data directory"):
                kept.entries.take()
        assert kept.entries.behind_us() == 3_000_000
    kept.hold()
    kept.entries.take()
    assert kept.told() == kept.left()
    assert kept.entries.behind_us() == 0


class Stuck:
    """A disk that does not answer until it is let go."""

    def __init__(self) -> None:
        self.is_asked, self.go = threading.Event(), threading.Event()
        self.kept_revisions: list[int] = []

    def kept(self, identity: StoreIdentity) -> int:
        return 0

    def keep(self, identity: StoreIdentity, deltas: Sequence[Delta]) -> None:
        self.is_asked.set()
        assert self.go.wait(30)
        self.kept_revisions += [each.revision for each in deltas]

    def sync(self, identity: StoreIdentity) -> None: ...


def test_no_verb_waits_for_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    clock, sink = ManualClock(NOW_US), Stuck()
    engine = Engine(
        LmdbStore(tmp_path / "d", clock_us=clock.now_us, map_size_bytes=MAP_SIZE_BYTES), clock, entries=sink
    )
    engine.schemas.write("", SCHEMA)
    engine.relationships.write("", [FACT], caller=LOCAL_CALLER)
    assert engine.entries is not None
    engine.entries.start()
    first = engine.holds.hold("", RUN, reason="")
    assert sink.is_asked.wait(30)
    last = [engine.holds.hold("", RUN, reason="") for _ in range(200)][-1]
    assert sink.kept_revisions == []
    sink.go.set()
    engine.entries.close()
    engine.entries.take()
    assert sink.kept_revisions == list(range(first.revision, last.revision + 1))
    engine.close()


# --- what the changelog forgets ---------------------------------------------------------------------------------


def test_what_is_forgotten_before_it_could_be_kept_is_told_as_a_gap(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.hold()
    kept.entries.take()
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", FullDisk(0, can_truncate=True).pwrite)
        kept.hold()
        kept.clock.advance_us(DAY_US + 1)
        kept.hold()
        with pytest.raises(StoreFull, match="no room is left"):
            kept.engine.upkeep()
    kept.entries.take()
    (first, _), (at, gap), (last, _) = kept.told()
    assert gap == {"gap": {"after": first, "until": at}}
    assert (first, at, last) == (3, 4, 5)


def test_a_mark_says_how_far_it_is_so_that_no_gap_is_told_where_there_was_none(kept: Kept) -> None:
    kept.hold()
    kept.entries.take()
    for _ in range(9):
        kept.clock.advance_us(DAY_US // 3)
        kept.write()
        kept.engine.upkeep()
    kept.reopen()
    kept.hold()
    kept.entries.take()
    assert [entry.get("verb") for _, entry in kept.told()] == ["Hold", "Hold"]
    marks = [each for each in kept.lines() if each.get("checkpoint")]
    assert 3 <= len(marks) <= 9


def test_many_writes_leave_a_mark_so_that_a_start_need_not_look_through_them(kept: Kept) -> None:
    def nothing(view: object) -> Draft:
        return Draft("local")

    for _ in range(10):
        waiting = [kept.store.submit("default", nothing) for _ in range(PASSED_MAX // 10)]
        last = [each.result() for each in waiting][-1].revision
    kept.engine.upkeep()
    assert [(each["revision"], each["checkpoint"]) for each in kept.lines()] == [(last, True)]
    kept.engine.upkeep()
    assert len(kept.lines()) == 1


def test_a_store_made_anew_under_its_name_goes_on_in_the_file(kept: Kept) -> None:
    kept.hold()
    kept.entries.take()
    before = kept.told()
    kept.engine.stores.delete("default")
    kept.engine.stores.create("default")
    kept.entries.take()
    kept.entries.forget_removed()
    kept.engine.schemas.write("", SCHEMA)
    kept.write()
    kept.hold()
    kept.entries.take()
    assert kept.told() == before + kept.left()
    assert len(kept.left()) == 1
    kept.reopen()
    kept.entries.take()
    assert kept.told() == before + kept.left()


def test_a_restored_store_tells_what_its_backup_brought(kept: Kept) -> None:
    kept.hold()
    backup, restore = kept.engine.stores.backup(""), kept.engine.stores.restore("copy")
    backup.take()
    feed(restore, backup.read(1 << 20))
    restore.finish()
    backup.close()
    kept.engine.upkeep()
    copied = [json.loads(line) for line in kept.file.with_name("copy.jsonl").read_text().splitlines()]
    assert [(each["revision"], each["entry"]) for each in copied] == kept.left()


@pytest.mark.seeds(8, shards=4)
def test_whatever_happens_every_entry_is_there_once(
    tmp_path: Path, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in seeds:
        live_through_it(Kept(tmp_path / str(seed)), Random(seed), monkeypatch)


def live_through_it(kept: Kept, chance: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs, writes, days that pass, full disks, and processes that end with the end of the file cut off."""
    left: dict[int, dict[str, Any]] = {}
    synced = 0
    for _ in range(60):
        match chance.randrange(8):
            case 0 | 1:
                kept.hold()
            case 2:
                kept.write()
            case 3:
                kept.entries.take()
            case 4:
                kept.clock.advance_us(chance.choice([1, DAY_US // 3, 2 * DAY_US]))
            case 5:
                kept.engine.upkeep()
                synced = kept.file.stat().st_size if kept.file.exists() else 0
            case 6:
                with monkeypatch.context() as patched:
                    disk = FullDisk(chance.randrange(800), can_truncate=chance.random() < 0.5)
                    patched.setattr(os, "pwrite", disk.pwrite)
                    patched.setattr(os, "ftruncate", disk.ftruncate)
                    kept.hold()
                    try:
                        kept.entries.take()
                    except RemitError as error:
                        assert "data directory" in error.message
            case _:
                kept.engine.close()
                if kept.file.exists():
                    os.truncate(kept.file, chance.randint(synced, kept.file.stat().st_size))
                kept.open()
        left |= dict(kept.left())
    kept.entries.take()
    kept.engine.close()
    assert kept.told() == sorted(left.items())
