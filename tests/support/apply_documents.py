"""Documents for Apply: an example, a small organisation, and what is not of its form."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.support.places import ROOT

EXAMPLE = (ROOT / "schema" / "organisation-apply.yaml").read_text(encoding="utf-8")

# An organisation of one agent, with nothing more than it needs.
SMALL = """
{apiVersion: remit/v1, kind: Estate, metadata: {name: acme}}
---
{apiVersion: remit/v1, kind: Domain, metadata: {name: office}, spec: {estate: acme}}
---
{apiVersion: remit/v1, kind: Person, metadata: {name: anne}}
---
{apiVersion: remit/v1, kind: Agent, metadata: {name: payer}, spec: {owners: [anne], domain: office}}
---
{apiVersion: remit/v1, kind: Tool, metadata: {name: erp.pay}, spec: {domain: office, untagged: true}}
---
apiVersion: remit/v1
kind: Profile
metadata: {name: pay.1}
spec: {tools: [{name: erp.pay, arguments: {amount: {max: "500"}}}], holders: [anne, agent:payer]}
"""


def documents(text: str) -> list[bytes]:
    return [json.dumps(each).encode() for each in yaml.safe_load_all(text)]


def document(kind: str, name: str, **spec: Any) -> bytes:
    whole = {"apiVersion": "remit/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return json.dumps(whole).encode()


TOOL_SPEC = {"domain": "office", "untagged": True}
AGENT_SPEC = {"owners": ["anne"], "domain": "office"}
MISFORMED: list[tuple[str, object, str, str]] = [
    # what is sent, the pointer, and words of the message
    ("no version", {"kind": "Person", "metadata": {"name": "x"}}, "", "apiVersion: remit/v1"),
    ("another version", {"apiVersion": "v1", "kind": "Person"}, "", "apiVersion: remit/v1"),
    ("no kind", {"apiVersion": "remit/v1"}, "", "has no `kind`"),
    ("an unknown kind", {"apiVersion": "remit/v1", "kind": "Agnet"}, "/kind", "did you mean `Agent`?"),
    ("a key too many", {"apiVersion": "remit/v1", "kind": "Estate", "specs": {}}, "/specs", "did you mean `spec`?"),
    ("no name", {"apiVersion": "remit/v1", "kind": "Estate"}, "", "has no name"),
    ("everybody", ("Person", "*", {}), "/metadata/name", "names everybody"),
    ("a bad name", ("Person", "a b", {}), "/metadata/name", "a b"),
    ("a field misspelt", ("Agent", "x", {**AGENT_SPEC, "ownr": []}), "/spec/ownr", "did you mean `owners`?"),
    ("a field of another kind", ("Estate", "x", {"owners": []}), "/spec/owners", "leave it out"),
    ("a field left out", ("Agent", "x", {"domain": "office"}), "", "has no `owners`"),
    ("an empty list", ("Agent", "x", {**AGENT_SPEC, "owners": []}), "/spec/owners", "is empty"),
    ("a wrong type", ("Agent", "x", {**AGENT_SPEC, "owners": "anne"}), "/spec/owners", "where a list is wanted"),
    ("a number for a name", ("Agent", "x", {**AGENT_SPEC, "domain": 7}), "/spec/domain", "write it in quotes"),
    ("nothing for a name", ("Agent", "x", {**AGENT_SPEC, "domain": None}), "/spec/domain", "is nothing"),
    ("twice the same", ("Agent", "x", {**AGENT_SPEC, "owners": ["anne", "user:anne"]}), "/spec/owners/1", "twice"),
    ("a type too many", ("Agent", "x", {**AGENT_SPEC, "owners": ["tool:erp.pay"]}), "/spec/owners/0", "it names"),
    ("everybody as owner", ("Agent", "x", {**AGENT_SPEC, "owners": ["user:*"]}), "/spec/owners/0", "it names"),
    ("another relation", ("Agent", "x", {**AGENT_SPEC, "owners": ["team:t#owner"]}), "/spec/owners/0", "team#member"),
    ("a time that is none", ("Version", "x", {"of": "payer", "certified": {"name": "r", "until": "soon"}}),
     "/spec/certified/until", "RFC 3339"),
    ("a qualifier that is not taken", ("Agent", "x", {**AGENT_SPEC, "owners": [{"name": "anne", "until": "x"}]}),
     "/spec/owners/0/until", "has no `until`"),
    ("tagged and not", ("Tool", "x", {**TOOL_SPEC, "tags": ["t"]}), "", "exactly one"),
    ("neither", ("Tool", "x", {"domain": "office"}), "", "exactly one"),
    ("untagged: false", ("Tool", "x", {"domain": "office", "untagged": False}), "", "exactly one"),
    ("an unknown risk", ("Tool", "x", {**TOOL_SPEC, "risk": "hihg"}), "/spec/risk", "did you mean `high`?"),
    ("a descriptor that is none", ("Tool", "x", {**TOOL_SPEC, "descriptor": {"input_shema": {}}}),
     "/spec/descriptor", "input_shema"),
    ("a schema that is none", ("Tool", "x", {**TOOL_SPEC, "descriptor": {"input_schema": {"type": "objekt"}}}),
     "/spec/descriptor/input_schema/type", ""),
    ("a digest that is none", ("Tool", "x", {**TOOL_SPEC, "descriptor": "abc"}), "/spec/descriptor", "64 hexadecimal"),
    ("an unknown ceiling", ("Agent", "x", {**AGENT_SPEC, "ceilings": {"deph_max": 1}}),
     "/spec/ceilings/deph_max", "did you mean `depth_max`?"),
    ("a ceiling of nothing", ("Agent", "x", {**AGENT_SPEC, "ceilings": {"depth_max": 0}}),
     "/spec/ceilings/depth_max", "from 1 on"),
    ("half a ceiling", ("Agent", "x", {**AGENT_SPEC, "ceilings": {"depth_max": 1.5}}),
     "/spec/ceilings/depth_max", "a whole number"),
    ("true as a ceiling", ("Agent", "x", {**AGENT_SPEC, "ceilings": {"depth_max": True}}),
     "/spec/ceilings/depth_max", "a whole number"),
    ("an unknown intent", ("Profile", "x", {"intent": "sane"}), "/spec/intent", "`same`, `none`"),
    ("an intent of holders", ("Profile", "x", {"intent": {"holders": []}}), "/spec/intent/holders", "has no `holders`"),
    ("a list without items", {"apiVersion": "remit/v1", "kind": "Tools"}, "", "has no `items`"),
    ("a default misspelt", {"apiVersion": "remit/v1", "kind": "Tools", "defaults": {"domian": "x"}, "items": ["a"]},
     "/defaults/domian", "did you mean `domain`?"),
    ("an item without a name", {"apiVersion": "remit/v1", "kind": "Estates", "items": [{}]},
     "/items/0", "has no `name`"),
    ("an item that is a list", {"apiVersion": "remit/v1", "kind": "Estates", "items": [[]]}, "/items/0", "a name, or"),
    ("an item twice", {"apiVersion": "remit/v1", "kind": "Estates", "items": ["a", "b", {"name": "a"}]},
     "/items/2/name", "first in document 1 at `/items/0`"),
    ("a label that is none",
     {"apiVersion": "remit/v1", "kind": "Estate", "metadata": {"name": "x", "labels": {"a": "b=c"}}},
     "/metadata/labels/a", "label"),
]  # fmt: skip
