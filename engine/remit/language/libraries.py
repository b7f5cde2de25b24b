"""The libraries that come with Remit: `import "remit:agents@1"` brings one in, wherever a schema is compiled.

A library is part of the program, so its text is read as code is: once, from the package. A name carries a version, and
what a version means stays; what would mean something else is another version.
Law: a name that is here is here in every later Remit."""

from __future__ import annotations

from functools import cache
from importlib import resources

LIBRARY_PREFIX = "remit:"

AGENTS = "remit:agents@1"

LIBRARIES = {AGENTS: "agents@1.zed"}
"""Every library by the name it is imported by, and its file below `schema/`."""


@cache
def library_text(name: str) -> str:
    """The text of a library in `LIBRARIES`."""
    return (resources.files("remit") / "schema" / LIBRARIES[name]).read_text(encoding="utf-8")
