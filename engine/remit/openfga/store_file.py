"""A store of OpenFGA's CLI, `store.fga.yaml` → worlds.

    model: | …              or `model_file: model.fga`
    tuples: […]             or `tuple_file: tuples.yaml`, `tuple_files: […]` (YAML, JSON, JSON lines, CSV)
    tests:
      - name: …
        tuples: […]         besides the store's
        check:              {user | users, object | objects, context?, assertions: {relation: true | false}}
        list_objects:       {user, type, context?, assertions: {relation: [object, …]}}
        list_users:         {object, user_filter: [{type, relation?}], context?, assertions: {relation: {users: […]}}}

The tests without tuples of their own are asked of the store's world, each other of a world of its own.
Law: what this reader does not understand it refuses, with the line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from remit.errors import RemitError, WorldInvalid, WorldUnreadable
from remit.model import RelationshipKey, ResourceLookup, SubjectLookup, Verdict
from remit.notation import normalized_context, shortened
from remit.openfga.api_model import read_api_model
from remit.openfga.language import parse_model
from remit.openfga.model import Model
from remit.openfga.modules import MODULES_FILE, read_modules
from remit.openfga.translation import Translated, translate
from remit.openfga.tuples import read_object, read_tuple, read_user
from remit.openfga.yaml_values import Mapping, read_yaml
from remit.world.expected_lists import ExpectedList
from remit.world.file import Assertion, Fact, World
from remit.world.finding import Finding, FindingKind
from remit.world.schema_file import read_text

_STORE_KEYS = ("name", "model", "model_file", "tuples", "tuple_file", "tuple_files", "tests")
_TEST_KEYS = ("name", "description", "tuples", "tuple_file", "tuple_files", "check", "list_objects", "list_users")
_CSV_COLUMNS = ("user_type", "user_id", "user_relation", "relation", "object_type", "object_id")
_CSV_CONDITION = ("condition_name", "condition_context")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a store of OpenFGA is here: its translated model, the world of its tuples and tests, and a world for each
    test that has tuples of its own. `not_asked` are the questions of its tests that Remit does not answer."""

    translated: Translated
    world: World
    tests: tuple[World, ...] = ()
    not_asked: tuple[str, ...] = ()


def read_model(path: Path) -> Model:
    """A model by its file's name: `fga.mod`, `*.json` as the API gives it, or the language. Raises FileUnreadable,
    SchemaInvalid, WorldUnreadable, MalformedRequest."""
    if path.name == MODULES_FILE:
        return read_modules(path)
    text = read_text(path)
    if path.suffix == ".json":
        return read_api_model(_json(text, path), name=path.as_posix())
    return parse_model(text, name=path.as_posix())


def read_moved(path: Path) -> Moved:
    """A store file, or a model alone. Raises what `read_model` raises, and WorldInvalid with every finding."""
    if path.suffix not in (".yaml", ".yml"):
        translated = translate(read_model(path), name=path.as_posix())
        return Moved(translated, world_of(path, translated))
    return _Reader(path).read()


def world_of(path: Path, translated: Translated, facts: Iterable[Fact] = ()) -> World:
    """A world of a translated model, without assertions."""
    compiled = translated.compiled
    return World(path, compiled.schema, compiled.tree, (), (), (), tuple(facts), (), ())


