"""Whether there is a native core, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import remit
from remit import native_core as built

PACKAGE = Path(remit.__file__).parent


def told(folder: Path) -> list[str]:
    """What `remit version` says of the package in a folder."""
    environment = {key: value for key, value in os.environ.items() if key != built.SWITCH}
    command = [sys.executable, "-c", "from remit.cli.main import main; raise SystemExit(main(['version']))"]
    done = subprocess.run(
        command, env=environment | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


@pytest.fixture
def without_core(tmp_path: Path) -> Path:
    """The package, without what was built of the core."""
    package = tmp_path / "remit"
    package.mkdir()
    for each in PACKAGE.iterdir():
        if each.suffix != ".so":
            (package / each.name).symlink_to(each)
    return tmp_path


def test_a_core_that_was_never_built_is_told_from_one_that_cannot_be_loaded(without_core: Path) -> None:
    assert told(without_core)[1] == "no native core (not built here): Python answers all"
    (without_core / "remit" / "_core.abi3.so").write_bytes(b"of another machine")
    said = told(without_core)[1]
    assert said.startswith("no native core (built, but cannot be loaded: ") and "_core.abi3.so" in said


def test_a_core_that_is_switched_off_is_told_so_whether_or_not_it_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(built.SWITCH, "OFF")
    assert built.absence() == "switched off by `REMIT_NATIVE=off`"
