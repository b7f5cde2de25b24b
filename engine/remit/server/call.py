"""One request under way, as a handler sees it, whatever carried it here.

Law: a handler learns of the transport through this and nothing else; `interrupt` is how an evaluation finds out that
nobody waits for its answer any more."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from remit.access.keys import Key
from remit.errors import Cancelled, DeadlineExceeded, RemitError
from remit.interrupt import TooHeavy, TurnEnded
from remit.model import NOBODY, Caller
from remit.precedence import python_lock

Metadata = Sequence[tuple[str, str | bytes]]
AUTHORIZATION = "authorization"
PEER = "x-remit-peer"  # who calls, told by the frontend; nobody can send it from outside


# What is light: a request of so many bytes, as long as it takes no more than this of a processor. Reading a JSON
# context of that size takes Python as long.
LIGHT_BYTES_MAX = 16 * 1024
LIGHT_S = 0.005


def new_request_id() -> str:
    return secrets.token_hex(8)


@dataclass(slots=True, eq=False)
class Call:
    """`deadline_s` is on `time.monotonic`'s scale, None where there is none; `default_deadline_s` is how far ahead the
    server has set it, None where the caller did. `key` is the one that the caller proved, None where the server has
    none; its text is nowhere here, not in `metadata` either.
    `key_shown` is the id of a key of ours that was shown and not proven: anybody may have written it.
    `request` (of a stream: its first) and `response` are there once they are known, for whoever tells of it afterwards;
    `unanswered_bytes` were taken for its messages, and `unsent_bytes` are those of its answer that wait to be read.
    `cancelled` and `ended_by` are only ever set, by one thread, and read by another. `is_gone` is asked where nobody
    would set `cancelled`. `on_end` is called, by whoever ends it, where something waits that would not look.
    `is_heavy`: it waits for one of the few threads for such calls; it is learned from the request, or from the work.
    `resume`: of what is done in parts, how far it is: by this it goes on in its next turn, and whoever is told that it
    ended before its end is told this."""

    deadline_s: float | None = None
    default_deadline_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    caller: Caller = NOBODY
    key: Key | None = None
    key_shown: str = ""
    request_id: str = field(default_factory=new_request_id)
    cancelled: bool = False
    ended_by: RemitError | None = None
    request: Message | None = None
    response: Message | None = None
    unanswered_bytes: int = 0
    unsent_bytes: int = 0
    is_gone: Callable[[], bool] | None = None
    on_end: Callable[[], object] | None = None
    is_heavy: bool = False
    resume: dict[str, str] = field(default_factory=dict)
    _light_until_s: float | None = None
    _thread: int = 0  # whose processor time is meant by it

    def begin(self) -> None:
        """Its work begins, on the thread that does it; what is not known to be heavy has LIGHT_S of the processor."""
        self._light_until_s = None if self.is_heavy else time.thread_time() + LIGHT_S
        self._thread = threading.get_ident()

    def end_step(self) -> None:
        """What it began on this thread is over: until it begins again, nothing is measured."""
        self._light_until_s = None

    def require_heavy(self) -> None:
        """For what would be heavy from here on. Raises TooHeavy where it was not known to be."""
        if self._light_until_s is not None:
            self.is_heavy, self._light_until_s = True, None
            raise TooHeavy

    def end_turn(self, **resume: str) -> None:
        """A part is done, and how far it is. Raises TurnEnded, after which its handler is called again, among the
        heavy."""
        self.resume |= resume
        self.is_heavy, self._light_until_s = True, None
        raise TurnEnded

    def sees(self, store: str) -> bool:
        """Whether a store of that name exists for the caller."""
        return self.key is None or self.key.sees(store)

    @property
    def client_id(self) -> str:
        """By whom quotas are counted: a key, or a connection where there are no keys."""
        return self.key.id if self.key is not None else self.peer

    def require_deadline(self, default_s: float) -> None:
        """Whoever named no deadline waits so long at most, from now on."""
        if self.deadline_s is None:
            self.default_deadline_s = default_s
            self.deadline_s = time.monotonic() + default_s

    def cancel(self) -> None:
        """The caller is gone; the evaluation stops at its next look."""
        self.cancelled = True

    def end(self, error: RemitError) -> None:
        """The server will not go on with this, and says why; the evaluation stops at its next look."""
        if self.ended_by is not None:
            return
        self.ended_by = error
        self.cancelled = True
        if self.on_end is not None:
            self.on_end()

    def forget_messages(self) -> None:
        """Let go of both messages once telemetry has read them. The call itself may be known for as long as its
        answer waits to be read."""
        self.request = self.response = None

    def ending(self) -> RemitError:
        """Why a call that was cancelled has ended: its deadline, the server's word, or its caller."""
        try:
            self.interrupt()
        except RemitError as error:
            return error
        raise AssertionError("only a call that has ended is asked why")

    def interrupt(self) -> None:
        """Raises DeadlineExceeded, Cancelled or what ended it, and TooHeavy where it began as light and is not;
        otherwise returns. Cost: a look at two clocks."""
        if self.deadline_s is not None and time.monotonic() >= self.deadline_s:
            raise self._too_late()
        if self.ended_by is not None:
            raise self.ended_by
        if self.cancelled or (self.is_gone is not None and self.is_gone()):
            raise Cancelled("the caller went away before there was an answer")
        python_lock.stand_aside()
        if self._light_until_s is None or threading.get_ident() != self._thread:
            return  # the writer asks too, while it judges a filter: its time is not this call's
        if time.thread_time() >= self._light_until_s:
            self.require_heavy()

    def _too_late(self) -> DeadlineExceeded:
        if self.default_deadline_s is None:
            return DeadlineExceeded("the deadline passed before there was an answer")
        return DeadlineExceeded(
            f"no answer within the {self.default_deadline_s:g} s that a request without a deadline has: name one",
            name="default_deadline_s",
            limit=f"{self.default_deadline_s:g}",
        )


def call_of(sent: Metadata, peer: str, left_s: float | None, is_gone: Callable[[], bool] | None = None) -> Call:
    """A call as it arrives. `left_s`: until its deadline, None where it has none."""
    metadata = {
        key: value
        for key, value in sent
        if isinstance(value, str)
        and key not in (AUTHORIZATION, PEER)  # a secret, which the gate alone sees; the frontend's
    }
    named = metadata.get("x-request-id", "")
    is_name = 0 < len(named) <= 64 and named.isascii() and named.isalnum()
    return Call(
        deadline_s=None if left_s is None else time.monotonic() + left_s,
        metadata=metadata,
        peer=peer,
        request_id=named if is_name else new_request_id(),
        is_gone=is_gone,
    )


def peer_of(peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Who calls over grpcio. Only the frontend speaks over the unix socket, and it lets nobody send the header by which
    it tells."""
    if not peer.startswith("unix:"):
        return peer
    return next((value for key, value in metadata if key == PEER and isinstance(value, str)), peer)
