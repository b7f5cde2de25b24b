"""An explanation in a line: what stood against a yes.

The whole tree is for those who debug a schema; this is for those who ask why.
Law: every fact named is in the explanation, and no answer below yes is left without a reason."""

from __future__ import annotations

from collections.abc import Iterator

from remit.eval.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode
from remit.language import plan
from remit.model import ObjectRef, SubjectRef, Verdict
from remit.notation import format_relationship

# Notes that say only that nothing was found; the question they stand under says what was looked for.
_NOTHING_FOUND = ("", "no relationship", "not the resource itself")

_Key = tuple[ObjectRef | None, str, SubjectRef | None]


def reasons_against(explanation: Explanation, schema: plan.Schema) -> tuple[str, ...]:
    """What kept the answer from a yes, each reason once: a relation that does not hold, facts that hold back, a chain
    that is broken or comes back to itself. Cost: O(what is explained)."""
    found = dict.fromkeys(_ReasonFinder(explanation, schema).against_question(explanation.questions[0], frozenset()))
    return tuple(found) or ("the explanation was cut short before a reason",)


class _ReasonFinder:
    """Walks the questions of one explanation, each once, so that cycles end."""

    def __init__(self, explanation: Explanation, schema: plan.Schema) -> None:
        self._schema = schema
        self._questions: dict[_Key, ExplainedQuestion] = {
            (each.resource, each.relation, each.subject): each for each in explanation.questions
        }
        self._visited: set[_Key] = set()

    def against_question(self, question: ExplainedQuestion, path: frozenset[_Key]) -> Iterator[str]:
        key = (question.resource, question.relation, question.subject)
        if key in path:
            yield _cycle(question)
        elif key not in self._visited:
            self._visited.add(key)
            definition = self._schema.definitions.get(question.resource.type)
            if definition is not None and question.relation in definition.relations:
                # Whom a relation names is policy: that it does not name the subject is reported, not in how many ways.
                yield _nothing(question, question.definition)
            else:
                yield from self._against(question.definition, question, path | {key})

    def _against(self, node: ExplanationNode, under: ExplainedQuestion, path: frozenset[_Key]) -> Iterator[str]:
        match node.kind:
            case ExplanationKind.QUESTION:
                question = self._questions.get((node.resource, node.relation, node.subject))
                if question is not None:
                    yield from self.against_question(question, path)
            case ExplanationKind.EXCLUSION if node.children[0].verdict is Verdict.YES:
                holding = dict.fromkeys(self._proof(node.children[-1], set()))
                yield f"held back by {' and '.join(f'`{fact}`' for fact in holding)}"
            case ExplanationKind.CONSTANT | ExplanationKind.RELATIONSHIP:
                yield _nothing(under, node)
            case _:
                # Beside an operand that says what it lacks, one that led nowhere has nothing to add.
                lacking = [child for child in node.children if child.verdict is not Verdict.YES]
                for child in [child for child in lacking if not _is_empty(child)] or lacking[:1]:
                    yield from self._against(child, under, path)

    def _proof(self, node: ExplanationNode, visited: set[_Key]) -> Iterator[str]:
        """The facts that something which is so rests on."""
        if node.relationship is not None:
            yield format_relationship(node.relationship)
        key = (node.resource, node.relation, node.subject)
        if node.kind is ExplanationKind.QUESTION and key not in visited and key in self._questions:
            visited.add(key)
            yield from self._proof(self._questions[key].definition, visited)
        for child in node.children:
            if child.verdict is Verdict.YES:
                yield from self._proof(child, visited)


def _is_empty(node: ExplanationNode) -> bool:
    return node.kind is ExplanationKind.CONSTANT and node.note in _NOTHING_FOUND


def _nothing(under: ExplainedQuestion, node: ExplanationNode) -> str:
    if node.missing:
        return f"`{under.resource}#{under.relation}@{under.subject}` waits for {', '.join(node.missing)}"
    if node.kind is ExplanationKind.CONSTANT and not _is_empty(node):
        return node.note
    return f"no `{under.resource}#{under.relation}@{under.subject}`"


def _cycle(question: ExplainedQuestion) -> str:
    if ".along(" in question.relation:
        return f"the chain of {question.subject} comes back to itself"
    return f"`{question.resource}#{question.relation}@{question.subject}` rests on itself"
