"""What tests of the command line share: a small store, and what a shell sees of a command."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from remit.notation import parse_time

NOW_US = parse_time("2027-01-01T00:00:00Z")

SCHEMA = """\
use delegation
use expiration

caveat on_ip(ip ipaddress, cidr string) { ip.in_cidr(cidr) }

definition user {}

definition team {
  relation member: user | team#member
}

definition doc {
  relation parent: doc
  relation viewer: user | user:* | user with on_ip | user with expiration | team#member
  single relation owner: user
  permission view = viewer + owner + parent->view
}
"""
FACTS = (
    "doc:plan#owner@user:anne",
    'doc:plan#viewer@user:ben[on_ip:{"cidr":"10.0.0.0/8"}]',
    "doc:plan#viewer@team:sales#member",
    "team:sales#member@user:carl",
    "doc:part#parent@doc:plan",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a shell sees of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> list[Any]:
        """Every line of the answer as an object: `--json` promises that each is one."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell(Protocol):
    """Runs `remit` with these arguments. `stdin` None is a terminal at which nobody types."""

    def __call__(self, *arguments: str, stdin: bytes | str | None = None) -> Outcome: ...


class Typed(io.TextIOWrapper):
    """Standard input with these bytes on it; a terminal where they are None."""

    def __init__(self, data: bytes | str | None) -> None:
        super().__init__(io.BytesIO(data.encode() if isinstance(data, str) else data or b""), encoding="utf-8")
        self._is_terminal = data is None

    def isatty(self) -> bool:
        return self._is_terminal


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[dict[str, object], subprocess.Popen[str]]]:
    """A server process, and what it said when it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "remit.cli.main", "serve", "--grpc", "127.0.0.1:0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        said = process.stdout.readline()
        assert said, process.stderr.read()
        yield json.loads(said), process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
