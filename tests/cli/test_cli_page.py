"""docs/cli.md is true: every command is on it, and what `--json` prints has the keys it promises, and no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import typer

from remit.access.keys import Right
from remit.cli.main import app
from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import RemitError
from remit.model import Operation, Update
from remit.notation import format_time, parse_relationship
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.v1 import relationships_pb2
from remit.wire.facts import encode_update
from remit.world import World, verify
from tests.support import agent_world
from tests.support.cli_shell import FACTS, NOW_US, SCHEMA, Outcome, Shell
from tests.support.docs.blocks import DOCS, blocks_of, code_words, table_cells
from tests.support.docs.shapes import Seen, Shape, parse_shape, shapes_in
from tests.support.places import AGENTS_BEFORE_PROFILES
from tests.support.store.worlds import record

PAGE = "cli.md"


NAMED: dict[str, list[Shape] | dict[str, Shape]] = {
    **{row[0]: shapes_in(row[1]) for row in table_cells(PAGE, "### What these name")},
    "set": {
        kind: shape
        for row in table_cells(PAGE, "### Expanded sets")
        for kind in code_words(row[0])
        for shape in shapes_in(row[1])
    },
}


def shapes_of(cell: str) -> list[Shape | str]:
    """What a command may print: a shape, or the name of one."""
    return [*shapes_in(cell), *(word for word in code_words(cell) if word in NAMED)]


COMMANDS = {
    command: shapes_of(row[1])
    for row in table_cells(PAGE, "### What each command prints")
    for command in code_words(row[0])
}


# --- real answers -----------------------------------------------------------------------------------------------


def runs(shell: Shell, tmp: Path, engine: Engine) -> Iterator[tuple[str, Outcome]]:
    """(what the page calls it, what it printed), over every kind of answer that the page tells of."""

    def run(row: str, *arguments: str, stdin: str | None = None) -> tuple[str, Outcome]:
        return row, shell(*arguments, "--json", stdin=stdin)

    ben = "doc:plan#view@user:ben"
    yield run("check", "check", ben, "doc:plan#veiw@user:anne")
    yield run("check", "check", 'doc:plan#view@user:ben with {"ip": "11.0.0.1"}', "--explain")
    yield run("check", "check", ben, "doc:part#odd@user:ben", "doc:part#odd@user:anne", "--explain")
    token = shell("schema", "read", "--json").json[0]["token"]
    yield run("touch", "touch", *QUALIFIED)
    yield run("check", "check", "doc:plan#view@user:anne", "--at-exactly", token)
    for asked in ("doc:plan#view", "doc:part#odd", "doc:part#rest", "doc:plan#rest"):
        yield run("expand", "expand", asked)
    yield run("expand", "expand", "doc:plan#view", "--depth", "1")
    yield run("expand", "expand", "doc:plan#view", "--at-exactly", token)
    everybody = ("--with", "doc:plan#viewer@user:*")
    yield run("lookup resources", "lookup", "resources", "doc#view@user:ben")
    yield run("lookup subjects", "lookup", "subjects", "doc:plan#odd@user", *everybody)
    yield run("lookup permissions", "lookup", "permissions", "doc:plan@user:anne", "--relations")
    yield run("write", "write", "doc:new#viewer@user:zoe", "--metadata", '{"ticket": 7}')
    yield run("write", "write", "doc:new#viewer@user:zoe", "--replace", "doc:new")
    yield run("delete", "delete", "doc:new#viewer@user:zoe")
    yield run("delete --filter", "delete", "--filter", "doc:new")
    _write_as_run(os.environ["REMIT_ENDPOINT"])
    yield run("read", "read")
    yield run("export", "export")
    yield run("export FILE", "export", str(tmp / "facts.txt"))
    yield run("import file", "import", "file", str(tmp / "facts.txt"), "--format", "jsonl")
    gone = "doc:plan#viewer@user:gone[expiration:2001-01-01T00:00:00Z]"
    yield run("import file", "import", "-", stdin=gone)
    (tmp / "model.fga").write_text("model\n  schema 1.1\ntype user\ntype d\n  relations\n    define canView: [user]\n")
    yield run("import openfga", "import", "openfga", str(tmp / "model.fga"), "--dry-run")
    yield run("watch", "watch", "--from", token, "--limit", "2")
    token = engine.relationships.write("", [], records=[record("hold", "hold:h", b"why")]).token
    engine.relationships.write("", [], records=[record("agent", "agent:a", b"1")])
    yield run("watch", "watch", "--from", token, "--limit", "1")
    token = shell("schema", "read", "--json").json[0]["token"]
    shell("touch", *WATCHED)
    of_permission = ("watch", "--permission", "doc#view@user", "--evaluated-at", format_time(NOW_US), "--limit", "1")
    yield run("watch --permission", *of_permission, "--from", token)
    token = shell("schema", "read", "--json").json[0]["token"]
    (tmp / "schema.zed").write_text(WIDE.replace("view = viewer + owner", "view = viewer + viewer & owner"))
    (tmp / "wrong.zed").write_text("definition doc {\n  relation viewer: dok\n}\n")
    yield run("schema write", "schema", "write", str(tmp / "schema.zed"))
    yield run("watch", "watch", "--from", token, "--limit", "1")
    yield run("watch --permission", *of_permission, "--from", token)
    yield run("schema read", "schema", "read")
    (tmp / "narrow.zed").write_text(WIDE.replace("relation owner: user", "relation owner: doc"))
    yield run("schema diff", "schema", "diff", str(tmp / "narrow.zed"))
    yield run("schema format", "schema", "format", str(tmp / "schema.zed"))
    yield run("schema format", "schema", "format", str(tmp / "schema.zed"), "--check")
    yield run("schema check", "schema", "check", str(tmp / "schema.zed"), str(tmp / "wrong.zed"))
    yield run("touch", "touch", gone)
    yield from _worlds(run, tmp)
    yield run("import file WORLD", "import", str(tmp / "untrue.yaml"))
    yield run("store create", "store", "create", "other")
    yield run("store list", "store", "list")
    assert shell("--store", "other", "schema", "write", str(AGENTS_BEFORE_PROFILES)).code == 0
    yield run("schema upgrade-agents", "--store", "other", "schema", "upgrade-agents", "--dry-run")
    yield run("schema upgrade-agents", "--store", "other", "schema", "upgrade-agents")
    yield run("store backup", "store", "backup", "default", str(tmp / "backup"))
    yield run("store restore", "store", "restore", "again", str(tmp / "backup"))
    yield run("store delete", "store", "delete", "other", "--yes")
    yield from _constraints(run)
    yield from _agents(run, shell, tmp)
    yield from _owners(run, shell)
    yield from _applied(run)
    yield from _tools(run, shell, tmp)
    keys = ("--keys", str(tmp / "keys.json"))
    for_all = ("--principal", "service:x", "--store", "default", "--right", "check", "--expires", "9d")
    yield run("key bootstrap", "key", "bootstrap", *keys)
    made = run("key create", "key", "create", *keys, *for_all)
    yield made
    id = made[1].json[0]["id"]
    yield run("key rotate", "key", "rotate", id, *keys)
    yield run("key list", "key", "list", *keys)
    yield run("key revoke", "key", "revoke", id, *keys)
    yield run("whoami", "whoami")
    yield run("version", "version")


def _tools(run: Any, shell: Shell, tmp: Path) -> Iterator[tuple[str, Outcome]]:
    """In a store that has the agent schema."""
    (tmp / "agents.zed").write_text('use import\nimport "remit:agents@1"\n')
    assert shell("store", "create", "tools").code == 0
    assert shell("--store", "tools", "schema", "write", str(tmp / "agents.zed")).code == 0
    assert shell("--store", "tools", "touch", "domain:d#estate@estate:e").code == 0

    def there(row: str, *arguments: str) -> tuple[str, Outcome]:
        return cast(tuple[str, Outcome], run(row, "--store", "tools", *arguments))

    placed = ("--domain", "d", "--tag", "a", "--risk", "low")
    first, second = (f'{{"input_schema":{{"type":"object","maxProperties":{number}}}}}' for number in (1, 2))
    made = there("tool register", "tool", "register", "t", *placed, "--descriptor", first)
    yield made
    yield there("tool accept", "tool", "accept", "t", made[1].json[0]["pending"])
    yield there("tool propose", "tool", "propose", "t", "--descriptor", second)
    yield there("tool show", "tool", "show", "t")
    yield there("tool list", "tool", "list")
    yield there("tool change", "tool", "change", "t", "--tag", "b")
    yield there("tool relax", "tool", "relax", "t", "--remove-tag", "b")
    # A manifest with a tool that is refused, and what waits with a constraint that it does not fit.
    tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("t", "new")]
    (tmp / "tools.json").write_text(json.dumps([*tools, {"name": "none"}]))
    yield there("tool import", "tool", "import", str(tmp / "tools.json"), *placed)
    yield there("tool accept --all-pending", "tool", "accept", "--all-pending", "--dry-run")
    typed = '{"input_schema":{"type":"object","properties":{"to":{"type":"string"}}},"types":{"to":"path"}}'
    waiting = there("tool propose", "tool", "propose", "t", "--descriptor", typed)
    yield waiting
    amount = 'tool:t#may_use@user:anne[arguments:{"additional":true,"to":{"max":"1"}}]'
    assert shell("--store", "tools", "touch", amount).code == 0
    yield there("tool accept --all-pending", "tool", "accept", "--all-pending")
    yield there("tool reject", "tool", "reject", "t", waiting[1].json[0]["pending"])
    yield there("tool retire", "tool", "retire", "t")


def _constraints(run: Any) -> Iterator[tuple[str, Outcome]]:
    asking = '{"to": {"related": {"type": "user", "permission": "contact"}}}'
    yield run("constraint narrower", "constraint", "narrower", '{"to": {}}', asking)
    yield run("constraint test", "constraint", "test", asking, '{"to": "bob"}')
    yield run("constraint test", "constraint", "test", asking, '{"to": 7}')
    yield run("constraint canonical", "constraint", "canonical", '{"to": "https://H"}', "--type", "to=url")


def _agents(run: Any, shell: Shell, tmp: Path) -> Iterator[tuple[str, Outcome]]:
    (tmp / "office.zed").write_text(agent_world.SCHEMA)
    office = ("--store", "office")
    assert shell("store", "create", "office").code == 0
    assert shell(*office, "schema", "write", str(tmp / "office.zed")).code == 0
    assert shell(*office, "touch", *agent_world.FACTS).code == 0
    assert shell(*office, "touch", "run:r-0#delegated_by@user:anne", "user:ben#consent@consent:b").code == 0
    given = run("consent give", *office, "consent", "give", "user:ben", "payer")
    yield given
    yield run("consent withdraw", *office, "consent", "withdraw", given[1].json[0]["id"])
    yield run("consent list", *office, "consent", "list", "user:ben")
    spawn = (*office, "run", "spawn", "user:anne", "payer.2", "-p")
    yield run("run spawn", *spawn, "tell", "--dry-run")
    spawned = run("run spawn", *spawn, "pay")
    yield spawned
    id = spawned[1].json[0]["id"]
    yield run("run renew", *office, "run", "renew", id, "--lifetime", "2h")
    yield run("run narrow", *office, "run", "narrow", id, "small")
    yield run("run declare", *office, "run", "declare", id, "pay")
    for shown in (id, "r-0"):
        yield run("run show", *office, "run", "show", shown)
    yield run("run list", *office, "run", "list")
    yield run("run tree", *office, "run", "tree", "user:anne")
    held = run("hold", *office, "hold", "run:r-0")
    yield held
    yield run("release", *office, "release", held[1].json[0]["id"])
    assert shell(*office, "touch", "run:r-0#hold@hold:by-hand").code == 0
    yield run("release", *office, "release", "by-hand")
    yield run("terminate", *office, "terminate", "run:r-0")


def _applied(run: Any) -> Iterator[tuple[str, Outcome]]:
    """In the store of the agents: a person, and the same with another end."""
    office, person = (
        ("--store", "office", "apply", "-f", "-"),
        "{apiVersion: remit/v1, kind: Person, metadata: {name: cleo}",
    )
    for until in ("2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
        spec = f'spec: {{directory: {{name: people, until: "{until}"}}}}'
        yield run("apply", *office, stdin=f"{person}, {spec}}}")
    yield run("apply", *office, "--prune", stdin="{apiVersion: remit/v1, kind: People, items: [dido]}")


def _owners(run: Any, shell: Shell) -> Iterator[tuple[str, Outcome]]:
    """In the store of the agents."""
    office = ("--store", "office")
    below = ("run:r-1#delegated_by@run:r-9", "run:r-9#delegated_by@user:anne", "user:zoe#registered@directory:people")
    started = ("run:r-9#spawned_by@credential:local", "consent:all#run@run:r-9", "consent:all#agent@agent:payer")
    of_payer = ("run:r-1#instance_of@agent_version:payer.2", "run:r-9#instance_of@agent_version:payer.2")
    lonely = ("agent:lonely#registered@directory:agents", "agent:lonely#owner@team:gone#member")
    assert shell(*office, "touch", *below, *started, *of_payer, *lonely, "user:anne#consent@consent:all").code == 0
    yield run("orphans", *office, "orphans")
    yield run("hold", *office, "hold", "user:anne", "--dry-run")
    told = run("impact", *office, "impact", "user:anne", "--leaving")
    assert told[1].json[0]["alone"], told
    yield told
    yield run("transfer", *office, "transfer", "--from", "user:anne", "--to", "user:zoe", "--dry-run")


def _write_as_run(endpoint: str) -> None:
    """A write that says which run it comes from, as gateways send it; the command line speaks for no run."""
    request = relationships_pb2.WriteRequest()
    update = encode_update(Update(Operation.TOUCH, parse_relationship("doc:plan#owner@user:anne")))
    request.updates.append(update)
    with grpc.insecure_channel(endpoint) as channel:
        write = channel.unary_unary(
            "/remit.v1.Relationships/Write",
            request_serializer=relationships_pb2.WriteRequest.SerializeToString,
            response_deserializer=relationships_pb2.WriteResponse.FromString,
        )
        assert write(request, metadata=(("x-remit-run", "r-7"),), timeout=20).token


QUALIFIED = (
    "doc:plan#viewer@user:dora[expiration:2099-01-01T00:00:00Z]",
    "doc:plan#viewer@user:emil[not_before:2026-01-01T00:00:00Z]",
    'doc:plan#viewer@user:fred[on_ip:{"cidr":"10.0.0.0/8"}]',
    "doc:plan#viewer@team:sales#member",
)

WATCHED = (
    'doc:watched#viewer@user:fred[on_ip:{"cidr":"10.0.0.0/8"}]',
    'doc:watched#viewer@user:gus[on_ip:{"cidr":"no network","ip":"10.0.0.1"}]',
)

# What the small schema of these tests lacks, of which the page's world keeps a record.
HELD = "definition hold {}\n"

# And so that every operator is expanded.
WIDE = SCHEMA.replace("use expiration", "use expiration\nuse self\nuse not_before").replace(
    "definition user {}", "definition user {\n  relation boss: user\n  permission live = self\n}"
).replace(
    "user with expiration |", "user with expiration | user with not_before |"
).replace(
    "  permission view",
    "  permission odd = ((viewer & subject->live) - owner) + parent.all(view) + parent.exists()\n"
    "  permission rest = viewer.along(boss) + self + nil\n  permission view",
)  # fmt: skip


@pytest.fixture
def wide_schema(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "wide.zed").write_text(WIDE + HELD)
    assert shell("schema", "write", str(tmp_path / "wide.zed")).code == 0


def _worlds(run: Any, tmp: Path) -> Iterator[tuple[str, Outcome]]:
    world = blocks_of(PAGE, "yaml")[0].text.replace("schemaFile: ../agents.zed", "schemaFile: wide.zed")
    (tmp / "true.yaml").write_text(world)
    (tmp / "mistaken.yaml").write_text(world.replace("doc:plan#viewer@user:anne", "doc:plan#viewer", 1))
    (tmp / "broken.yaml").write_text("schema: [")
    untrue = world.replace("  assertCaveated:\n    - doc:plan#view@user:ben\n", "").replace(
        "    - doc:plan#view@user:anne\n", "    - doc:plan#view@user:anne\n    - doc:plan#view@user:ben\n"
    )
    (tmp / "untrue.yaml").write_text(untrue)
    for name in ("true", "untrue", "mistaken", "broken"):
        yield run("validate", "validate", str(tmp / f"{name}.yaml"))
    row, outcome = run("validate --coverage", "validate", str(tmp / "true.yaml"), "--coverage")
    yield row, Outcome(outcome.code, outcome.lines[-1], outcome.err)


def test_every_answer_has_the_keys_that_are_promised_and_every_promised_key_is_in_one(
    shell: Shell, engine: Engine, wide_schema: None, tmp_path: Path
) -> None:
    seen, ran = Seen(NAMED), set()
    for row, outcome in (
        *runs(shell, tmp_path, engine),
        *_of_agents(shell, tmp_path),
        *_served(shell, tmp_path),
        *_followed(shell),
    ):
        ran.add(row)
        assert outcome.out, f"{row}: {outcome.err}"
        for line in outcome.json:
            assert any(seen.fits(line, shape) for shape in COMMANDS[row]), f"`{row}` printed {line}"
    assert ran == set(COMMANDS)
    named = [shape for shapes in NAMED.values() for shape in (shapes if isinstance(shapes, list) else shapes.values())]
    of_commands = [shape for shapes in COMMANDS.values() for shape in shapes if isinstance(shape, Shape)]
    promised = {(shape.text, key) for shape in [*named, *of_commands] for key in shape.keys}
    assert [f"{key} of {text}" for text, key in sorted(promised - seen.keys)] == []


def _of_agents(shell: Shell, tmp: Path) -> Iterator[tuple[str, Outcome]]:
    """What the verbs of agents print, about a store of their own."""
    (tmp / "agents.zed").write_text('use import\nimport "remit:agents@1"\n')
    assert shell("store", "create", "agents").code == 0

    def run(command: str, *arguments: str) -> tuple[str, Outcome]:
        return command, shell("--store", "agents", *command.split(), *arguments, "--json")

    run("schema write", str(tmp / "agents.zed"))
    run("touch", "user:anne#registered@directory:people", "domain:retail#estate@estate:acme")
    before = run("touch", "run:r-1#delegated_by@user:anne")[1].json[0]["token"]
    yield run("hold", "run:r-1", "--id", "h-1")
    yield run("watch", "--from", before, "--limit", "1")
    yield run("release", "h-1")
    yield run("terminate", "run:r-1")
    owned = ("--owner", "user:anne", "--domain", "retail")
    yield run("agent register", "over", *owned, "--depth-max", "1")
    yield run("agent register", "payer", *owned, "--depth-max", "3", "--fan-out-max", "9", "--lifetime-max", "1h")
    yield run(
        "agent change", "payer", "--depth-max", "2", "--fan-out-max", "9", "--lifetime-max", "1h", "--profile", "p"
    )
    yield run("agent retire", "over")
    yield run("agent list")
    digests = ("--model", "sha256:1f", "--prompt", "sha256:77", "--tools", "sha256:e0")
    yield run("version add", "payer", "payer/1", *digests)
    yield run("version add", "payer", "payer/2", "--like", "payer/1", "--prompt", "sha256:78")
    until = ("--until", format_time(NOW_US + 10**12))
    yield run("version certify", "payer/1", *until, "--request-id", "twice")
    yield run("version certify", "payer/1", *until, "--request-id", "twice")
    yield run("version certify", "payer/2", *until)
    yield run("version list", "payer")
    yield run("agent show", "payer")
    yield run("version decertify", "payer/1")


def _served(shell: Shell, tmp: Path) -> Iterator[tuple[str, Outcome]]:
    """What needs the example, the HTTP edge and keys: a server as it is started at a shell."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REMIT_")}
    arguments = ("--in-memory", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--with-example", "--json")
    keys, rights = str(tmp / "served.json"), [word for right in Right for word in ("--right", right.value)]
    made = shell("key", "create", "--keys", keys, "--principal", "p", "--store", "default", *rights, "--expires", "9d")
    token = ("--token", made.out.strip())
    with subprocess.Popen(
        [sys.executable, "-m", "remit.cli.main", "serve", *arguments, "--keys", keys],
        env=environment, cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        try:
            served = process.stdout.readline()
            assert served, process.stderr.read()
            yield "serve", Outcome(0, served, "")
            endpoint = ("--endpoint", json.loads(served)["serving"])
            yield "whoami", shell("whoami", *endpoint, *token, "--json")
            yield "demo", shell("demo", *endpoint, *token, "--json")
            http = _told(process.stderr, r"https?://(\S+)")
            yield "top", shell("top", "--once", "--http", http, *endpoint, *token, "--json")
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _followed(shell: Shell) -> Iterator[tuple[str, Outcome]]:
    """What is imported from a server that speaks SpiceDB's API, and a change that follows."""
    clock = ManualClock(NOW_US)
    assert shell("store", "create", "followed").code == 0
    with (
        closing(Engine(MemoryStore(clock_us=clock.now_us), clock)) as engine,
        BackgroundServer(engine) as source,
        Client(source.endpoint) as client,
    ):
        client.write_schema(SCHEMA)
        client.touch(*FACTS)
        arguments = ("import", "spicedb", source.endpoint, "--follow", "--store", "followed", "--json")
        command = [sys.executable, "-m", "remit.cli.main", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield "import spicedb", Outcome(0, process.stdout.readline(), "")
            client.touch("doc:followed#viewer@user:zoe")
            yield "import spicedb --follow", Outcome(0, process.stdout.readline(), "")
            process.kill()


def _told(stream: Any, pattern: str) -> str:
    for line in stream:
        if found := re.search(pattern, line):
            return str(found[1])
    raise AssertionError(f"nothing of the form {pattern} was said")


# --- the page and the commands ----------------------------------------------------------------------------------


def commands(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*above, name)), command
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))


