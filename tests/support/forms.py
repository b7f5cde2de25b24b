"""The forms in which `make test` runs the suite: everything once, with the native core where it is built; then without
the core what asks an engine, and through the frontend what is told over the wire. What cannot differ is not run twice.

Law: every test has a row here that says where else it belongs; what has none fails the suite."""

from __future__ import annotations

from pathlib import Path

from tests.support.places import ROOT

FORMS = WITHOUT_CORE, FRONTEND = "without-core", "frontend"
ONCE: tuple[str, ...] = ()

# The longest row that a test's path begins with is its own.
ROWS: dict[str, tuple[str, ...]] = {
    "access": ONCE,
    "arguments": ONCE,
    "bench": ONCE,
    # Commands and clients speak to a server, and are the same whatever answers there. What a server says of itself when
    # it starts, and what it is after that, is not.
    "cli": ONCE,
    "cli/test_cli_serve.py": (WITHOUT_CORE,),
    "client": ONCE,
    "conformance": ONCE,
    "docs": ONCE,
    "engine": (WITHOUT_CORE,),
    "eval": ONCE,
    "graph": ONCE,
    "language": ONCE,
    "laws": ONCE,
    "laws/test_accepted_worlds.py": (WITHOUT_CORE,),
    "long": ONCE,
    # Each of these has the core and Python side by side.
    "native": ONCE,
    "openfga": ONCE,
    "schema": ONCE,
    "schema/test_agents_upgrade.py": (WITHOUT_CORE,),
    "server": (WITHOUT_CORE, FRONTEND),
    # Each of these has both ways in side by side, and none is there without a core.
    "server/frontend": ONCE,
    # These need no server, or none that is asked over gRPC.
    "server/http": ONCE,
    "server/limits": ONCE,
    "server/net/test_listen.py": ONCE,
    "server/test_commit_notifier.py": ONCE,
    "server/test_streams.py": ONCE,
    "server/test_agents_not_in_schema.py": ONCE,
    "server/test_unseen_errors.py": ONCE,
    "server/run/test_garbage.py": ONCE,
    "server/run/test_watchdog.py": ONCE,
    # These end before an engine is asked anything.
    "server/grpc/test_grpc_compat.py": (FRONTEND,),
    "server/grpc/test_open_methods.py": (FRONTEND,),
    "server/net/test_tls.py": (FRONTEND,),
    "server/test_floods.py": (FRONTEND,),
    "server/test_idle_connections.py": (FRONTEND,),
    "server/test_keyring.py": (FRONTEND,),
    "server/test_one_request.py": (FRONTEND,),
    "server/test_rights.py": (FRONTEND,),
    # A process that serves has its frontend before it where the core is built, and without the core has none: the two
    # forms are the two ways in.
    "simulation": (WITHOUT_CORE,),
    # What a killed process leaves is the store's, whoever answers questions.
    "simulation/test_verb_crashes.py": ONCE,
    "store": ONCE,
    "wire": ONCE,
    "world": ONCE,
    "worlds": ONCE,
    "test_believed_file.py": ONCE,
    "test_make.py": ONCE,
    "test_native_core.py": ONCE,
    "test_notation.py": ONCE,
    "test_precedence.py": ONCE,
    "test_suggest.py": ONCE,
    "test_tests.py": ONCE,
}


def forms_of(test: Path) -> tuple[str, ...]:
    """The forms besides the first that a test file has a part in; LookupError where no row is for it."""
    path = test.relative_to(ROOT / "tests")
    for each in (path, *path.parents):
        if (forms := ROWS.get(each.as_posix())) is not None:
            return forms
    raise LookupError(f"tests/support/forms.py has no row for tests/{path}")
