"""The options that every verb of agents has."""

from __future__ import annotations

from typing import Annotated

import typer

RequestId = Annotated[
    str,
    typer.Option(
        "--request-id",
        metavar="ID",
        help="An id of yours for this request: sent again within the hour it is not carried out again.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Judge it and change nothing.")]
