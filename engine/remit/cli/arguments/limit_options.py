"""The options that set limits: one for each field of `Limits` and `ServeLimits`, by the same name.

The table says what each is for; names, defaults and kinds are the fields' own, so that a limit is stated in one place.
Law: every limit of the server is in the table, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Annotated, Any, get_type_hints

import typer

from remit.engine.limits import MIB, Limits
from remit.server.limits.serve_limits import ServeLimits, flag_of, shown

# fmt: off
HELP: Mapping[str, str] = {
    # What one request may ask for.
    "updates_max":                    "Updates in a Write, and relationships in a message of Import.",
    "preconditions_max":              "Preconditions in a Write or Delete.",
    "contextual_max":                 "Contextual relationships in a question.",
    "items_max":                      "Questions in a CheckMany.",
    "page_max":                       "Relationships in a page of Read or Export.",
    "matches_max":                    "Relationships that one revision may remove by a filter.",
    "scanned_max":                    "Relationships that the filters of a write or delete may look at.",
    "filters_max":                    "Filters of a Watch.",
    "undone_max":                     "Changes a question may have to undo, for `at_exactly` or while it runs.",
    "context_bytes_max":              "The context of a question.",
    "relationship_context_bytes_max": "The context of a relationship's caveat.",
    "metadata_bytes_max":             "The metadata of a write.",
    "spicedb_import_max":             "Relationships in a message of an import over SpiceDB's wire.",
    "spicedb_items_max":              "Questions in a bulk check of SpiceDB's wire.",
    "spicedb_preconditions_max":      "Preconditions in a write or delete of SpiceDB's wire.",
    "spicedb_metadata_bytes_max":     "The metadata of a write of SpiceDB's wire.",
    "schema_bytes_max":               "A schema.",
    "schema_terms_max":               "Definitions, members, subject types and operands of a schema.",
    "expression_length_max":          "Characters of a caveat's expression.",
    "stores_max":                     "Stores of the server.",
    "steps_max":                      "Steps of evaluation a question may take.",
    "evaluation_bytes_max":           "What may be remembered of a question while it is answered.",
    "expanded_max":                   "Sets and relationships in an expansion.",
    "request_bytes_max":              "A request.",
    "json_bytes_max":                 "A request in JSON, over HTTP.",
    "response_bytes_max":             "An answer.",
    # What the server takes on at once.
    "readers":                        "Threads for questions.",
    "reads_in_flight_max":            "Questions at work or waiting; no caller may hold more than it leaves free.",
    "heavy_readers":                  "Threads for questions that are heavy; two at most work for one caller.",
    "writers":                        "Threads for writes.",
    "heavy_writers":                  "Threads for writes that are heavy; two at most work for one caller.",
    "writes_in_flight_max":           "Writes at work or waiting; no caller may hold more than it leaves free.",
    "rate_per_key":                   "Requests a second of one key; 0: as many as it likes.",
    "streams_max":                    "Open streams.",
    "streams_per_key_max":            "Open streams of one key (or connection, without keys).",
    "stream_threads":                 "Threads that streams borrow.",
    "default_deadline_s":             "How long a request that names no deadline may take.",
    "slow_consumer_s":                "How long a reader may leave a message.",
    "unsent_bytes_max":               "Answers that wait to be read; no caller may hold more than it leaves free.",
    "remembered_bytes_max":           "Lists of the past and watches of permissions, by fair shares of callers.",
    "unanswered_bytes_max":           "Requests not yet answered; no caller may hold more than it leaves free.",
    "request_s":                      "How long a message of a request may take to come whole.",
    "calls_per_connection_max":       "Calls at once on one connection.",
    "http_connections_max":           "Connections to the HTTP port; beyond that the least useful is ended.",
    "handshake_s":                    "How long a new connection may take to begin to speak.",
    "sandboxes_max":                  "Tokens that have a store of their own, with --testing.",
    "idle_connection_s":              "How long a connection may stay without a call.",
}
# fmt: on

_LOWEST = {
    "expanded_max": 4_000,
    "rate_per_key": 0.0,
    "default_deadline_s": 0.001,
    "slow_consumer_s": 0.001,
    "request_s": 0.001,
    "handshake_s": 0.001,
    "idle_connection_s": 1.0,
}
# gRPC keeps sizes in 32 bits, and we ask it for twice the size of a request; protobuf ends at 2 GiB.
_HIGHEST = {"request_bytes_max": 1023 * MIB, "response_bytes_max": 2047 * MIB}

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gib": 1 << 30}
_UNITS |= {"t": 1 << 40, "tib": 1 << 40}


def parse_size(text: str | int) -> int:
    """Bytes: `4194304`, `4096KiB`, `4M`. Raises typer.BadParameter."""
    parts = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", str(text).strip())
    factor = _UNITS.get(parts[2].lower()) if parts is not None else None
    if parts is None or factor is None or not int(parts[1]):
        raise typer.BadParameter(f"`{text}` is not a size: write bytes, or a number with KiB, MiB, GiB or TiB")
    return int(parts[1]) * factor


def size_option(flag: str, help: str, **more: Any) -> Any:
    """An option that takes a size."""
    return typer.Option(flag, metavar="SIZE", parser=parse_size, help=help, show_default=False, **more)


Command = Callable[..., int]


def with_limits(function: Command) -> Command:
    """A command `(session, *, limits, serve_limits, …)` as one that takes an option for each limit instead."""

    def run(session: Any, **values: Any) -> int:
        taken = {kind: {field.name: values.pop(field.name) for field in fields(kind)} for kind in (Limits, ServeLimits)}
        for name, most in _HIGHEST.items():
            if taken[Limits][name] > most:
                raise typer.BadParameter(f"{flag_of(name)} is at most {shown(name, most)}")
        limits, serve_limits = Limits(**taken[Limits]), ServeLimits(**taken[ServeLimits])
        return function(session, limits=limits, serve_limits=serve_limits, **values)

    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.name not in ("limits", "serve_limits")
    ]
    added = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=_annotation(kind, field)
        )
        for kind in (Limits, ServeLimits)
        for field in fields(kind)
    ]
    run.__signature__ = inspect.Signature([*own, *added], return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {
        **{name: hint for name, hint in hints.items() if name not in ("limits", "serve_limits")},
        **{parameter.name: parameter.annotation for parameter in added},
    }
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


def _annotation(kind: type, field: Field[Any]) -> Any:
    panel = "Limits of a request" if kind is Limits else "Limits of the server"
    usual: object = field.default
    assert isinstance(usual, int | float), "every limit has a default"
    purpose = HELP.get(field.name, "")  # a test sees to it that there is something
    flag, help = flag_of(field.name), f"{purpose} Default {shown(field.name, usual)}."
    if "_bytes_" in field.name:
        return Annotated[int, size_option(flag, help, rich_help_panel=panel)]
    shared: dict[str, Any] = {"metavar": "N", "help": help, "show_default": False, "rich_help_panel": panel}
    if isinstance(usual, float):
        return Annotated[float, typer.Option(flag, min=_LOWEST[field.name], **shared)]
    return Annotated[int, typer.Option(flag, min=int(_LOWEST.get(field.name, 1)), **shared)]
