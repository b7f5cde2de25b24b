"""Documents for `remit apply`, read from YAML and JSON files, with the line of every part of them.

A file has any number of documents, a folder any number of files. A plain word is what YAML 1.2 says, which is JSON's
own: `on`, `no` and `12:30` are text, and so is a time. Everything else about them is for the server to say.
Law: what the server names by a JSON Pointer stands on the line that is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from remit.arguments.json_text import joined
from remit.cli.arguments.lines import STANDARD_INPUT, read_standard_input
from remit.engine.agents.documents import BYTES_MAX
from remit.errors import ApplyInvalid, FileUnreadable
from remit.notation import shortened
from remit.world.schema_file import read_text
from remit.world.yaml_text import LOADER, NOT_YAML, fault_of, line_of, shape_of

SUFFIXES = (".yaml", ".yml", ".json")
_DEPTH_MAX = 64
_VALUES_MAX = 1_000_000  # an alias in an alias in an alias would be more than anybody has written
_TAGS = "tag:yaml.org,2002:"
_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Line(NamedTuple):
    """Where something is said: `- ` names standard input `<stdin>`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """One document as JSON, and the lines of what JSON Pointers into it name."""

    file: str
    json: bytes
    lines: dict[str, int]

    def line(self, pointer: str) -> Line:
        """Of what the pointer names, or of what it would stand in."""
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return Line(self.file, self.lines.get(pointer, 1))


def read_documents(names: Iterable[str]) -> list[ReadDocument]:
    """Of files, of the files in folders and below them by their names, and of standard input for `-`. Raises
    FileUnreadable, and ApplyInvalid with the line of what is no YAML, or no JSON."""
    found: list[ReadDocument] = []
    values = [0]
    for name in names:
        for file, text in _texts(name):
            before = len(found)
            found += _documents(file, text, values)
            if len(found) == before:
                raise FileUnreadable(f"`{file}` has no documents in it", file=file)
    size = sum(len(each.json) for each in found)
    if size > BYTES_MAX:
        raise ApplyInvalid(f"{size} bytes of documents, and one request may have {BYTES_MAX}: apply in parts")
    return found


def _texts(name: str) -> Iterator[tuple[str, str]]:
    if name == STANDARD_INPUT:
        yield "<stdin>", read_standard_input()
        return
    path = Path(name)
    if not path.is_dir():
        yield path.as_posix(), read_text(path)
        return
    files = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
    if not files:
        raise FileUnreadable(f"`{name}` has no files that end in {', '.join(SUFFIXES)}", file=name)
    for each in files:
        yield each.as_posix(), read_text(each)


def _documents(file: str, text: str, values: list[int]) -> Iterator[ReadDocument]:
    try:
        nodes = list(yaml.compose_all(text, Loader=LOADER))
    except NOT_YAML as error:
        line, problem = fault_of(error, text)
        raise ApplyInvalid(f"{file}:{line}: not YAML: {problem}", file=file, line=line) from error
    for node in nodes:
        if isinstance(node, yaml.ScalarNode) and _plain(node) is None:
            continue  # `---` with nothing behind it
        reader = _Reader(file, values)
        value = reader.value(node, "", 0)
        yield ReadDocument(file, json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), reader.lines)


class _Reader:
    """Reads one document. `values` counts those of all."""

    def __init__(self, file: str, values: list[int]) -> None:
        self.file = file
        self.values = values
        self.lines: dict[str, int] = {}

    def value(self, node: yaml.Node, pointer: str, depth: int) -> object:
        self.lines[pointer] = line_of(node)
        self.values[0] += 1
        if depth > _DEPTH_MAX or self.values[0] > _VALUES_MAX:
            raise self._wrong(node, "an alias that leads into itself, or more than anybody writes")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, joined(pointer, index), depth + 1) for index, each in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode), "there are three kinds of nodes"
        found: dict[str, object] = {}
        for key, each in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._wrong(key, f"a key must be text, not {shape_of(key)}")
            if key.value in found:
                raise self._wrong(key, f"the key `{shortened(key.value)}` is there twice")
            found[key.value] = self.value(each, joined(pointer, key.value), depth + 1)
            self.lines[joined(pointer, key.value)] = line_of(key)
        return found

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if not node.tag.startswith(_TAGS):
            raise self._wrong(node, f"the tag `{shortened(node.tag)}` means nothing here")
        return _plain(node)

    def _wrong(self, node: yaml.Node, problem: str) -> ApplyInvalid:
        line = line_of(node)
        return ApplyInvalid(f"{self.file}:{line}: {problem}", file=self.file, line=line)


def _plain(node: yaml.ScalarNode) -> object:
    """What a scalar is: text where it stands in quotes."""
    text = str(node.value)
    if node.style:
        return text
    if text.lower() in _WORDS and (text.islower() or text.isupper() or text.istitle() or text in ("", "~")):
        return _WORDS[text.lower()]
    if _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    return text
