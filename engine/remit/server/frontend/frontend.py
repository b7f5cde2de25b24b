"""The frontend: the core's own gRPC server, which answers Check and Expand where it can, and brings on the rest.

It listens where the server should, on threads of the core that never wait for Python. Of what it does not answer
itself, a unary call whose request is whole waits there for a thread of Python (`dispatch`); all else goes, as it came,
to the grpcio server of this process, over a socket in a directory that nobody else may enter. Keys, certificates, and
whether it may answer by itself are pushed to it from here whenever they change.
Law: a request is answered as grpcio's server alone would have answered it, whichever of the two does."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remit.access.keyring import KeyRing
from remit.access.keys import ALL_STORES, Key, Keys
from remit.engine.clock import Clock
from remit.engine.limits import Limits
from remit.errors import (
    CertificateUnreadable,
    FairShareSpent,
    InvalidArgument,
    Overloaded,
    SlowRequest,
    StoreUnavailable,
)
from remit.native_core import absence, core
from remit.notation import shortened
from remit.server.error_mapping import status_parts
from remit.server.frontend.dispatch import Dispatcher, QueueThreads
from remit.server.limits.fair_quota import FairQuota, fair_share_spent, overloaded
from remit.server.limits.open_calls import (
    MESSAGE_BYTES_MAX,
    STRANGERS_MAX,
    WATCHES_MAX,
    WATCHES_PER_PEER_MAX,
    any_message_too_long,
    too_many_open,
)
from remit.server.limits.readings import slow_request
from remit.server.limits.serve_limits import ServeLimits, received_bytes_max
from remit.server.net.listen import Address, listening_socket
from remit.server.net.tls import Certificates
from remit.server.pipeline import SMALL_BYTES, Pipeline
from remit.server.telemetry.metrics import SECONDS, STEPS
from remit.server.telemetry.server_stats import NativeVerb
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verb import Queue, Verb
from remit.server.verbs import STREAMING, UNARY

if TYPE_CHECKING:
    from remit import _core

log = logging.getLogger(__name__)

_BACKLOG = 4_096  # connections that may wait to be accepted: as many as come at once after a restart
_PING_EVERY_S, _PONG_WITHIN_S = 120.0, 20.0  # as grpcio's server does
# A request that is slow must be told by Python. Here none takes longer than some milliseconds.
_NATIVE_AT_MOST_S = 0.05
_SOCKET_PATH_BYTES_MAX = 107  # of any unix socket, on Linux
_QUEUES = (Queue.READS, Queue.WRITES)  # by their numbers in the core
_REFUSALS = (Overloaded.reason, FairShareSpent.reason, SlowRequest.reason)  # in the order in which the core counts them


class FrontendChoice(StrEnum):
    """Whether the core listens: where it is built, always (or not at all), never."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def shared_holdings(limit: int) -> _core.Holdings:
    """What clients of the frontend and of the server behind it take of."""
    return core.Holdings(limit)


def is_wanted(choice: FrontendChoice) -> bool:
    """Whether a server has a frontend. Raises InvalidArgument; says loudly what it goes without."""
    absent = absence()
    if choice is FrontendChoice.OFF or not absent:
        return choice is not FrontendChoice.OFF
    if choice is FrontendChoice.ON:
        raise InvalidArgument(
            f"the front door is part of the native core, which is {absent}: install with cargo on the path, or "
            "serve with `--front-door off`"
        )
    log.warning("no native core (%s): every request is answered in Python, some hundred times slower", absent)
    return False


