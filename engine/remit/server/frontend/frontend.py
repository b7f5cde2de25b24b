"""The front door: the core's own gRPC server, which answers Check and Expand where it can, and brings on the rest.

It listens where the server should, on threads of the core that never wait for Python. Of what it does not answer
itself, a unary call whose request is whole waits there for a thread of Python (`handler_threads`); all else goes, as it
came, to the grpcio server of this process, over a socket in a directory that nobody else may enter. Keys, certificates
and choices are pushed to it from here whenever they change.
Law: a request is answered as grpcio's server alone would have answered it, whichever of the two does."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from remit.access.keyring import KeyRing
from remit.access.keys import ALL_STORES, Key, Keys
from remit.engine.clock import Clock
from remit.engine.limits import Limits
from remit.errors import (
    CertificateUnreadable,
    FairShareSpent,
    InvalidArgument,
    Overloaded,
    StoreUnavailable,
)
from remit.native_core import absence, core
from remit.server.call import PEER, Call
from remit.server.error_mapping import refusal_parts
from remit.server.frontend.dispatch import Admit, HandlerThreads, LaneThreads
from remit.server.limits.fair_quota import Held, Shares, fair_share_spent, overloaded
from remit.server.limits.serve_limits import ServeLimits
from remit.server.net.listen import Address, listening_socket
from remit.server.net.tls import Certificates
from remit.server.request_summary import label_of
from remit.server.rights import RIGHTS
from remit.server.telemetry.metrics import SECONDS, STEPS, NativeVerb
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verbs import UNARY

if TYPE_CHECKING:
    from remit._core import Door, KeyRow, LaneRow, NativeCore
    from remit._core import Shares as NativeShares

log = logging.getLogger(__name__)

_BACKLOG = 4_096  # connections that may wait to be accepted: as many as come at once after a restart
_PING_EVERY_S, _PONG_WITHIN_S = 120.0, 20.0  # as grpcio's server does
# A request that is slow must be told by Python. Here none takes longer than some milliseconds.
_NATIVE_AT_MOST_S = 0.05
_READS, _WRITES = 0, 1  # the door's lanes


class FrontDoorChoice(StrEnum):
    """Whether the core answers at the door: where it is built, always (or not at all), never."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def shared(limit: int) -> NativeShares:
    """What callers of the door and of the server behind it take of."""
    return core.Shares(limit)


def is_wanted(choice: FrontDoorChoice) -> bool:
    """Whether a server has a front door. Raises InvalidArgument; says loudly what it goes without."""
    why = absence()
    if choice is FrontDoorChoice.OFF or not why:
        return choice is not FrontDoorChoice.OFF
    if choice is FrontDoorChoice.ON:
        raise InvalidArgument(
            f"the front door is part of the native core, which is {why}: install with cargo on the path, or "
            "serve with `--front-door off`"
        )
    log.warning("no native core (%s): every request is answered in Python, some hundred times slower", why)
    return False


