"""How a command fails: what is printed, on standard error, and the exit code.

Law: nobody who uses `remit` sees a traceback, and no failure exits with the code of an answer."""

from __future__ import annotations

import os
import sys
import traceback

from rich.text import Text

from remit.cli.render.as_json import error_json
from remit.cli.render.output import err, json_line, note, visible
from remit.cli.render.unreachable import NOBODY, advised
from remit.errors import RemitError, RemoteError, SchemaInvalid, WorldInvalid
from remit.language.source import Issue
from remit.wire.schemas import Finding as SchemaFinding
from remit.world import Finding

FAILED = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE


def report(error: RemitError, *, as_json: bool) -> int:
    """Tell an error; the exit code."""
    if as_json:
        note(json_line({"error": error_json(error)}))
        return FAILED
    for finding in _findings(error):
        note(finding)
    print_error(_message(error), error.reason)
    return FAILED


def report_usage(message: str, *, as_json: bool, hint: str = "") -> int:
    """Tell that the command line itself is wrong."""
    if as_json:
        note(json_line({"error": {"reason": "USAGE", "message": message}}))
    else:
        message = message.removeprefix("Invalid value: ")
        is_acronym = message[1:2].isupper()
        print_error((message[:1] if is_acronym else message[:1].lower()) + message[1:].rstrip(".") + hint, "USAGE")
    return FAILED


def report_bug(error: Exception, *, as_json: bool) -> int:
    """Tell of what should never happen. REMIT_DEBUG=1 shows where it did."""
    if os.environ.get("REMIT_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    message = f"unexpected {type(error).__name__}: {error}; REMIT_DEBUG=1 shows where"
    if as_json:
        note(json_line({"error": {"reason": "INTERNAL", "message": message}}))
    else:
        print_error(message, "INTERNAL")
    return FAILED


def print_error(message: str, reason: str) -> None:
    """`error: message (REASON)`."""
    sys.stdout.flush()
    err().print(Text("error:", style="bold red") + Text(f" {visible(message)} ({reason})", style="not bold default"))


def _findings(error: RemitError) -> list[str]:
    """Everything the error found besides its message, which repeats the first of several."""
    if isinstance(error, SchemaInvalid):
        return [each.render() for each in error.issues if isinstance(each, Issue)]
    if isinstance(error, RemoteError):
        return [each.rendered for each in error.findings if isinstance(each, SchemaFinding)]
    if isinstance(error, WorldInvalid):
        return [each.render() for each in error.findings if isinstance(each, Finding)]
    return []


def _message(error: RemitError) -> str:
    if isinstance(error, SchemaInvalid | RemoteError) and _findings(error):
        return "the schema does not compile"  # the findings stand above
    if not isinstance(error, RemoteError):
        return error.message
    if error.reason == "KEY_MISSING":
        return "this server asks for a key: name it with --token or REMIT_TOKEN"
    return advised(error.message) if error.message.startswith(NOBODY) else error.message
