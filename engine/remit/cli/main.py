"""The entry of `remit`: the commands put together, and every ending turned into an exit code.

Law: `main` never raises; its answer is what the shell gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# gRPC's own library talks on standard error about things that are no concern of a person at a shell; and of a server, a
# line of no known form for each call of a stranger that it refuses. What it fails at is told as the outcome of calls.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import typer

from remit.cli.commands import (
    agents,
    apply,
    consents,
    constraint,
    demo,
    export,
    holds,
    impact,
    imports,
    keys,
    lookup,
    owners,
    questions,
    relationships,
    runs,
    schemas,
    serve,
    stores,
    tools,
    top,
    validate,
    version,
    watch,
)
from remit.cli.render.failures import INTERRUPTED, PIPE_CLOSED, report, report_bug, report_usage
from remit.cli.session import shared_callback
from remit.errors import RemitError
from remit.notation import shortened

# typer does not export the class that all its complaints about a command line share.
_CommandLineError: type[Exception] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException" and issubclass(each, Exception)
)

app = typer.Typer(
    name="remit",
    help="Who may do what: ask, write, serve. `remit COMMAND --help` tells of each, with examples.\n\n"
    "Exit codes: 0 yes or done, 1 no, 3 conditional, 2 error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(shared_callback)
for group in (
    serve,
    keys,
    questions,
    lookup,
    relationships,
    imports,
    export,
    watch,
    holds,
    runs,
    consents,
    agents,
    impact,
    owners,
    tools,
    apply,
    schemas,
    stores,
    validate,
    constraint,
    top,
    demo,
    version,
):
    group.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        code = app(arguments, standalone_mode=False, prog_name="remit")
        sys.stdout.flush()
    except RemitError as error:
        return report(error, as_json=as_json)
    except BrokenPipeError:
        return _close_pipe()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as ending:  # typer ends a process itself on a closed pipe, and after completion
        return _close_pipe() if ending.code == 1 else int(ending.code or 0)
    except _CommandLineError as error:
        return _report_command_line(error, as_json)
    except Exception as error:  # noqa: BLE001  # the last line of defence: a person gets a sentence, not a traceback
        return report_bug(error, as_json=as_json)
    return code if isinstance(code, int) else 0


def _report_command_line(error: BaseException, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return 2
    hint = f"; see `{context.command_path} --help`" if context is not None else ""
    return report_usage(_complaint(error), as_json=as_json, hint=hint)


def _complaint(error: BaseException) -> str:
    """What typer says is wrong, with the value that it leaves out."""
    message: str = error.format_message()  # type: ignore[attr-defined]
    found = getattr(error.__cause__, "errors", None)
    if found is None:
        return message
    value = str(found()[0].get("input", ""))
    return message.replace("Input should", f"`{shortened(value)}` should").replace("Value error, ", "").rstrip(".")


def _close_pipe() -> int:
    """The exit code where the reader of our output has gone. What Python still flushes at its end is thrown away, or it
    would print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED


if __name__ == "__main__":
    sys.exit(main())
