"""`remit apply`: an organisation is what its files say.

Law: what is told is what becomes of the store, and with `--diff` and `--dry-run` what would; those write nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.applied import counted, print_differences
from remit.cli.render.as_json import document_change_json
from remit.cli.render.output import note, put, put_json, put_raw
from remit.cli.session import Session, command
from remit.cli.transfer.documents import ReadDocument, read_documents
from remit.client import ApplyResult
from remit.engine.agents.applies import Change, DocumentChange
from remit.engine.agents.kind_schemas import schema_of, schema_of_all
from remit.engine.agents.kinds import BY_LIST, BY_NAME
from remit.errors import RemoteError
from remit.suggest import did_you_mean

_TIMEOUT_S = 60.0  # a thousand documents are judged twice
_EVERY_KIND = "all"


def register(app: typer.Typer) -> None:
    command(app, "apply")(apply)


def apply(
    session: Session,
    files: Annotated[
        list[str] | None,
        typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON, a folder of it, or `-`. Several are one."),
    ] = None,
    set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Which set the documents belong to; else `default`.")
    ] = "",
    selector: Annotated[
        list[str] | None,
        typer.Option("-l", "--selector", metavar="LABEL=VALUE", help="Only documents with this label, and this too."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what the set has, with those labels, and the files do not have.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Only tell what would change: exit code 1 if anything.")] = False,
    request_id: RequestId = "",
    dry_run: DryRun = False,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="KIND", help="Print the JSON Schema of a kind, or of `all`.")
    ] = None,
) -> int:
    """Make the store say what files say: people, teams, agents, tools, profiles, and all else of docs/apply.md.

    The difference is one revision, or none. What others have written is left as it is; what earlier files of the set
    have written and these do not say any more is removed, of whole documents with `--prune` only.

    Exit code: 0 where it is done, or would be; 1 with `--diff` where something would change; 2 on an error.

    Examples:

        remit apply -f organisation.yaml --diff
        remit apply -f teams/ -f agents/ --prune --set acme
        remit apply --schema Agent
    """
    if schema is not None:
        return _print_schema(schema)
    if not files:
        raise typer.BadParameter("give files with -f, or `-f -` for standard input")
    documents = read_documents(files)
    with session.connect(_TIMEOUT_S) as client:
        try:
            applied = client.apply(
                [each.json for each in documents],
                set=set,
                selector=_labels(selector or []),
                prune=prune,
                request_id=request_id,
                dry_run=dry_run or diff,
            )
        except RemoteError as error:
            raise _placed(error, documents) from None
    differs = any(each.change is not Change.UNCHANGED for each in applied.changes)
    if session.json:
        _print_json(applied, documents)
    else:
        print_differences(applied.changes)
        if not (dry_run or diff):
            put(applied.token)
        note(counted(applied.changes) + ("; nothing was changed" if (dry_run or diff) and differs else ""))
    return 1 if diff and differs else 0


def _labels(selector: Sequence[str]) -> dict[str, str]:
    labels = {}
    for given in ",".join(selector).split(",") if selector else []:
        label, equals, value = given.partition("=")
        if not (label and equals and value):
            raise typer.BadParameter(f"`{given}` is no label and its value: write `team=finance`")
        labels[label] = value
    return labels


def _placed(error: RemoteError, documents: Sequence[ReadDocument]) -> RemoteError:
    """The same error with the lines that it is about."""
    for number, pointer, words in (
        ("document", "pointer", "{line}: {message}"),
        ("other_document", "other_pointer", "{message}\n{line}: it is here first"),
    ):
        index = error.metadata.get(number, "")
        if index.isdecimal() and int(index) < len(documents):
            line = documents[int(index)].line(error.metadata.get(pointer, ""))
            error.message = words.format(line=line, message=error.message)
    return error


def _print_json(applied: ApplyResult, documents: Sequence[ReadDocument]) -> None:
    changes = [document_change_json(each, _place_of(each, documents)) for each in applied.changes]
    put_json({"changes": changes, "token": applied.token or None})


def _place_of(change: DocumentChange, documents: Sequence[ReadDocument]) -> tuple[str, int] | None:
    if change.document is None or change.document >= len(documents):
        return None
    return documents[change.document].line(change.pointer)


def _print_schema(name: str) -> int:
    kind = BY_NAME.get(name) or BY_LIST.get(name)
    if kind is None and name != _EVERY_KIND:
        known = (*BY_NAME, _EVERY_KIND)
        advice = did_you_mean(name, known) or f"there are {', '.join(f'`{each}`' for each in known)}"
        raise typer.BadParameter(f"there is no kind `{name}`; {advice}")
    put_raw(json.dumps(schema_of(kind) if kind is not None else schema_of_all(), indent=2))
    return 0
