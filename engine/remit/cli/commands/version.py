"""`remit version`."""

from __future__ import annotations

import platform

import typer

import remit
from remit.cli.render.output import put, put_json
from remit.cli.session import Session, command
from remit.native_core import absence, core


def register(app: typer.Typer) -> None:
    command(app, "version", offline=True)(version)


def version(session: Session) -> int:
    """Print the version, and whether there is a native core."""
    if session.json:
        put_json({"version": remit.__version__, "python": platform.python_version(), "core": _core_version()})
    else:
        put(f"remit {remit.__version__}")
        absent = absence()
        put(f"no native core ({absent}): Python answers all" if absent else f"native core {_core_version()}")
    return 0


def _core_version() -> str:
    """Of the native core; "" where it is not there, or switched off."""
    return "" if absence() else core.version
