"""The child of the crash test: writes a storm into a store and says what was acknowledged, until it is killed.

Each thread puts groups of triples that belong together, with a record of each group, and deletes every third again. A
line is one `write` to a pipe and so arrives whole or not at all; but for the first, that the store is about to be
opened, nothing is said before the store has acknowledged it."""

from __future__ import annotations

import os
import sys
import threading
from itertools import count
from pathlib import Path

from remit.model import Record
from remit.store.port import Admission, Draft, WriteTransaction
from tests.support.store.worlds import deleting, forgetting, open_lmdb, putting, record, recording, write

THREADS = 4
GROUP_SIZE = 5


def group(storm: str, thread: int, number: int) -> list[str]:
    """The triples that are there together or not at all."""
    return [f"group:{storm}-{thread}-{number}#part@user:{part}" for part in range(GROUP_SIZE)]


def told(name: str) -> Record:
    """The record that is there with a group, or not at all, with a document that takes more than a page."""
    return record("group", name, name.encode() * 400)


def change(verb: str, triples: list[str]) -> Admission:
    """A group and its record, in one revision."""
    about = told(triples[0].partition("#")[0])

    def admission(transaction: WriteTransaction) -> Draft:
        (putting if verb == "put" else deleting)(*triples)(transaction)
        return (recording if verb == "put" else forgetting)(about)(transaction)

    return admission


def step(thread: int, number: int) -> tuple[str, int]:
    """What a thread does as its `number`-th write: (verb, number of the group)."""
    return ("delete", number - 2) if number % 3 == 2 else ("put", number)


def main(path: str, storm: str) -> None:
    os.write(1, b"begin\n")
    store = open_lmdb(Path(path))
    if not store.names():
        store.create("default")

    def blow(thread: int) -> None:
        for number in count():
            verb, which = step(thread, number)
            delta = write(store, change(verb, group(storm, thread, which)))
            os.write(1, f"{thread} {number} {delta.revision}\n".encode())

    for thread in range(THREADS):
        threading.Thread(target=blow, args=(thread,)).start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