class Frontend:
    """The frontend of one server, from `open` to `close`. One thread at a time."""

    def __init__(
        self,
        pipeline: Pipeline,
        clock: Clock,
        limits: Limits,
        serve_limits: ServeLimits,
        *,
        core: _core.NativeCore | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """`pipeline` was made with `shared_holdings`, for clients of both servers take of what it counts. `core`: what
        answers; None where Python does always."""
        self._pipeline = pipeline
        self._ring = pipeline.gate.ring
        self._clock = clock
        self._core = core
        self._limits = limits
        self._serve_limits = serve_limits
        self._certificates = certificates
        self._native: _core.Frontend | None = None
        self._dispatcher: Dispatcher | None = None
        self._keys_told: Keys | None = None
        self._pem_told: tuple[bytes, bytes, bytes | None] | None = None
        self._is_native_told = True  # as the core begins
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def upstream(self) -> str:
        """Where grpcio's server is to listen: a place that its owner alone may enter. Once, before `open`."""
        self._folder = tempfile.TemporaryDirectory(prefix="remit-")
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_BYTES_MAX:
            raise InvalidArgument(
                f"`{shortened(str(self._socket.parent.parent))}` is too long a path for the socket that the front door "
                "needs there: set TMPDIR to a shorter one, or serve with `--front-door off`"
            )
        return f"unix:{self._socket}"

    @property
    def problem(self) -> str:
        """Why calls may not get on to Python; "" where they do. Cost: a look at the socket."""
        if self._native is None or self._socket.exists():
            return ""
        return f"the front door's socket `{self._socket}` was removed: start the server anew"

    @property
    def _socket(self) -> Path:
        assert self._folder is not None, "the socket's place is made before anybody listens there"
        return Path(self._folder.name, "grpc")

    def open(self, address: Address, services: Iterable[str]) -> Address:
        """Let callers in; grpcio's server is there already, and health is asked of these services. The address with the
        port that was bound. Raises AddressRefused, CertificateUnreadable."""
        assert core is not None, "a frontend is made where there is a core"
        self._socket.chmod(0o600)
        native_clock: _core.Clock | None = getattr(self._clock, "native", None)
        self._pem_told = self._certificates.contents if self._certificates is not None else None
        self._keys_told = self._ring.keys if self._ring is not None else None
        listener = listening_socket(address)
        listener.listen(_BACKLOG)
        port: int = listener.getsockname()[1]
        # Without the clock of Python, there is nothing to judge expirations by.
        answers = self._core if native_clock is not None else None
        config = self._native_config(listener.detach(), services)
        try:
            self._native = core.Frontend(answers, native_clock or core.Clock(0), config)
        except ValueError as error:
            raise CertificateUnreadable(f"the certificate cannot be used by the front door: {error}") from error
        threads = {Queue.READS: self._serve_limits.readers, Queue.WRITES: self._serve_limits.writers}
        queues = [QueueThreads(number, queue.value, threads[queue]) for number, queue in enumerate(_QUEUES)]
        self._refresh_native()
        self._dispatcher = Dispatcher(self._native, queues, self._pipeline)
        self._dispatcher.start()
        return Address(address.host, port)

    def _native_config(self, descriptor: int, services: Iterable[str]) -> _core.FrontendConfig:
        """All that the core is told at the start, for a socket that listens."""
        pipeline, limits, serve_limits = self._pipeline, self._limits, self._serve_limits
        unavailable = StoreUnavailable("the server is starting or stopping: try again a little later")
        return {
            "listener": {
                "descriptor": descriptor,
                "threads": len(os.sched_getaffinity(0)),
                "calls_per_connection_max": serve_limits.calls_per_connection_max,
                "has_rates": serve_limits.rate_per_key > 0,
                "pem": self._pem_told,
            },
            "upstream": {"socket": str(self._socket)},
            # In this order: the threads that answer know them by their numbers.
            "verbs": [*map(_verb_row, UNARY), *map(_verb_row, STREAMING)],
            "queues": [_queue_row(queue.places) for queue in (pipeline.reads, pipeline.writes)],
            "credentials": _credential_rows(self._ring),
            "limits": {
                "steps_max": limits.steps_max,
                "items_max": limits.items_max,
                "spicedb_items_max": limits.spicedb_items_max,
                "context_bytes_max": limits.context_bytes_max,
                "request_bytes_max": limits.request_bytes_max,
                "response_bytes_max": limits.response_bytes_max,
                "carried_bytes_max": received_bytes_max(limits),
                "small_bytes": SMALL_BYTES,
                "open_message_bytes_max": MESSAGE_BYTES_MAX,
                "health_watches_per_peer_max": WATCHES_PER_PEER_MAX,
            },
            "unsent": _shared(pipeline.unsent),
            "pools": {
                "proxied": _pool_row(pipeline.places.admitted),
                "strangers": _pool_row(FairQuota("strangers_max", STRANGERS_MAX, "calls without a valid key")),
                "health_watches": _health_watches_row(),
                # Not those of `pipeline`: what is carried there waits here and there.
                "unanswered": _pool_row(pipeline.unanswered),
            },
            "services": set(services),
            "timeouts": {
                "handshake_s": serve_limits.handshake_s,
                "idle_s": serve_limits.idle_connection_s,
                "ping_every_s": _PING_EVERY_S,
                "pong_within_s": _PONG_WITHIN_S,
                "request_s": serve_limits.request_s,
                "taken_s": serve_limits.slow_consumer_s,
            },
            "statuses": {
                "unavailable": status_parts(unavailable),
                "slow_request": status_parts(slow_request(serve_limits.request_s)),
                "stranger_too_long": status_parts(any_message_too_long()),
            },
            "buckets": {"seconds": SECONDS, "steps": STEPS},
        }

    def refresh(self) -> None:
        """Believe the keys and certificates as they are read now, and answer natively where nobody wants to be told of
        each request by itself."""
        if self._native is None:
            return
        self._refresh_native()
        if self._ring is not None and self._ring.keys is not self._keys_told:
            self._keys_told = self._ring.keys
            self._native.set_credentials(_credential_rows(self._ring))
        if self._certificates is not None and self._certificates.contents != self._pem_told:
            self._pem_told = self._certificates.contents
            try:
                self._native.set_pem(self._pem_told)
            except ValueError as error:
                log.error("certificate not used by the front door", extra={"problem": str(error)})

    def _refresh_native(self) -> None:
        assert self._native is not None, "a frontend that answers is open"
        is_native = not self._pipeline.telemetry.needs_every_request
        if is_native != self._is_native_told:
            self._is_native_told = is_native
            self._native.set_native(is_native)

    def set_serving(self, is_serving: bool) -> None:
        """What health says from now on."""
        if self._native is not None:
            self._native.set_serving(is_serving)

    def drain(self) -> None:
        """Let nobody new in; who is in is told to go elsewhere next."""
        if self._native is not None:
            self._native.drain()

    def close(self, within_s: float) -> bool:
        """Wait for what is under way, and end; whether all ended by itself. It may be called again."""
        finished = self._native.close(within_s) if self._native is not None else True
        if self._dispatcher is not None:
            self._dispatcher.join()
        if self._folder is not None:
            self._folder.cleanup()
        return finished

    # --- for whoever watches ------------------------------------------------------------------------------------

    def refused(self) -> dict[tuple[str, str], int]:
        """How many calls were refused before any work, by verb and reason."""
        if self._native is None:
            return {}
        counts = self._native.metrics()["refused"]
        return {
            (verb, reason): count
            for verb, each in counts.items()
            for reason, count in zip(_REFUSALS, each, strict=True)
            if count
        }

    def verbs(self) -> list[NativeVerb]:
        """What was answered here, for the metrics."""
        if self._native is None:
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
            for verb, each in self._native.metrics()["methods"].items()
        ]

    def stats(self) -> dict[str, int]:
        """Connections, calls under way to Python, and so on; by name."""
        if self._native is None:
            return {}
        metrics = self._native.metrics()
        return {
            "connections": metrics["connections"],
            "accepted": metrics["accepted"],
            "handshakes_failed": metrics["handshakes_failed"],
            "handshakes": metrics["handshakes_waiting"],
            "handshakes_let_go": metrics["handshakes_let_go"],
            "proxied": metrics["proxied"][0],
            "proxied_refused": metrics["proxied"][1],
            "strangers": metrics["strangers"][0],
            "strangers_refused": metrics["strangers"][1],
            "unanswered_bytes": metrics["unanswered"][0],
        }


