"""`remit import openfga` and `remit import spicedb`: what another server or file holds is here afterwards, and asked
the same; what cannot be brought over is told by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.cli_shell import FACTS, NOW_US, SCHEMA, Shell

MODEL = """\
model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type document
  relations
    define blocked: [user]
    define editor: [user with office_hours]
    define canView: ([user, group#member] or editor) but not blocked
condition office_hours(hour: int) { hour >= 8 && hour < 18 }
"""
STORE = """\
model_file: ./model.fga
tuple_file: ./more.csv
tuples:
  - {user: "group:eng#member", relation: canView, object: document:1}
  - {user: "user:*", relation: member, object: group:eng}
  - {user: "user:eve", relation: blocked, object: document:1}
tests:
  - name: all
    check:
      - {users: [user:anne, user:bob], object: document:1, assertions: {canView: true, editor: false}}
      - {user: user:eve, object: document:1, assertions: {canView: false}}
      - {user: user:hal, object: document:2, context: {hour: 9}, assertions: {canView: true}}
    list_objects:
      - {user: user:hal, type: document, context: {hour: 9}, assertions: {canView: [document:1, document:2]}}
    list_users:
      - object: document:2
        user_filter: [{type: user}]
        context: {hour: 9}
        assertions: {canView: {users: [user:hal]}}
  - name: with tuples of its own
    tuples: [{user: user:bob, relation: blocked, object: document:1}]
    check:
      - {user: user:bob, object: document:1, assertions: {canView: false}}
"""
CSV = """\
user_type,user_id,user_relation,relation,object_type,object_id,condition_name,condition_context
user,hal,,editor,document,2,office_hours,{}
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "model.fga").write_text(MODEL)
    (tmp_path / "more.csv").write_text(CSV)
    (tmp_path / "store.fga.yaml").write_text(STORE)
    return tmp_path / "store.fga.yaml"


@pytest.fixture
def empty(empty_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("REMIT_ENDPOINT", empty_server.endpoint)
    return bare_shell


# --- OpenFGA ----------------------------------------------------------------------------------------------------


def test_a_store_file_of_openfga_is_written_and_its_tests_hold(empty: Shell, store: Path) -> None:
    outcome = empty("import", "openfga", str(store))
    assert outcome.code == 0, outcome.err
    assert "what is written to `canView` of `document` is written to `can_view_direct` here" in outcome.err
    assert "6 of 6 assertions hold on the server" in outcome.err
    assert empty("check", "document:1#can_view@user:anyone").code == 0
    assert empty("check", "document:1#can_view@user:eve").code == 1
    assert empty("check", "document:2#can_view@user:hal").code == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{canView: true, editor: false}", "{canView: true, editor: true}"),
        ("{canView: [document:1, document:2]}", "{canView: [document:1]}"),
        ("{users: [user:hal]}", "{users: [user:hal, user:anne]}"),
        ("document:1, assertions: {canView: false}}\n", "document:1, assertions: {canView: true}}\n"),
    ],
)
def test_a_test_that_does_not_hold_is_told(bare_shell: Shell, store: Path, old: str, new: str) -> None:
    store.write_text(STORE.replace(old, new))
    outcome = bare_shell("import", "openfga", str(store), "--dry-run")
    assert outcome.code == 1
    assert f"{store}:" in outcome.err


def test_a_dry_run_asks_no_server_and_prints_the_schema(bare_shell: Shell, store: Path) -> None:
    outcome = bare_shell("import", "openfga", str(store), "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "permission can_view = (can_view_direct + editor) - blocked" in outcome.out
    (told,) = bare_shell("import", "openfga", str(store.with_name("model.fga")), "--dry-run", "--json").json
    assert told["schema"] == outcome.out
    assert len(told["notes"]) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("relation: canView", "relation: canVew", "nothing may be written to `canVew` of `document`"),
        ('"user:eve"', '"usr:eve"', "type `usr` is not defined"),
        ('"user:eve"', '"user:é"', "the object id `é`"),
        ("model_file", "model_fil", "has no key `model_fil`"),
        ("user: user:hal, type", "user: user:hal, kind", "has no key `kind`"),
        ("tests:", "tests: {", "not YAML"),
        ("canView: true", "canView: 1", "is true or false"),
        ('"group:eng#member"', '"group:eng#chief"', "has no relation `chief`"),
    ],
)
def test_a_store_file_with_a_mistake_is_refused_by_name(
    empty: Shell, store: Path, old: str, new: str, said: str
) -> None:
    store.write_text(STORE.replace(old, new, 1))
    outcome = empty("import", "openfga", str(store))
    assert outcome.code == 2
    assert said in outcome.err
    assert empty("schema", "read").code != 0


