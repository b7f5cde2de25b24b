"""Tools as somebody else describes them, on their way to be descriptors: from a manifest, or from an MCP server.

A name that is no id is written with `%` and two digits for each byte that an id may not have, and for `%` itself: so no
two names become the same id.
Law: a tool is described by the same bytes each time it says the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from remit.arguments.tool_schema import BYTES_MAX
from remit.errors import ToolsUnreadable
from remit.notation import shortened

TOOLS_MAX = 1_000  # of one list
MANIFEST_BYTES_MAX = TOOLS_MAX * BYTES_MAX

_IN_IDS = "!\"$&'()*+,-./:;<=>?@\\^_`{|}~"  # besides letters and digits: what an id may have, without `%`


@dataclass(frozen=True, slots=True)
class DescribedTool:
    """What is said of a tool: its name, and the parts of its descriptor; `problem` where it cannot be one."""

    name: str
    description: str
    input_schema: object
    types: Mapping[str, Any] | None = None
    problem: str = ""

    def id(self, prefix: str) -> str:
        return prefix + quote(self.name, safe=_IN_IDS)

    def descriptor(self, types: Mapping[str, Any] | None, *, leaves_out_draft: bool = False) -> bytes:
        """The bytes of its descriptor, with these semantic types. Raises ToolsUnreadable where they would be none."""
        schema = self.input_schema
        if leaves_out_draft and isinstance(schema, dict):
            schema = {key: value for key, value in schema.items() if key != "$schema"}
        said = {"description": self.description, "input_schema": schema, "name": self.name, "types": types or None}
        present = {key: value for key, value in said.items() if value is not None and (value or key != "description")}
        try:
            text = json.dumps(present, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
            document = text.encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise ToolsUnreadable(f"what it says is no JSON that two readers read alike: {error}") from error
        if len(document) > BYTES_MAX:
            raise ToolsUnreadable(f"its descriptor has {len(document)} bytes, and may have {BYTES_MAX}: describe less")
        return document


def described(name: object, description: object, input_schema: object, types: object = None) -> DescribedTool:
    """A tool whose parts are what they are said to be, or that has a problem."""
    if not isinstance(name, str) or not name:
        return DescribedTool(shortened(str(name)), "", None, problem="its name is not a text, or is empty")
    if description is not None and not isinstance(description, str):
        return DescribedTool(name, "", None, problem="its description is not a text")
    if not isinstance(input_schema, dict):
        return DescribedTool(name, "", None, problem="it has no `inputSchema` that is an object")
    if types is not None and not isinstance(types, dict):
        return DescribedTool(name, "", None, problem="its `types` are not an object")
    try:
        name.encode()
    except UnicodeEncodeError:
        return DescribedTool(shortened(repr(name)), "", None, problem="its name holds half of a surrogate pair")
    return DescribedTool(name, description or "", input_schema, types)


def checked_list(tools: Iterable[DescribedTool]) -> Sequence[DescribedTool]:
    """The tools, in their order. Those that have one name are refused, each of them: nobody knows which is meant.
    Raises ToolsUnreadable for more than TOOLS_MAX."""
    listed = list(tools)
    if len(listed) > TOOLS_MAX:
        raise ToolsUnreadable(f"there are more than {TOOLS_MAX} tools in the list, and {TOOLS_MAX} are read at most")
    count = Counter(each.name for each in listed)
    twice = "its name is on the list twice, so nobody knows which of them is called"
    return [
        each if count[each.name] == 1 else DescribedTool(each.name, "", None, problem=each.problem or twice)
        for each in listed
    ]


def read_manifest(data: bytes) -> Sequence[DescribedTool]:
    """The tools of a JSON text: a list of objects with `name`, `description`, `inputSchema` and, perhaps, `types`; or
    an object that has such a list under `tools`, as an MCP server answers. Raises ToolsUnreadable."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise ToolsUnreadable(f"the manifest has {len(data)} bytes, and {MANIFEST_BYTES_MAX} are read at most")
    try:
        whole = json.loads(data, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ToolsUnreadable(f"the manifest is no JSON: {error}") from error
    tools = whole.get("tools") if isinstance(whole, dict) else whole
    if not isinstance(tools, list):
        raise ToolsUnreadable("the manifest is not a list of tools, nor an object with one under `tools`")
    return checked_list(map(_of_manifest, tools))


def _of_manifest(tool: object) -> DescribedTool:
    if not isinstance(tool, dict):
        return DescribedTool(shortened(str(tool)), "", None, problem="it is not an object")
    schema = tool["inputSchema"] if "inputSchema" in tool else tool.get("input_schema")
    return described(tool.get("name"), tool.get("description"), schema, tool.get("types"))


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two readers take another of two values under one key."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key `{shortened(twice)}` occurs twice in one object")
    return found
