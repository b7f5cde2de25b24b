"""Sessions at a shell as a page shows them: a line after `$ ` is a command, what follows is what it prints.

`…` stands for what differs from run to run, and on a line of its own for any number of lines. `remit` is run in this
process; besides it there are `export NAME=value`, `source .venv/bin/activate`, and `echo $?`, the exit code of the
command before."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field

from tests.support.docs.blocks import Block

# Runs `remit` with these arguments, and gives its exit code and what a terminal shows: answers, then errors.
Run = Callable[[list[str]], tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Step:
    """A command and the lines that are shown below it."""

    words: list[str]
    shown: list[str] = field(default_factory=list)


def steps_of(block: Block) -> list[Step]:
    steps: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            steps.append(Step(shlex.split(line.removeprefix("$ "), comments=True)))
        else:
            assert steps, f"{block} begins without a command"
            steps[-1].shown.append(line)
    return steps


def run_console(block: Block, run: Run, environment: MutableMapping[str, str]) -> None:
    """Run every command of the block; each must print what is shown, line by line."""
    code = 0
    for words, shown in ((step.words, step.shown) for step in steps_of(block)):
        match words:
            case ["export", *settings]:
                environment.update(dict(setting.split("=", 1) for setting in settings))
                printed = ""
            case ["echo", "$?"]:
                printed = f"{code}\n"
            case ["source", ".venv/bin/activate"]:
                printed = ""  # which is where these tests run already
            case ["remit", *arguments]:
                code, printed = run(arguments)
            case _:
                raise AssertionError(f"{block}: {words[0]} is no command of these pages")
        assert is_as_shown(shown, printed.splitlines()), f"{block}: {shlex.join(words)} printed\n{printed}"


def is_as_shown(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines are those that are shown; blank ones at the end of what is shown only set commands apart."""
    lines = "\n".join(shown).rstrip().splitlines()
    pattern = "".join("(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None
