"""The graph of delegation: who stands between a person and what is done in their name.

An edge leads from whoever delegates to the run, from a run to its version, and from that to its agent; so what a person
reaches is all that is done for them. Whoever every way there goes through stands there alone: its dominator. Stop it,
and none of it is done for that person any more.
Law: what is told of one who stands alone is true of the chains that are given, all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from remit.model import ObjectRef, Relationship

_DELEGATION = "delegated_by"  # the one relation that leads from what is below to what is above


@dataclass(frozen=True, slots=True)
class StandsAlone:
    """A run through which every way leads from the person or system to so many other runs, and so many agents."""

    principal: ObjectRef
    run: ObjectRef
    runs: int
    agents: int


def delegation_graph(chains: Iterable[Relationship]) -> Any:
    """A `networkx.DiGraph` of the objects by name, with their `type`; an edge has its `relation`."""
    # Imported here, for it takes half a second, which no other command should.
    import networkx

    graph = networkx.DiGraph()
    for each in chains:
        above, below = each.subject.object, each.resource
        if each.relation != _DELEGATION:
            above, below = below, above
        for object in (above, below):
            graph.add_node(str(object), type=object.type)
        graph.add_edge(str(above), str(below), relation=each.relation)
    return graph


def standing_alone(chains: Iterable[Relationship]) -> list[StandsAlone]:
    """Who stands alone before at least one other run, for each person and system at the beginning of a chain; who
    stands before most comes first. Cost: O(chains) for each of these."""
    import networkx

    named = {str(object): object for each in chains for object in (each.resource, each.subject.object)}
    graph = delegation_graph(chains)
    found = []
    for principal in (each for each, object in named.items() if object.type in ("user", "system")):
        dominators = networkx.immediate_dominators(graph, principal)
        behind = _behind(dominators, principal, named)
        for run, counted in behind.items():
            if named[run].type == "run" and counted["run"]:
                found.append(StandsAlone(named[principal], named[run], counted["run"], counted["agent"]))
    return sorted(found, key=lambda each: (-each.runs, -each.agents, each.principal, each.run))


def _behind(dominators: dict[str, str], principal: str, named: dict[str, ObjectRef]) -> dict[str, Counter[str]]:
    """How many of each type everybody dominates: those below in the tree of immediate dominators."""
    behind = {each: Counter[str]() for each in dominators if each != principal}
    for each in _leaves_first(dominators, principal):
        before = dominators[each]
        if before != principal:
            behind[before][named[each].type] += 1
            behind[before].update(behind[each])
    return behind


def _leaves_first(dominators: dict[str, str], principal: str) -> Iterator[str]:
    """All but the principal, whoever is dominated before its dominator."""
    waiting = Counter(before for each, before in dominators.items() if each != principal)
    ready = [each for each in dominators if each != principal and not waiting[each]]
    while ready:
        each = ready.pop()
        yield each
        before = dominators[each]
        waiting[before] -= 1
        if not waiting[before] and before != principal:
            ready.append(before)


def graphml(chains: Iterable[Relationship]) -> str:
    """The graph as GraphML."""
    import networkx

    return "\n".join(networkx.generate_graphml(delegation_graph(chains))) + "\n"


def dot(chains: Iterable[Relationship]) -> str:
    """The graph as DOT, which Graphviz draws."""
    graph = delegation_graph(chains)
    lines = [f"  {_quoted(name)} [shape={_SHAPES.get(type, 'box')}];" for name, type in graph.nodes(data="type")]
    lines += [
        f"  {_quoted(above)} -> {_quoted(below)} [label={_quoted(relation)}];"
        for above, below, relation in graph.edges(data="relation")
    ]
    return "\n".join(["digraph delegations {", "  rankdir=LR;", *lines, "}", ""])


_SHAPES = {"user": "ellipse", "system": "ellipse", "agent": "component", "agent_version": "component"}


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