def test_modules_are_one_model(bare_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "fga.mod").write_text("schema: '1.2'\ncontents: [core.fga, wiki.fga]\n")
    (tmp_path / "core.fga").write_text("module core\ntype user\ntype org\n  relations\n    define member: [user]\n")
    (tmp_path / "wiki.fga").write_text(
        "module wiki\nextend type org\n  relations\n    define can_write: member\n"
        "type page\n  relations\n    define org: [org]\n    define edit: can_write from org\n"
    )
    outcome = bare_shell("import", "openfga", str(tmp_path / "fga.mod"), "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "permission edit = org->can_write" in outcome.out
    (tmp_path / "wiki.fga").write_text("module wiki\nextend type orgs\n  relations\n    define a: [user]\n")
    outcome = bare_shell("import", "openfga", str(tmp_path / "fga.mod"), "--dry-run")
    assert (outcome.code, "wiki.fga:2:" in outcome.err) == (2, True), outcome.err


class FakeOpenFga(BaseHTTPRequestHandler):
    """As much of OpenFGA's API as is read: what it answers is `server.answers`, by path."""

    server: Any

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(body)

    def _answer(self, body: dict[str, Any] | None) -> None:
        answer = self.server.answers(self.path.partition("?")[0], body, self.headers)
        data = json.dumps(answer).encode()
        self.send_response(200 if "code" not in answer else 401)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


VIEWERS = [{"type": "user", "wildcard": {}}, {"type": "user", "condition": "c"}]
API_MODEL = {
    "id": "m1",
    "schema_version": "1.1",
    "type_definitions": [
        {"type": "user"},
        {
            "type": "document",
            "relations": {
                "owner": {"this": {}},
                "viewer": {"union": {"child": [{"this": {}}, {"computedUserset": {"relation": "owner"}}]}},
            },
            "metadata": {
                "relations": {
                    "owner": {"directly_related_user_types": [{"type": "user"}]},
                    "viewer": {"directly_related_user_types": VIEWERS},
                }
            },
        },
    ],
    "conditions": {
        "c": {
            "name": "c",
            "expression": "x in xs",
            "parameters": {
                "x": {"type_name": "TYPE_NAME_STRING"},
                "xs": {"type_name": "TYPE_NAME_LIST", "generic_types": [{"type_name": "TYPE_NAME_STRING"}]},
            },
        },
    },
}


@pytest.fixture
def openfga() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeOpenFga) as server:
        tuples = [{"key": {"user": f"user:u{n}", "relation": "owner", "object": f"document:{n}"}} for n in range(250)]
        tuples.append({"key": {"user": "user:*", "relation": "viewer", "object": "document:1", "condition": None}})
        tuples.append({"key": {"user": "user:z", "relation": "old", "object": "document:1"}})

        def answers(path: str, body: dict[str, Any] | None, headers: Any) -> dict[str, Any]:
            if headers.get("Authorization") not in (None, "Bearer key"):
                return {"code": "unauthenticated", "message": "wrong key"}
            if path == "/stores":
                return {"stores": [{"id": "s1", "name": "one"}]}
            if path == "/stores/s1/authorization-models":
                return {"authorization_models": [API_MODEL]}
            assert path == "/stores/s1/read" and body is not None
            start = int(body.get("continuation_token") or 0)
            end = start + body["page_size"]
            return {"tuples": tuples[start:end], "continuation_token": str(end) if end < len(tuples) else ""}

        server.answers = answers  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_running_openfga_is_read_page_by_page(empty: Shell, openfga: Any) -> None:
    url = f"http://127.0.0.1:{openfga.server_port}"
    outcome = empty("import", "openfga", url, "--from-token", "key")
    assert outcome.code == 0, outcome.err
    assert "251 relationships are written" in outcome.err
    assert "left out: `document:1#old@user:z`" in outcome.err
    assert empty("check", "document:249#viewer@user:u249").code == 0
    assert empty("check", "document:1#viewer@user:anyone").code == 0
    refused = empty("import", "openfga", url, "--from-token", "wrong")
    assert (refused.code, "wrong key" in refused.err) == (2, True)
    assert "251 relationships would be written" in empty("import", "openfga", url, "--dry-run").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://example.org", "--from-token", "k"), "unencrypted"),
        (("http://127.0.0.1:1",), "does not answer"),
        (("model.fga", "--from-store", "s"), "for a host"),
    ],
)
def test_an_openfga_that_cannot_be_read_says_why(empty: Shell, arguments: tuple[str, ...], said: str) -> None:
    outcome = empty("import", "openfga", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


# --- SpiceDB ----------------------------------------------------------------------------------------------------

# Where the tests run in the background, what they start ignores SIGINT.
INTERRUPTIBLE = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from remit.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def spicedb() -> Iterator[BackgroundServer]:
    """A server that speaks SpiceDB's API, and holds SCHEMA and FACTS."""
    clock = ManualClock(NOW_US)
    with closing(Engine(MemoryStore(clock_us=clock.now_us), clock)) as engine, BackgroundServer(engine) as server:
        with Client(server.endpoint) as client:
            client.write_schema(SCHEMA)
            client.touch(*FACTS)
            client.touch(*(f"doc:{number}#viewer@user:anne" for number in range(900)))
        yield server


def test_a_spicedb_is_here_afterwards(empty: Shell, spicedb: BackgroundServer) -> None:
    outcome = empty("import", "spicedb", spicedb.endpoint)
    assert outcome.code == 0, outcome.err
    assert "905 relationships are written" in outcome.err
    assert "--follow --from " in outcome.err
    for question, code in (("doc:part#view@user:anne", 0), ("doc:plan#view@user:ben", 3), ("doc:plan#view@user:z", 1)):
        assert empty("check", question).code == code
    assert empty("import", "spicedb", spicedb.endpoint).code == 0  # it may be repeated


def test_what_changes_there_is_written_here_until_it_is_interrupted(
    empty: Shell, empty_server: BackgroundServer, spicedb: BackgroundServer
) -> None:
    command = [sys.executable, "-c", INTERRUPTIBLE, "import", "spicedb", spicedb.endpoint, "--follow", "--json"]
    environment = {**os.environ, "REMIT_ENDPOINT": empty_server.endpoint}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["relationships"] == 905
        with Client(spicedb.endpoint) as client:
            client.touch("doc:new#viewer@user:zoe")
            assert json.loads(process.stdout.readline())["updates"] == 1
            client.write_schema(SCHEMA.replace("parent->view", "parent->view + banned", 1).replace(
                "  single relation", "  relation banned: user\n  single relation", 1))  # fmt: skip
            assert json.loads(process.stdout.readline())["schema"]
            client.delete("doc:new#viewer@user:zoe")
            last = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 130
        finally:
            process.kill()
        assert f"go on with `--follow --from {last['changes_through']}`" in process.stderr.read()
    assert last["updates"] == 1 and last["lag_s"] >= 0
    assert empty("check", "doc:new#view@user:zoe").code == 1
    assert "relation banned" in empty("schema", "read").out


def test_a_spicedb_that_cannot_be_read_says_why(empty: Shell) -> None:
    outcome = empty("import", "spicedb", "127.0.0.1:1")
    assert (outcome.code, "SpiceDB at `127.0.0.1:1`" in outcome.err) == (2, True), outcome.err
    assert "unencrypted" in empty("import", "spicedb", "spicedb.example:50051", "--from-token", "key").err
    assert "--follow" in empty("import", "spicedb", "127.0.0.1:1", "--from", "x").err


def test_an_export_for_openfga_is_a_store_file_that_is_imported_as_the_same(
    empty: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.fga").write_text(MODEL)
    assert empty("import", "openfga", str(tmp_path / "model.fga")).code == 0
    facts = [
        'document:1#editor@user:anne[office_hours:{"hour":9}]',
        "document:1#can_view_direct@group:eng#member",
        "group:eng#member_direct@user:*",
    ]
    assert empty("touch", *facts).code == 0
    path = tmp_path / "store.fga.yaml"
    assert empty("export", str(path), "--format", "openfga").code == 0
    assert empty("export", "--format", "openfga").out == path.read_text()
    assert "leave --cursor away" in empty("export", "--format", "openfga", "--cursor", "x").err
    before = empty("schema", "read").out, empty("export").out
    assert empty("store", "create", "again").code == 0
    monkeypatch.setenv("REMIT_STORE", "again")
    assert empty("import", "openfga", str(path)).code == 0
    assert empty("export").out == before[1] and sorted(empty("export").lines) == sorted(facts)
    assert "it means what the store's schema means" in empty("schema", "diff", "-", stdin=before[0]).out


def test_what_openfga_has_no_word_for_is_not_exported(
    spicedb: BackgroundServer, bare_shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMIT_ENDPOINT", spicedb.endpoint)
    path = tmp_path / "store.fga.yaml"
    refused = bare_shell("export", str(path), "--format", "openfga")
    assert (refused.code, "cannot be exported to OpenFGA" in refused.err, path.exists()) == (2, True, False), (
        refused.err
    )


def test_an_export_for_spicedb_is_a_world_that_says_the_same(
    spicedb: BackgroundServer, bare_shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMIT_ENDPOINT", spicedb.endpoint)
    path = tmp_path / "all.yaml"
    refused = bare_shell("export", str(path), "--format", "spicedb")
    assert (refused.code, "`use delegation`" in refused.err, path.exists()) == (2, True, False), refused.err
    plain = SCHEMA.replace("use delegation\n", "").replace("single ", "")
    assert bare_shell("schema", "write", "-", stdin=plain).code == 0
    assert bare_shell("export", str(path), "--format", "spicedb").code == 0
    outcome = bare_shell("validate", str(path), "--json")
    assert (outcome.code, outcome.json[0]["relationships"]) == (0, 905), outcome.err
    assert bare_shell("export", "--format", "spicedb").out == path.read_text()
