"""A restore that nobody else has to wait for: its bytes at once, on the thread that has them."""

from __future__ import annotations

from remit.engine.copies import Restore
from remit.store.port import Restoration


def feed(restoring: Restore | Restoration, data: bytes) -> None:
    """The next bytes, written when this returns. Raises as `pieces`."""
    restoring.begin()
    for written in restoring.pieces(data):
        written.result()
