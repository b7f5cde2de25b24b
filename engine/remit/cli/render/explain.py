"""An explanation as a tree: the question, what it is made of, and the facts that decided.

Law: every verdict printed is one the server gave; nothing is weighed again here."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from remit.cli.render.outline import Branch, Key, Outline
from remit.cli.render.output import verdict_text, visible
from remit.eval.trees import Explanation, ExplanationKind, ExplanationNode
from remit.model import ObjectRef, SubjectRef, Verdict
from remit.notation import format_relationship

_OPERATORS = {
    ExplanationKind.UNION: "any of",
    ExplanationKind.INTERSECTION: "all of",
    ExplanationKind.EXCLUSION: "the first, unless the second",
}


_Definitions = Mapping[tuple[ObjectRef | None, str, SubjectRef | None], ExplanationNode]


def print_explanation(explanation: Explanation, console: Console) -> None:
    definitions: _Definitions = {
        (each.resource, each.relation, each.subject): each.definition for each in explanation.questions
    }
    sections: dict[Key, Branch] = {
        (each.resource, each.relation, each.subject): Branch(
            _label(each.verdict, f"{each.resource}#{each.relation}@{each.subject}"),
            (_branch(each.definition, definitions),),
        )
        for each in explanation.questions
    }
    first = explanation.questions[0]
    Outline((first.resource, first.relation, first.subject), sections).print(console)
    if explanation.truncated:
        console.print(Text("there is more: the explanation was cut short", "dim"))
    _print_support(explanation, console)


def _print_support(explanation: Explanation, console: Console) -> None:
    """Facts one a line, as they are written in a file; changes as `remit write` reads them."""
    witness = [format_relationship(each) for each in explanation.witness]
    fix = [f"{each.operation.value} {format_relationship(each.relationship)}" for each in explanation.fix]
    for title, lines in (("these relationships alone make it a yes:", witness), ("it would be a yes after:", fix)):
        if lines:
            console.print(Text(f"\n{title}", "dim"))
        for line in lines:
            console.print(Text(f"  {visible(line)}"))
    if explanation.unfinished:
        verdict = explanation.questions[0].verdict
        sought = "what alone makes it a yes" if verdict is Verdict.YES else "what would make it a yes"
        console.print(Text(f"\n{sought} was not looked for to the end: it took too long", "dim"))


def _branch(node: ExplanationNode, definitions: _Definitions) -> Branch:
    match node.kind:
        case ExplanationKind.QUESTION:
            return _question(node, definitions)
        case ExplanationKind.RELATIONSHIP:
            fact = format_relationship(node.relationship) if node.relationship is not None else "a relationship"
            return Branch(_label(node.verdict, fact, node.note, node.missing))
        case ExplanationKind.CONSTANT:
            return Branch(_label(node.verdict, node.note or "a constant"))
        case _ if len(node.children) == 1 and not node.note:
            return _branch(node.children[0], definitions)  # one operand decided: it speaks for itself
        case _:
            children = tuple(_branch(child, definitions) for child in node.children)
            return Branch(_label(node.verdict, _OPERATORS[node.kind], node.note), children)


def _question(node: ExplanationNode, definitions: _Definitions) -> Branch:
    """A question on the way: one that a single fact answers is shown on one line, and each link of a chain is shown
    apart, or the page would grow as wide as the chain is long."""
    key = (node.resource, node.relation, node.subject)
    question = f"{node.resource}#{node.relation}@{node.subject}"
    definition = definitions.get(key)
    while definition is not None and len(definition.children) == 1 and not definition.note:
        definition = definition.children[0]
    if definition is not None and definition.kind is ExplanationKind.RELATIONSHIP:
        return _branch(definition, definitions)
    if definition is not None and definition.kind is ExplanationKind.CONSTANT:
        return Branch(_label(node.verdict, question, definition.note, definition.missing))
    return Branch(_label(node.verdict, question), section=key, apart=".along(" in node.relation)


def _label(verdict: Verdict, text: str, note: str = "", missing: tuple[str, ...] = ()) -> Text:
    label = verdict_text(verdict, missing) + Text(f"  {visible(text)}")
    return label + Text(f"  {note}", style="dim") if note else label
