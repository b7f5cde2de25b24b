"""What the server says about itself on standard error: a JSON object a line, or a line for people.

Law: a line never breaks, whatever it holds; no key's text and no caveat's context ever stands in one."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from remit.server.error_mapping import has_left

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogFormat(StrEnum):
    """How a line is written."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """From which weight on a line is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        return logging.getLevelNamesMapping()[self.name]


@dataclass(frozen=True, slots=True)
class RequestLog:
    """`every`: a line for each request (without it they are written at level debug). `slow_s`: a warning, with the
    question, for those that take longer; None for none."""

    every: bool = False
    slow_s: float | None = None


class JsonLines(logging.Formatter):
    """time, level, logger, event, then whatever was given as `extra`, then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(_given(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """The same for people: `time level event key=value …`, then the traceback, indented."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_time(record), f"{record.levelname.lower():<7}", _on_one_line(record.getMessage())]
        words += [f"{key}={_shown(value)}" for key, value in _given(record).items()]
        line = " ".join(words)
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            line += "".join(f"\n    {_on_one_line(each)}" for each in traceback.splitlines())
        return line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _given(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _OWN}


def _shown(value: object) -> str:
    text = str(value)
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' "=')
    return text if text and is_plain else json.dumps(text)


def _on_one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)


def configure(level: LogLevel = LogLevel.INFO, format: LogFormat = LogFormat.JSON) -> None:
    """Send every log line of the process to standard error. Called once, by the process that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format is LogFormat.JSON else TextLines())
    logging.basicConfig(level=level.number, handlers=[handler], force=True)
    # What these do on our behalf, `app` tells already.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("grpc._cython.cygrpc").addFilter(is_worth_telling)
    for name, at_most in _OF_STRANGERS.items():
        logging.getLogger(name).addFilter(at_most)


class AtMost:
    """A filter for what anybody can cause by what he sends: so many lines a minute, and with the first of a later one
    how many were left out before it. Time is the records' own."""

    def __init__(self, lines_a_minute: int) -> None:
        self._most = lines_a_minute
        self._minute = -1
        self._told = 0
        self._left_out = 0

    def __call__(self, record: logging.LogRecord) -> bool:
        minute = int(record.created // 60)
        if minute != self._minute:
            if self._left_out:
                record.left_out = self._left_out
            self._minute, self._told, self._left_out = minute, 0, 0
        self._told += 1
        self._left_out += self._told > self._most
        return self._told <= self._most


# What these tell of one message may be a traceback; sixty are enough to mend what is ours, and fill no disk.
_OF_STRANGERS = {name: AtMost(60) for name in ("grpc._cython.cygrpc", "uvicorn.error", "remit.server.http.server")}


def is_worth_telling(record: logging.LogRecord) -> bool:
    """Of what gRPC tells as errors of ours, all but two that are its callers': one left in the moment of their answer;
    or sent a header that is no text, which gRPC would write out, and which may be nearly somebody's key."""
    error = record.exc_info[1] if record.exc_info else None
    return not has_left(error) and not isinstance(error, UnicodeDecodeError)
