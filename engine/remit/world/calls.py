"""The `calls` block: calls of tools by name, for assertions about them.

    pays: {tool: erp.pay, arguments: '{"amount":"99"}', purpose: invoices}
    mails:
      tool: mail.send
      arguments: {to: [ann@example.com], copies: 2}      written as RFC 8785 does
      descriptor: 5f0c…

Law: arguments given as text are those bytes, whether they can be read or not: a world may ask what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from remit.arguments.json_text import Json, canonical_text
from remit.errors import InvalidArgument
from remit.model import Call
from remit.notation import shortened

CALL_KEYS = ("tool", "arguments", "purpose", "descriptor")
_VALUES_MAX = 10_000  # many more than a call may have: aliases of aliases would make as many as they like
_WHOLE_MAX = 2**53 - 1  # beyond it JSON's readers take other numbers for each other


def call_of(fields: Mapping[str, str | yaml.Node], name: str) -> Call:
    """The call of a name, by what the file says under it. Raises InvalidArgument."""
    texts = {key: value for key, value in fields.items() if isinstance(value, str)}
    arguments = fields.get("arguments")
    if "tool" not in fields or arguments is None:
        lacking = "arguments" if "tool" in fields else "tool"
        raise InvalidArgument(f"the call `{shortened(name)}` has no `{lacking}`", field="calls")
    for key in CALL_KEYS:
        if key in fields and key not in texts and key != "arguments":
            raise InvalidArgument(f"`{key}` of the call `{shortened(name)}` is text", field="calls")
    written = arguments if isinstance(arguments, str) else canonical_text(_Values().of(arguments))
    return Call(
        texts["tool"], written.encode("utf-8", "surrogatepass"), texts.get("purpose", ""), texts.get("descriptor", "")
    )


class _Values:
    """JSON of YAML's nodes; what JSON has no word for, such as a date, stays the text that was written."""

    def __init__(self) -> None:
        self._left = _VALUES_MAX

    def of(self, node: yaml.Node) -> Json:
        self._left -= 1
        if self._left < 0:
            raise InvalidArgument(f"the arguments of a call have more than {_VALUES_MAX} values", field="calls")
        match node:
            case yaml.MappingNode():
                return {self._key(key): self.of(value) for key, value in node.value}
            case yaml.SequenceNode():
                return [self.of(each) for each in node.value]
        assert isinstance(node, yaml.ScalarNode), "there are three kinds of nodes"
        match node.tag.rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return bool(yaml.SafeLoader("").construct_yaml_bool(node))
            case "int":
                return self._number(node, yaml.SafeLoader("").construct_yaml_int(node))
            case "float":
                return self._number(node, yaml.SafeLoader("").construct_yaml_float(node))
        return str(node.value)

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise InvalidArgument("a key of a call's arguments is text", field="calls")
        return str(node.value)

    def _number(self, node: yaml.Node, number: int | float) -> int | float:
        if not abs(number) <= _WHOLE_MAX:
            raise InvalidArgument(
                f"the number `{shortened(str(node.value))}` is none that JSON's readers agree about: give it as text",
                field="calls",
            )
        return number
