"""`remit serve`: the server in the foreground, until a signal ends it."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from remit.cli.arguments.durations import parse_duration
from remit.cli.arguments.limit_options import size_option, with_limits
from remit.cli.render.output import note, put, put_raw
from remit.cli.session import Session, command
from remit.client.channel import DEFAULT_ENDPOINT
from remit.engine.limits import Limits
from remit.server.frontend.frontend import FrontendChoice
from remit.server.limits.serve_limits import ServeLimits
from remit.server.run.config import DRAIN_DELAY_S, GRACE_S, SLOW_MS, Config
from remit.server.telemetry.log import LogFormat, LogLevel, RequestLog

DEFAULT_DATA = Path("data")
DEFAULT_RETENTION = "24h"


def register(app: typer.Typer) -> None:
    command(app, "serve", offline=True)(with_limits(serve))


_LOGS = "What the server tells"


def serve(
    session: Session,
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help=f"Where the facts are kept; `{DEFAULT_DATA}` if nothing is said."),
    ] = None,
    in_memory: Annotated[
        bool, typer.Option("--in-memory", help="Keep nothing: all of it is gone when the server stops.")
    ] = False,
    grpc: Annotated[
        str, typer.Option("--grpc", metavar="HOST:PORT", help="Where to listen; port 0 takes any that is free.")
    ] = DEFAULT_ENDPOINT,
    http: Annotated[
        str | None, typer.Option("--http", metavar="HOST:PORT", help="Also answer health and metrics over HTTP here.")
    ] = None,
    http_api: Annotated[
        bool, typer.Option("--http-api", help="Answer calls in JSON there too, by the same keys and limits as gRPC's.")
    ] = False,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            help="Who may call (`remit key`); else `keys.json` in the data directory, if there.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="PEM", help="The server's certificate, with its chain.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="PEM", help="The private key of the certificate.")
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option("--tls-client-ca", metavar="PEM", help="Let in only clients with a certificate signed by these."),
    ] = None,
    insecure_plaintext: Annotated[
        bool,
        typer.Option("--insecure-plaintext", help="Let keys and facts leave this machine unencrypted, behind a proxy."),
    ] = False,
    retention: Annotated[
        str,
        typer.Option(
            "--retention", metavar="DURATION", help="How long revisions can be asked about and watched, as in `7d`."
        ),
    ] = DEFAULT_RETENTION,
    store_bytes_max: Annotated[
        int | None, size_option("--store-bytes-max", "How large the data file may become. Default 256GiB.")
    ] = None,
    open_metrics: Annotated[
        bool,
        typer.Option(
            "--open-metrics", help="Answer /metrics to everyone, not only to keys with `audit`.", rich_help_panel=_LOGS
        ),
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How a line of the log is written.", rich_help_panel=_LOGS)
    ] = LogFormat.JSON,
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", help="What is not less than this is written.", rich_help_panel=_LOGS)
    ] = LogLevel.INFO,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Write a line for every request.", rich_help_panel=_LOGS)
    ] = False,
    slow_ms: Annotated[
        float,
        typer.Option(
            "--slow-ms",
            metavar="NUMBER",
            min=0,
            help="Warn of requests that take longer, with their question; 0: of none.",
            rich_help_panel=_LOGS,
        ),
    ] = SLOW_MS,
    grace_s: Annotated[
        float, typer.Option("--grace-s", metavar="NUMBER", min=0, help="How long a stop waits for what is under way.")
    ] = GRACE_S,
    drain_delay: Annotated[
        float | None,
        typer.Option(
            "--drain-delay",
            metavar="SECONDS",
            min=0,
            help="How long of that a stop goes on serving, while health says that it stops, for balancers to notice. "
            f"Default {DRAIN_DELAY_S:g}; on a loopback address 0.",
            show_default=False,
        ),
    ] = None,
    limits: Limits,
    serve_limits: ServeLimits,
    with_example: Annotated[
        bool, typer.Option("--with-example", help="Write the agent schema and an organisation, if the store is empty.")
    ] = False,
    front_door: Annotated[
        FrontendChoice,
        typer.Option(
            "--front-door",
            help="Whether the native core listens, and answers checks by itself; auto: where it is built.",
        ),
    ] = FrontendChoice.AUTO,
    testing: Annotated[
        bool,
        typer.Option("--testing", help="Give every bearer token an empty store of its own, in memory: for tests."),
    ] = False,
) -> int:
    """Run the server.

    It stays in the foreground; an interrupt (Ctrl-C) or SIGTERM lets it finish what is under way and stop, a second one
    stops at once; some seconds after the grace it ends in any case. One directory belongs to one server at a time.

    Examples:

        remit serve --in-memory --with-example
        remit serve --data /var/lib/remit --grpc 127.0.0.1:50051 --http 127.0.0.1:8080
        remit serve --data /var/lib/remit --grpc 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key
        remit serve --data /var/lib/remit --http 127.0.0.1:8080 --http-api
        remit serve --testing --grpc 127.0.0.1:0 --json
    """
    if testing and (data is not None or keys is not None or with_example):
        raise typer.BadParameter("with --testing every token has an empty store: leave --data, --keys, --with-example")
    if data is not None and in_memory:
        raise typer.BadParameter("a server keeps its facts in --data or --in-memory, not both")
    if http_api and http is None:
        raise typer.BadParameter("--http-api answers where --http says: give it --http HOST:PORT")
    if (tls_cert is None) != (tls_key is None) or (tls_client_ca is not None and tls_cert is None):
        raise typer.BadParameter("TLS takes --tls-cert and --tls-key together, and --tls-client-ca only with them")
    # Only this command pays for loading a server.
    from remit.cli.commands.example import NEXT_STEPS, write_example
    from remit.engine.facade import Engine
    from remit.server.net.tls import TlsFiles
    from remit.server.run.app import serve as run

    answers = sys.stdout
    example_is_new = False

    def prepare(engine: Engine) -> None:
        nonlocal example_is_new
        example_is_new = with_example and write_example(engine) is not None

    def ready(endpoint: str) -> None:
        if session.json:
            answers.write(json.dumps({"serving": endpoint, "example": example_is_new}) + "\n")
        elif with_example:
            if not example_is_new:
                note("the store is not empty: the example is left out")
            if endpoint != DEFAULT_ENDPOINT:
                put(f"export REMIT_ENDPOINT={endpoint}")
            put_raw(NEXT_STEPS)
        answers.flush()

    # What the server says of itself is for people: a program waits for the one line that says where it serves.
    with redirect_stdout(sys.stderr) if session.json else nullcontext():
        return run(
            data=data or DEFAULT_DATA,
            in_memory=in_memory,
            grpc=grpc,
            http=http,
            http_api=http_api,
            keys=keys,
            tls=TlsFiles(tls_cert, tls_key, tls_client_ca) if tls_cert is not None and tls_key is not None else None,
            insecure_plaintext=insecure_plaintext,
            config=Config(
                limits,
                serve_limits,
                store_bytes_max,
                open_metrics,
                log_level,
                log_format,
                RequestLog(every=log_requests, slow_s=slow_ms / 1_000 or None),
                grace_s,
                drain_delay,
                parse_duration(retention),
                testing,
                front_door,
            ),
            prepare=prepare,
            ready=ready,
        )