def may_ever_answer(telemetry: Telemetry, serve_limits: ServeLimits, *, is_testing: bool) -> bool:
    """Whether this server's core may answer by itself: not where each request is to be told one by one, counted against
    the rate of its key, or answered from a sandbox, all of which only Python does."""
    wanted = telemetry.requests
    told_one_by_one = wanted.every or (wanted.slow_s is not None and wanted.slow_s < _NATIVE_AT_MOST_S)
    return not (told_one_by_one or serve_limits.rate_per_key or is_testing)


def may_answer(telemetry: Telemetry, serve_limits: ServeLimits, *, is_testing: bool) -> bool:
    """Whether it may at this moment: see `Telemetry.needs_every_request`."""
    return may_ever_answer(telemetry, serve_limits, is_testing=is_testing) and not telemetry.needs_every_request


# --- as the core wants it ---------------------------------------------------------------------------------------


def _credential_rows(ring: KeyRing | None) -> Sequence[_core.CredentialRow] | None:
    """None where there are no keys."""
    keys = ring.keys if ring is not None else None
    return [row for key in keys for row in _rows_of(key)] if keys is not None else None


def _rows_of(key: Key) -> Iterable[_core.CredentialRow]:
    stores = None if ALL_STORES in key.stores else set(key.stores)
    rights = {right.value for right in key.rights}
    for secret in key.secrets:
        untils_us = [until_us for until_us in (secret.until_us, key.expiration_us) if until_us is not None]
        yield secret.digest, key.id, rights, stores, min(untils_us, default=None)


def _verb_row(verb: Verb[Any]) -> _core.VerbRow:
    right = verb.right.value if verb.right is not None else None
    queue = None if verb.is_stream else _QUEUES.index(verb.queue)
    return verb.path, verb.label, queue, right, verb.is_hot


def _pool_row(quota: FairQuota) -> _core.PoolRow:
    """As much as `quota` has, and in its words."""
    return quota.limit, *_refusals(quota)


def _health_watches_row() -> _core.PoolRow:
    """As `grpc/open_methods.py` bounds and refuses those that come to it."""
    return (
        WATCHES_MAX,
        status_parts(too_many_open("watches_max", WATCHES_MAX, "watches of health")),
        status_parts(too_many_open("watches_per_peer_max", WATCHES_PER_PEER_MAX, "watches of health from one address")),
    )


def _queue_row(places: FairQuota) -> _core.WorkQueueRow:
    return _shared(places), *_refusals(places)


def _refusals(quota: FairQuota) -> tuple[_core.StatusParts, _core.StatusParts]:
    """What `quota` would say where all is taken, and where too much is the client's."""
    name, limit, what = quota.name, quota.limit, quota.what
    return (
        status_parts(overloaded(name, limit, what, taken=limit, given=limit + 1)),
        status_parts(fair_share_spent(name, limit, what)),
    )


def _shared(quota: FairQuota) -> _core.Holdings:
    assert isinstance(quota.holdings, core.Holdings), "who shares with the frontend does so in the core"
    return quota.holdings
