"""How often a request is sent, and when again.

gRPC would do this by itself, and loses calls at it: with grpcio 1.85.1, a call that fails while it waits for its
connection now and then never ends, whoever cancels it. Of four clients whose watched server restarted, four were stuck
within 70 s; with gRPC's retries off, none in 1,156 restarts.
Law: only questions are sent twice, and only where the server was not reached or could not serve; a write is never
repeated unasked."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from remit.errors import RemoteError, Status

_ASKING_SERVICE = "/remit.v1.Permissions/"
_ASKING_METHODS = frozenset(
    {
        "/remit.v1.Relationships/Read",
        "/remit.v1.Schemas/ReadSchema",
        "/remit.v1.Schemas/DiffSchema",
        "/remit.v1.Stores/ListStores",
        "/remit.v1.Stores/WhoAmI",
    }
)
_PAUSES_S = (0.05, 0.15, 0.45)


class Attempts:
    """The attempts at one request, `timeout_s` for all of them together."""

    def __init__(self, path: str, timeout_s: float) -> None:
        is_question = path.startswith(_ASKING_SERVICE) or path in _ASKING_METHODS
        self._pauses_s: Iterator[float] = iter(_PAUSES_S if is_question else ())
        self._until_s = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """The time that is left for the next one; below 0 where it is over, and then gRPC sends nothing."""
        return self._until_s - time.monotonic()

    def pause_s(self, error: RemoteError) -> float | None:
        """How long to wait before the next attempt, no less than the server asks for; None where there is none."""
        pause_s = next(self._pauses_s, None) if error.status is Status.UNAVAILABLE else None
        if pause_s is None:
            return None
        pause_s *= random.uniform(0.8, 1.2)  # noqa: S311  # no secret: so that not all come back in the same moment
        pause_s = max(error.retry_after_s or 0.0, pause_s)
        return pause_s if pause_s < self.left_s else None
