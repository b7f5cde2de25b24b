"""The document that describes the calls is OpenAPI, says what the protos say, and is true: requests made from it alone
are answered as it has it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from remit.access.keys import Right
from remit.server.http.openapi import document, document_bytes
from remit.server.http.paths import path_of
from remit.server.verbs import STREAMING, UNARY
from tests.support.keyed import Keyed, keyed_server
from tests.support.places import ROOT
from tests.support.serving import PATIENCE_S

DOCUMENT = document()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keys"), http="127.0.0.1:0", http_api=True) as keyed:
        yield keyed


def test_it_is_an_openapi_document() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert json.loads(document_bytes()) == json.loads(json.dumps(DOCUMENT))


def test_every_unary_verb_is_described_at_its_path_and_no_stream() -> None:
    assert DOCUMENT["paths"].keys() == {path_of(verb) for verb in UNARY}
    assert not DOCUMENT["paths"].keys() & {path_of(verb) for verb in STREAMING}
    names = [each["post"]["operationId"] for each in DOCUMENT["paths"].values()]
    assert len(set(names)) == len(names)


def test_everything_of_ours_says_what_it_is() -> None:
    schemas = {name: each for name, each in DOCUMENT["components"]["schemas"].items() if name.startswith("remit.v1.")}
    assert len(schemas) > 60
    untold = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, part in schema.get("properties", {}).items()
        if not part.get("description")
    ]
    assert untold == []
    assert all(each["post"]["description"] for each in DOCUMENT["paths"].values())
    check = schemas["remit.v1.CheckResponse"]
    assert "verdict" in check["required"]
    assert "additionalProperties" not in check
    assert schemas["remit.v1.CheckRequest"]["additionalProperties"] is False


def test_nothing_is_described_that_nothing_refers_to() -> None:
    text = json.dumps(DOCUMENT)
    for name in DOCUMENT["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_comments_are_those_of_the_protos() -> None:
    check = DOCUMENT["paths"]["/remit.v1.Permissions/Check"]["post"]["description"]
    source = (ROOT / "proto/remit/v1/permissions.proto").read_text(encoding="utf-8")
    assert f"// {check.splitlines()[0]}\n" in source


def test_it_is_open_to_everyone_as_reflection_is(edge: Keyed) -> None:
    with urllib.request.urlopen(f"{edge.server.http_endpoint}/openapi.json", timeout=PATIENCE_S) as response:
        assert response.headers["Content-Type"] == "application/json"
        assert response.read() == document_bytes()


# --- it is true -------------------------------------------------------------------------------------------------


# To make requests from a document takes a second or two a call: the others have their turn in the long runs.
QUICK = ("/remit.v1.Stores/WhoAmI", "/remit.v1.Permissions/LookupPermissions", "/v1/schema/read")


@pytest.mark.parametrize("path", QUICK)
def test_what_is_made_from_it_is_answered_as_it_says(edge: Keyed, path: str) -> None:
    require_truth(edge, path, examples=6)


@pytest.mark.long
@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_much_more_that_is_made_from_it_is_answered_as_it_says(edge: Keyed, path: str) -> None:
    require_truth(edge, path, examples=100)


def require_truth(edge: Keyed, path: str, examples: int) -> None:
    # Whoever collects the tests would wait for it to be loaded, which takes seconds.
    import schemathesis
    from schemathesis.specs.openapi import checks

    def no_defect_of_ours(context: Any, response: Any, case: Any) -> None:
        """Who names a deadline that has passed is told so, and nothing else is the server's fault."""
        assert response.status_code < 500 or response.status_code == 504

    held = [
        no_defect_of_ours,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
        checks.ignored_auth,
    ]
    key = edge.make(*(right for right in Right if right is not Right.AUDIT), stores=("*",))
    operation: Any = schemathesis.openapi.from_dict(DOCUMENT)[path]["POST"]
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=edge.server.http_endpoint, headers={"Authorization": f"Bearer {key}"}, checks=held
        )

    ask()
