"""`remit serve`: the server in the foreground, until a signal ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remit.cli.output import put, put_json, tell
from remit.cli.session import Session, command
from remit.client.channel import DEFAULT_ENDPOINT

DEFAULT_DATA = Path("data")


def register(app: typer.Typer) -> None:
    command(app, "serve", offline=True)(serve)


def serve(
    session: Session,
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
        str | None, typer.Option("--http", metavar="HOST:PORT", help="Also answer health over HTTP here.")
    ] = None,
    with_example: Annotated[
        bool, typer.Option("--with-example", help="Write the agent schema and an organisation, if the store is empty.")
    ] = False,
) -> int:
    """Run the server.

    It stays in the foreground; an interrupt (Ctrl-C) or SIGTERM lets it finish what is under way and stop, a second one
    stops at once. One directory belongs to one server at a time.

    Examples:

        remit serve --in-memory --with-example
        remit serve --data /var/lib/remit --grpc 127.0.0.1:50051 --http 127.0.0.1:8080
    """
    if data is not None and in_memory:
        raise typer.BadParameter("a server keeps its facts in --data or --in-memory, not both")
    # Only this command pays for loading a server.
    from remit.cli.example import NEXT_STEPS, write_example
    from remit.engine import Engine
    from remit.server.app import serve as run

    written: list[int | None] = []

    def prepare(engine: Engine) -> None:
        if with_example:
            written.append(write_example(engine))

    def ready(endpoint: str) -> None:
        if session.json:
            put_json({"serving": endpoint, "example": bool(written and written[0] is not None)})
        elif written and written[0] is None:
            tell("the store is not empty: the example is left out")
        if not session.json and with_example:
            if endpoint != DEFAULT_ENDPOINT:
                put(f"export REMIT_ENDPOINT={endpoint}")
            put(NEXT_STEPS)
        import sys

        sys.stdout.flush()

    return run(data=data or DEFAULT_DATA, in_memory=in_memory, grpc=grpc, http=http, prepare=prepare, ready=ready)
