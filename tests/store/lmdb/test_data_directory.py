"""The store on disk: whose directory it is, what format, what room; and that opening again gives the same."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import lmdb
import msgpack
import pytest

from remit.errors import (
    LimitExceeded,
    RemitError,
    StoreDamaged,
    StoreFormatUnknown,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from remit.model import RelationshipFilter
from remit.store.data_directory import RESERVE_FILE
from remit.store.lmdb import lmdb_store
from remit.store.lmdb.directory import LOCK_FILE, RESERVE_FILE_BYTES, DataDirectory
from remit.store.port import BULK_WEIGHT, Draft, WriteTransaction
from tests.support.places import ROOT
from tests.support.store.worlds import (
    MAP_SIZE_BYTES,
    all_records,
    check,
    deltas,
    everything,
    open_lmdb,
    putting,
    record,
    recording,
    texts,
    write,
)

ANNE = "doc:1#viewer@user:anne"


# --- opening ----------------------------------------------------------------------------------------------------


def test_opening_again_gives_the_same(tmp_path: Path) -> None:
    def schema(transaction: WriteTransaction) -> Draft:
        transaction.put_schema("definition user {}")
        return Draft("anne")

    store = open_lmdb(tmp_path / "data")
    store.create("default")
    store.create("other")
    write(store, schema)
    long = f"doc:{'x' * 1024}#viewer@user:{'y' * 1024}"
    write(store, putting(ANNE, long))
    store.promise_clock(77)
    before = (everything(store), deltas(store), store.names(), store.clock_us())
    with store.read("default") as view:
        head = view.head
    store.close()

    again = open_lmdb(tmp_path / "data")
    assert (everything(again), deltas(again), again.names(), again.clock_us()) == before
    with again.read("default") as view:
        assert view.head == head
    assert write(again, putting(ANNE)).revision == 3
    check(again)
    again.close()


def test_the_bytes_on_disk_are_what_they_have_always_been(tmp_path: Path) -> None:
    """Spelt out, so that whoever changes an encoding or renames a table learns here that old directories exist."""
    store = open_lmdb(tmp_path / "data", clock_us=lambda: 7)
    store.create("default")
    store.create("doomed")
    long = f"doc:1#viewer@user:{'x' * 1024}"
    write(store, putting(ANNE, long))
    write(store, recording(record("hold", "hold:1", b"why"), record("agent", f"agent:{'x' * 1024}", b"")))
    write(store, putting(ANNE), "doomed")
    store.delete("doomed")
    store.close()

    with lmdb.open(str(tmp_path / "data"), max_dbs=9, readonly=True) as environment, environment.begin() as transaction:
        names = {name for name, _ in transaction.cursor().iternext()}

        def rows(name: str) -> dict[bytes, bytes]:
            database = environment.open_db(name.encode(), transaction, create=False)
            found = transaction.cursor(database).iternext()
            return {key[4:]: value for key, value in found if key[:4] == (1).to_bytes(4, "big")}

        assert names == {
            *(b"meta", b"stores", b"heads", b"schemas", b"relationships", b"by_subject", b"changelog", b"graves"),
            b"records",
        }
        whole = b"doc\x001\0viewer\0user\0" + b"x" * 1024 + b"\0"
        turned = b"user\0" + b"x" * 1024 + b"\0\0doc\x001\0viewer"
        plain = msgpack.packb(["anne", "", 1])
        repeated = msgpack.packb(["anne", "", 1, None, "", None, None, whole])
        assert rows("relationships") == {
            b"doc\x001\0viewer\0user\0anne\0": plain,
            whole[:473] + b"\x01" + hashlib.sha256(whole).digest(): repeated,
        }
        assert rows("by_subject") == {
            b"user\0anne\0\0doc\x001\0viewer": b"",
            turned[:473] + b"\x01" + hashlib.sha256(turned).digest(): turned,
        }
        assert rows("heads") == {b"": msgpack.packb([2, 0, 0])}
        hold, agent = b"\0hold\0hold\x001", b"\0agent\0agent\0" + b"x" * 1024
        why, nothing = msgpack.packb(["anne", "", 2, b"why"]), msgpack.packb(["anne", "", 2, b"", agent])
        assert rows("records") == {
            hold: why,
            agent[:473] + b"\x01" + hashlib.sha256(agent).digest(): nothing,
        }
        cells = [b"doc\x001\0viewer\0user\0anne\0", None, plain, whole, None, repeated]
        assert rows("changelog") == {
            (1).to_bytes(8, "big") + bytes(4): msgpack.packb([7, "anne", "{}", False, False, 1, cells]),
            (2).to_bytes(8, "big") + bytes(4): msgpack.packb(
                [7, "anne", "{}", False, False, 1, [hold, None, why, agent, None, nothing]]
            ),
        }


@pytest.mark.parametrize("version", [1, 2])
def test_a_directory_of_before_there_were_records_opens_and_takes_them(tmp_path: Path, version: int) -> None:
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    write(store, putting(ANNE))
    before = everything(store), deltas(store)
    store.close()
    with (
        lmdb.open(str(tmp_path / "data"), max_dbs=9) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.drop(environment.open_db(b"records", transaction, create=False))
    set_format(tmp_path / "data", msgpack.packb(("remit", version)))
    for _ in range(2):
        store = open_lmdb(tmp_path / "data")
        assert (everything(store), deltas(store)[:1]) == before
        write(store, recording(record("hold", "hold:1", b"why")))
        assert [each.record.document for each in all_records(store)] == [b"why"]
        check(store)
        store.close()


def test_only_its_user_may_read_what_is_written(tmp_path: Path) -> None:
    open_lmdb(tmp_path / "data").close()
    modes = {entry.name: entry.stat().st_mode & 0o077 for entry in [tmp_path / "data", *(tmp_path / "data").iterdir()]}
    assert modes == dict.fromkeys(["data", "data.mdb", "lock.mdb", LOCK_FILE, RESERVE_FILE], 0)


def test_nothing_is_acknowledged_before_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What LMDB is asked for; that a sync reaches the disk no test can see."""
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real_fsync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    tables = lmdb_store.LmdbTables(tmp_path / "data", MAP_SIZE_BYTES)
    flags = tables._environment.flags()
    assert (flags["sync"], flags["metasync"], flags["map_async"], flags["writemap"]) == (True, True, False, False)
    assert synced == [str(tmp_path / "data"), str(tmp_path)]  # the names of the new files
    tables.close()


