"""Runs as a person reads them: a chain in lines, and what is below a run as a tree, with who holds what.

Law: every run of the page is shown once, below the one that it acts for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from remit.engine.agents.lineage import ChainLink, RunBelow
from remit.engine.agents.run_states import RunLife, RunState
from remit.notation import format_time

_STYLES = {RunLife.LIVE: "green", RunLife.OVER: "dim", RunLife.TERMINATED: "red"}


def print_runs_below(top: str, runs: Iterable[RunBelow], console: Console) -> None:
    """`top`: what they are below. The runs come as the server gives them: each after the one that it is below."""
    tree = Tree(Text(top, style="bold"))
    above = [tree]
    for each in runs:
        del above[each.depth :]
        above.append(above[-1].add(run_line(each.run, is_cut=each.is_cut)))
    console.print(tree)


def run_line(run: RunState, *, is_cut: bool = False) -> Text:
    """`r-… payer.2  live until …  holds pay, about small  held by incident-42`."""
    line = Text(run.id, style="bold")
    line.append(f"  {run.version}", style="cyan")
    line.append(f"  {life_words(run)}", style=_STYLES[run.life])
    if run.profiles:
        line.append(f"  holds {', '.join(run.profiles)}")
    if run.intent and run.profiles != (run.intent,):
        line.append(f"  about {run.intent}")
    for name, text in run.bindings.items():
        line.append(f"  {name}={text}", style="dim")
    if run.holds:
        line.append(f"  held by {', '.join(run.holds)}", style="red")
    if is_cut:
        line.append("  (and others below, not shown)", style="dim")
    return line


def life_words(run: RunState) -> str:
    if run.ends_at_us is None or run.life is RunLife.TERMINATED:
        return run.life.value
    return f"{run.life.value} {'until' if run.life is RunLife.LIVE else 'since'} {format_time(run.ends_at_us)}"


def print_chain(links: Sequence[ChainLink], console: Console) -> None:
    """Each link, from the run up, and whether it is live by itself."""
    width = max((len(str(each.object)) for each in links), default=0)
    for each in links:
        line = Text(f"{each.object!s:<{width}}  ")
        line.append("live" if each.is_live else "not live", style="green" if each.is_live else "red")
        if each.holds:
            line.append(f"  held by {', '.join(each.holds)}", style="red")
        console.print(line)
