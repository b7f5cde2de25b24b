"""What every question may bring beside itself.

Law: an option has one name and one meaning, whichever command asks."""

from __future__ import annotations

from typing import Annotated

import typer

Context = Annotated[str | None, typer.Option("--context", metavar="JSON", help="Parameters for caveats.")]
Contextual = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="RELATIONSHIP", help="A fact that counts for this question only. May be repeated."),
]