def test_a_small_map_can_be_opened_larger(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data", map_size_bytes=2**20)
    store.create("default")
    large = putting(*(f"doc:{number}#viewer@user:anne" for number in range(10_000)))
    assert isinstance(store.submit("default", large).exception(60), StoreFull)
    store.close()
    again = open_lmdb(tmp_path / "data", map_size_bytes=2**24)
    assert len(write(again, large).changes) == 10_000
    again.close()


def test_a_second_opening_in_this_process_is_refused(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data")
    with pytest.raises(StoreLocked, match="this process"):
        open_lmdb(tmp_path / "data")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "data")
    with pytest.raises(StoreLocked):
        open_lmdb(tmp_path / "elsewhere")
    store.close()
    open_lmdb(tmp_path / "data").close()


def run_child(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python beside us; its last line says what it found."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


OPEN = """
    import os, sys
    from pathlib import Path
    from remit.errors import RemitError
    from tests.support.store.worlds import open_lmdb
    if len(sys.argv) > 2:
        os.setegid(int(sys.argv[2])); os.seteuid(int(sys.argv[2]))
    try:
        open_lmdb(Path(sys.argv[1])).close()
        print("opened")
    except RemitError as error:
        print(error.reason, error)
"""


def test_a_second_process_is_refused_by_name_until_the_first_ends(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data")
    refused = run_child(OPEN, tmp_path / "data").stdout
    assert refused.startswith("STORE_LOCKED")
    assert f"process `{os.getpid()}`" in refused
    store.close()
    assert run_child(OPEN, tmp_path / "data").stdout == "opened\n"


def test_a_directory_that_may_not_be_written_is_refused_with_the_fix() -> None:
    # The superuser may write anywhere, so a child gives that up first; and pytest's own directories are private.
    nobody = [65534] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as parent:
        data = Path(parent) / "data"
        data.mkdir()
        Path(parent).chmod(0o755)
        data.chmod(0o555)
        refused = run_child(OPEN, data, *nobody).stdout
        assert refused.startswith("STORE_UNAVAILABLE")
        assert "give this user the right to write" in refused
        assert list(data.iterdir()) == []
        missing = run_child(OPEN, Path(parent) / "new", *nobody).stdout
        assert missing.startswith("STORE_UNAVAILABLE")
        data.chmod(0o755)


def test_a_path_that_cannot_be_a_directory_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"make `.*missing` first"):
        open_lmdb(tmp_path / "missing" / "data")
    (tmp_path / "file").write_text("hello")
    with pytest.raises(StoreUnavailable, match="is a file: choose another"):
        open_lmdb(tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="a part of the path is a file"):
        open_lmdb(tmp_path / "file" / "data")


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear anne")
    (tmp_path / "lost+found").mkdir()
    with pytest.raises(StoreUnavailable, match=r"holds other files \(`letters.txt`\)"):
        open_lmdb(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["letters.txt", "lost+found"]
    (tmp_path / "letters.txt").unlink()
    open_lmdb(tmp_path).close()  # a fresh volume is fine


# --- formats ----------------------------------------------------------------------------------------------------


def set_format(path: Path, record: bytes | None) -> None:
    with lmdb.open(str(path), max_dbs=16) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(write=True) as transaction:
            if record is None:
                transaction.delete(b"format", db=meta)
            else:
                transaction.put(b"format", record, db=meta)


def test_an_unknown_format_is_refused_naming_both(tmp_path: Path) -> None:
    open_lmdb(tmp_path / "data").close()
    set_format(tmp_path / "data", msgpack.packb(("remit", 99)))
    with pytest.raises(StoreFormatUnknown, match=r"`99`.*`4`") as refused:
        open_lmdb(tmp_path / "data")
    assert (refused.value.metadata["found"], refused.value.metadata["known"]) == ("99", "4")
    set_format(tmp_path / "data", msgpack.packb(("remit", lmdb_store.FORMAT_VERSION)))
    open_lmdb(tmp_path / "data").close()  # a refusal harmed nothing, and let go of the lock


@pytest.mark.parametrize("record", [None, b"", b"\xff", msgpack.packb(("other", 1)), msgpack.packb(7)])
def test_an_environment_without_our_mark_is_refused(tmp_path: Path, record: bytes | None) -> None:
    open_lmdb(tmp_path / "data").close()
    set_format(tmp_path / "data", record)
    with pytest.raises(StoreFormatUnknown, match="not written by remit"):
        open_lmdb(tmp_path / "data")


def test_an_environment_of_something_else_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "data"), max_dbs=1) as environment:
        environment.open_db(b"letters")
    with pytest.raises(StoreFormatUnknown, match="not written by remit"):
        open_lmdb(tmp_path / "data")


def test_a_file_that_is_no_environment_is_damage(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "data.mdb").write_bytes(b"dear anne" * 4096)
    with pytest.raises(StoreDamaged, match=r"data\.mdb"):
        open_lmdb(tmp_path / "data")
    assert (tmp_path / "data" / "data.mdb").read_bytes() == b"dear anne" * 4096


@pytest.mark.parametrize("kept", [0.001, 0.02, 0.3, 0.7, 0.95])
def test_a_file_that_was_cut_off_is_damage_and_not_the_end_of_the_process(tmp_path: Path, kept: float) -> None:
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    for batch in range(5):
        write(store, putting(*(f"doc:{batch}-{number}#viewer@user:anne" for number in range(1000))))
    store.close()
    file = tmp_path / "data" / "data.mdb"
    os.truncate(file, int(file.stat().st_size * kept))
    child = run_child(READ_ALL, tmp_path / "data")
    assert child.returncode == 0, child.stderr
    # Where even the page that says the format is gone, that is what is said.
    assert child.stdout in {"STORE_DAMAGED\n", "STORE_FORMAT_UNKNOWN\n"}


def test_a_file_that_was_cut_off_to_nothing_is_damage_and_not_a_new_store(tmp_path: Path) -> None:
    open_lmdb(tmp_path / "data").close()
    os.truncate(tmp_path / "data" / "data.mdb", 0)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="is empty"):
            open_lmdb(tmp_path / "data")
    assert (tmp_path / "data" / "data.mdb").stat().st_size == 0


