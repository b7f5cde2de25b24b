"""`remit tool …`: tools registered, imported, looked at, accepted, changed and retired.

Law: a command that accepts names what it accepts, and shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

import typer

from remit.cli.arguments.json_input import read_json_input
from remit.cli.arguments.lines import read_bytes
from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import described_tool_json, differences_json, tool_json
from remit.cli.render.differences import difference_lines
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.session import Session, command
from remit.cli.transfer.described_tools import read_manifest
from remit.cli.transfer.mcp_tools import tools_of_command, tools_of_url
from remit.cli.transfer.tool_import import ImportedTool, Outcome, Registration, import_tools
from remit.client import Client, ToolDescription, ToolResult, ToolState
from remit.errors import InvalidArgument, RemoteError
from remit.notation import checked_id_prefix

WITHIN_S = 60.0
_DIGITS_SHOWN = 12  # of a digest, in a list

Tool = Annotated[str, typer.Argument(metavar="TOOL", help="The tool's id: `erp.pay`.")]
Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="The descriptor's digest, all 64 digits.")]
Reason = Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why, for those who look at it later.")]
Descriptor = Annotated[
    str,
    typer.Option("--descriptor", metavar="JSON", help="What the tool says of itself: JSON, a file, or `-` (tools.md)."),
]
Domain = Annotated[str, typer.Option("--domain", metavar="ID", help="The domain it is in, which is in an estate.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="What it is known for; repeatable.")]
Untagged = Annotated[bool, typer.Option("--untagged", help="Somebody looked, and no tag fits.")]
Risk = Annotated[str, typer.Option("--risk", metavar="RISK", help="`low`, `medium` or `high`; new tools: else high.")]
Prefix = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Before each name, to make an id of it.")]

_REFUSED_ALONE = frozenset({"CONSTRAINTS_UNFIT", "DESCRIPTOR_NOT_PENDING", "LIFECYCLE_REFUSED", "FILTER_TOO_BROAD"})


def register(app: typer.Typer) -> None:
    tool = typer.Typer(no_args_is_help=True)
    command(tool, "list")(list_)
    command(tool, "show")(show)
    command(tool, "import")(import_)
    command(tool, "register")(register_tool)
    command(tool, "propose")(propose)
    command(tool, "accept")(accept)
    command(tool, "reject")(reject)
    command(tool, "change")(change)
    command(tool, "relax")(relax)
    command(tool, "retire")(retire)
    app.add_typer(tool, name="tool", help="Register tools, see what they say of themselves, and accept it.")


# --- looking ----------------------------------------------------------------------------------------------------


def list_(
    session: Session, pending: Annotated[bool, typer.Option("--pending", help="Those that wait.")] = False
) -> int:
    """List the tools: their risk, tags and domain, and the first digits of what is accepted and what is pending.

    Example:

        remit tool list --pending
    """
    with session.connect() as client:
        tools = [each for each in client.list_tools() if each.pending or not pending]
    if session.json:
        for each in tools:
            put_json(tool_json(each))
        return 0
    if tools:
        head = ("TOOL", "RISK", "TAGS", "DOMAIN", "ACCEPTED", "PENDING")
        for line in columns([head, *map(_row, tools)]):
            put(line)
    else:
        note("no tool is registered" if not pending else "no tool has a descriptor that waits to be accepted")
    return 0


def _row(tool: ToolState) -> tuple[str, ...]:
    accepted = ",".join(each[:_DIGITS_SHOWN] for each in tool.accepted) or "-"
    tags = ",".join(tool.tags) or ("untagged" if tool.is_untagged else "-")
    pending = "retired" if tool.is_retired else tool.pending[:_DIGITS_SHOWN] or "-"
    return tool.id, tool.risk or "-", tags, tool.domain or "-", accepted, pending


def show(session: Session, tool: Tool) -> int:
    """Show a tool: how it stands, the digests, and what the pending descriptor says otherwise than the accepted one.

    Example:

        remit tool show erp.pay
    """
    with session.connect() as client:
        described = client.describe_tool(tool)
    if session.json:
        put_json(described_tool_json(described))
        return 0
    for line in _shown(described):
        put(line)
    return 0


def _shown(described: ToolDescription) -> Iterator[str]:
    tool = described.tool
    states = [word for word, is_so in (("registered", tool.is_registered), ("retired", tool.is_retired)) if is_so]
    yield from columns(
        [
            ("tool", tool.id),
            ("state", ", ".join(states)),
            ("domain", tool.domain or "-"),
            ("risk", tool.risk or "-"),
            ("tags", ", ".join(tool.tags) or ("untagged" if tool.is_untagged else "-")),
            ("accepted", ", ".join(tool.accepted) or "-"),
            ("pending", tool.pending or "-"),
        ]
    )
    if described.accepted is not None and described.pending is not None:
        yield "what is pending says otherwise:"
        yield from difference_lines(described.differences)
    elif described.pending is not None:
        yield "what is pending:"
        yield described.pending.decode()


# --- registering ------------------------------------------------------------------------------------------------


def register_tool(
    session: Session,
    tool: Tool,
    domain: Domain,
    descriptor: Descriptor,
    tag: Tags = None,
    untagged: Untagged = False,
    risk: Risk = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Register a tool with what it says of its arguments. Until that is accepted it is offered to nobody.

    Example:

        remit tool register erp.pay --domain finance --tag spends --risk high --descriptor pay.json
    """
    document = read_json_input(descriptor)
    with session.connect() as client:
        done = client.register_tool(
            tool,
            domain=domain,
            descriptor=document,
            tags=tag or (),
            untagged=untagged,
            risk=risk,
            request_id=request_id,
            dry_run=dry_run,
        )
    return _told(session, done, dry_run, f"registered; descriptor {done.tool.pending} waits to be accepted")


