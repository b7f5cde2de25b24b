"""A store's writer that is kept at work for as long as a test likes."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from remit.model import Delta
from remit.store.port import BULK_WEIGHT, Draft, WriteTransaction
from remit.store.tables.table_store import TableStore


class HeldWriter:
    """The writer at a bulk task that ends when it is let go; `order` is who was written, in order."""

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.order: list[str] = []
        self._gate, entered = threading.Event(), threading.Event()

        def hold(transaction: WriteTransaction) -> Draft:
            entered.set()
            assert self._gate.wait(60)
            return Draft("gate")

        self.first = store.submit("default", hold, "gate", BULK_WEIGHT)
        assert entered.wait(60)

    def submit(self, name: str, client_id: str, weight: int) -> Future[Delta]:
        def admission(transaction: WriteTransaction) -> Draft:
            self.order.append(name)
            return Draft(client_id)

        return self.store.submit("default", admission, client_id, weight)

    def let_go(self, *futures: Future[Delta]) -> None:
        self._gate.set()
        for future in (self.first, *futures):
            future.result(60)
