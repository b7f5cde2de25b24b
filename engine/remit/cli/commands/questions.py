"""`remit check` and `remit expand`: who may what, and why.

Law: exit code 0 means yes to everything that was asked, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated

import typer

from remit.cli.arguments.lines import STANDARD_INPUT, Line, given_lines
from remit.cli.arguments.question_options import Arguments, Contextual, Descriptor, Purpose, Tool, given_call
from remit.cli.arguments.tokens import AtExactly, AtLeast
from remit.cli.render.as_json import answer_json, expanded_json
from remit.cli.render.expand_tree import print_expansion
from remit.cli.render.explain import print_explanation
from remit.cli.render.failures import FAILED
from remit.cli.render.output import EXIT_CODES, out, put, put_json, trees, verdict_text, verdict_words
from remit.cli.session import Session, command
from remit.client import Answer, Client, Question, Unanswered
from remit.client.requests.request import ReadOptions
from remit.errors import RemitError
from remit.model import Call, Verdict
from remit.notation import normalized_context, parse_context, parse_question

ITEMS_MAX = 1_000  # of one CheckMany


def register(app: typer.Typer) -> None:
    command(app, "check")(check)
    command(app, "expand")(expand)


# --- check ------------------------------------------------------------------------------------------------------


def check(
    session: Session,
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION…", help="`resource#permission@subject`; `-` reads them from standard input."),
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", metavar="JSON", help="Parameters for caveats, for every question.")
    ] = None,
    at_least: AtLeast = "",
    at_exactly: AtExactly = "",
    contextual: Contextual = None,
    tool: Tool = "",
    arguments: Arguments = "",
    purpose: Purpose = "",
    descriptor: Descriptor = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the tree of why, and a witness of a yes, or a fix of a no.")
    ] = False,
) -> int:
    """Ask whether a subject has a permission.

    Prints `yes`, `no`, or `conditional (missing: …)` where a caveat waits for parameters; several questions are asked
    together, one answer a line, with the question behind it. A question may bring a context of its own:
    `… with {"ip": "10.0.0.1"}`. With `--tool` and `--arguments` every question is about that one call of a tool.

    Exit code: 0 yes (to all), 1 no (to any), 3 conditional (and no no), 2 error.

    Examples:

        remit check 'tool:erp.pay#use@run:r-7'
        remit check 'doc:plan#view@user:anne' --context '{"ip": "10.0.0.1"}' --explain
        remit check 'tool:erp.pay#use@run:r-7' --tool erp.pay --arguments '{"amount":"99"}'
        remit check - < questions.txt
        remit check 'doc:plan#view@user:ben' --with 'doc:plan#viewer@user:ben'
    """
    _require_no_three_words(questions or ())
    lines = given_lines(questions or (), "questions")
    call = given_call(tool, arguments, purpose, descriptor, questions)
    shared = parse_context(context) if context is not None else {}
    is_single = len(lines) == 1 and STANDARD_INPUT not in (questions or (STANDARD_INPUT,))
    verdicts: list[Verdict | None] = []
    with session.connect() as client:
        options = ReadOptions(at_least, at_exactly, contextual or ())
        for line, answer in _ask(client, lines, shared, call, options, explain):
            _print(line.text, answer, session, is_single)
            verdicts.append(answer.verdict if isinstance(answer, Answer) else None)
    return exit_code(verdicts)


def _require_no_three_words(questions: Sequence[str]) -> None:
    """`zed permission check` takes a resource, a permission and a subject as words of their own."""
    if len(questions) == 3 and [":" in each for each in questions] == [True, False, True] and "#" not in questions[0]:
        resource, permission, subject = questions
        raise typer.BadParameter(f"a question is one word here: `remit check '{resource}#{permission}@{subject}'`")


def exit_code(verdicts: Iterable[Verdict | None]) -> int:
    """Of several answers the one that matters most: an error (None), then a no, then a conditional. Of none, an error:
    where nothing was asked nothing was allowed."""
    found = list(verdicts)
    known = [verdict for verdict in found if verdict is not None]
    return EXIT_CODES[min(known)] if known and len(known) == len(found) else FAILED


def _ask(
    client: Client,
    lines: Sequence[Line],
    shared: dict[str, object],
    call: Call | None,
    options: ReadOptions,
    explain: bool,
) -> Iterator[tuple[Line, Answer | Unanswered]]:
    """Each line with its answer, in order. All lines are read before anything is asked."""
    asked = [(line, _question(line, shared, call)) for line in lines]
    at_least, at_exactly, facts = options.at_least, options.at_exactly, tuple(options.contextual)
    if explain or len(asked) == 1:
        for line, question in asked:
            answered = client.check(
                question, at_least=at_least, at_exactly=at_exactly, contextual=facts, explain=explain
            )
            yield line, answered
        return
    remaining = iter(asked)
    while batch := list(islice(remaining, ITEMS_MAX)):
        questions = [question for _, question in batch]
        answers = client.check_many(questions, at_least=at_least, at_exactly=at_exactly, contextual=facts)
        for (line, _), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Answer) and not at_exactly:
                at_least = answer.token  # what follows is no older than what was just said
            yield line, answer


def _question(line: Line, shared: dict[str, object], call: Call | None) -> Question:
    """`question` or `question with {json}`; its own parameters go before those given for all."""
    text, separator, context = line.text.partition(" with ")
    try:
        own = parse_context(context) if separator else {}
        return Question(*parse_question(text.strip()), normalized_context({**shared, **own}), call)
    except RemitError as error:
        raise line.at_fault(error) from error


def _print(question: str, answer: Answer | Unanswered, session: Session, is_single: bool) -> None:
    if session.json:
        put_json(answer_json(question, answer))
    elif isinstance(answer, Unanswered):
        put(f"error: {answer.error.message} ({answer.error.reason})\t{question}")
    elif is_single:
        out().print(verdict_text(answer.verdict, answer.missing))
    else:
        put(f"{verdict_words(answer.verdict, answer.missing)}\t{question}")
    if not session.json and isinstance(answer, Answer) and answer.explanation is not None:
        print_explanation(answer.explanation, trees())


# --- expand -----------------------------------------------------------------------------------------------------


def expand(
    session: Session,
    target: Annotated[str, typer.Argument(metavar="SET", help="`resource#permission`, as in `tool:erp.pay#use`.")],
    depth: Annotated[
        int, typer.Option("--depth", min=0, metavar="N", help="Open only so many nested sets; 0 opens all.")
    ] = 0,
    at_least: AtLeast = "",
    at_exactly: AtExactly = "",
    contextual: Contextual = None,
) -> int:
    """Show everyone who has a permission, as sets made of sets.

    What has expired is left out. A set that occurs again is only named where it does.

    Examples:

        remit expand 'tool:erp.pay#use'
        remit expand 'tool:erp.pay#use' --depth 2 --json
    """
    with session.connect() as client:
        expanded = client.expand(
            target, depth=depth, at_least=at_least, at_exactly=at_exactly, contextual=contextual or ()
        )
    if session.json:
        put_json(expanded_json(expanded))
    else:
        print_expansion(expanded.expansion, trees())
    return 0
