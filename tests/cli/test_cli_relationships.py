"""Laws of `remit write`, `touch`, `delete` and `read`: one command is one request, and all of it or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.cli.arguments.filters import parse_filter
from remit.errors import RemitError
from remit.model import RelationshipFilter
from remit.notation import parse_relationship
from tests.support.cli_shell import Shell


def facts(shell: Shell, *filter: str) -> list[str]:
    outcome = shell("read", *filter)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.lines


# --- writing ----------------------------------------------------------------------------------------------------


def test_touch_and_delete_print_the_token_of_the_write(shell: Shell) -> None:
    token = shell("touch", "doc:a#owner@user:zoe", "doc:b#owner@user:zoe").out.strip()
    assert shell("check", "doc:a#view@user:zoe", "--at-least", token).out == "yes\n"
    assert facts(shell, "@user:zoe") == ["doc:a#owner@user:zoe", "doc:b#owner@user:zoe"]
    gone = shell("delete", "doc:a#owner@user:zoe", "doc:none#owner@user:zoe", "--json")
    assert gone.json == [{"token": gone.json[0]["token"], "updates": 2}]
    assert facts(shell, "@user:zoe") == ["doc:b#owner@user:zoe"]


def test_relationships_come_on_standard_input(shell: Shell) -> None:
    text = "// two\ndoc:a#viewer@user:zoe[expiration:2027-02-01T00:00:00Z]\n\ndoc:b#owner@user:zoe\n"
    for arguments in (("touch",), ("touch", "-")):
        assert shell(*arguments, stdin=text).code == 0
    listed = shell("read", "@user:zoe").out
    assert listed.count("\n") == 2
    assert shell("delete", stdin=listed).code == 0
    assert facts(shell, "@user:zoe") == []


def test_write_takes_what_each_update_does(shell: Shell) -> None:
    assert shell("write", "create doc:a#owner@user:zoe", "doc:b#viewer@user:zoe").code == 0
    swapped = shell("write", "-", stdin="delete doc:a#owner@user:zoe\ntouch doc:a#owner@user:yan\n")
    assert swapped.code == 0
    assert facts(shell, "doc:a") == ["doc:a#owner@user:yan"]


def test_a_caveats_context_may_hold_spaces(shell: Shell) -> None:
    spaced = 'doc:a#viewer@user:zoe[on_ip:{"cidr": "10.0.0.0/8"}]'
    assert shell("write", spaced).code == 0
    assert shell("write", f"touch {spaced}").code == 0
    assert facts(shell, "doc:a") == ['doc:a#viewer@user:zoe[on_ip:{"cidr":"10.0.0.0/8"}]']


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("write", "doc:new#owner@user:zoe", "doc:plan#owner@user:anne"), "RELATIONSHIP_EXISTS"),
        (("touch", "doc:new#owner@user:zoe", "doc:plan#owner@user:zoe"), "SINGLE_RELATION_TAKEN"),
        (("touch", "doc:new#owner@user:zoe", "doc:plan#view@user:zoe"), "RELATIONSHIP_NOT_ALLOWED"),
        (("touch", "doc:new#owner@user:zoe", "doc:plan"), "INVALID_RELATIONSHIP"),
        (("touch", "doc:new#owner@user:zoe", "--must-match", "doc:plan#owner@user:zoe"), "PRECONDITION_FAILED"),
        (("touch", "doc:new#owner@user:zoe", "--must-not-match", "doc:plan#owner"), "PRECONDITION_FAILED"),
        (("touch", "doc:new#owner@user:zoe", "--must-match", "doc:"), "INVALID_REFERENCE"),
        (("touch", "doc:new#owner@user:zoe", "--metadata", "why not"), "INVALID_CONTEXT"),
        (("write", "upsert doc:new#owner@user:zoe"), "INVALID_RELATIONSHIP"),
        (("write", "delete"), "INVALID_RELATIONSHIP"),
        (("touch", "doc:new#owner@user:zoe", "doc:new#owner@user:zoe"), "INVALID_ARGUMENT"),
    ],
)
def test_a_write_that_is_refused_leaves_no_trace(shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    before = facts(shell)
    outcome = shell(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"({reason})" in outcome.err
    assert facts(shell) == before


def test_a_write_with_preconditions_that_hold_is_written(shell: Shell) -> None:
    outcome = shell(
        "write", "delete doc:plan#owner@user:anne", "doc:plan#owner@user:ben",
        "--must-match", "doc:plan#owner@user:anne", "--must-not-match", "doc:plan#viewer@user:eve",
        "--metadata", '{"ticket": 7}',
    )  # fmt: skip
    assert outcome.code == 0
    assert facts(shell, "doc:plan#owner") == ["doc:plan#owner@user:ben"]


def test_a_bad_line_is_told_with_its_number_and_nothing_is_written(shell: Shell) -> None:
    before = facts(shell)
    outcome = shell("touch", stdin="doc:a#owner@user:zoe\n// fine\ndoc:b#owner@zoe\n")
    assert outcome.code == 2
    assert "error: <stdin>:3: `zoe` is not a subject" in outcome.err
    assert facts(shell) == before


def test_a_person_at_a_terminal_who_gives_nothing_is_told_what_is_missing(shell: Shell) -> None:
    for command in ("touch", "write", "delete", "check"):
        outcome = shell(command)
        assert outcome.code == 2
        assert "or `-` to read them from standard input" in outcome.err


# --- reading ----------------------------------------------------------------------------------------------------


def test_everything_is_read_page_by_page(shell: Shell) -> None:
    written = sorted(f"doc:d{number:04}#owner@user:zoe" for number in range(1_200))
    assert shell("touch", *written[:600]).code == 0
    assert shell("touch", *written[600:]).code == 0
    assert sorted(facts(shell, "@user:zoe")) == written


def test_a_limit_is_never_a_silent_cut(shell: Shell) -> None:
    assert len(facts(shell)) == 5
    cut = shell("read", "--limit", "2")
    assert (cut.code, len(cut.lines)) == (0, 2)
    assert "there are more" in cut.err
    assert shell("read", "--limit", "5").err == ""


def test_options_and_the_text_of_a_filter_mean_the_same(shell: Shell) -> None:
    by_options = [
        ("doc:plan#viewer@team:sales#member", "--resource-type doc --resource-id plan --relation viewer "
         "--subject-type team --subject-id sales --subject-relation member"),
        ("doc:p*", "--resource-type doc --resource-prefix p"),
        ("@user", "--subject-type user"),
        ("doc#parent", "--resource-type doc --relation parent"),
    ]  # fmt: skip
    for text, options in by_options:
        assert facts(shell, text) == facts(shell, *options.split()) != []
    assert facts(shell, "doc", "--relation", "owner") == facts(shell, "doc#owner")


@pytest.mark.parametrize(
    "arguments",
    [
        ("doc", "--resource-type", "doc"),
        ("doc:p*", "--resource-id", "plan"),
        ("--resource-id", "plan", "--resource-prefix", "p", "--resource-type", "doc"),
    ],
)
def test_a_part_that_is_said_twice_is_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    outcome = shell("read", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "(USAGE)" in outcome.err


def test_what_has_expired_is_not_read(shell: Shell) -> None:
    shell("touch", "doc:old#viewer@user:zoe[expiration:2027-01-01T00:00:00Z]")
    assert facts(shell, "@user:zoe") == []


def test_the_shape_of_a_relationship(shell: Shell) -> None:
    shell("touch", "doc:a#viewer@user:zoe[expiration:2027-02-01T00:00:00Z]")
    by_subject = {(fact["subject"]["type"], fact["subject"]["id"]): fact for fact in shell("read", "--json").json}
    assert by_subject["user", "zoe"] == {
        "relationship": "doc:a#viewer@user:zoe[expiration:2027-02-01T00:00:00Z]",
        "resource": {"type": "doc", "id": "a"},
        "relation": "viewer",
        "subject": {"type": "user", "id": "zoe"},
        "expiration": "2027-02-01T00:00:00Z",
        "written_by": "local",
        "revision": by_subject["user", "zoe"]["revision"],
    }
    assert by_subject["user", "ben"]["caveat"] == {"name": "on_ip", "context": {"cidr": "10.0.0.0/8"}}
    assert by_subject["team", "sales"]["subject"] == {"type": "team", "id": "sales", "relation": "member"}


# --- filters as text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tool", RelationshipFilter(resource_type="tool")),
        ("tool:*", RelationshipFilter(resource_type="tool")),
        ("tool:erp.pay", RelationshipFilter(resource_type="tool", resource_id="erp.pay")),
        ("tool:erp.*", RelationshipFilter(resource_type="tool", resource_id_prefix="erp.")),
        ("tool:a@b", RelationshipFilter(resource_type="tool", resource_id="a@b")),
        ("#may_use", RelationshipFilter(relation="may_use")),
        ("tool#may_use@run", RelationshipFilter(resource_type="tool", relation="may_use", subject_type="run")),
        ("tool#@run", RelationshipFilter(resource_type="tool", subject_type="run")),
        ("tool:a@b#@run:c@d", RelationshipFilter("tool", "a@b", None, None, "run", "c@d")),
        ("@user:*", RelationshipFilter(subject_type="user", subject_id="*")),
        ("@team:x#member", RelationshipFilter(subject_type="team", subject_id="x", subject_relation="member")),
        ("@team#member", RelationshipFilter(subject_type="team", subject_relation="member")),
        ("@user:a#...", RelationshipFilter(subject_type="user", subject_id="a", subject_relation="")),
    ],
)
def test_a_filter_is_a_relationship_with_parts_left_away(text: str, expected: RelationshipFilter) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize("text", ["", "@", "tool:", ":x", "tool#", "Tool", "tool:a b", "tool#Use", "@user:a#B", "#@"])
def test_what_means_nothing_is_no_filter(text: str) -> None:
    with pytest.raises(RemitError):
        parse_filter(text)


ids = st.text("".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#[]"), min_size=1, max_size=8)
triples = st.builds(
    "{}:{}#{}@{}:{}{}".format,
    st.sampled_from(["doc", "a/b"]),
    ids.filter(lambda id: id != "*"),
    st.sampled_from(["viewer", "r_2"]),
    st.sampled_from(["user", "a/b"]),
    ids.filter(lambda id: id != "*"),
    st.sampled_from(["", "#member"]),
)


@given(triples)
def test_the_text_of_a_relationship_is_a_filter_that_matches_it(text: str) -> None:
    assert parse_filter(text).matches(parse_relationship(text).key)


@given(st.text(max_size=12) | st.text("a:#@*.", max_size=10))
def test_no_text_crashes_the_reader_of_filters(text: str) -> None:
    try:
        parsed = parse_filter(text)
    except RemitError as error:
        assert error.message
    else:
        assert parsed != RelationshipFilter()


def test_json_is_one_object_a_line_whatever_an_id_holds(shell: Shell) -> None:
    shell("touch", 'doc:"quoted\\"#owner@user:\'{}')
    (fact,) = [json.loads(line) for line in shell("read", "@user:'{}", "--json").lines]
    assert fact["resource"]["id"] == '"quoted\\"'


@pytest.mark.parametrize("metadata", ["[1]", '{"a"'])
def test_metadata_that_are_no_object_are_told_as_metadata(bare_shell: Shell, metadata: str) -> None:
    outcome = bare_shell("touch", "doc:a#owner@user:zoe", "--metadata", metadata)
    assert outcome.err == f"error: --metadata takes a JSON object, and `{metadata}` is none (INVALID_CONTEXT)\n"


def test_what_had_expired_when_it_was_written_is_told(shell: Shell) -> None:
    past, future = "[expiration:2020-01-01T00:00:00Z]", "[expiration:2100-01-01T00:00:00Z]"
    written = shell("touch", f"doc:plan#viewer@user:zoe{past}", f"doc:plan#viewer@user:yan{future}")
    assert written.code == 0
    assert "warning: `doc:plan#viewer@user:zoe` has expired already: it counts for nothing" in written.err
    assert "user:yan" not in written.err
    (told,) = shell("--json", "write", f"touch doc:plan#viewer@user:zoe{past}", "delete doc:a#owner@user:b").json
    assert told["expired"] == [0]
    (told,) = shell("--json", "touch", f"doc:plan#viewer@user:yan{future}").json
    assert "expired" not in told
    dry = shell("touch", "--dry-run", f"doc:plan#viewer@user:zoe{past}")
    assert "has expired already" in dry.err
