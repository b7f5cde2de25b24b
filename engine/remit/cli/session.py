"""What every command shares: where the server is, which store, and how answers are printed.

The options may stand before the command or after it; after wins. `@command` adds them to a function's own parameters.
Law: a command is a plain function of a Session and its arguments that returns an exit code."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

import remit
from remit.client import Client
from remit.client.channel import DEFAULT_ENDPOINT, TIMEOUT_S, Tls, tls_of_environment

_PANEL = "Options of every command"

# The environment is read by the client and by `Session`, not by typer: it would count once before the command and once
# after it, and so outweigh what was written before.
EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="HOST:PORT",
        help=f"Where the server is; or REMIT_ENDPOINT; else {DEFAULT_ENDPOINT}.",
        rich_help_panel=_PANEL,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", metavar="KEY", help="The caller's key; or REMIT_TOKEN.", rich_help_panel=_PANEL),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="NAME", help="The store; or REMIT_STORE; else `default`.", rich_help_panel=_PANEL),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.001,
        help=f"How long to wait for an answer; else {TIMEOUT_S:g} (a minute for bulk).",
        rich_help_panel=_PANEL,
    ),
]
TlsOption = Annotated[
    bool,
    typer.Option("--tls", help="Encrypt, trusting the usual authorities; or REMIT_TLS=1.", rich_help_panel=_PANEL),
]
CaOption = Annotated[
    str | None,
    typer.Option(
        "--ca", metavar="PEM", help="Encrypt, trusting these authorities; or REMIT_CA.", rich_help_panel=_PANEL
    ),
]
CertOption = Annotated[
    str | None,
    typer.Option(
        "--cert", metavar="PEM", help="The certificate to show the server; or REMIT_CERT.", rich_help_panel=_PANEL
    ),
]
CertKeyOption = Annotated[
    str | None,
    typer.Option("--cert-key", metavar="PEM", help="Its private key; or REMIT_CERT_KEY.", rich_help_panel=_PANEL),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Answers for programs: one JSON object a line (docs/cli.md).", rich_help_panel=_PANEL),
]


@dataclass(frozen=True, slots=True)
class Session:
    """The shared options as given. None: not given."""

    endpoint: str | None = None
    token: str | None = None
    store: str | None = None
    timeout_s: float | None = None
    json: bool = False
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    cert_key: str | None = None

    def connect(self, timeout_s: float = TIMEOUT_S) -> Client:
        """A client of the server; `timeout_s` is for commands whose requests may take longer than a question."""
        return Client(
            self.endpoint,
            store=self.store if self.store is not None else os.environ.get("REMIT_STORE", ""),
            token=self.token,
            timeout_s=self.timeout_s if self.timeout_s is not None else timeout_s,
            tls=self.tls_files(),
        )

    def tls_files(self) -> Tls | None:
        """The files named, each that is not by the environment; None where nothing is given here."""
        named = Tls(self.ca, self.cert, self.cert_key)
        return tls_of_environment(named) if self.tls or named != Tls() else None

    def overridden(self, later: Session) -> Session:
        """These options where `later` does not say otherwise."""
        return Session(
            later.endpoint if later.endpoint is not None else self.endpoint,
            later.token if later.token is not None else self.token,
            later.store if later.store is not None else self.store,
            later.timeout_s if later.timeout_s is not None else self.timeout_s,
            later.json or self.json,
            later.tls or self.tls,
            later.ca if later.ca is not None else self.ca,
            later.cert if later.cert is not None else self.cert,
            later.cert_key if later.cert_key is not None else self.cert_key,
        )


_ONLINE = {
    "endpoint": EndpointOption,
    "token": TokenOption,
    "store": StoreOption,
    "timeout": TimeoutOption,
    "tls": TlsOption,
    "ca": CaOption,
    "cert": CertOption,
    "cert_key": CertKeyOption,
}
_OFFLINE = {"json_output": JsonOption}

_SWITCHES = ("tls", "json_output")

Command = Callable[..., int]


def command(app: typer.Typer, name: str, *, offline: bool = False) -> Callable[[Command], Command]:
    """Register a function `(session, …) -> exit code` as a command, with the shared options beside its own.

    Its docstring is the help. An offline command talks to no server, and takes only `--json`."""

    def register(function: Command) -> Command:
        app.command(name)(_with_shared_options(function, offline))
        return function

    return register


def _with_shared_options(function: Command, offline: bool) -> Command:
    shared = _OFFLINE if offline else {**_ONLINE, **_OFFLINE}

    def run(ctx: typer.Context, **values: Any) -> int:
        given = {option: values.pop(option) for option in shared}
        return function(session_of(ctx).overridden(_session(**given)), **values)

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    added = [
        inspect.Parameter(
            option,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=annotation,
            default=False if option in _SWITCHES else None,
        )
        for option, annotation in shared.items()
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *own, *added], return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {"ctx": typer.Context, **_own_hints(function), **shared, "return": int}
    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    return run


def _own_hints(function: Command) -> dict[str, Any]:
    hints = get_type_hints(function, include_extras=True)
    first = next(iter(inspect.signature(function).parameters))
    return {name: hint for name, hint in hints.items() if name not in (first, "return")}


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"remit {remit.__version__}")
        raise typer.Exit


def shared_callback(
    ctx: typer.Context,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    store: StoreOption = None,
    timeout: TimeoutOption = None,
    tls: TlsOption = False,
    ca: CaOption = None,
    cert: CertOption = None,
    cert_key: CertKeyOption = None,
    json_output: JsonOption = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The callback of the program itself: the options that stand before the command."""
    ctx.obj = Session(endpoint, token, store, timeout, json_output, tls, ca, cert, cert_key)


def session_of(ctx: typer.Context) -> Session:
    found = ctx.find_root().obj
    return found if isinstance(found, Session) else Session()


def _session(
    endpoint: str | None = None,
    token: str | None = None,
    store: str | None = None,
    timeout: float | None = None,
    tls: bool = False,
    ca: str | None = None,
    cert: str | None = None,
    cert_key: str | None = None,
    json_output: bool = False,
) -> Session:
    return Session(endpoint, token, store, timeout, json_output, tls, ca, cert, cert_key)
