"""`remit constraint narrower`, `test` and `canonical`: constraints on calls, looked at by themselves.

Law: exit code 0 says that the narrower one is narrower, or the call covered; nothing else does."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.arguments.call import ReadCall, read_call
from remit.arguments.canonical import canonical_arguments
from remit.arguments.document import ANY_PERMISSION, parse_document
from remit.arguments.fitting import fits
from remit.arguments.judge import judge
from remit.arguments.judged import Judged, Related
from remit.arguments.narrower import narrower as is_narrower
from remit.arguments.schema_library import Unfit
from remit.arguments.side import Side
from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.arguments.tree import Clause, Document, Part
from remit.arguments.verdicts import Assumed, Outcome, goals_of, outcomes_of, reason_of
from remit.cli.arguments.json_input import read_json_input
from remit.cli.render.output import EXIT_CODES, note, put, put_json
from remit.cli.session import Session, command
from remit.errors import InvalidContext
from remit.model import Call, Verdict
from remit.notation import checked_name, parse_object

EVERY_OTHER = "*"
ANY_TOOL = "any"  # of a call that is judged by constraints that say nothing of its tool

_GIVEN = "JSON, a file, or `-` for standard input"
Matching = Annotated[
    bool,
    typer.Option(
        "--matching", help="They stand where authority is taken (`with matching`), and not where it is given."
    ),
]
Schema = Annotated[
    str | None, typer.Option("--schema", metavar="TOOL", help="The descriptor of the tool that is called, a JSON file.")
]


def register(app: typer.Typer) -> None:
    constraint = typer.Typer(no_args_is_help=True)
    command(constraint, "narrower", offline=True)(narrower)
    command(constraint, "test", offline=True)(test)
    command(constraint, "canonical", offline=True)(canonical)
    app.add_typer(constraint, name="constraint", help="Try constraints on calls: compare two, judge a call by one.")


# --- narrower ---------------------------------------------------------------------------------------------------


def narrower(
    session: Session,
    first: Annotated[str, typer.Argument(metavar="A", help=f"The one that should be narrower: {_GIVEN}.")],
    second: Annotated[str, typer.Argument(metavar="B", help=f"The one that it should be narrower than: {_GIVEN}.")],
    matching: Matching = False,
    schema: Schema = None,
) -> int:
    """Say whether every call that constraint A lets through constraint B lets through, and if not, why.

    A yes holds for every call of every tool, whatever the graph answers to `related`; a no may come where the two are
    too intricate to be compared. With `--schema` both are of calls of that tool, whose types are known. With
    `--matching`: whether every call that denial A lets be denial B lets be.

    Exit code: 0 where A is narrower, 1 where it is not, 2 on an error.

    Examples:

        remit constraint narrower '{"to": {"equals": "bob"}}' '{"to": {"one_of": ["bob", "ann"]}}'
        remit constraint narrower wanted.json held.json --schema mail.send.json
    """
    side = Side.MATCHING if matching else Side.ARGUMENTS
    types = _descriptor(schema).types if schema is not None else None
    found = is_narrower(_document(first, side), _document(second, side), types)
    if session.json:
        told = {} if found else {"pointer": found.pointer, "reason": found.reason}
        put_json({"narrower": found.is_narrower, **told})
    else:
        put("narrower" if found else f"not narrower: {found.reason}")
    return 0 if found else 1


# --- test -------------------------------------------------------------------------------------------------------


def test(
    session: Session,
    constraint: Annotated[str, typer.Argument(metavar="CONSTRAINT", help=f"The constraint: {_GIVEN}.")],
    arguments: Annotated[str, typer.Argument(metavar="ARGUMENTS", help=f"The arguments of the call: {_GIVEN}.")],
    tool: Annotated[str | None, typer.Option("--tool", metavar="ID", help="The tool that is called.")] = None,
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="What it is called for.")] = "",
    matching: Matching = False,
    schema: Schema = None,
    holds: Annotated[
        list[str] | None,
        typer.Option("--holds", metavar="OBJECT#PERMISSION", help="Assume that the subject has it; `*`: every other."),
    ] = None,
    lacks: Annotated[
        list[str] | None,
        typer.Option("--lacks", metavar="OBJECT#PERMISSION", help="Assume that it has not; `*`: every other."),
    ] = None,
) -> int:
    """Judge a call by a constraint, without a server.

    Prints `covered`, `not covered` or `cannot be judged` with the reason; or, where it hangs on what `related` and
    bindings ask of the graph, `conditional` and these questions, each without its subject. With `--matching`: `matches`
    or `does not match`.

    Exit code: 0 covered (matches), 1 not, 3 conditional or not to be judged, 2 an error, such as arguments that are no
    strict JSON.

    Examples:

        remit constraint test '{"to": {"each": {"related": {"type": "user", "permission": "contact"}}}}' call.json
        remit constraint test mail.json '{"to": ["bob"]}' --schema mail.send.json --holds 'user:bob#contact'
    """
    document = _document(constraint, Side.MATCHING if matching else Side.ARGUMENTS)
    if tool is None and _speaks_of_the_tool(document.root):
        raise typer.BadParameter("the constraint says something of the tool: name it with `--tool`")
    assumed = _assumed(holds or (), lacks or ())
    call = read_call(Call(tool if tool is not None else ANY_TOOL, read_json_input(arguments), purpose))
    if schema is not None:
        call = _understood(call, _descriptor(schema), document)
    judged = judge(document, call)
    outcomes = outcomes_of(judged, assumed)
    if len(outcomes) > 1:
        return _tell_conditional(session, judged, assumed)
    [outcome] = outcomes
    pointer, reason = reason_of(judged, outcome, assumed)
    if session.json:
        told = {"pointer": pointer or None, "reason": reason}
        put_json({"verdict": _VERDICTS[outcome], **(told if outcome is not Outcome.YES else {})})
    else:
        word = _WORDS[document.side][outcome]
        put(word if outcome is Outcome.YES else f"{word}: {reason}")
    return _CODES[outcome]


_CODES = {Outcome.YES: 0, Outcome.NO: 1, Outcome.UNJUDGED: 3}
_VERDICTS = {Outcome.YES: "yes", Outcome.NO: "no", Outcome.UNJUDGED: "unjudged"}
_WORDS = {
    Side.ARGUMENTS: {Outcome.YES: "covered", Outcome.NO: "not covered", Outcome.UNJUDGED: "cannot be judged"},
    Side.MATCHING: {Outcome.YES: "matches", Outcome.NO: "does not match", Outcome.UNJUDGED: "cannot be judged"},
}


def _tell_conditional(session: Session, judged: Judged, assumed: Assumed) -> int:
    goals = dict.fromkeys(_named(each) for each in goals_of(judged) if assumed(each) is None)
    if session.json:
        put_json({"verdict": "conditional", "questions": list(goals)})
    else:
        put("conditional: it hangs on whether the subject that is asked has")
        for each in goals:
            put(f"  {each}")
    return EXIT_CODES[Verdict.CONDITIONAL]


def _named(goal: Related) -> str:
    return f"{goal.object}#{goal.permission}"


def _assumed(holds: list[str] | tuple[()], lacks: list[str] | tuple[()]) -> Assumed:
    answers = {_checked(each): truth for truth, names in ((True, holds), (False, lacks)) for each in names}
    if both := set(holds) & set(lacks):
        raise typer.BadParameter(f"`{sorted(both)[0]}` cannot be held and lacking")
    return lambda goal: answers.get(_named(goal), answers.get(EVERY_OTHER))


def _checked(goal: str) -> str:
    if goal == EVERY_OTHER:
        return goal
    object, hash_sign, permission = goal.partition("#")
    if not hash_sign:
        raise typer.BadParameter(f"`{goal}` is not of the form `type:id#permission`")
    return f"{parse_object(object)}#{checked_name(permission)}"


def _understood(call: ReadCall, descriptor: Descriptor, document: Document) -> ReadCall:
    """The call as its tool understands it."""
    if misfit := fits(document, descriptor.types):
        note(f"it does not fit the tool: `{misfit.pointer}` {misfit.reason}")
    filled = descriptor.filled(call.arguments)
    if isinstance(filled, Unfit):
        return call.unjudgeable(filled.pointer, filled.reason)
    return call.typed(filled, descriptor.types)


def _speaks_of_the_tool(part: Part) -> bool:
    below = () if isinstance(part, Clause) else part.parts
    return bool(part.tool.members) or any(map(_speaks_of_the_tool, below))


# --- canonical --------------------------------------------------------------------------------------------------


def canonical(
    session: Session,
    arguments: Annotated[str, typer.Argument(metavar="ARGUMENTS", help=f"The arguments of a call: {_GIVEN}.")],
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NAME=TYPE", help="What the tool says that an argument is, as in `to=email`."),
    ] = None,
    schema: Schema = None,
) -> int:
    """Put the arguments of a call into the form in which they are judged, and say what changed.

    Numbers are written by RFC 8785 and texts in NFC; with types from `--schema` or `--type`, `https://host` becomes
    `https://host/`, hosts are in lower case and paths without `//`. Whatever could mean something else, such as a `..`,
    is an error. The changes go to standard error.

    Examples:

        remit constraint canonical call.json --schema mail.send.json
        remit constraint canonical '{"to": "https://Example.com"}' --type to=url
    """
    told = dict(_descriptor(schema).types) if schema is not None else {}
    put_right = canonical_arguments(read_json_input(arguments), {**told, **dict(map(_type_option, types or ()))})
    text = put_right.arguments.decode()
    if session.json:
        put_json({"arguments": text, "changes": [each._asdict() for each in put_right.changes]})
        return 0
    for pointer, before, after, reason in put_right.changes:
        note(f"`{pointer}`: `{before}` is written `{after}`: {reason}")
    put(text)
    return 0


def _type_option(option: str) -> tuple[str, str]:
    name, equals, type = option.rpartition("=")
    if not equals or not name:
        raise typer.BadParameter(f"`{option}` is not of the form `name=type`, such as `to=email`")
    return name, type


# --- what is given ----------------------------------------------------------------------------------------------


def _document(argument: str, side: Side) -> Document:
    text = read_json_input(argument)
    try:
        return parse_document(text.decode(), side, ANY_PERMISSION)
    except UnicodeDecodeError as error:
        raise InvalidContext(f"the constraint is not UTF-8 at byte {error.start}") from error


def _descriptor(argument: str) -> Descriptor:
    return read_descriptor(read_json_input(argument))
