"""Law: a staging area over tables is a dictionary, of which whole requests are kept or taken back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.store.memory import MemoryTables
from remit.store.tables.interface import Table
from remit.store.tables.staging import StagedCommit

KEYS = st.sampled_from([b"", b"a", b"a\0", b"a\0\0", b"ab", b"b", b"\xff"])
TABLES = st.sampled_from([Table.RELATIONSHIPS, Table.HEADS])  # what is found in the latter is remembered
STEPS = st.tuples(st.sampled_from(["put", "insert", "delete"]), TABLES, KEYS, st.binary(max_size=2))
REQUESTS = st.lists(st.tuples(st.lists(STEPS, max_size=6), st.booleans()), max_size=6)
Rows = dict[tuple[Table, bytes], bytes]


def do(staging: StagedCommit, rows: Rows, step: tuple[str, Table, bytes, bytes]) -> None:
    verb, table, key, value = step
    place = table, key
    if verb == "put":
        staging.put(table, key, value)
        rows[place] = value
    elif verb == "insert":
        assert staging.insert(table, key, value) == (place not in rows)
        rows.setdefault(place, value)
    else:
        assert staging.delete(table, key) == (place in rows)
        rows.pop(place, None)


def of(rows: Rows, table: Table, start: bytes = b"") -> list[tuple[bytes, bytes]]:
    return sorted((key, value) for (each, key), value in rows.items() if each is table and key >= start)


@settings(max_examples=150, deadline=None)
@given(st.lists(REQUESTS, max_size=3), KEYS)
def test_what_is_kept_is_there_and_what_is_taken_back_never_was(commits: list[object], start: bytes) -> None:
    tables = MemoryTables()
    kept: Rows = {}
    for requests in commits:
        staging = StagedCommit(tables.begin())
        for steps, is_kept in requests:  # type: ignore[attr-defined]
            rows = dict(kept)
            for step in steps:
                do(staging, rows, step)
                for table in (Table.RELATIONSHIPS, Table.HEADS):
                    assert list(staging.items(table, start)) == of(rows, table, start)
            if is_kept:
                staging.keep()
                kept = rows
            else:
                staging.take_back()
            assert {key: staging.get(Table.HEADS, key) for key in (b"a", b"b")} == {
                key: kept.get((Table.HEADS, key)) for key in (b"a", b"b")
            }
        staging.write_down()
        staging.commit()
        snapshot = tables.snapshot()
        for table in (Table.RELATIONSHIPS, Table.HEADS):
            assert list(snapshot.items(table, b"")) == of(kept, table)
        snapshot.close()


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, st.just(b"before")), st.lists(st.tuples(KEYS, KEYS, st.booleans()), max_size=4))
def test_an_iteration_sees_what_is_written_ahead_of_it(
    before: dict[bytes, bytes], meanwhile: list[tuple[bytes, bytes, bool]]
) -> None:
    """`meanwhile`: once a key is reached, another is written or removed."""
    tables = MemoryTables()
    first = StagedCommit(tables.begin())
    for key, value in before.items():
        first.put(Table.RELATIONSHIPS, key, value)
    first.write_down()
    first.commit()

    staging = StagedCommit(tables.begin())
    rows = dict(before)
    expected: list[tuple[bytes, bytes]] = []
    found: list[tuple[bytes, bytes]] = []
    for key, value in staging.items(Table.RELATIONSHIPS, b""):
        found.append((key, value))
        ahead = [each for each in rows if not expected or each > expected[-1][0]]
        expected.append((min(ahead), rows[min(ahead)]))
        for at, other, is_written in meanwhile:
            if at == key and is_written:
                staging.put(Table.RELATIONSHIPS, other, b"after")
                rows[other] = b"after"
            elif at == key:
                staging.delete(Table.RELATIONSHIPS, other)
                rows.pop(other, None)
    assert found == expected
    assert not [key for key in rows if not expected or key > expected[-1][0]]