class FrontDoor:
    """One door, from `open` to `close`. One thread at a time."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        serve_limits: ServeLimits,
        *,
        core: NativeCore | None = None,
        ring: KeyRing | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """`core`: what answers; None where all is carried to Python."""
        self._clock = clock
        self._core = core
        self._limits = limits
        self._serve_limits = serve_limits
        self._ring = ring
        self._certificates = certificates
        self._door: Door | None = None
        self._threads: HandlerThreads | None = None
        self._keys_told: Keys | None = None
        self._pem_told: tuple[bytes, bytes, bytes | None] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def upstream(self) -> str:
        """Where grpcio's server is to listen: a place that its owner alone may enter. Once, before `open`."""
        self._folder = tempfile.TemporaryDirectory(prefix="remit-")
        return f"unix:{self._socket}"

    @property
    def _socket(self) -> Path:
        assert self._folder is not None, "the socket's place is made before anybody listens there"
        return Path(self._folder.name, "grpc")

    def open(
        self,
        address: Address,
        admit: Admit,
        telemetry: Telemetry,
        *,
        reads: Shares,
        writes: Shares,
        unsent: Shares,
        is_native: bool,
        proxied_max: int,
    ) -> Address:
        """Let callers in; grpcio's server is there already, and takes `proxied_max` calls at once. `is_native` False:
        nothing is answered without Python. `admit`, `telemetry`: see `HandlerThreads`. Of `reads`, `writes` and
        `unsent`, made by `shared`, callers of both servers take. The address with the port that was bound. Raises
        AddressRefused, CertificateUnreadable."""
        assert core is not None, "a door is made where there is a core"
        self._socket.chmod(0o600)
        native_clock = getattr(self._clock, "native", None)
        self._pem_told = self._certificates.contents if self._certificates is not None else None
        self._keys_told = self._ring.keys if self._ring is not None else None
        listener = listening_socket(address)
        listener.listen(_BACKLOG)
        port: int = listener.getsockname()[1]
        limits, serve_limits = self._limits, self._serve_limits
        try:
            self._door = core.Door(
                # Without the clock of Python, there is nothing to judge expirations by.
                self._core if is_native and native_clock is not None else None,
                native_clock or core.Clock(0),
                listener=listener.detach(),
                upstream=str(self._socket),
                threads=len(os.sched_getaffinity(0)),
                verbs=[
                    (verb.path, label_of(verb.path), _WRITES if verb.changes else _READS, _right_of(verb.path))
                    for verb in UNARY
                ],
                lanes=[
                    _lane_row(reads),
                    _lane_row(writes),
                ],
                unsent=_native(unsent),
                keys=_key_rows(self._ring),
                pem=self._pem_told,
                overloaded=refusal_parts(
                    Overloaded(
                        "the server has as many calls under way as it takes on at once: try again a little later",
                        name="calls_max",
                        limit=proxied_max,
                    )
                ),
                unavailable=refusal_parts(
                    StoreUnavailable("the server is starting or stopping: try again a little later")
                ),
                seconds_bounds=SECONDS,
                steps_bounds=STEPS,
                steps_max=limits.steps_max,
                items_max=limits.items_max,
                context_bytes_max=limits.context_bytes_max,
                request_bytes_max=limits.request_bytes_max,
                response_bytes_max=limits.response_bytes_max,
                calls_per_connection_max=serve_limits.calls_per_connection_max,
                proxied_max=proxied_max,
                handshake_s=serve_limits.handshake_s,
                idle_s=serve_limits.idle_connection_s,
                ping_every_s=_PING_EVERY_S,
                pong_within_s=_PONG_WITHIN_S,
            )
        except ValueError as error:
            raise CertificateUnreadable(f"the certificate cannot be used by the front door: {error}") from error
        lanes = (
            LaneThreads(_READS, "reads", serve_limits.readers),
            LaneThreads(_WRITES, "writes", serve_limits.writers),
        )
        self._threads = HandlerThreads(self._door, lanes, admit, telemetry, unsent.refusal)
        self._threads.start()
        return Address(address.host, port)

    def refresh(self) -> None:
        """Believe the keys and certificates as they are read now."""
        if self._door is None:
            return
        if self._ring is not None and self._ring.keys is not self._keys_told:
            self._keys_told = self._ring.keys
            self._door.set_keys(_key_rows(self._ring))
        if self._certificates is not None and self._certificates.contents != self._pem_told:
            self._pem_told = self._certificates.contents
            try:
                self._door.set_pem(self._pem_told)
            except ValueError as error:
                log.error("certificate not used by the front door", extra={"problem": str(error)})

    def drain(self) -> None:
        """Let nobody new in; who is in is told to go elsewhere next."""
        if self._door is not None:
            self._door.drain()

    def calls(self) -> list[Call]:
        """Those that threads are answering."""
        return self._threads.calls() if self._threads is not None else []

    def close(self, within_s: float) -> bool:
        """Wait for what is under way, and end; whether all ended by itself. Twice is once."""
        finished = self._door.close(within_s) if self._door is not None else True
        if self._threads is not None:
            self._threads.join()
        if self._folder is not None:
            self._folder.cleanup()
        return finished

    # --- for whoever watches ------------------------------------------------------------------------------------

    def refused(self) -> dict[tuple[str, str], int]:
        """How many calls were turned away before any work, by verb and reason."""
        if self._door is None:
            return {}
        counts = self._door.numbers()["refused"]
        return {
            (verb, reason): count
            for verb, each in counts.items()
            for reason, count in zip((Overloaded.reason, FairShareSpent.reason), each, strict=True)
            if count
        }

    def verbs(self) -> list[NativeVerb]:
        """What was answered here, for the metrics."""
        if self._door is None:
            return []
        return [
            NativeVerb(
                verb,
                each["yes"],
                each["no"],
                each["elsewhere"],
                {verdict: (buckets, sum_ns / 1e9) for verdict, (buckets, sum_ns) in each["seconds"].items()},
                each["steps"][0],
                each["steps"][1],
            )
            for verb, each in self._door.numbers()["methods"].items()
        ]

    def standing(self) -> dict[str, int]:
        """Connections, calls under way to Python, and so on; by name."""
        if self._door is None:
            return {}
        numbers = self._door.numbers()
        return {
            "connections": numbers["connections"],
            "accepted": numbers["accepted"],
            "handshakes_failed": numbers["handshakes_failed"],
            "proxied": numbers["proxied"],
            "proxied_refused": numbers["proxied_refused"],
        }