def propose(
    session: Session, tool: Tool, descriptor: Descriptor, request_id: RequestId = "", dry_run: DryRun = False
) -> int:
    """Say what a tool says of itself now. It waits to be accepted; until then calls are judged as before.

    Example:

        remit tool propose erp.pay --descriptor pay.json
    """
    document = read_json_input(descriptor)
    with session.connect() as client:
        done = client.propose_descriptor(tool, document, request_id=request_id, dry_run=dry_run)
    pending = done.tool.pending
    became = f"described anew; descriptor {pending} waits to be accepted" if pending else "described as it was accepted"
    return _told(session, done, dry_run, became)


def change(
    session: Session,
    tool: Tool,
    tag: Tags = None,
    risk: Risk = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Give a tool more tags, or a higher risk. What lets more through is `remit tool relax`.

    Example:

        remit tool change erp.pay --risk high --tag spends
    """
    with session.connect() as client:
        done = client.change_tool(tool, tags=tag or (), risk=risk, request_id=request_id, dry_run=dry_run)
    return _told(session, done, dry_run, "changed")


def retire(
    session: Session, tool: Tool, reason: Reason = "", request_id: RequestId = "", dry_run: DryRun = False
) -> int:
    """Take a tool out of the registry, for good: its id does not come back.

    Example:

        remit tool retire erp.pay --reason 'replaced by erp.settle'
    """
    with session.connect() as client:
        done = client.retire_tool(tool, reason=reason, request_id=request_id, dry_run=dry_run)
    return _told(session, done, dry_run, "retired")


# --- accepting --------------------------------------------------------------------------------------------------


def accept(
    session: Session,
    tool: Annotated[str, typer.Argument(metavar="[TOOL", help="The tool's id; none with --all-pending.")] = "",
    digest: Annotated[str, typer.Argument(metavar="DIGEST]", help="The digest that waits, all 64 digits.")] = "",
    all_pending: Annotated[bool, typer.Option("--all-pending", help="All that wait, as they are listed now.")] = False,
    prefix: Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Of those only the ids that begin so.")] = "",
    keep_earlier: Annotated[
        bool, typer.Option("--keep-earlier", help="Leave what was accepted before in force.")
    ] = False,
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Judge calls by a descriptor that waits, from now on. Needs the right `accept`.

    The digest is the one that `remit tool show` has shown: what the tool says since then is not accepted with it.

    Examples:

        remit tool accept erp.pay 1f0c…
        remit tool accept --all-pending --prefix erp. --dry-run
    """
    if all_pending == bool(tool or digest) or (not all_pending and not digest):
        raise InvalidArgument("name a tool and the digest that is to be accepted, or say --all-pending")
    if prefix and not all_pending:
        raise InvalidArgument("`--prefix` is of `--all-pending`")
    if request_id and all_pending:
        raise InvalidArgument("`--request-id` is of one tool, and `--all-pending` accepts many")
    with session.connect() as client:
        if not all_pending:
            done = client.accept_descriptor(
                tool, digest, keep_earlier=keep_earlier, request_id=request_id, dry_run=dry_run
            )
            return _told(session, done, dry_run, f"judged by {digest}")
        waiting = [each for each in client.list_tools() if each.pending and each.id.startswith(prefix)]
        failed = sum(not _accepted(session, client, each, keep_earlier, dry_run) for each in waiting)
    if not waiting:
        note("no descriptor waits to be accepted")
    elif dry_run:
        note(f"{len(waiting) - failed} of {len(waiting)} could be accepted; nothing was changed")
    else:
        note(f"{len(waiting) - failed} of {len(waiting)} accepted")
    return 1 if failed else 0


def _accepted(session: Session, client: Client, tool: ToolState, keep_earlier: bool, dry_run: bool) -> bool:
    """Accept what a tool was listed with; whether it could be."""
    described = client.describe_tool(tool.id)
    refused: RemoteError | None = None
    try:
        done = client.accept_descriptor(tool.id, tool.pending, keep_earlier=keep_earlier, dry_run=dry_run)
    except RemoteError as error:
        if error.reason not in _REFUSED_ALONE:
            raise
        refused = error
    if session.json:
        outcome = {"outcome": "accepted"} if refused is None else {"outcome": "refused", "reason": refused.message}
        stands = done.tool if refused is None else described.tool
        put_json({**outcome, **tool_json(stands), **differences_json(described.differences)})
        return refused is None
    put(f"{'accepted' if refused is None else 'refused '}  {tool.id}  {tool.pending}")
    if refused is not None:
        put(f"    {refused.message}")
    elif described.tool.pending == tool.pending:
        for line in difference_lines(described.differences):
            put(line)
    return refused is None


def reject(
    session: Session,
    tool: Tool,
    digest: Digest,
    reason: Reason = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Forget a descriptor that waits, or take one back that was accepted. Needs the right `accept`.

    Example:

        remit tool reject erp.pay 1f0c… --reason 'asks for a password'
    """
    with session.connect() as client:
        done = client.reject_descriptor(tool, digest, reason=reason, request_id=request_id, dry_run=dry_run)
    return _told(session, done, dry_run, f"not judged by {digest}, which waits no more either")


def relax(
    session: Session,
    tool: Tool,
    remove_tag: Annotated[
        list[str] | None, typer.Option("--remove-tag", metavar="TAG", help="What it is not known for; repeatable.")
    ] = None,
    untagged: Untagged = False,
    risk: Annotated[str, typer.Option("--risk", metavar="RISK", help="`low`, `medium` or `high`.")] = "",
    domain: Annotated[str, typer.Option("--domain", metavar="ID", help="The domain to move it to.")] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Take tags from a tool, set its risk, or move it to another domain. Needs the right `accept`.

    Example:

        remit tool relax erp.find --risk low --remove-tag spends --untagged
    """
    with session.connect() as client:
        done = client.relax_tool(
            tool,
            remove_tags=remove_tag or (),
            untagged=untagged,
            risk=risk,
            domain=domain,
            request_id=request_id,
            dry_run=dry_run,
        )
    return _told(session, done, dry_run, "changed")


def _told(session: Session, done: ToolResult, dry_run: bool, became: str) -> int:
    if session.json:
        put_json({**tool_json(done.tool), "token": done.token})
    elif dry_run:
        note(f"`tool:{done.tool.id}` would be {became}; nothing was changed")
    else:
        note(f"`tool:{done.tool.id}` is {became}")
    return 0


# --- importing --------------------------------------------------------------------------------------------------


def import_(
    session: Session,
    manifest: Annotated[
        str, typer.Argument(metavar="[MANIFEST]", help="A JSON list of tools, as MCP has them; `-` reads it.")
    ] = "",
    stdio: Annotated[
        str, typer.Option("--stdio", metavar="COMMAND", help="An MCP server that this command starts.")
    ] = "",
    http: Annotated[str, typer.Option("--http", metavar="URL", help="An MCP server at an address.")] = "",
    domain: Domain = "",
    prefix: Prefix = "",
    tag: Tags = None,
    untagged: Untagged = False,
    risk: Risk = "",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="With --stdio: a variable that the server gets; repeatable."),
    ] = None,
    bearer_env: Annotated[
        str, typer.Option("--bearer-env", metavar="NAME", help="With --http: the variable that holds the token.")
    ] = "",
    within: Annotated[
        float, typer.Option("--within", metavar="SECONDS", min=0.1, help="How long the MCP server may take, in all.")
    ] = WITHIN_S,
    ignore_draft: Annotated[
        bool,
        typer.Option("--ignore-draft", help="Leave `$schema` out: read schemas of other drafts as of draft 2020-12."),
    ] = False,
    dry_run: DryRun = False,
) -> int:
    """Read the tools of an MCP server, or of a manifest: register those that are new, propose what others say now.

    Nothing is accepted by it, and no answer changes. Each tool is told as `new`, `changed` with what it says otherwise,
    `pending` where that was known, `unchanged`, or `refused` with the reason. Semantic types that were added to a tool
    stay beside its new schema. Exit code 1 says that one was refused.

    Examples:

        remit tool import --stdio 'npx -y @acme/erp-mcp' --prefix erp. --domain finance --tag erp
        remit tool import --http https://mcp.example.com/mcp --bearer-env ERP_TOKEN --domain finance --untagged
        remit tool import tools.json --domain finance --tag erp --risk medium --dry-run
    """
    if sum(map(bool, (manifest, stdio, http))) != 1:
        raise InvalidArgument("name one of a manifest, `--stdio COMMAND` and `--http URL`")
    if (env and not stdio) or (bearer_env and not http):
        raise InvalidArgument("`--env` is of `--stdio`, and `--bearer-env` of `--http`")
    given = Registration(
        checked_id_prefix(prefix) if prefix else "", domain, tag or (), untagged, risk, ignore_draft, dry_run
    )
    if stdio:
        tools = tools_of_command(stdio, pass_on=env or (), within_s=within)
    elif http:
        tools = tools_of_url(http, bearer=_bearer(bearer_env), within_s=within)
    else:
        tools = read_manifest(read_bytes(manifest))
    count = dict.fromkeys(Outcome, 0)
    with session.connect() as client:
        for each in import_tools(client, tools, given):
            count[each.outcome] += 1
            _put_imported(session, each)
    told = ", ".join(f"{number} {outcome.value}" for outcome, number in count.items() if number)
    note((told or "there are no tools") + ("; nothing was changed" if dry_run else ""))
    return 1 if count[Outcome.REFUSED] else 0


def _bearer(name: str) -> str:
    if not name:
        return ""
    if not os.environ.get(name):
        raise InvalidArgument(f"the variable `{name}` of `--bearer-env` is not in the environment, or empty")
    return os.environ[name]


def _put_imported(session: Session, imported: ImportedTool) -> None:
    if session.json:
        put_json(
            {
                "name": imported.name,
                "tool": imported.tool,
                "outcome": imported.outcome.value,
                "digest": imported.digest or None,
                "reason": imported.reason or None,
                **differences_json(imported.differences),
            }
        )
        return
    put(f"{imported.outcome.value:<9}  {imported.tool}" + (f"  {imported.digest}" if imported.digest else ""))
    if imported.reason:
        put(f"    {imported.reason}")
    for line in difference_lines(imported.differences):
        put(line)
