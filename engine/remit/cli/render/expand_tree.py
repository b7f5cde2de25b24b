"""An expansion as a tree: sets made of sets, down to the facts that name someone.

Law: each set is opened once; a set that is met again is named, so cycles end."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from remit.cli.render.outline import Branch, Key, Outline
from remit.cli.render.output import visible
from remit.eval.trees import (
    ExpandAlong,
    ExpandArrow,
    ExpandExclusion,
    ExpandExists,
    ExpandIntersection,
    ExpandLeaf,
    ExpandNobody,
    ExpandNode,
    ExpandReference,
    ExpandSelf,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
)
from remit.notation import format_relationship


def print_expansion(expansion: Expansion, console: Console) -> None:
    sections: dict[Key, Branch] = {
        (each.resource, each.relation): Branch(
            Text(f"{each.resource}#{each.relation}", style="bold"), _opened(each.definition)
        )
        for each in expansion.sets
    }
    first = expansion.sets[0]
    Outline((first.resource, first.relation), sections).print(console)


def _opened(definition: ExpandNode) -> tuple[Branch, ...]:
    """What hangs below a set's name: a relation's facts directly, anything else as it is."""
    if isinstance(definition, ExpandLeaf):
        return _facts(definition.subjects)
    return (_branch(definition),)


def _branch(node: ExpandNode) -> Branch:
    match node:
        case ExpandReference(resource, relation, truncated):
            name = Text(f"{resource}#{relation}", style="bold")
            return Branch(name + Text("  (deeper than asked)", "dim")) if truncated else _to(node)
        case ExpandUnion(children):
            return Branch(_operator("any of"), tuple(_branch(child) for child in children))
        case ExpandIntersection(children):
            return Branch(_operator("all of"), tuple(_branch(child) for child in children))
        case ExpandExclusion(base, subtracted):
            return Branch(_operator("the first, unless the second"), (_branch(base), _branch(subtracted)))
        case ExpandLeaf(relation, subjects):
            return Branch(_operator(relation), _facts(subjects))
        case ExpandExists(relation, subjects):
            who = "everyone" if subjects else "nobody"
            return Branch(_operator(f"{who}, because there {_is(subjects)} a `{relation}`"), _facts(subjects))
        case ExpandArrow(relation, permission, every, targets):
            quantity = "every" if every else "any"
            return Branch(_operator(f"`{permission}` of {quantity} `{relation}`"), _facts(targets))
        case ExpandAlong(child, relations):
            chain = ", ".join(f"`{relation}`" for relation in relations)
            return Branch(_operator(f"every link of the subject's chain by {chain} is in"), (_branch(child),))
        case ExpandSubjectFilter(permission):
            return Branch(_operator(f"subjects that have `{permission}` of themselves"))
        case ExpandSelf(resource):
            return Branch(Text(f"{resource} itself"))
        case ExpandNobody():
            return Branch(_operator("nobody"))


def _facts(subjects: tuple[ExpandSubject, ...]) -> tuple[Branch, ...]:
    if not subjects:
        return (Branch(Text("no relationship", style="dim")),)
    return tuple(
        Branch(Text(visible(format_relationship(each.relationship))), (_branch(each.userset),) if each.userset else ())
        for each in subjects
    )


def _to(reference: ExpandReference) -> Branch:
    name = Text(f"{reference.resource}#{reference.relation}", style="bold")
    return Branch(name, section=(reference.resource, reference.relation))


def _is(subjects: tuple[ExpandSubject, ...]) -> str:
    return "is" if subjects else "is not"


def _operator(text: str) -> Text:
    return Text(text, style="italic")
