"""YAML as JSON has it, each mapping with the line it stands on: a date stays the text that was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from remit.errors import WorldUnreadable
from remit.notation import shortened

# libyaml reads some twenty times faster; the loader in Python is for where it was not built.
_Base: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALARS = frozenset(f"tag:yaml.org,2002:{each}" for each in ("null", "bool", "int", "float"))


class Mapping(dict[str, Any]):
    """A mapping that knows its line, from 1."""

    line = 1


def read_yaml(text: str, *, name: str) -> Any:
    """The document: mappings are `Mapping`s. Raises WorldUnreadable, naming the line."""
    loader = _Base(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _Values(loader, text, name).of(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise WorldUnreadable(
            f"{name}:{line}: not YAML: {error.problem or error.context}", file=name, line=line
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        message = f"{name}:1: not YAML: {(str(error).splitlines() or [''])[0]}"
        raise WorldUnreadable(message, file=name, line=1) from error
    finally:
        loader.dispose()


class _Values:
    """Makes values of nodes, at most as many as the text has characters: what is written once takes one at least, and
    aliases of aliases would make as many as they like."""

    def __init__(self, loader: Any, text: str, name: str) -> None:
        self._loader = loader
        self._name = name
        self._left = len(text)

    def of(self, node: yaml.Node) -> Any:
        self._left -= 1
        if self._left < 0:
            line = node.start_mark.line + 1
            message = f"{self._name}:{line}: its aliases make more of it than is written: write them out"
            raise WorldUnreadable(message, file=self._name, line=line)
        if isinstance(node, yaml.MappingNode):
            mapping = Mapping()
            mapping.line = node.start_mark.line + 1
            for key, value in _pairs(node, self._name):
                mapping[key] = self.of(value)
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [self.of(each) for each in node.value]
        if node.tag in _SCALARS:
            return self._loader.construct_object(node)
        return str(node.value)


def _pairs(node: yaml.MappingNode, name: str) -> Iterator[tuple[str, yaml.Node]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise WorldUnreadable(f"{name}:{line}: a key must be text", file=name, line=line)
        if key.value in seen:
            message = f"{name}:{line}: the key `{shortened(key.value)}` is already there"
            raise WorldUnreadable(message, file=name, line=line)
        seen.add(key.value)
        yield key.value, value