@dataclass
class _Reader:
    path: Path
    findings: list[Finding] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)

    def read(self) -> Moved:
        store = self._mapping(read_yaml(read_text(self.path), name=str(self.path)), "a store", _STORE_KEYS)
        translated = translate(self._model(store), name=self.path.as_posix())
        self.names = translated.names
        facts = list(self._facts(store))
        world = world_of(self.path, translated, self._distinct(facts))
        assertions: list[Assertion] = []
        lists: list[ExpectedList] = []
        tests: list[World] = []
        for each in self._list(store.get("tests"), "`tests`"):
            test = self._mapping(each, "a test", _TEST_KEYS)
            own = list(self._facts(test))
            asked = tuple(self._checks(test))
            found = (*self._object_lists(test), *self._user_lists(test))
            if own:
                whole = world_of(self.path, translated, self._distinct([*facts, *own]))
                tests.append(replace(whole, assertions=asked, expected_lists=found))
            else:
                assertions += asked
                lists += found
        if self.findings:
            self.findings.sort(key=lambda finding: finding.line)
            raise WorldInvalid(self.findings[0].render(), findings=self.findings, file=self.path)
        world = replace(world, assertions=tuple(assertions), expected_lists=tuple(lists))
        return Moved(translated, world, tuple(tests), tuple(self.not_asked))

    # --- parts --------------------------------------------------------------------------------------------------

    def _model(self, store: Mapping) -> Model:
        text, file = store.get("model"), store.get("model_file")
        if (text is None) == (file is None):
            self._fail(store.line, "a store has one of `model` and `model_file`")
        if file is not None:
            return read_model(self.path.parent / self._text(store, "model_file"))
        return parse_model(self._text(store, "model"), name=f"{self.path.as_posix()} (model)")

    def _facts(self, part: Mapping) -> Iterator[Fact]:
        yield from self._tuples(part.get("tuples"), self.path, part.line)
        files = [*([self._text(part, "tuple_file")] if part.get("tuple_file") is not None else [])]
        files += [str(each) for each in self._list(part.get("tuple_files"), "`tuple_files`")]
        for name in files:
            path = self.path.parent / name
            for line, written in read_tuple_file(path):
                yield from self._fact(written, path, line)

    def _tuples(self, written: Any, path: Path, line: int) -> Iterator[Fact]:
        for each in self._list(written, "`tuples`"):
            yield from self._fact(each, path, each.line if isinstance(each, Mapping) else line)

    def _fact(self, written: Any, path: Path, line: int) -> Iterator[Fact]:
        try:
            yield Fact(line, read_tuple(written, self.names))
        except RemitError as error:
            self.findings.append(
                Finding(str(path), line, FindingKind.RELATIONSHIP, str(written), error.message, found=error.reason)
            )

    def _distinct(self, facts: list[Fact]) -> list[Fact]:
        """Each once; said again, a tuple says nothing new, and said otherwise it does not tell which is meant."""
        first: dict[RelationshipKey, Fact] = {}
        for fact in facts:
            known = first.setdefault(fact.relationship.key, fact)
            if known.relationship != fact.relationship:
                message = f"`{fact.relationship.key}` is already there with another condition, on line {known.line}"
                self.findings.append(Finding(str(self.path), fact.line, FindingKind.RELATIONSHIP, "", message))
        return list(first.values())

    def _checks(self, test: Mapping) -> Iterator[Assertion]:
        for part in self._list(test.get("check"), "`check`"):
            check = self._mapping(part, "a check", ("user", "users", "object", "objects", "context", "assertions"))
            for user in self._one_or_many(check, "user"):
                for object in self._one_or_many(check, "object"):
                    for relation, expected in self._mapping(check.get("assertions"), "`assertions`").items():
                        if not isinstance(expected, bool):
                            self._fail(check.line, f"`{shortened(relation)}` is true or false")
                        try:
                            yield from self._assertion(check, user, object, relation, expected)
                        except RemitError as error:
                            self._note(check.line, error)

    def _assertion(self, check: Mapping, user: str, object: str, relation: str, expected: bool) -> Iterator[Assertion]:
        resource, permission = read_object(object, self.names), self._permission(object, relation)
        if user.endswith(":*"):
            self.not_asked.append(
                f"{self.path}:{check.line}: `{object}#{relation}@{user}` asks of everybody at once, which "
                f"`remit lookup subjects {resource}#{permission}@{user.removesuffix('*')}` answers"
            )
            return
        subject = read_user(user, self.names)
        verdict = Verdict.YES if expected else Verdict.NO
        text = f"{resource}#{permission}@{subject}"
        yield Assertion(check.line, text, resource, permission, subject, self._context(check), verdict)

    def _object_lists(self, test: Mapping) -> Iterator[ExpectedList]:
        for part in self._list(test.get("list_objects"), "`list_objects`"):
            asked = self._mapping(part, "an item of `list_objects`", ("user", "type", "context", "assertions"))
            type_, user = self._text(asked, "type"), self._text(asked, "user")
            for relation, expected in self._mapping(asked.get("assertions"), "`assertions`").items():
                try:
                    permission = self._permission(type_, relation)
                    subject = read_user(user, self.names)
                    lookup = ResourceLookup(self.names.types[type_], permission, subject, self._context(asked))
                    entries = [str(read_object(str(each), self.names)) for each in self._list(expected, "`assertions`")]
                except RemitError as error:
                    self._note(asked.line, error)
                    continue
                text = f"{lookup.resource_type}#{permission}@{subject}"
                yield ExpectedList(asked.line, text, lookup, tuple((asked.line, each) for each in entries))

    def _user_lists(self, test: Mapping) -> Iterator[ExpectedList]:
        keys = ("object", "user_filter", "context", "assertions")
        for part in self._list(test.get("list_users"), "`list_users`"):
            asked = self._mapping(part, "an item of `list_users`", keys)
            object = self._text(asked, "object")
            filters = self._list(asked.get("user_filter"), "`user_filter`")
            if len(filters) != 1:
                self._fail(asked.line, "`user_filter` has one filter")
            wanted = self._mapping(filters[0], "`user_filter`", ("type", "relation"))
            for relation, expected in self._mapping(asked.get("assertions"), "`assertions`").items():
                users = self._list(self._mapping(expected, "an expected list", ("users",)).get("users"), "`users`")
                try:
                    yield self._user_list(asked, object, relation, wanted, users)
                except RemitError as error:
                    self._note(asked.line, error)

    def _user_list(self, asked: Mapping, object: str, relation: str, wanted: Mapping, users: list[Any]) -> ExpectedList:
        resource, permission = read_object(object, self.names), self._permission(object, relation)
        type_ = self._text(wanted, "type")
        userset = str(wanted.get("relation") or "")
        kind = read_user(f"{type_}:x" + (f"#{userset}" if userset else ""), self.names)
        lookup = SubjectLookup(resource, permission, kind.type, kind.relation, self._context(asked))
        entries = [str(read_user(str(each), self.names, wildcard=True)) for each in users]
        text = f"{resource}#{permission}@{kind.type}:" + (f"#{kind.relation}" if kind.relation else "")
        return ExpectedList(asked.line, text, lookup, tuple((asked.line, each) for each in entries))

    def _permission(self, object: str, relation: str) -> str:
        type_, _, _ = object.partition(":")
        found = self.names.relations.get((type_, relation))
        if found is None:
            raise WorldUnreadable(f"`{shortened(type_)}` has no relation `{shortened(relation)}`")
        return found

    # --- shapes -------------------------------------------------------------------------------------------------

    def _context(self, part: Mapping) -> dict[str, object]:
        return normalized_context(part.get("context") or {})

    def _note(self, line: int, error: RemitError) -> None:
        self.findings.append(
            Finding(str(self.path), line, FindingKind.ASSERTION, "", error.message, found=error.reason)
        )

    def _mapping(self, value: Any, what: str, keys: tuple[str, ...] | None = None) -> Mapping:
        if not isinstance(value, Mapping):
            self._fail(1, f"{what} must be keys and values")
        for key in value:
            if keys is not None and key not in keys:
                self._fail(value.line, f"{what} has no key `{shortened(key)}`; there are {', '.join(keys)}")
        return value

    def _list(self, value: Any, what: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._fail(1, f"{what} must be a list")
        return value

    def _text(self, part: Mapping, key: str) -> str:
        value = part.get(key)
        if not isinstance(value, str):
            self._fail(part.line, f"`{key}` must be a text")
        return value

    def _one_or_many(self, part: Mapping, key: str) -> list[str]:
        many = part.get(f"{key}s")
        if (part.get(key) is None) == (many is None):
            self._fail(part.line, f"a check has one of `{key}` and `{key}s`")
        return [str(each) for each in self._list(many, f"`{key}s`")] if many is not None else [self._text(part, key)]

    def _fail(self, line: int, message: str) -> NoReturn:
        raise WorldUnreadable(f"{self.path}:{line}: {message}", file=self.path, line=line)


# --- files of tuples --------------------------------------------------------------------------------------------


def read_tuple_file(path: Path) -> Iterator[tuple[int, Any]]:
    """The line and the tuple as it is written, each. Raises FileUnreadable, WorldUnreadable."""
    text = read_text(path)
    if path.suffix in (".yaml", ".yml", ".json"):
        written = read_yaml(text, name=str(path))  # all JSON is YAML, and so has lines
        if not isinstance(written, list):
            raise WorldUnreadable(f"{path}:1: a file of tuples is a list", file=path, line=1)
        for each in written:
            yield each.line if isinstance(each, Mapping) else 1, each
    elif path.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, _json(line, path, number)
    elif path.suffix == ".csv":
        yield from _csv_tuples(text, path)
    else:
        raise WorldUnreadable(f"{path}:1: tuples are read from .yaml, .json, .jsonl and .csv", file=path, line=1)


def _csv_tuples(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    rows = csv.DictReader(io.StringIO(text))
    columns = rows.fieldnames or []
    if missing := [each for each in _CSV_COLUMNS if each not in columns and each != "user_relation"]:
        raise WorldUnreadable(f"{path}:1: the first line lacks the column `{missing[0]}`", file=path, line=1)
    if unknown := [each for each in columns if each not in _CSV_COLUMNS + _CSV_CONDITION]:
        raise WorldUnreadable(f"{path}:1: there is no column `{shortened(unknown[0])}`", file=path, line=1)
    for row in rows:
        userset = row.get("user_relation") or ""
        written: dict[str, Any] = {
            "object": f"{row['object_type']}:{row['object_id']}",
            "relation": row["relation"],
            "user": f"{row['user_type']}:{row['user_id']}" + (f"#{userset}" if userset else ""),
        }
        if row.get("condition_name"):
            context = row.get("condition_context") or "{}"
            written["condition"] = {"name": row["condition_name"], "context": _json(context, path, rows.line_num)}
        yield rows.line_num, written


def _json(text: str, path: Path, line: int = 1) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WorldUnreadable(f"{path}:{line}: not JSON: {error}", file=path, line=line) from error
