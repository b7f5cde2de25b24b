"""What an evaluator is asked over, for tests that have a schema and a graph and no engine."""

from __future__ import annotations

from dataclasses import dataclass

from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed
from remit.graph.view import GraphView
from remit.language.plan import Schema
from tests.support.random_worlds import NOW_US


@dataclass(frozen=True)
class TrialView:
    """A schema and a graph at one time; `native` is the graph of the core, where it is asked, `changed` what `graph`
    has laid over that one's edges."""

    schema: Schema
    graph: GraphView
    native: NativeGraph | None = None
    changed: Changed | None = None
    revision: int = 0
    now_us: int = NOW_US

    def descriptor(self, digest: str) -> None:
        """No tool is described here."""