def test_a_store_that_cannot_be_opened_lets_go_of_its_directory(tmp_path: Path) -> None:
    open_lmdb(tmp_path / "data").close()
    os.truncate(tmp_path / "data" / "data.mdb", 2 * 4096)
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            open_lmdb(tmp_path / "data")
    DataDirectory(tmp_path / "data").release()


READ_ALL = """
    import sys
    from pathlib import Path
    from remit.errors import RemitError
    from tests.support.store.worlds import MAP_SIZE_BYTES, check, open_lmdb
    try:
        check(open_lmdb(Path(sys.argv[1])))
        print("all is well")
    except RemitError as error:
        print(error.reason)
"""


def test_a_start_that_died_before_its_first_commit_begins_again(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "data"), max_dbs=16):
        assert (tmp_path / "data" / "data.mdb").exists()
    open_lmdb(tmp_path / "data").close()


# --- others at the table of readers -------------------------------------------------------------------------------

TAKE_TABLE = """
    import fcntl, os, sys
    try:
        # The first to lock this byte for itself alone is the one who clears the table, see `mdb_env_excl_lock`.
        fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        print("taken")
    except BlockingIOError:
        print("in use")
"""


def table_of_readers(path: Path) -> str:
    """What a process that opens the environment is told about the table."""
    child = run_child(TAKE_TABLE, path / "lock.mdb")
    assert not child.stderr
    return child.stdout.strip()


