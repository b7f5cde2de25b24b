"""Law: however full the map or disk is, and whoever filled it, a hold and a deletion land, and a trim makes room."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from remit.errors import StoreFull
from remit.store.data_directory import RESERVE_FILE
from remit.store.lmdb import pages
from remit.store.lmdb.directory import RESERVE_FILE_BYTES
from remit.store.lmdb.lmdb_store import LmdbStore, LmdbTables
from remit.store.lmdb.pages import reusable_pages
from remit.store.lmdb.room import reserve_bytes
from remit.store.port import BULK_WEIGHT, Draft, WriteTransaction
from remit.store.tables.table_store import TableStore
from tests.support.places import ROOT
from tests.support.small_disks import fill_disk, small_disk
from tests.support.store.filling import LIMIT_BYTES, fill, fill_all, names, send
from tests.support.store.worlds import check, deleting, everything, open_lmdb, putting, texts, write

HOLD = "run:r-7#held@user:anne"
FOREVER_US = 2**62


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where there is one: a store is filled by thousands of commits, and what a disk does at
    each is held elsewhere."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def stops_and_recovers(store: TableStore, taken: list[str]) -> None:
    """On a full store: a hold and a deletion land, a trim makes room, and ordinary writes go on."""
    assert isinstance(send(store, putting(*names("x", 1, 50)), "x", 50).exception(60), StoreFull)
    send(store, putting(HOLD), "warden").result(60)
    send(store, deleting(*taken[:10]), "warden", 10).result(60)
    send(store, deleting(HOLD), "warden").result(60)
    store.promise_clock(FOREVER_US)
    check(store)
    # A page comes back when it is nearly empty: what lies together, or nearly all of it, has to go.
    for start in range(10, len(taken) * 9 // 10, 100):
        while store.trim("default", FOREVER_US):
            pass
        send(store, deleting(*taken[start : start + 100]), "warden", BULK_WEIGHT).result(60)
    while store.trim("default", FOREVER_US):
        pass
    for number in range(5):
        send(store, putting(*names("y", number, 50)), "y", 50).result(60)
    check(store)


@pytest.mark.parametrize("clients", [["mallory"], ["mallory", "malory"]])
def test_whoever_fills_the_store_leaves_room_for_a_stop(place: Path, clients: list[str]) -> None:
    store = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    store.create("default")
    taken = fill_all(store, clients)
    assert len(everything(store)) == len(set(taken))
    assert store.size_bytes() <= LIMIT_BYTES + reserve_bytes(LIMIT_BYTES)
    stops_and_recovers(store, taken)
    store.close()


def test_deletions_of_nothing_take_a_share_like_any_small_write(place: Path) -> None:
    """They are revisions, and so is their metadata."""
    store = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    store.create("default")
    taken = fill(store, "mallory", 50)

    def nothing(transaction: WriteTransaction) -> Draft:
        return Draft("mallory", '{"why": "' + "x" * 4_000 + '"}')

    refused = next(error for _ in count() if (error := send(store, nothing, "mallory").exception(60)) is not None)
    assert isinstance(refused, StoreFull)
    assert "this caller has taken" in refused.message
    stops_and_recovers(store, taken)
    store.close()


def test_stops_that_come_together_find_the_room_that_each_alone_would(place: Path) -> None:
    """What a commit needs is estimated for all that it carries, and on a map of some size far too high."""
    store = open_lmdb(place / "data", map_size_bytes=32 * 2**20)
    store.create("default")
    fill(store, "mallory", 1_000)
    fill(store, "mallory", 50)
    begun, gate = threading.Event(), threading.Event()

    def hold_up(_: WriteTransaction) -> Draft:
        begun.set()
        gate.wait(60)
        return Draft("blocker")

    blocked = send(store, hold_up, "blocker")
    assert begun.wait(60)
    together = [send(store, putting(*names(f"ten {each}", 1, 10)), f"ten {each}", 10) for each in range(45)]
    together += [send(store, putting(f"run:r-{each}#held@user:anne"), f"warden {each}") for each in range(100)]
    gate.set()
    assert [each.exception(60) for each in (blocked, *together)] == [None] * (1 + len(together))
    store.close()


def test_a_share_comes_back_with_the_room(place: Path) -> None:
    store = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    store.create("default")
    taken = fill_all(store, ["mallory"])
    stops_and_recovers(store, taken)
    assert fill(store, "mallory", 1)
    store.close()


def test_a_view_that_stays_open_keeps_the_stop_from_nothing(place: Path) -> None:
    """What is let go of while it is open cannot be used again, and the file only grows."""
    store = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    store.create("default")
    taken = fill(store, "mallory", 50)
    send(store, deleting(*taken[: len(taken) // 2]), "anne", BULK_WEIGHT).exception(60)
    with store.read("default"):
        while send(store, putting(*taken[:50]), "mallory", 50).exception(60) is None:
            send(store, deleting(*taken[:50]), "mallory", 50).exception(60)
        fill(store, "mallory", 1)
        send(store, putting(HOLD), "warden").result(60)
        send(store, deleting(taken[-1]), "warden").result(60)
    check(store)
    store.close()


def test_deleting_a_store_makes_room_at_once(place: Path) -> None:
    store = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    store.create("default")
    store.create("other")
    fill_all(store, ["mallory"])
    assert isinstance(store.submit("other", putting(*names("z", 0, 50)), "z", 50).exception(60), StoreFull)
    store.delete("default")
    while store._tombstones:
        store.promise_clock(1)  # behind it the writer sweeps
    for number in range(5):
        store.submit("other", putting(*names("z", number, 50)), "z", 50).result(60)
    store.close()


def test_many_writers_at_the_brink_leave_the_same_room(place: Path) -> None:
    store = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    store.create("default")
    taken: list[list[str]] = [[] for _ in range(8)]

    def work(number: int) -> None:
        taken[number] = fill_all(store, [f"writer {number % 4}"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stops_and_recovers(store, [each for some in taken for each in some])
    store.close()


def test_a_smaller_bound_refuses_what_is_ordinary_and_takes_stops(place: Path) -> None:
    store = open_lmdb(place / "data", map_size_bytes=64 * 2**20)
    store.create("default")
    taken = [each for number in range(10) for each in names("anne", number, 1_000)]
    for start in range(0, len(taken), 1_000):
        write(store, putting(*taken[start : start + 1_000]))
    store.close()
    small = open_lmdb(place / "data", map_size_bytes=LIMIT_BYTES)
    assert len(everything(small)) == len(set(taken))
    assert isinstance(send(small, putting(*names("x", 1, 50)), "x", 50).exception(60), StoreFull)
    send(small, putting(HOLD), "warden").result(60)
    send(small, deleting(*taken[:10]), "warden", 10).result(60)
    small.close()
    again = open_lmdb(place / "data", map_size_bytes=64 * 2**20)
    write(again, putting(*names("x", 1, 500)))
    check(again)
    again.close()


def test_what_is_free_is_what_lmdb_says(place: Path) -> None:
    """Every page was never used, holds something of a table, lists free ones, or is free."""
    tables = LmdbTables(place / "data", 64 * 2**20)
    store = TableStore(tables, clock_us=lambda: 1)
    store.create("default")
    chance = random.Random(7)
    taken: list[str] = []
    for number in range(60):
        some = names("anne", number, chance.choice([1, 20, 400]))
        taken += some
        write(store, putting(*some))
        if chance.random() < 0.4:
            chance.shuffle(taken)
            write(store, deleting(*taken[: len(taken) // 2]))
            del taken[: len(taken) // 2]
        environment, file = tables._environment, tables._directory.data_file
        page_bytes = environment.stat()["psize"]
        with environment.begin() as transaction, file.open("rb") as data:
            live = tables.room._live_pages(transaction)
            lists = len(list((reader := pages._Reader(data, page_bytes)).pages_of(next(reader.trees()))))
            # Of a list that is too long for its page, whole pages; there are none in so small a file.
            free = reusable_pages(file, page_bytes, 2**63, 2**63)
        assert 2 + live + lists + free == environment.info()["last_pgno"] + 1
    store.close()


def test_a_commit_never_needs_more_than_was_estimated(place: Path) -> None:
    tables = LmdbTables(place / "data", 64 * 2**20)
    store = TableStore(tables, clock_us=lambda: 1)
    store.create("default")
    chance = random.Random(11)
    taken: list[str] = []
    with store.read("default"):  # nothing is used again: what a commit takes makes the file grow
        for number in range(80):
            some = names("anne", number, chance.choice([1, 5, 50, 300]))
            before = tables.room._used
            if chance.random() < 0.7 or not taken:
                taken += some
                write(store, putting(*some))
            else:
                chance.shuffle(taken)
                write(store, deleting(*taken[: len(some)]))
                del taken[: len(some)]
            assert tables.room._used - before <= tables.room._need
    store.close()


# --- a full disk --------------------------------------------------------------------------------------------------


DISK_BYTES = RESERVE_FILE_BYTES + 4 * 2**20


def test_whoever_fills_the_disk_leaves_room_for_a_stop(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        store = open_lmdb(disk / "data")
        store.create("default")
        taken = fill_all(store, ["mallory"])
        assert not (disk / "data" / RESERVE_FILE).exists()
        stops_and_recovers(store, taken)
        store.close()


def test_a_disk_that_others_filled_takes_stops_and_has_its_reserve_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        store = open_lmdb(disk / "data")
        store.create("default")
        taken = names("anne", 0, 500)
        write(store, putting(*taken))
        fill_disk(disk / "other")
        for number in range(3):
            assert isinstance(send(store, putting(*names("x", number, 300)), "x", 300).exception(60), StoreFull)
        send(store, putting(HOLD), "warden").result(60)
        send(store, deleting(*taken[:10]), "warden", 10).result(60)
        assert not (disk / "data" / RESERVE_FILE).exists()
        store.close()

        again = open_lmdb(disk / "data")
        assert HOLD in texts(everything(again))
        send(again, deleting(HOLD), "warden").result(60)
        (disk / "other").unlink()
        send(again, putting(*names("x", 9, 300)), "x", 300).result(60)
        assert (disk / "data" / RESERVE_FILE).stat().st_size == RESERVE_FILE_BYTES
        check(again)
        again.close()


def test_a_table_of_readers_is_on_the_disk_from_the_start(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data")
    found = (tmp_path / "data" / "lock.mdb").stat()
    assert found.st_blocks * 512 >= found.st_size
    store.close()


# --- killed while it is full --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["map", "disk"])
def test_killed_while_full_it_starts_and_stops_and_recovers(tmp_path: Path, place: Path, room: str) -> None:
    if room == "map":
        kill_and_recover(place / "data", LIMIT_BYTES)
        return
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        kill_and_recover(disk / "data", 64 * 2**20)


def kill_and_recover(path: Path, map_size_bytes: int) -> None:
    command = [sys.executable, "-m", "tests.support.store.filling", str(path), str(map_size_bytes)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    store = open_lmdb(path, map_size_bytes=map_size_bytes)
    check(store)
    there = texts(everything(store))
    assert len(there) >= acknowledged
    stops_and_recovers(store, there)
    store.close()
    again: LmdbStore = open_lmdb(path, map_size_bytes=map_size_bytes)
    check(again)
    again.close()