def test_every_command_is_on_the_page_and_no_other() -> None:
    on_page = {re.sub(r" (--.*|FILE|WORLD)$", "", command) for command in COMMANDS}
    assert sorted(on_page) == sorted(name for name, _ in commands(typer.main.get_command(app)))


def test_every_command_explains_itself_with_an_example() -> None:
    found = dict(commands(typer.main.get_command(app)))
    assert [name for name, command in found.items() if not command.help] == []
    lacking = [name for name, command in found.items() if "Example" not in command.help]
    assert lacking == ["demo", "version"], "these are said as they are"


def test_an_error_has_the_shape_that_is_promised(bare_shell: Shell, tmp_path: Path) -> None:
    (text,) = re.findall(r"`(\{\"error\".*?\})`", (DOCS / PAGE).read_text(encoding="utf-8"))
    shape, seen = parse_shape(text), Seen(NAMED)
    for arguments in (
        ["read", "--endpoint", "127.0.0.1:1"],
        ["check", "doc:plan"],
        ["validate", str(tmp_path), "--now", "soon"],
    ):
        outcome = bare_shell(*arguments, "--json")
        assert outcome.out == ""
        assert seen.fits(json.loads(outcome.err), shape), outcome.err


def test_the_environment_is_the_one_on_the_page(bare_shell: Shell) -> None:
    help = bare_shell("check", "--help").out
    for row in table_cells(PAGE, "## The environment"):
        for option in code_words(row[1]):
            assert option.split()[0] in help


def test_the_world_on_the_page_holds(tmp_path: Path) -> None:
    (tmp_path / "schema.zed").write_text(SCHEMA + HELD)
    text = blocks_of(PAGE, "yaml")[0].text.replace("../agents.zed", "schema.zed")
    (tmp_path / "world.yaml").write_text(text)
    try:
        world = World.read(tmp_path / "world.yaml")
    except RemitError as error:
        pytest.fail(str(getattr(error, "findings", error)))
    assert [finding.render() for finding in verify(world, 0)] == []
    assert len(FACTS) == 5
