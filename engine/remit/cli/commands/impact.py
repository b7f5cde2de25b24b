"""`remit impact`: what hangs on an object, before somebody stops it.

Law: nothing is changed; and where there may be more than is told, it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remit.cli.files import complete_text
from remit.cli.render.as_json import impact_json
from remit.cli.render.delegations import dot, graphml, standing_alone
from remit.cli.render.impacts import impact_lines, stops_in_words
from remit.cli.render.output import note, put, put_json
from remit.cli.session import Session, command

_NAMED_MAX = 1_000


def register(app: typer.Typer) -> None:
    command(app, "impact")(impact)


def impact(
    session: Session,
    object: Annotated[str, typer.Argument(metavar="OBJECT", help="`agent:payer`, `user:anne`, `estate:acme`.")],
    leaving: Annotated[
        bool, typer.Option("--leaving", help="Of a person: what would stop if they left, not if they were held.")
    ] = False,
    graphml_file: Annotated[
        Path | None, typer.Option("--graphml", metavar="FILE", help="Write the graph of delegation as GraphML.")
    ] = None,
    dot_file: Annotated[
        Path | None, typer.Option("--dot", metavar="FILE", help="Write the graph of delegation as DOT, for Graphviz.")
    ] = None,
) -> int:
    """Tell what a hold on an object would stop, and who stands alone between a person and what is done in their name.

    Told is what works now and would not: runs, agents, versions, people, tools, and so on. A run stands alone before
    others where every way from a person to them leads through it: to hold it is to stop them all, for that person.

    Examples:

        remit impact agent:payer
        remit impact user:anne --leaving
        remit impact estate:acme --dot delegations.dot
    """
    with session.connect() as client:
        found = client.impact(object, leaving=leaving, limit=_NAMED_MAX, with_chains=True)
    for path, render in ((graphml_file, graphml), (dot_file, dot)):
        if path is not None:
            with complete_text(path) as stream:
                stream.write(render(found.chains))
    alone = standing_alone(found.chains)
    if session.json:
        put_json(impact_json(object, leaving, found, alone))
        return 0
    cause = f"without `{object}`" if leaving else f"by a hold on `{object}`"
    note(f"{stops_in_words(found.stops)} would stop {cause}")
    for line in impact_lines(found, alone):
        put(line)
    if found.chains_more:
        note("not all chains were looked at: others may stand there too")
    return 0
