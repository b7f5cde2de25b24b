"""Laws of the YAML of store files: values as JSON has them, each mapping with its line; no text makes more than it is
long."""

from __future__ import annotations

import pytest

from remit.errors import WorldUnreadable
from remit.openfga.yaml_values import read_yaml


def test_values_are_those_of_json_and_a_date_is_its_text() -> None:
    read = read_yaml("a: [1, 2.5, true, null, 2027-01-31]\nb:\n  - &x {c: 'd'}\n  - *x\n", name="f.yaml")
    assert read == {"a": [1, 2.5, True, None, "2027-01-31"], "b": [{"c": "d"}, {"c": "d"}]}
    assert (read.line, read["b"][0].line) == (1, 3)


def test_aliases_of_aliases_are_refused() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 64)]
    with pytest.raises(WorldUnreadable, match="aliases make more of it"):
        read_yaml("\n".join(lines), name="f.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("a: 1\na: 2", "f.yaml:2: the key `a` is already there"),
        ("? [a]\n: 1", "a key must be text"),
        ("&a [*a]", "f.yaml:1:"),
        ("[" * 5_000, "not YAML"),
    ],
)
def test_what_is_no_value_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(WorldUnreadable) as caught:
        read_yaml(text, name="f.yaml")
    assert said in caught.value.message
