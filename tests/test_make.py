"""`make setup` builds the native core where it can, and never goes on without one that should be there.

Make is real here; Python, pip and cargo are scripts that do what a case says, in a checkout of nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.places import ROOT

# It stands for pip, for the Python of the environment, and for what is asked of `remit` before a test.
PYTHON = """#!/bin/sh
echo "$*" >> asked
case "$*" in
    *"pip install"*--editable*) {install} ;;
esac
"""
CORE = "engine/remit/_core.abi3.so"
# All that is on the path, so that a cargo of this machine is not.
TOOLS = ("make", "sh", "awk", "echo", "find", "ls", "rm", "tail", "test", "touch")


@dataclass
class Checkout:
    """A Makefile, and the tools that it finds."""

    path: Path

    def cargo(self, version: str, build: str = "true") -> None:
        self._script("bin/cargo", f"#!/bin/sh\ncase $1 in\nbuild) {build} ;;\n*) echo cargo {version} ;;\nesac\n")

    def pip(self, install: str) -> None:
        """What an installation of the package does."""
        self._script(".venv/bin/python", PYTHON.format(install=install))

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        python = f"PYTHON={self.path}/.venv/bin/python"
        command = ["make", "--silent", python, *words]
        environment = {"PATH": f"{self.path}/bin", "HOME": str(self.path)}
        return subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, timeout=60)

    @property
    def installed(self) -> int:
        """How often pip was asked to install the package."""
        asked = self.path / "asked"
        return asked.read_text().count("--editable") if asked.exists() else 0

    def _script(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "setup.cfg", "constraints.txt", "engine/core/Cargo.toml", "engine/core/Cargo.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder in ("engine/remit", "engine/core/remit-core/src"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    return Checkout(tmp_path)


BUILDS = f"touch {CORE}"
MISTAKE = "echo 'error: cannot find type `Grpah`' >&2; exit 101"


def test_a_core_that_cannot_be_built_though_cargo_is_there_fails_and_tells_why(checkout: Checkout) -> None:
    checkout.cargo("1.95.0", build=MISTAKE)
    checkout.pip("true")  # which it says, though it has built nothing
    for _ in range(2):  # the second time, too: nothing says that it is installed
        for word in ("setup", "test", "check", "run"):
            done = checkout.make(word)
            assert done.returncode != 0
            assert "cannot find type `Grpah`" in done.stderr
            assert "the native core could not be built, though cargo is here" in done.stderr
    assert "pytest" not in (checkout.path / "asked").read_text()
    checkout.cargo("1.95.0")
    assert "pip install --verbose --editable .` tells more" in checkout.make("setup").stderr


def test_an_older_core_does_not_pass_for_one_that_cannot_be_built(checkout: Checkout) -> None:
    checkout.cargo("1.95.0")
    checkout.pip(BUILDS)
    assert checkout.make("setup").returncode == 0
    source = checkout.path / "engine/core/remit-core/src/lib.rs"
    source.touch()
    later = (checkout.path / ".venv/.installed").stat().st_mtime + 10
    os.utime(source, (later, later))
    checkout.pip("true")
    assert checkout.make("setup").returncode != 0
    assert not (checkout.path / CORE).exists()


@pytest.mark.parametrize("version", [None, "1.87.9", "0.99.0"])
def test_without_a_cargo_that_is_new_enough_it_goes_on_without_and_says_so_once(
    checkout: Checkout, version: str | None
) -> None:
    checkout.pip("true")
    if version is not None:
        checkout.cargo(version)
    done = checkout.make("setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "no cargo of Rust 1.88 or later: the native core is not built, and the engine in Python answers everything"
    ]
    assert checkout.make("setup").stdout == "" and checkout.installed == 1


@pytest.mark.parametrize("version", ["1.88.0", "1.100.1", "2.0.0"])
def test_a_core_that_is_built_is_built_once_and_again_where_it_is_gone(checkout: Checkout, version: str) -> None:
    checkout.pip("true")
    assert checkout.make("setup").returncode == 0  # before there was a cargo
    checkout.pip(BUILDS)
    checkout.cargo(version)
    for expected in (2, 2):
        done = checkout.make("setup")
        assert (done.returncode, done.stdout, done.stderr, checkout.installed) == (0, "", "", expected)
    (checkout.path / CORE).unlink()
    assert checkout.make("setup").returncode == 0 and checkout.installed == 3


def test_whoever_says_that_there_is_no_cargo_goes_on_without_it(checkout: Checkout) -> None:
    checkout.cargo("1.95.0")
    checkout.pip("true")
    done = checkout.make("CARGO=", "setup")
    assert done.returncode == 0
    assert "the engine in Python answers everything" in done.stdout


def test_the_rust_that_is_asked_for_is_the_one_that_the_core_is_written_for() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    manifest = (ROOT / "engine/core/Cargo.toml").read_text(encoding="utf-8")
    version = makefile.partition("\nRUST := ")[2].split()[0]
    assert f'rust-version = "{version}"' in manifest
    assert f"Rust {version} or later" in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
