"""One request under way, as a handler sees it, whatever carried it here.

Law: a handler learns of the transport through this and nothing else; `interrupt` is how an evaluation finds out that
nobody waits for its answer any more."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from remit.errors import Cancelled, DeadlineExceeded
from remit.model import LOCAL_CALLER, Caller


def new_request_id() -> str:
    return secrets.token_hex(8)


@dataclass(slots=True)
class Call:
    """`deadline_s` is on `time.monotonic`'s scale, None where the caller waits as long as it takes. `cancelled` is a
    plain bool: it is only ever set, by one thread, and read by another."""

    deadline_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    caller: Caller = LOCAL_CALLER
    request_id: str = field(default_factory=new_request_id)
    cancelled: bool = False

    def cancel(self) -> None:
        """The caller is gone; the evaluation stops at its next look."""
        self.cancelled = True

    def interrupt(self) -> None:
        """Raises DeadlineExceeded or Cancelled; otherwise returns. Cost: a look at the clock."""
        if self.deadline_s is not None and time.monotonic() >= self.deadline_s:
            raise DeadlineExceeded("the deadline passed before there was an answer")
        if self.cancelled:
            raise Cancelled("the caller went away before there was an answer")
