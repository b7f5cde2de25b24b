"""Stores that are filled to the brim: by large writes and small ones, until nothing is taken any more.

Run as a child it fills a store, says how much of it was acknowledged, and goes on with small writes until it is
killed."""

from __future__ import annotations

import random
import sys
from concurrent.futures import Future
from itertools import count
from pathlib import Path

from remit.errors import StoreFull
from remit.model import Delta
from remit.store.port import Admission
from remit.store.tables.table_store import TableStore
from tests.support.store.worlds import open_lmdb, putting

LIMIT_BYTES = 2 * 2**20


def send(store: TableStore, admission: Admission, client: str = "", weight: int = 1) -> Future[Delta]:
    return store.submit("default", admission, client, weight)


def names(client: str, number: int, size: int) -> list[str]:
    """Names that fall between those of others, so that pages split wherever they are."""
    chance = random.Random(f"{client} {number}")
    return [f"doc:{chance.randrange(10**9):09}#viewer@user:{chance.randrange(10**9):09}" for _ in range(size)]


def fill(store: TableStore, client: str, size: int) -> list[str]:
    """Write until nothing of that size is taken any more; what was taken."""
    taken: list[str] = []
    for number in count():
        some = names(client, number, size)
        error = send(store, putting(*some), client, size).exception(60)
        if error is not None:
            assert isinstance(error, StoreFull), error
            return taken
        taken += some
    raise AssertionError("unreachable")


def fill_all(store: TableStore, clients: list[str]) -> list[str]:
    """Everything that these can do, large writes and small ones."""
    taken: list[str] = []
    for client in clients:
        for size in (300, 10, 1):
            taken += fill(store, client, size)
    return taken


def main(path: str, map_size_bytes: str) -> None:
    store = open_lmdb(Path(path), map_size_bytes=int(map_size_bytes))
    store.create("default")
    print(len(set(fill_all(store, ["mallory"]))), flush=True)
    for number in count():
        send(store, putting(*names("more", number, 1)), f"client {number}").exception(60)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