def test_the_table_of_readers_is_in_use_for_as_long_as_the_store_is_open(tmp_path: Path) -> None:
    path = tmp_path / "data"
    for start in range(2):
        store = open_lmdb(path)
        assert table_of_readers(path) == "in use"
        store.create(f"store-{start}")
        write(store, putting(ANNE), f"store-{start}")
        with store.read(f"store-{start}") as view:
            assert b"".join(view.backup(store.clock_us()))
        with pytest.raises(StoreLocked):
            open_lmdb(path)
        assert store.size_bytes()
        check(store)
        assert table_of_readers(path) == "in use"
        store.close()
        assert table_of_readers(path) == "taken"
        assert not open_files(path)


def test_a_start_that_fails_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_lmdb(tmp_path / "data").close()
    before = open_files(tmp_path)

    def fail(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(StoreUnavailable, match="see whether the disk is well"):
        open_lmdb(tmp_path / "data")
    assert open_files(tmp_path) == before == []
    monkeypatch.undo()
    open_lmdb(tmp_path / "data").close()


def open_files(below: Path) -> list[str]:
    """What this process has open there."""
    links = (os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())
    return sorted(link for link in links if link.startswith(str(below.resolve())))


LOOK_INSIDE = """
    import lmdb, sys
    with lmdb.open(sys.argv[1], max_dbs=16, create=False, readonly=True) as environment:
        print(environment.info()["num_readers"])
"""


def test_somebody_who_looks_inside_changes_nothing_that_an_open_view_sees(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    names = [f"doc:{number}#viewer@user:anne" for number in range(2000)]
    write(store, putting(*names))
    before = everything(store)
    with store.read("default") as view:
        child = run_child(LOOK_INSIDE, tmp_path / "data")
        assert int(child.stdout) >= 1, child.stderr  # the view's place in the table is still there
        for principal in "bcdef":  # each time all pages are written anew, onto those that nobody sees
            write(store, putting(*names, principal=principal))
        assert list(view.scan(RelationshipFilter())) == before
        view.check_invariants()
    check(store)
    store.close()


# --- room -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["EOPNOTSUPP", "ENOSYS", "EINVAL", "EBADF"])
def test_where_the_file_system_sets_no_blocks_aside_a_store_opens_without_a_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    def refuse(fd: int, offset: int, length: int) -> None:
        number = getattr(errno, code)
        raise OSError(number, os.strerror(number))

    open_lmdb(tmp_path / "data").close()
    assert (tmp_path / "data" / RESERVE_FILE).exists()
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    for name in ("first", "second"):
        caplog.clear()
        store = open_lmdb(tmp_path / "data")
        store.create(name)
        write(store, putting(ANNE), name)
        assert not (tmp_path / "data" / RESERVE_FILE).exists()
        # A commit finds the disk full, and one that needs more than the free pages finds that there is room again.
        store._tables.room.disk_full()
        many = [f"doc:{number}#viewer@user:bob" for number in range(300)]
        store.submit(name, putting(*many), weight=BULK_WEIGHT).result(60)
        assert not store._tables.room.is_disk_full
        assert [record.message for record in caplog.records] == [NO_RESERVE]
        check(store)
        store.close()


def test_a_reserve_that_cannot_be_removed_costs_nobody_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file system may need room to remove a file."""
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == RESERVE_FILE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)

    def commit(transaction: lmdb_store.LmdbTransaction) -> None:
        raise transaction._give_up(system_error(errno.ENOSPC))

    monkeypatch.setattr(lmdb_store.LmdbTransaction, "commit", commit)
    refused = store.submit("default", putting(ANNE), weight=1).exception(60)
    assert isinstance(refused, StoreFull)
    assert [record.message for record in caplog.records] == ["what was held back of the disk is not given up"]
    monkeypatch.undo()
    write(store, putting(ANNE))
    check(store)
    store.close()


NO_RESERVE = "nothing held back of the disk, which its file system cannot do"


def test_what_is_set_aside_is_asked_of_files_that_may_be_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system sets no blocks aside, libc reads them and writes to those that are empty."""
    asked: list[int] = []

    def emulate(fd: int, offset: int, length: int) -> None:
        asked.append(length)
        for end in range(offset + (length - 1) % 4096, offset + length, 4096):
            if os.pread(fd, 1, end) in (b"", bytes(1)):
                os.pwrite(fd, bytes(1), end)

    monkeypatch.setattr(os, "posix_fallocate", emulate)
    for _ in range(2):
        store = open_lmdb(tmp_path / "data")
        assert (tmp_path / "data" / RESERVE_FILE).stat().st_blocks * 512 >= RESERVE_FILE_BYTES
        check(store)
        store.close()
    readers_bytes = (tmp_path / "data" / "lock.mdb").stat().st_size
    assert asked == [readers_bytes, RESERVE_FILE_BYTES] * 2
    assert not readers_bytes % 64  # so it is the last byte of a slot that is written, which is empty


def test_a_full_map_refuses_the_large_and_takes_the_small(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data", map_size_bytes=2**20)
    store.create("default")
    large = putting(*(f"doc:{number}#viewer@user:anne" for number in range(20_000)))
    futures = [
        store.submit("default", admission) for admission in (putting(ANNE), large, putting("doc:2#viewer@user:bob"))
    ]
    error = futures[1].exception(60)
    assert isinstance(error, StoreFull)
    assert error.metadata["map_size_bytes"] == str(2**20)
    assert [futures[0].result(60).revision, futures[2].result(60).revision] == [1, 2]
    assert texts(everything(store)) == [ANNE, "doc:2#viewer@user:bob"]
    check(store)
    store.close()


def test_a_map_filled_to_the_brim_reads_on_and_room_returns(tmp_path: Path) -> None:
    """Small writes until none fits; what was acknowledged stands; a larger map takes the next one."""
    store = open_lmdb(tmp_path / "data", map_size_bytes=2**20)
    store.create("default")
    error: BaseException | None = None
    acknowledged = 0
    while error is None:
        names = [f"doc:{acknowledged}-{number}#viewer@user:{'x' * 200}" for number in range(20)]
        error = store.submit("default", putting(*names)).exception(60)
        acknowledged += error is None
    assert isinstance(error, StoreFull)
    assert acknowledged > 10
    assert len(everything(store)) == acknowledged * 20
    assert len(deltas(store)) == acknowledged
    check(store)
    store.close()
    again = open_lmdb(tmp_path / "data", map_size_bytes=2**22)
    assert write(again, putting(ANNE)).revision == acknowledged + 1
    again.close()


DISK_FULL = """
    import resource, sys
    from pathlib import Path
    from remit.errors import StoreFull
    from tests.support.store.worlds import MAP_SIZE_BYTES, check, everything, open_lmdb, putting, write

    store = open_lmdb(Path(sys.argv[1]))
    store.create("default")
    write(store, putting("doc:1#viewer@user:anne"))
    end = (Path(sys.argv[1]) / "data.mdb").stat().st_size
    # A limit on the size of files stops the data file where a full disk would: some of a write fits, the rest not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (end + 10_000, resource.RLIM_INFINITY))
    large = putting(*(f"doc:{number}#viewer@user:bob" for number in range(5000)))
    errors = [store.submit("default", large).exception(60) for _ in range(2)]
    assert all(isinstance(error, StoreFull) for error in errors), errors
    assert "free some space" in str(errors[0])
    assert len(everything(store)) == 1
    check(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert write(store, large).revision == 2
    assert len(everything(store)) == 5001
    check(store)
    store.close()
    print("resumed", sorted(entry.name for entry in Path(sys.argv[1]).iterdir()))
"""


def test_a_full_disk_is_told_by_name_and_writes_resume_when_room_returns(tmp_path: Path) -> None:
    child = run_child(DISK_FULL, tmp_path / "data")
    assert child.stdout == f"resumed {['data.mdb', 'lock.mdb', LOCK_FILE, RESERVE_FILE]}\n", child.stderr


def test_room_is_found_by_trying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = DataDirectory(tmp_path)
    directory.data_file.write_bytes(b"x")
    assert directory.has_room(1000)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: len(data) // 2)
    assert not directory.has_room(1000)
    directory.release()


# --- LMDB's own errors ------------------------------------------------------------------------------------------


def system_error(code: int) -> lmdb.Error:
    error = lmdb.Error("mdb_txn_commit")
    error.code = code  # type: ignore[misc]  # as the C code sets it
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (lmdb.MapFullError("put"), StoreFull),
        (system_error(errno.ENOSPC), StoreFull),
        (system_error(errno.EIO), StoreUnavailable),
        (lmdb.TxnFullError("put"), LimitExceeded),
        (lmdb.CorruptedError("get"), StoreDamaged),
        (lmdb.PageNotFoundError("get"), StoreDamaged),
        (lmdb.PanicError("begin"), StoreUnavailable),
        (lmdb.ReadersFullError("begin"), StoreUnavailable),
        (lmdb.BadTxnError("put"), StoreUnavailable),
    ],
)
def test_every_error_of_lmdb_is_told_in_our_words(
    tmp_path: Path, error: lmdb.Error, expected: type[RemitError]
) -> None:
    tables = lmdb_store.LmdbTables(tmp_path / "data", 2**20)
    assert isinstance(tables.explain(error), expected)
    tables.close()


def test_a_store_does_not_close_under_an_open_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_store, "CLOSE_WAIT_S", 0.0)
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    write(store, putting(ANNE))
    with store.read("default") as view:
        with pytest.raises(StoreUnavailable, match="`1` views"):
            store.close()
        assert texts(view.scan(RelationshipFilter())) == [ANNE]
    store.close()
    open_lmdb(tmp_path / "data").close()


def test_more_views_than_slots_are_refused_and_the_rest_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_store, "READERS_MAX", 3)
    monkeypatch.setattr(lmdb_store, "SPARE_SNAPSHOTS", 0)
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    with store.read("default"), store.read("default"), store.read("default"):
        with pytest.raises(StoreUnavailable, match="`3` views are open already"), store.read("default"):
            pass
        write(store, putting(ANNE))
    assert texts(everything(store)) == [ANNE]
    store.close()


def test_the_map_costs_address_space_and_no_disk(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data", map_size_bytes=lmdb_store.MAP_SIZE_BYTES)
    store.create("default")
    assert store.size_bytes() < 2**20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < lmdb_store.MAP_SIZE_BYTES // 1024
    store.close()
