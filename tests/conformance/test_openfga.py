"""OpenFGA's own consolidated tests, through the importer: each check and each list has the answer that is expected
there, but for what DIFFERS names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from remit.engine.admission import check_relationship
from remit.errors import RelationshipRefused, RemitError
from remit.eval.budget import Budget
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.model import ResourceLookup, SubjectLookup, Verdict
from remit.openfga.language import parse_model
from remit.openfga.translation import Translated, translate
from remit.openfga.tuples import NoPlace, read_object, read_tuple, read_user
from remit.world.lists import find_list
from tests.support.places import CONFORMANCE

FILE = CONFORMANCE / "openfga" / "consolidated_1_1_tests.yaml"
COUNTS = {"check": 360, "objects": 270, "users": 295}

EVERYBODY = "INVALID_REFERENCE"  # `user:*` asks of everybody at once: Remit answers that by a list of subjects

# (test, kind) → what Remit says, and why it is no fault.
DIFFERS: dict[tuple[str, str], Any] = {
    # A limit of OpenFGA's engine (error 2002), which Remit answers.
    ("resolution_too_complex_throws_error", "check"): True,
    ("resolution_too_complex_throws_error", "users"): {"user:maria"},
    # Something that hangs on its own negation is a no there, and an error here that names the cycle.
    ("true_butnot_cycle_return_false", "check"): "NEGATIVE_CYCLE",
    ("true_butnot_cycle_return_false", "objects"): "NEGATIVE_CYCLE",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A model, and every tuple that was written until then: also those that it has no place for."""

    translated: Translated
    tuples: list[dict[str, Any]]

    def graph(self, contextual: list[dict[str, Any]]) -> Graph:
        """What the model has no place for is passed over, as there; but contextual tuples are refused."""
        graph = Graph()
        for written in [*self.tuples, *contextual]:
            try:
                relationship = read_tuple(written, self.translated.names)
                check_relationship(self.translated.compiled.schema, relationship)
            except (NoPlace, RelationshipRefused):
                if written in contextual:
                    raise
                continue
            graph.add(relationship)
        return graph

    def permission(self, type_: str, relation: str) -> str:
        return self.translated.names.relations.get((type_, relation), relation)

    def check(self, asked: dict[str, Any], graph: Graph) -> object:
        names, key = self.translated.names, asked["tuple"]
        resource = read_object(key["object"], names)
        permission = self.permission(key["object"].partition(":")[0], key["relation"])
        evaluation = Evaluation(self.translated.compiled.schema, graph, now_us=0, context=asked.get("context") or {})
        return evaluation.check(resource, permission, read_user(key["user"], names), Budget()).verdict is Verdict.YES

    def objects(self, asked: dict[str, Any], graph: Graph) -> object:
        names, request = self.translated.names, asked["request"]
        type_, user = request["type"], read_user(request["user"], names)
        permission = self.permission(type_, request["relation"])
        lookup = ResourceLookup(names.types.get(type_, type_), permission, user, asked.get("context") or {})
        return set(find_list(self.translated.compiled.schema, graph, lookup, now_us=0))

    def users(self, asked: dict[str, Any], graph: Graph) -> object:
        names, request = self.translated.names, asked["request"]
        resource = read_object(request["object"], names)
        permission = self.permission(request["object"].partition(":")[0], request["relation"])
        (wanted,) = request["filters"]
        type_, hash_sign, relation = wanted.partition("#")
        kind = read_user(f"{type_}:x{hash_sign}{relation}", names)
        lookup = SubjectLookup(resource, permission, kind.type, kind.relation, asked.get("context") or {})
        # It lists everybody without those who are left out of it.
        found = find_list(self.translated.compiled.schema, graph, lookup, now_us=0)
        return {each.partition(" - ")[0] for each in found}


def whole_tests() -> list[Any]:
    if not FILE.exists():
        return [pytest.param(None, marks=pytest.mark.skip(f"no conformance data at {FILE}"), id="absent")]
    whole = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [pytest.param(each, id=each["name"]) for each in whole["tests"]]


def stages_of(test: dict[str, Any]) -> Iterator[tuple[Stage, dict[str, Any]]]:
    tuples: list[dict[str, Any]] = []
    for written in test["stages"]:
        tuples += written.get("tuples") or []
        yield Stage(translate(parse_model(written["model"])), list(tuples)), written


def questions_of(test: dict[str, Any]) -> Iterator[tuple[Stage, str, dict[str, Any]]]:
    for stage, written in stages_of(test):
        for kind, key in (
            ("check", "checkAssertions"),
            ("objects", "listObjectsAssertions"),
            ("users", "listUsersAssertions"),
        ):
            for asked in written.get(key) or []:
                yield stage, kind, asked


@pytest.mark.parametrize("test", whole_tests())
def test_openfga_and_remit_agree(test: dict[str, Any]) -> None:
    for stage, kind, asked in questions_of(test):
        found: object
        request = asked.get("request") or {}
        try:
            graph = stage.graph(asked.get("contextualTuples") or request.get("contextualTuples") or [])
            found = getattr(stage, kind)(asked, graph)
        except RemitError as error:
            found = error.reason
        if (asked.get("tuple") or request).get("user", "").endswith(":*"):
            assert found == EVERYBODY, asked
        elif (test["name"], kind) in DIFFERS:
            assert found == DIFFERS[test["name"], kind], asked
        elif asked.get("errorCode"):
            assert isinstance(found, str), asked  # an error too, by a reason of ours
        elif kind == "check":
            assert found == asked["expectation"], asked
        else:
            assert found == set(asked.get("expectation") or []), asked


def test_every_question_is_asked() -> None:
    if not FILE.exists():
        pytest.skip(f"no conformance data at {FILE}")
    found = dict.fromkeys(COUNTS, 0)
    for test in yaml.safe_load(FILE.read_text(encoding="utf-8"))["tests"]:
        for _, kind, _ in questions_of(test):
            found[kind] += 1
    assert found == COUNTS
