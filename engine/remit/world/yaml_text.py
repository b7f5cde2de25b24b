"""YAML text as nodes, which know their lines, and what is wrong with a text that is none.

Law: whatever is wrong with a text is told with a line of it."""

from __future__ import annotations

import yaml

# libyaml reads some twenty times faster; the loader in Python is for where it was not built.
LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NOT_YAML = (yaml.YAMLError, RecursionError)


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def shape_of(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "keys and values" if isinstance(node, yaml.MappingNode) else "text"


def fault_of(error: Exception, text: str) -> tuple[int, str]:
    """The line and the problem of a text that raised one of NOT_YAML."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return mark.line + 1 if mark else 1, str(error.problem or error.context)
    # It gives no line here. Where it met a character it does not allow, that is where.
    met = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return text.count("\n", 0, met.start()) + 1 if met else 1, str(error).splitlines()[0]
