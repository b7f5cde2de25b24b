"""Laws of `remit check` and `remit expand`: 0 means yes to everything asked, and nothing else does."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from remit.cli.commands.questions import exit_code
from remit.cli.render.explain import print_explanation
from remit.eval.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode
from remit.model import ObjectRef, SubjectRef, Verdict
from remit.notation import parse_time
from tests.support.cli_shell import Shell

YES = "doc:plan#view@user:anne"
NO = "doc:plan#view@user:eve"
MAYBE = "doc:plan#view@user:ben"
UNKNOWN = "doc:plan#edit@user:anne"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((YES,), 0, "yes\n"),
        (("doc:part#view@user:carl",), 0, "yes\n"),
        ((NO,), 1, "no\n"),
        ((MAYBE,), 3, "conditional (missing: ip)\n"),
        ((MAYBE, "--context", '{"ip": "10.1.2.3"}'), 0, "yes\n"),
        ((MAYBE, "--context", '{"ip": "11.1.2.3"}'), 1, "no\n"),
        ((f'{MAYBE} with {{"ip": "10.1.2.3"}}',), 0, "yes\n"),
        ((f'{MAYBE} with {{"ip": "11.1.2.3"}}', "--context", '{"ip": "10.1.2.3"}'), 1, "no\n"),
        ((YES, YES), 0, f"yes\t{YES}\nyes\t{YES}\n"),
        ((YES, MAYBE), 3, f"yes\t{YES}\nconditional (missing: ip)\t{MAYBE}\n"),
        ((MAYBE, NO), 1, f"conditional (missing: ip)\t{MAYBE}\nno\t{NO}\n"),
    ],
)
def test_answers_and_exit_codes(shell: Shell, arguments: tuple[str, ...], code: int, says: str) -> None:
    outcome = shell("check", *arguments)
    assert (outcome.code, outcome.out, outcome.err) == (code, says, "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((UNKNOWN,), "UNKNOWN_RELATION"),
        (("cat:plan#view@user:anne",), "UNKNOWN_TYPE"),
        (("doc:plan",), "INVALID_RELATIONSHIP"),
        (("doc:plan#view@user:*",), "INVALID_REFERENCE"),
        ((YES, "--context", "{"), "INVALID_CONTEXT"),
        ((YES, "--context", "[1]"), "INVALID_CONTEXT"),
        ((f"{YES} with nothing",), "INVALID_CONTEXT"),
        ((MAYBE, "--context", '{"ip": 7}'), "CAVEAT_FAILED"),
        ((YES, "--at-least", "yesterday"), "INVALID_TOKEN"),
        ((YES, "--store", "elsewhere"), "STORE_NOT_FOUND"),
        ((YES, "--why"), "USAGE"),
        ((YES, "--timeout", "soon"), "USAGE"),
        ((), "USAGE"),
    ],
)
def test_every_error_exits_with_two_and_names_its_reason(shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    outcome = shell("check", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.rstrip().endswith(f"({reason})")
    assert outcome.err.count("\n") == 1


@given(st.lists(st.sampled_from([None, *Verdict]), max_size=5))
def test_the_exit_code_is_zero_exactly_where_everything_is_yes(verdicts: list[Verdict | None]) -> None:
    code = exit_code(verdicts)
    assert (code == 0) == (bool(verdicts) and all(verdict is Verdict.YES for verdict in verdicts))
    assert code == exit_code(verdicts[::-1])
    if None not in verdicts and Verdict.NO in verdicts:
        assert code == 1


def test_an_error_among_answers_is_told_in_its_place(shell: Shell) -> None:
    outcome = shell("check", YES, UNKNOWN, NO)
    assert outcome.code == 2
    first, second, third = outcome.lines
    assert (first, third) == (f"yes\t{YES}", f"no\t{NO}")
    assert second.startswith("error: ") and second.endswith(f"(UNKNOWN_RELATION)\t{UNKNOWN}")


def test_questions_come_on_standard_input(shell: Shell) -> None:
    text = f'\n// who may\n  {YES}  \n{MAYBE} with {{"ip": "10.0.0.1"}}\r\n'
    outcome = shell("check", "-", stdin=text)
    assert outcome.code == 0
    assert [line.split("\t")[0] for line in outcome.lines] == ["yes", "yes"]
    assert shell("check", stdin=f"{NO}\n").out == f"no\t{NO}\n"
    assert shell("check", YES, "-", stdin=NO).lines == [f"yes\t{YES}", f"no\t{NO}"]


def test_nothing_asked_is_nothing_allowed(shell: Shell) -> None:
    outcome = shell("check", "-", stdin="\n// none\n")
    assert (outcome.code, outcome.out) == (2, "")


def test_a_bad_question_is_told_with_its_line_and_nothing_is_asked(shell: Shell) -> None:
    outcome = shell("check", "-", stdin=f"{YES}\n\ndoc:plan#view\n")
    assert (outcome.code, outcome.out) == (2, "")
    assert "<stdin>:3: " in outcome.err


def test_standard_input_that_is_not_utf8_is_refused_with_its_line(shell: Shell) -> None:
    outcome = shell("check", "-", stdin=f"{YES}\n".encode() + b"doc:\xff#view@user:anne\n")
    assert outcome.code == 2
    assert "<stdin>:2: byte 5" in outcome.err and "FILE_UNREADABLE" in outcome.err


def test_more_questions_than_a_request_holds_are_asked_in_turn(shell: Shell) -> None:
    outcome = shell("check", "-", stdin=f"{YES}\n" * 1_500 + f"{NO}\n")
    assert outcome.code == 1
    assert [line.split("\t")[0] for line in outcome.lines] == ["yes"] * 1_500 + ["no"]


# --- why --------------------------------------------------------------------------------------------------------


def test_an_explanation_shows_the_relationships_that_decided(shell: Shell) -> None:
    outcome = shell("check", "doc:part#view@user:carl", "--explain")
    assert outcome.code == 0
    assert outcome.lines[0] == "yes"
    for fact in ("doc:part#parent@doc:plan", "doc:plan#viewer@team:sales#member", "team:sales#member@user:carl"):
        assert any(line.endswith(f"yes  {fact}") for line in outcome.lines)
    why_not = shell("check", NO, "--explain")
    assert why_not.code == 1
    assert any("no  doc:plan#owner@user:eve" in line for line in why_not.lines)


def test_an_explanation_ends_with_what_supports_the_answer(shell: Shell) -> None:
    """Relationships as they are written in a file, updates as `remit write` reads them."""
    outcome = shell("check", YES, "--explain")
    title, *witness = outcome.lines[outcome.lines.index("these relationships alone make it a yes:") :]
    assert witness and all(line.startswith("  ") and "@" in line for line in witness), title
    why_not = shell("check", NO, "--explain")
    _, *fix = why_not.lines[why_not.lines.index("it would be a yes after:") :]
    assert shell("write", "-", stdin="\n".join(line.strip() for line in fix)).code == 0
    assert shell("check", NO).code == 0


def test_what_was_not_looked_for_to_the_end_is_said() -> None:
    reason = ExplanationNode(ExplanationKind.CONSTANT, Verdict.NO, note="nobody")
    for verdict, sought in ((Verdict.YES, "what alone makes it a yes"), (Verdict.NO, "what would make it a yes")):
        question = ExplainedQuestion(ObjectRef("doc", "d"), "view", SubjectRef("user", "u"), verdict, reason)
        console = Console(record=True, width=200, file=StringIO())
        print_explanation(Explanation((question,), unfinished=True), console)
        assert f"{sought} was not looked for to the end" in console.export_text()


def test_an_explanation_says_which_parameters_are_missing(shell: Shell) -> None:
    outcome = shell("check", MAYBE, "--explain")
    assert outcome.code == 3
    assert any("conditional (missing: ip)  doc:plan#viewer@user:ben[on_ip:" in line for line in outcome.lines[1:])


def test_every_line_of_a_long_explanation_is_whole(shell: Shell) -> None:
    names = [f"d{'x' * 60}{number}" for number in range(40)]
    chain = [f"doc:{below}#parent@doc:{above}" for above, below in pairwise(names)]
    assert shell("touch", *chain, f"doc:{names[0]}#viewer@user:zoe").code == 0
    outcome = shell("check", f"doc:{names[-1]}#view@user:zoe", "--explain")
    assert outcome.code == 0
    for fact in chain:
        assert any(line.endswith(fact) for line in outcome.lines), "facts are shown in full, however deep"


# --- for programs -----------------------------------------------------------------------------------------------


def test_the_shape_of_an_answer(shell: Shell) -> None:
    (answer,) = shell("check", MAYBE, "--json").json
    assert (answer["question"], answer["verdict"], answer["missing"]) == (MAYBE, "conditional", ["ip"])
    assert answer["evaluated_at"] == "2027-01-01T00:00:00Z"
    assert set(answer) == {"question", "verdict", "missing", "token", "evaluated_at"}
    assert shell("check", YES, "--at-least", answer["token"]).code == 0


def test_the_shape_of_an_explanation(shell: Shell) -> None:
    (answer,) = shell("--json", "check", YES, "--explain").json
    explanation = answer["explanation"]
    assert explanation["truncated"] is False
    assert explanation["questions"][0]["question"] == YES
    assert {"question", "verdict", "definition"} == set(explanation["questions"][0])
    told = str(explanation)
    assert "'relationship': 'doc:plan#owner@user:anne'" in told


def test_the_shape_of_errors(shell: Shell) -> None:
    outcome = shell("check", UNKNOWN, "--json")
    assert (outcome.code, outcome.out) == (2, "")
    import json

    error = json.loads(outcome.err)["error"]
    assert error["reason"] == "UNKNOWN_RELATION"
    assert set(error) >= {"reason", "message", "metadata"}
    first, second = shell("check", YES, UNKNOWN, "--json").json
    assert first["verdict"] == "yes"
    assert second["question"] == UNKNOWN and second["error"]["reason"] == "UNKNOWN_RELATION"


# --- expand -----------------------------------------------------------------------------------------------------


def test_an_expansion_shows_every_set_once(shell: Shell) -> None:
    shell("touch", "team:sales#member@team:sales#member", "doc:part#viewer@team:sales#member")
    outcome = shell("expand", "doc:part#view")
    assert outcome.code == 0
    assert outcome.lines[0] == "doc:part#view"
    assert sum(line.endswith("team:sales#member@user:carl") for line in outcome.lines) == 1
    assert any("(shown already)" in line for line in outcome.lines)


def test_an_expansion_can_be_stopped_early(shell: Shell) -> None:
    outcome = shell("expand", "doc:part#view", "--depth", "1")
    assert outcome.code == 0
    assert any("(deeper than asked)" in line for line in outcome.lines)
    assert "user:carl" not in outcome.out


def test_the_shape_of_an_expansion(shell: Shell) -> None:
    (expanded,) = shell("expand", "doc:part#view", "--json").json
    assert set(expanded) == {"sets", "token", "evaluated_at"}
    sets = {each["set"]: each["definition"] for each in expanded["sets"]}
    assert next(iter(sets)) == "doc:part#view"
    assert sets["doc:plan#owner"] == {
        "kind": "relation",
        "relation": "owner",
        "facts": [{"relationship": "doc:plan#owner@user:anne"}],
    }
    kinds = {child["kind"] for child in sets["doc:part#view"]["children"]}
    assert kinds == {"set", "arrow"}


@pytest.mark.parametrize(
    ("target", "reason"),
    [("doc:plan", "INVALID_REFERENCE"), ("doc:plan#edit", "UNKNOWN_RELATION"), ("doc#view", "INVALID_REFERENCE")],
)
def test_what_cannot_be_expanded_is_an_error(shell: Shell, target: str, reason: str) -> None:
    outcome = shell("expand", target)
    assert (outcome.code, outcome.out) == (2, "")
    assert reason in outcome.err


def test_what_has_expired_is_not_expanded(shell: Shell) -> None:
    before = parse_time("2026-12-31T00:00:00Z")
    assert before < parse_time("2027-01-01T00:00:00Z")
    shell("touch", "doc:old#viewer@user:zoe[expiration:2026-12-31T00:00:00Z]")
    assert "user:zoe" not in shell("expand", "doc:old#view").out


def test_who_writes_a_question_in_three_words_is_shown_the_one(shell: Shell) -> None:
    outcome = shell("check", "doc:plan", "view", "user:anne")
    assert (outcome.code, outcome.out) == (2, "")
    assert "remit check 'doc:plan#view@user:anne'" in outcome.err
    assert "(USAGE)" in outcome.err
