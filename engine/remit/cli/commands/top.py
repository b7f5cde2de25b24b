"""`remit top`: what a server does right now, from its /metrics, once or again and again.

Law: it only ever reads; a server that does not answer for a while is shown as such, and asked again."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.live import Live
from rich.text import Text

from remit.cli.metrics import Figures, Sample, figures_between, parse_metrics
from remit.cli.render.output import out, put_json
from remit.cli.render.top import figures_json, view_of
from remit.cli.session import Session, command
from remit.client.channel import chosen_tls, endpoint_of, metadata_of
from remit.errors import FileUnreadable, InvalidArgument, RemitError, RemoteError, Status
from remit.notation import shortened

DEFAULT_PORT = 8080
_TIMEOUT_S = 5.0


def register(app: typer.Typer) -> None:
    command(app, "top")(top)


def top(
    session: Session,
    http: Annotated[
        str | None,
        typer.Option(
            "--http",
            metavar="URL",
            help="The server's HTTP edge (`remit serve --http`), as HOST:PORT or URL; or REMIT_HTTP; else port "
            f"{DEFAULT_PORT} of the endpoint's host.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once: rates are of the server's whole life.")] = False,
    interval_s: Annotated[
        float, typer.Option("--interval-s", metavar="N", min=0.1, help="Seconds between two looks.")
    ] = 2.0,
) -> int:
    """Watch what a server does: requests, times, verdicts, refusals, sizes.

    It reads /metrics; where the server has keys, with one that holds the right `audit`. With --json every look is an
    object on a line of its own.

    Examples:

        remit top --http 127.0.0.1:8080
        remit top --once --json
    """
    look = Looker(session, http)
    if once:
        _show(session, figures_between(None, look()))
        return 0
    with contextlib.suppress(KeyboardInterrupt):  # how one leaves it
        if session.json or not out().is_terminal:
            keep_looking(look, lambda figures: _show(session, figures), lambda: time.sleep(interval_s))
        else:
            with Live(console=out(), auto_refresh=False) as live:
                keep_looking(
                    look,
                    lambda figures: live.update(view_of(figures), refresh=True),
                    lambda: time.sleep(interval_s),
                    lambda problem: live.update(Text(problem, style="yellow"), refresh=True),
                )
    return 0


def keep_looking(
    look: Callable[[], Sample],
    show: Callable[[Figures], object],
    wait: Callable[[], object],
    show_problem: Callable[[str], object] | None = None,
) -> None:
    """Until `wait` ends it. The first look must succeed; later ones that do not are shown, where that is wanted."""
    before = look()
    show(figures_between(None, before))
    while True:
        wait()
        try:
            after = look()
        except RemoteError as error:
            if show_problem is None:
                raise
            show_problem(error.message)
        else:
            show(figures_between(before, after))
            before = after


def _show(session: Session, figures: Figures) -> None:
    if session.json:
        put_json(figures_json(figures))
    else:
        out().print(view_of(figures))


# --- a look -----------------------------------------------------------------------------------------------------


class Looker:
    """Reads /metrics. Raises RemoteError where nothing answers, or what does is no Remit or does not let us in."""

    def __init__(self, session: Session, http: str | None) -> None:
        """Raises InvalidArgument for what is no address, FileUnreadable for an authority that cannot be read."""
        files = chosen_tls(session.tls_files())
        address = http or os.environ.get("REMIT_HTTP", "")
        if not address:
            host = endpoint_of(session.endpoint).rpartition(":")[0]
            address = f"{host}:{DEFAULT_PORT}"
        if "://" not in address:
            address = f"{'http' if files is None else 'https'}://{address}"
        try:
            parts = urlsplit(address)
            is_known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_known = False
        if not is_known:
            raise InvalidArgument(f"`{shortened(address)}` is not an address: write HOST:PORT, or http://HOST:PORT")
        self._url = f"{parts.scheme}://{parts.netloc}/metrics"
        is_encrypted = parts.scheme == "https"
        self._headers = dict(metadata_of(session.token, f"{parts.hostname}:0", encrypted=is_encrypted))
        self._tls = _context(files.ca if files is not None else None) if is_encrypted else None

    def __call__(self) -> Sample:
        request = urllib.request.Request(self._url, headers=self._headers)  # noqa: S310  # http or https, see above
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self._tls) as response:  # noqa: S310
                return parse_metrics(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error, self._url) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise RemoteError(
                "UNAVAILABLE",
                Status.UNAVAILABLE,
                f"no metrics at `{shortened(self._url)}` ({getattr(reason, 'strerror', None) or reason}): name with "
                "--http what the server was given as `remit serve --http`",
            ) from error


def _context(ca: object) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:
        raise FileUnreadable(f"`{shortened(str(ca))}` cannot be read for TLS: {error}") from error


def _refusal(error: urllib.error.HTTPError, url: str) -> RemitError:
    try:
        failure = json.loads(error.read())["error"]
        return RemoteError(str(failure["reason"]), Status.PERMISSION_DENIED, str(failure["message"]))
    except (ValueError, KeyError, TypeError):
        return RemoteError(
            "UNAVAILABLE", Status.UNAVAILABLE, f"`{shortened(url)}` answers {error.code}: is it a Remit server's?"
        )
