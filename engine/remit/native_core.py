"""The native core where it is built, and why it is not there where it is not: the one place that looks for it.

Law: an installation without it works as well, only slower, and whoever starts it is told why."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

__all__ = ["SWITCH", "absence", "core"]

_problem = ""

if TYPE_CHECKING:
    from remit import _core as core
else:
    try:
        from remit import _core as core
    except ImportError as error:  # not built here, or for another machine: `absence` tells which
        core, _problem = None, str(error)

SWITCH = "REMIT_NATIVE"  # the environment's word: `off` leaves everything to Python


def absence() -> str:
    """Why the core answers nothing; "" where it does."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return f"switched off by `{SWITCH}=off`"
    if core is not None:
        return ""
    return f"built, but cannot be loaded: {_problem}" if find_spec("remit._core") else "not built here"
