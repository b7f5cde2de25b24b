"""The stores that every test of the acceptance suite runs over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.store.tables.table_store import TableStore
from tests.support.store.worlds import Opener, check, open_lmdb, open_memory


@pytest.fixture(params=["lmdb", "memory"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens an empty store; every one opened keeps its laws at the end, and is closed."""
    opened: list[TableStore] = []

    def opener(**options: object) -> TableStore:
        if request.param == "lmdb":
            store: TableStore = open_lmdb(tmp_path / f"data-{len(opened)}", **options)
        else:
            store = open_memory(**options)
        opened.append(store)
        return store

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Opener) -> Iterator[TableStore]:
    """An open store with the named store `default`."""
    store = open_store()
    store.create("default")
    yield store
    check(store)
