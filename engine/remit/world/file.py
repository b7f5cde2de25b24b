"""A world file: YAML in, a `World` out, every line of it remembered.

    schema: |-              the schema, or `schemaFile: ../agents@1.zed`, a path from this file's folder
    relationships: |-       one a line; `//` begins a comment, empty lines are skipped
    assertions:             assertTrue, assertCaveated, assertFalse: `resource#permission@subject`, where it is
                            needed with a context: `… with {"ip": "10.0.0.1"}`
    calls:                  Remit's own: a name → one call of a tool (see `calls.py`), of which an assertion is made by
                            `… calling NAME`, before the context; assertUnjudged: it has no answer for that call
    validation:             `resource#permission` → everyone who has it (see `expected.py`)
    lookups:                Remit's own: a question with a part left away → all that fit (see `expected_lists.py`)
    records:                Remit's own: an object → by kind, the text that is its document
    now: 2027-01-31T…Z      Remit's own: the time of the world; without it, the time it is asked at

Law: what this reader does not understand it refuses, with the line; no key is skipped in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import yaml

from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.errors import (
    DescriptorInvalid,
    FileUnreadable,
    InvalidReference,
    RemitError,
    SchemaInvalid,
    WorldInvalid,
    WorldUnreadable,
)
from remit.graph.plain import Graph
from remit.language import plan
from remit.language.compiler import Compiled, compile_source
from remit.language.source import Issue, Piece, Source
from remit.language.syntax import SchemaSyntax
from remit.model import Call, ObjectRef, Record, RecordKey, Relationship, RelationshipKey, SubjectRef, Verdict
from remit.notation import (
    checked_name,
    parse_context,
    parse_object,
    parse_question,
    parse_relationship,
    parse_time,
    shortened,
)
from remit.suggest import did_you_mean
from remit.world.calls import CALL_KEYS, call_of
from remit.world.expected import ExpectedSet, parse_expected_member, parse_set
from remit.world.expected_lists import ExpectedList, parse_entry, parse_lookup
from remit.world.finding import Finding, FindingKind
from remit.world.schema_file import SchemaFiles, read_text, resolve_beside, schema_file_of
from remit.world.yaml_text import LOADER, NOT_YAML, fault_of, line_of, shape_of

KEYS = ("schema", "schemaFile", "relationships", "assertions", "validation", "lookups", "records", "calls", "now")
EXPECTED: Mapping[str, Verdict | None] = {
    "assertTrue": Verdict.YES,
    "assertCaveated": Verdict.CONDITIONAL,
    "assertFalse": Verdict.NO,
    "assertUnjudged": None,
}
_OLD_KEYS = {
    "namespace_configs": "schema",
    "relation_tuples": "relationships",
    "validation_tuples": "relationships",
}

_APART = "(schema)"  # behind the name of a schema whose lines are not the file's

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Fact:
    """A relationship and the line it stands on."""

    line: int
    relationship: Relationship


@dataclass(frozen=True, slots=True)
class WrittenRecord:
    """A record and the line it stands on."""

    line: int
    record: Record


@dataclass(frozen=True, slots=True)
class Assertion:
    """A question and what it should be answered with; None where its call cannot be read, or not be judged. `text` is
    the question as it stands in the file."""

    line: int
    text: str
    resource: ObjectRef
    permission: str
    subject: SubjectRef
    context: Mapping[str, object]
    expected: Verdict | None
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class World:
    """All that one file says. `schema.text` is the schema with the files it imports brought in, ready to be written to
    a store; `tree` knows on which line of which file each part of it stands. `warnings` are the compiler's,
    `unknown_keys` are the file's that mean nothing here, and `warning_findings` are both, for who would not have
    them."""

    path: Path
    schema: plan.Schema
    tree: SchemaSyntax
    warnings: tuple[Issue, ...]
    unknown_keys: tuple[Finding, ...]
    warning_findings: tuple[Finding, ...]
    facts: tuple[Fact, ...]
    assertions: tuple[Assertion, ...]
    expected_sets: tuple[ExpectedSet, ...]
    expected_lists: tuple[ExpectedList, ...] = ()
    now_us: int | None = None
    records: tuple[WrittenRecord, ...] = ()

    @classmethod
    def read(cls, path: Path | str, schemas: SchemaFiles | None = None) -> World:
        """Raises FileUnreadable; WorldUnreadable where the file has not the shape of a world; WorldInvalid, with every
        finding, where the schema or a line does not mean anything. Whether what it says is true is for `verify`.

        `schemas` are those that worlds read before have brought, so that what they share is compiled once."""
        return _Reader(Path(path), schemas or SchemaFiles()).read()

    @property
    def relationships(self) -> tuple[Relationship, ...]:
        return tuple(fact.relationship for fact in self.facts)

    def graph(self) -> Graph:
        """The facts as a graph. What has expired is in it, and does not count."""
        return Graph(self.relationships)

    def descriptor(self, digest: str) -> Descriptor | None:
        """What a tool is described by, by the id of its object; None where no record says it, or none that can be
        read. Cost: O(records)."""
        key = RecordKey("descriptor", ObjectRef("descriptor", digest))
        document = next((each.record.document for each in self.records if each.record.key == key), None)
        return _descriptor_of(document) if document is not None else None


@lru_cache(64)
def _descriptor_of(document: bytes) -> Descriptor | None:
    try:
        return read_descriptor(document)
    except DescriptorInvalid:
        return None  # `verify` says what is wrong with it


class _Reader:
    """Reads one file. Mistakes of shape end it at once; mistakes in single lines are collected."""

    def __init__(self, path: Path, schemas: SchemaFiles) -> None:
        self.path = path
        self.schemas = schemas
        self.findings: list[Finding] = []
        self.unknown_keys: list[Finding] = []
        self.lines: list[str] = []

    def read(self) -> World:
        text = read_text(self.path)
        self.lines = text.splitlines()
        parts = self._parts(self._compose(text))
        schema = self._schema(parts)
        facts = self._facts(parts.get("relationships"))
        calls = self._calls(parts.get("calls"))
        assertions = self._assertions(parts.get("assertions"), calls)
        expected_sets = self._expected_sets(parts.get("validation"))
        expected_lists = self._expected_lists(parts.get("lookups"))
        records = self._records(parts.get("records"))
        now_us = self._now(parts.get("now"))
        if self.findings or schema is None:
            self.findings.sort(key=lambda finding: finding.line)
            raise WorldInvalid(self.findings[0].render().splitlines()[0], findings=self.findings, file=self.path)
        unknown_keys = tuple(self.unknown_keys)
        warned = (*unknown_keys, *(self._finding_of(issue, parts.get("schema")) for issue in schema.warnings))
        return World(
            self.path,
            schema.schema,
            schema.tree,
            schema.warnings,
            unknown_keys,
            warned,
            facts,
            assertions,
            expected_sets,
            expected_lists,
            now_us,
            records,
        )

    # --- parts --------------------------------------------------------------------------------------------------

    def _parts(self, node: yaml.Node) -> dict[str, yaml.Node]:
        """What the file has under the keys of a world. Keys of other tools are told of and passed over; one that may be
        a slip of the pen is an error, or what is under it would not be looked at."""
        known: dict[str, yaml.Node] = {}
        for key, value in self._pairs(node, "the world"):
            if key.value in KEYS:
                known[key.value] = value
                continue
            message = f"the world has no key `{shortened(key.value)}`; {_advice(key.value, KEYS)}"
            if key.value in _OLD_KEYS or did_you_mean(key.value, KEYS):
                raise self._unreadable(key, message)
            message = (
                f"the key `{shortened(key.value)}` means nothing here and is passed over; {_advice(key.value, KEYS)}"
            )
            self.unknown_keys.append(Finding(str(self.path), line_of(key), FindingKind.KEY, key.value, message))
        return known

    def _schema(self, parts: Mapping[str, yaml.Node]) -> Compiled | None:
        inline, file = parts.get("schema"), parts.get("schemaFile")
        if (inline is None) == (file is None):
            problem = "has both `schema` and `schemaFile`" if inline is not None else "has no schema"
            raise self._unreadable(file or inline, f"the world {problem}: give one of `schema` and `schemaFile`")
        try:
            if file is not None:
                return self.schemas.read(schema_file_of(self.path, self._text(file, "`schemaFile`")))
            assert inline is not None
            return compile_source(self._inline_schema(inline), resolve_beside)
        except FileUnreadable as error:
            if file is not None:
                error.message = f"{self.path.as_posix()}:{line_of(file)}: {error.message}"
            raise
        except SchemaInvalid as error:
            for issue in error.issues:
                assert isinstance(issue, Issue)
                self.findings.append(self._finding_of(issue, inline))
            return None

    def _inline_schema(self, node: yaml.Node) -> Source:
        """The schema's text and where it stands. Where its lines cannot be found again, as in quotes with escapes,
        places count from its beginning, and the name says that they do."""
        text, name = self._text(node, "`schema`"), self.path.as_posix()
        pieces = _pieces_of(text, self.lines, line_of(node) + 1)
        return Source(name, text, pieces=pieces) if pieces else Source(f"{name} {_APART}", text)

    def _finding_of(self, issue: Issue, inline: yaml.Node | None) -> Finding:
        """A finding of the compiler; one that has no line of its own in the file is reported where the text begins."""
        file, line = issue.file, issue.line
        if inline is not None and file == f"{self.path.as_posix()} {_APART}":
            file, line = self.path.as_posix(), line_of(inline)
        return Finding(file, line, FindingKind.SCHEMA, "", issue.message, found=issue.code, detail=issue.render())

    def _facts(self, node: yaml.Node | None) -> tuple[Fact, ...]:
        if node is None or _is_null(node):
            return ()
        facts: dict[RelationshipKey, Fact] = {}
        line = line_of(node)
        for index, written in enumerate(self._text(node, "`relationships`").split("\n")):
            text = written.strip()
            if not text or text.startswith("//"):
                continue
            line = line_of(node) + 1 + index if _is_literal(node) else self._line_of(text, line)
            relationship = self._parsed(line, FindingKind.RELATIONSHIP, text, parse_relationship)
            if relationship is None:
                continue
            first = facts.setdefault(relationship.key, Fact(line, relationship))
            # A line that says it again says nothing new, and SpiceDB's own files hold such; one that says it otherwise
            # does not tell which of the two is meant.
            if first.relationship != relationship:
                message = f"`{relationship.key}` is already there with other qualifiers, on line {first.line}"
                self.findings.append(Finding(str(self.path), line, FindingKind.RELATIONSHIP, text, message))
        return tuple(facts.values())

    def _calls(self, node: yaml.Node | None) -> Mapping[str, Call]:
        """By their names. Whether one can be read is for the assertions about it."""
        if node is None or _is_null(node):
            return {}
        calls = {}
        for name_node, written in self._pairs(node, "`calls`"):
            what = f"the call `{shortened(name_node.value)}`"
            fields = {
                key: str(value.value) if isinstance(value, yaml.ScalarNode) else value
                for key, value in self._mapping(written, what, CALL_KEYS).items()
            }
            call = self._parsed(line_of(name_node), FindingKind.CALL, name_node.value, partial(call_of, fields))
            if call is not None:
                calls[name_node.value] = call
        return calls

    def _assertions(self, node: yaml.Node | None, calls: Mapping[str, Call]) -> tuple[Assertion, ...]:
        if node is None or _is_null(node):
            return ()
        assertions = []
        for key, items in self._mapping(node, "`assertions`", tuple(EXPECTED)).items():
            for item in self._sequence(items, f"`{key}`"):
                text = self._text(item, f"an item of `{key}`").strip()
                line = line_of(item)
                parsed = self._parsed(line, FindingKind.ASSERTION, text, partial(_parse_assertion, calls))
                if parsed is not None:
                    asked, question, context, call = parsed
                    assertions.append(Assertion(line, asked, *question, context, EXPECTED[key], call))
        return tuple(assertions)

    def _expected_sets(self, node: yaml.Node | None) -> tuple[ExpectedSet, ...]:
        if node is None or _is_null(node):
            return ()
        sets = []
        for key_node, items in self._pairs(node, "`validation`"):
            about = self._parsed(line_of(key_node), FindingKind.VALIDATION, key_node.value, parse_set)
            members = []
            for item in self._sequence(items, f"`{key_node.value}`"):
                text = self._text(item, f"an item of `{key_node.value}`").strip()
                parsed = self._parsed(line_of(item), FindingKind.VALIDATION, text, parse_expected_member)
                if parsed is not None:
                    members.append((line_of(item), parsed))
            if about is not None:
                sets.append(ExpectedSet(line_of(key_node), *about, tuple(members)))
        return tuple(sets)

    def _expected_lists(self, node: yaml.Node | None) -> tuple[ExpectedList, ...]:
        if node is None or _is_null(node):
            return ()
        lists = []
        for key_node, items in self._pairs(node, "`lookups`"):
            lookup = self._parsed(line_of(key_node), FindingKind.LOOKUP, key_node.value, parse_lookup)
            if lookup is None:
                continue
            entries = []
            for item in self._sequence(items, f"`{key_node.value}`"):
                text = self._text(item, f"an item of `{key_node.value}`").strip()
                entry = self._parsed(line_of(item), FindingKind.LOOKUP, text, partial(parse_entry, lookup))
                if entry is not None:
                    entries.append((line_of(item), entry))
            lists.append(ExpectedList(line_of(key_node), key_node.value, lookup, tuple(entries)))
        return tuple(lists)

    def _records(self, node: yaml.Node | None) -> tuple[WrittenRecord, ...]:
        """Of which kinds there are, and what each promises, is for `verify`: it asks the engine."""
        if node is None or _is_null(node):
            return ()
        records = []
        for object_node, kinds in self._pairs(node, "`records`"):
            about = self._parsed(line_of(object_node), FindingKind.RECORD, object_node.value, parse_object)
            for kind_node, document in self._pairs(kinds, f"the records of `{shortened(object_node.value)}`"):
                text = self._text(document, f"a record of `{shortened(object_node.value)}`")
                kind = self._parsed(line_of(kind_node), FindingKind.RECORD, kind_node.value, checked_name)
                if about is not None and kind is not None:
                    records.append(WrittenRecord(line_of(kind_node), Record(kind, about, text.encode())))
        return tuple(records)

    def _now(self, node: yaml.Node | None) -> int | None:
        if node is None:
            return None
        try:
            return parse_time(self._text(node, "`now`"))
        except RemitError as error:
            raise self._unreadable(node, error.message) from error

    def _parsed(self, line: int, kind: FindingKind, text: str, parse: Callable[[str], _Read]) -> _Read | None:
        """What a line means; where it means nothing, a finding that says so."""
        try:
            return parse(text)
        except RemitError as error:
            self.findings.append(Finding(str(self.path), line, kind, text, error.message, found=error.reason))
            return None

    def _line_of(self, text: str, after: int) -> int:
        """The line where a line of a folded or quoted block stands. YAML does not say, so we look below the last."""
        for line in range(after + 1, len(self.lines) + 1):
            if text in self.lines[line - 1]:
                return line
        return after

    # --- shapes -------------------------------------------------------------------------------------------------

    def _compose(self, text: str) -> yaml.Node:
        try:
            node: yaml.Node | None = yaml.compose(text, Loader=LOADER)
        except NOT_YAML as error:
            line, problem = fault_of(error, text)
            raise WorldUnreadable(f"{self.path}:{line}: not YAML: {problem}", file=self.path, line=line) from error
        if node is None:
            raise self._unreadable(None, "the file is empty: a world has a `schema`")
        return node

    def _mapping(self, node: yaml.Node, what: str, known: tuple[str, ...]) -> dict[str, yaml.Node]:
        found = {}
        for key, value in self._pairs(node, what):
            if key.value not in known:
                raise self._unreadable(key, f"{what} has no key `{shortened(key.value)}`; {_advice(key.value, known)}")
            found[key.value] = value
        return found

    def _pairs(self, node: yaml.Node, what: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._unreadable(node, f"{what} must be keys and values, not {shape_of(node)}")
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._unreadable(key, f"a key of {what} must be text, not {shape_of(key)}")
            if key.value in lines:
                first = lines[key.value]
                raise self._unreadable(key, f"the key `{shortened(key.value)}` is already there, on line {first}")
            lines[key.value] = line_of(key)
        return list(node.value)

    def _sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if _is_null(node):
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self._unreadable(node, f"{what} must be a list, not {shape_of(node)}")
        return list(node.value)

    def _text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._unreadable(node, f"{what} must be text, not {shape_of(node)}")
        return str(node.value)

    def _unreadable(self, node: yaml.Node | None, message: str) -> WorldUnreadable:
        line = line_of(node) if node is not None else 1
        return WorldUnreadable(f"{self.path}:{line}: {message}", file=self.path, line=line)


def _pieces_of(text: str, lines: list[str], first_line: int) -> tuple[Piece, ...]:
    """Where each line of a file from `first_line` on stands in a text that was written there: YAML takes indentation
    away and may fold lines together, and leaves what is in them. Empty where that is not so."""
    pieces: list[Piece] = []
    at, end = 0, len(text.rstrip())
    for number, whole in enumerate(lines[first_line - 1 :], first_line):
        written = whole.strip()
        if at >= end:
            break
        if written:
            found = text.find(written, at)
            if found < 0 or text[at:found].strip():
                return ()
            pieces.append(Piece(found, number, len(whole) - len(whole.lstrip()) + 1, whole))
            at = found + len(written)
    return () if at < end else tuple(pieces)


def _parse_assertion(
    calls: Mapping[str, Call], text: str
) -> tuple[str, tuple[ObjectRef, str, SubjectRef], Mapping[str, object], Call | None]:
    """A question without its context as it is written, what it means, its context, and the call that it is about."""
    asked, separator, context = text.partition(" with ")
    question, calling, name = asked.partition(" calling ")
    call = calls.get(name.strip()) if calling else None
    if calling and call is None:
        advice = did_you_mean(name.strip(), tuple(calls)) or "`calls` names those that there are"
        raise InvalidReference(f"the world has no call `{shortened(name.strip())}`; {advice}")
    return asked.strip(), parse_question(question.strip()), parse_context(context) if separator else {}, call


def _advice(key: str, known: tuple[str, ...]) -> str:
    if key in _OLD_KEYS:
        return f"SpiceDB has given it up for `{_OLD_KEYS[key]}`"
    return did_you_mean(key, known) or f"the keys are {', '.join(f'`{name}`' for name in known)}"


def _is_literal(node: yaml.Node) -> bool:
    """Whether it is a block after `|`, whose lines are the file's own."""
    return isinstance(node, yaml.ScalarNode) and node.style == "|"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
