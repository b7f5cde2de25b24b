"""How much memory a server may take beyond its facts, as its flags state it: a table of what callers can make it hold.

Law: the bound follows from flags of `remit serve`, and from what one of the things that they count takes; a siege that
finds more has found something that nobody bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from remit.engine.limits import Limits
from remit.server.grpc.open_methods import READS_MAX
from remit.server.limits.open_calls import STRANGERS_MAX
from remit.server.limits.readings import SLOW_READINGS_MAX
from remit.server.limits.serve_limits import ServeLimits, calls_max
from remit.server.limits.thread_pool import SCHEMA_THREADS

CALL_BYTES = 3 * 1024  # of one that is open, as docs/operate/security.md has it
STRANGER_BYTES = 64 * 1024  # of a message whose sender is not known: a window of HTTP/2

JSON_TIMES = 32  # of the bytes of a request in JSON, while a message is made of it
HTTP_BYTES = 2 * 64 * 1024  # that came on a connection before anybody asked for them, and once more while they are read

# Of a set or relationship while an answer is made of it, as measured; its context is part of the answer.
EXPANDED_BYTES = 1_200

# What is held, by the limits that say how much of it.
_HELD: Mapping[str, Callable[[Limits, ServeLimits], int]] = {
    "answers that wait to be taken": lambda _, serve: serve.unsent_bytes_max,
    "requests in JSON at work": lambda limits, serve: (
        (serve.heavy_readers + serve.heavy_writers + SCHEMA_THREADS) * JSON_TIMES * limits.json_bytes_max
    ),
    "connections of HTTP": lambda _, serve: serve.http_connections_max * HTTP_BYTES,
    "lists of the past": lambda _, serve: serve.remembered_bytes_max,
    "answers at work": lambda limits, serve: (serve.readers + serve.heavy_readers) * limits.response_bytes_max,
    # What Python remembers, and of a past as much again; what is light is over before it has anything to remember.
    "questions at work": lambda limits, serve: serve.heavy_readers * 2 * limits.evaluation_bytes_max,
    "expansions at work": lambda limits, serve: serve.heavy_readers * limits.expanded_max * EXPANDED_BYTES,
    # Messages of streams are there a second time where they are carried to Python.
    "requests that come or are worked on": lambda _, serve: 2 * serve.unanswered_bytes_max,
    "messages of strangers": lambda _, serve: STRANGERS_MAX * STRANGER_BYTES,
    "calls": lambda _, serve: (STRANGERS_MAX + calls_max(serve)) * CALL_BYTES,
}
# gRPC's own library makes room for a message before anybody is asked who sent it; `open_methods.py` and `readings.py`
# say for how many at once, and there are three kinds of strangers' calls.
_HELD_BY_GRPCIO: Mapping[str, Callable[[Limits, ServeLimits], int]] = {
    "messages that come slowly": lambda limits, _: (SLOW_READINGS_MAX + 3 * READS_MAX) * 2 * limits.request_bytes_max,
}


def stated_bytes(limits: Limits, serve_limits: ServeLimits, *, with_frontend: bool) -> int:
    """All of it at once."""
    held = _HELD if with_frontend else {**_HELD, **_HELD_BY_GRPCIO}
    return sum(bytes_of(limits, serve_limits) for bytes_of in held.values())