def may_answer(telemetry: Telemetry, serve_limits: ServeLimits, *, is_testing: bool) -> bool:
    """Whether the core may answer by itself: not where each request must be told one by one, counted against the rate
    of its key, or answered from a sandbox, all of which only Python does."""
    wanted = telemetry.requests
    told_one_by_one = (
        wanted.every
        or (wanted.slow_s is not None and wanted.slow_s < _NATIVE_AT_MOST_S)
        or telemetry.tracing.is_on
        or logging.getLogger("remit.requests").isEnabledFor(logging.DEBUG)
    )
    return not (told_one_by_one or serve_limits.rate_per_key or is_testing)


def peer_of(peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Who calls. Only the door speaks over the unix socket, and it lets nobody send the header by which it tells."""
    if not peer.startswith("unix:"):
        return peer
    return next((value for key, value in metadata if key == PEER and isinstance(value, str)), peer)


def _key_rows(ring: KeyRing | None) -> Sequence[KeyRow] | None:
    """The table of `credentials.rs`; None where there are no keys."""
    keys = ring.keys if ring is not None else None
    return [row for key in keys for row in _rows_of(key)] if keys is not None else None


def _rows_of(key: Key) -> Iterable[KeyRow]:
    stores = None if ALL_STORES in key.stores else set(key.stores)
    rights = {right.value for right in key.rights}
    for secret in key.secrets:
        untils_us = [until_us for until_us in (secret.until_us, key.expiration_us) if until_us is not None]
        yield secret.digest, key.id, rights, stores, min(untils_us, default=None)


def _right_of(path: str) -> str | None:
    right = RIGHTS[path].right
    return right.value if right is not None else None


def _lane_row(places: Shares) -> LaneRow:
    """What `places` would say where all are taken, and where too many are the caller's."""
    name, limit, what = places.name, places.limit, places.what
    return (
        _native(places),
        refusal_parts(overloaded(name, limit, what, taken=limit, given=limit + 1)),
        refusal_parts(fair_share_spent(name, limit, what)),
    )


def _native(shares: Shares) -> NativeShares:
    assert not isinstance(shares.held, Held), "who shares with the door does so in the core"
    return shares.held
