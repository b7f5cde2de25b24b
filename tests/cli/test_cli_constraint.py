"""`remit constraint` says what it found, for people and programs, and its exit code says no more than that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli_shell import Shell

CONTACT = '{"to": {"each": {"related": {"type": "user", "permission": "contact"}}}}'
TOOL = json.dumps(
    {
        "input_schema": {
            "type": "object",
            "properties": {
                "at": {"type": "string"},
                "to": {"type": "array", "items": {"type": "string"}},
                "dry_run": {"type": "boolean", "default": False},
            },
        },
        "types": {"at": "path"},
    }
)


# --- narrower ---------------------------------------------------------------------------------------------------


def test_what_is_narrower_ends_with_0_and_what_is_not_with_1(bare_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "held.json").write_text('{"to": {"one_of": ["a", "b"]}}')
    held = str(tmp_path / "held.json")
    found = bare_shell("constraint", "narrower", '{"to": {"equals": "a"}}', held)
    assert (found.code, found.out, found.err) == (0, "narrower\n", "")
    found = bare_shell("constraint", "narrower", "-", f"@{held}", stdin='{"to": {"equals": "c"}}')
    assert found.code == 1
    assert (
        found.out == 'not narrower: `/to` may be `"c"`; `{"one_of":["a","b"]}` of the second does not let it through\n'
    )


def test_programs_are_told_where_and_why(bare_shell: Shell) -> None:
    assert bare_shell("constraint", "narrower", "{}", "{}", "--json").json == [{"narrower": True}]
    [told] = bare_shell("constraint", "narrower", '{"to": {}}', "{}", "--json").json
    assert (told["narrower"], told["pointer"]) == (False, "/to")
    assert "does not name" in told["reason"]


def test_a_wider_denial_is_narrower(bare_shell: Shell) -> None:
    both = ('{"to": {"prefix": "a"}}', '{"to": {"prefix": "ab"}}')
    assert bare_shell("constraint", "narrower", *both).code == 1
    assert bare_shell("constraint", "narrower", *both, "--matching").code == 0


def test_the_types_of_a_tool_count(bare_shell: Shell) -> None:
    both = ('{"at": {"prefix": "/a/"}}', '{"at": {"subpath": "/a"}}')
    assert bare_shell("constraint", "narrower", *both).code == 1
    assert bare_shell("constraint", "narrower", *both, "--schema", TOOL).code == 0


# --- test -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "arguments", "options", "code", "out"),
    [
        ('{"a": {"max": "5"}}', '{"a": 5}', (), 0, "covered"),
        ('{"a": {"max": "5"}}', '{"a": 6}', (), 1, "not covered: `/a` is more than `5`"),
        ('{"a": {"max": "5"}}', '{"a": null}', (), 3, "cannot be judged: `/a` is null, and no number"),
        ('{"a": {}}', '{"b": 1}', ("--matching",), 0, "matches"),
        ('{"a": {"equals": 1}}', '{"a": 2}', ("--matching",), 1, "does not match: `/a` is not `1`"),
        ('{"tool": {"equals": "t"}}', "{}", ("--tool", "t"), 0, "covered"),
        ('{"tool": {"equals": "t"}}', "{}", ("--tool", "u"), 1, "not covered: the tool is not `\"t\"`"),
        ('{"purpose": {"equals": "p"}}', "{}", ("--purpose", "p"), 0, "covered"),
        ('{"purpose": {"equals": "p"}}', "{}", (), 1, "not covered: the purpose is not `\"p\"`"),
        (CONTACT, '{"to": ["bob"]}', ("--holds", "user:bob#contact"), 0, "covered"),
        (CONTACT, '{"to": ["bob", "eve"]}', ("--holds", "user:bob#contact", "--lacks", "*"), 1,
         "not covered: the subject has not `contact` of `user:eve`"),
        (CONTACT, '{"to": []}', (), 1, "not covered: `/to` has fewer elements than 1"),
        ('{"at": {"subpath": "/a"}, "dry_run": {"equals": true}}', '{"at": "/a"}', ("--schema", TOOL), 1,
         "not covered: `/dry_run` is not `true`"),
        ('{"at": {}}', '{"at": "/a/../b"}', ("--schema", TOOL), 3, "cannot be judged: `/at` has a segment `..`"),
    ],
)  # fmt: skip
def test_a_call_is_judged(
    bare_shell: Shell, constraint: str, arguments: str, options: tuple[str, ...], code: int, out: str
) -> None:
    found = bare_shell("constraint", "test", constraint, arguments, *options)
    assert (found.code, found.out, found.err) == (code, f"{out}\n", "")


def test_what_hangs_on_the_graph_is_asked_there(bare_shell: Shell) -> None:
    arguments = '{"to": ["bob", "ann", "bob"]}'
    found = bare_shell("constraint", "test", CONTACT, arguments, "--holds", "user:ann#contact")
    assert found.code == 3
    assert found.lines == ["conditional: it hangs on whether the subject that is asked has", "  user:bob#contact"]
    [told] = bare_shell("constraint", "test", CONTACT, arguments, "--json").json
    assert told == {"verdict": "conditional", "questions": ["user:bob#contact", "user:ann#contact"]}


def test_programs_are_told_the_verdict(bare_shell: Shell) -> None:
    def told(arguments: str) -> dict[str, str]:
        [found] = bare_shell("constraint", "test", '{"a": {"max": "5"}}', arguments, "--json").json
        return found

    assert told('{"a": 1}') == {"verdict": "yes"}
    assert told('{"a": 6}') == {"verdict": "no", "reason": "`/a` is more than `5`"}
    assert told('{"a": []}') == {"verdict": "unjudged", "pointer": "/a", "reason": "`/a` is a list, and no number"}


def test_a_call_that_does_not_fit_the_tool_cannot_be_judged(bare_shell: Shell) -> None:
    found = bare_shell("constraint", "test", '{"additional": true}', '{"other": 1}', "--schema", TOOL)
    assert found.code == 3
    assert found.out.startswith("cannot be judged: ")


def test_a_constraint_that_does_not_fit_the_tool_is_told(bare_shell: Shell) -> None:
    found = bare_shell(
        "constraint", "test", '{"at": {"host": "h"}, "additional": true}', '{"at": "h"}', "--schema", TOOL
    )
    assert found.code == 3
    assert "does not fit the tool" in found.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("test", '{"a": {"maks": "5"}}', "{}"), "DOCUMENT_INVALID"),
        (("test", "{}", '{"a": 1e2}'), "INVALID_CALL"),
        (("test", "{}", "no-such-file.json"), "FILE_UNREADABLE"),
        (("test", '{"tool": {"equals": "t"}}', "{}"), "USAGE"),
        (("test", '{"any_of": [{"tool": {"equals": "t"}}]}', "{}"), "USAGE"),
        (("test", "{}", "{}", "--holds", "bob"), "USAGE"),
        (("test", "{}", "{}", "--holds", "user:b#c", "--lacks", "user:b#c"), "USAGE"),
        (("test", "{}", "{}", "--schema", "{}"), "DESCRIPTOR_INVALID"),
        (("canonical", '{"a": -0}'), "INVALID_CALL"),
        (("canonical", "{}", "--type", "a"), "USAGE"),
        (("canonical", "{}", "--type", "a=emial"), "INVALID_ARGUMENT"),
    ],
)
def test_what_is_wrong_is_an_error(bare_shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    found = bare_shell("constraint", *arguments)
    assert (found.code, found.out) == (2, "")
    assert f"({reason})" in found.err


def test_a_file_that_is_no_text_is_an_error(bare_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff{}")
    assert bare_shell("constraint", "test", str(tmp_path / "bytes"), "{}").code == 2
    assert bare_shell("constraint", "test", "{}", str(tmp_path / "bytes")).code == 2


# --- canonical --------------------------------------------------------------------------------------------------


def test_arguments_are_printed_in_their_form_and_changes_beside(bare_shell: Shell) -> None:
    found = bare_shell("constraint", "canonical", '{"to": ["https://H"], "n": 1.0}', "--type", "/to/*=url")
    assert (found.code, found.out) == (0, '{"n":1,"to":["https://h/"]}\n')
    assert "`/to/0`: `https://H` is written `https://h/`: URLs are written as" in found.err
    [told] = bare_shell("constraint", "canonical", '{"at": "/a//b"}', "--schema", TOOL, "--json").json
    assert told["arguments"] == '{"at":"/a/b"}'
    assert [(each["pointer"], each["before"], each["after"]) for each in told["changes"]] == [("/at", "/a//b", "/a/b")]


def test_what_is_in_its_form_is_printed_without_a_word(bare_shell: Shell) -> None:
    found = bare_shell("constraint", "canonical", "-", stdin='{ "b": 1, "a": "x" }')
    assert (found.code, found.out, found.err) == (0, '{"a":"x","b":1}\n', "")
