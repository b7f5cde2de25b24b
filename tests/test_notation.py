"""Laws of relationships as text: what is written is read back, and whatever else comes is refused, never a crash."""

from __future__ import annotations

import json
import math
import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from remit import notation
from remit.errors import InvalidContext, InvalidReference, InvalidRelationship, RemitError
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef
from remit.notation import (
    CONTEXT_DEPTH_MAX,
    canonical_json,
    checked_id,
    checked_name,
    checked_object,
    checked_subject,
    checked_type,
    format_relationship,
    format_time,
    no_such_store,
    normalized_context,
    parse_context,
    parse_object,
    parse_question,
    parse_relationship,
    parse_subject,
    parse_time,
)

# --- what is valid ----------------------------------------------------------------------------------------------

ID_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#[]")

names = st.from_regex(notation.NAME_PATTERN, fullmatch=True)
types = st.lists(names, min_size=1, max_size=3).map("/".join)
ids = st.text(ID_CHARACTERS, min_size=1, max_size=40).filter(lambda id: id != "*")
objects = st.builds(ObjectRef, types, ids)
subjects = st.one_of(
    st.builds(SubjectRef, types, ids, st.one_of(st.just(""), names)),
    st.builds(lambda type: SubjectRef(type, "*"), types),
)
times_us = st.integers(parse_time("0001-01-01T00:00:00Z"), parse_time("9999-12-31T23:59:59.999999Z"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.one_of(
    st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False, width=64), st.just(-0.0)
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
contexts = st.dictionaries(texts, json_values, max_size=3)
caveats = st.builds(CaveatUse, types, contexts.map(canonical_json))
qualifiers = st.builds(
    Qualifiers, st.one_of(st.none(), caveats), st.one_of(st.none(), times_us), st.one_of(st.none(), times_us)
)
relationships = st.builds(Relationship, objects, names, subjects, qualifiers)


# --- laws -------------------------------------------------------------------------------------------------------


@given(relationships)
@example(parse_relationship("t:a@b:c/d#r@t:x:y@z#m"))
@example(parse_relationship('t://#r@t:/*[expiration:{"a":"]"}][expiration:2027-01-01T00:00:00Z]'))
def test_parse_undoes_format(relationship: Relationship) -> None:
    assert parse_relationship(format_relationship(relationship)) == relationship


@given(relationships)
def test_format_is_one_line_of_text_that_means_one_relationship(relationship: Relationship) -> None:
    text = format_relationship(relationship)
    assert "\n" not in text
    assert not text.startswith("//"), "a relationship must not look like a comment"
    assert format_relationship(parse_relationship(f"  {text}\t")) == text


@given(objects, names, subjects)
def test_a_question_is_read_as_it_prints(resource: ObjectRef, name: str, subject: SubjectRef) -> None:
    assume(not subject.is_wildcard)
    assert parse_question(f"{resource}#{name}@{subject}") == (resource, name, subject)
    assert parse_object(str(resource)) == resource
    assert parse_subject(str(subject)) == subject
    assert checked_object(resource) == resource


@given(times_us)
def test_parse_time_undoes_format_time(time_us: int) -> None:
    assert parse_time(format_time(time_us)) == time_us


@given(times_us, st.integers(-14 * 60, 14 * 60), st.booleans())
def test_an_offset_names_the_same_instant(time_us: int, offset_minutes: int, lower: bool) -> None:
    local_us = time_us + offset_minutes * 60_000_000
    assume(parse_time("0001-01-01T00:00:00Z") <= local_us <= parse_time("9999-12-31T23:59:59.999999Z"))
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    text = format_time(local_us).removesuffix("Z") + f"{sign}{hours:02}:{minutes:02}"
    assert parse_time(text.lower() if lower else text) == time_us


@given(contexts)
def test_canonical_json_is_a_fixed_point_and_keeps_the_meaning(context: dict[str, object]) -> None:
    text = canonical_json(context)
    assert canonical_json(parse_context(text)) == text
    assert parse_context(text) == normalized_context(context)
    # Struct carries every number as a double: the two wires must not differ.
    as_doubles = json.loads(text, parse_int=float)
    assert canonical_json(as_doubles) == text


@given(contexts, st.randoms(use_true_random=False))
def test_canonical_json_does_not_know_the_order_of_keys(context: dict[str, object], random: object) -> None:
    pairs = list(context.items())
    random.shuffle(pairs)  # type: ignore[attr-defined]
    assert canonical_json(dict(pairs)) == canonical_json(context)


# --- garbage ----------------------------------------------------------------------------------------------------

READERS = [parse_relationship, parse_question, parse_object, parse_subject, parse_context, parse_time]
PIECES = ["...", "//", '"', "expiration", "not_before", "user", "viewer", '{"a":1}', "2027-01-01T00:00:00Z", "1e999"]
fragments = st.lists(
    st.one_of(
        st.sampled_from([*"#@:[]{}*,a \n\x00é\ud800", *PIECES]),
        st.text(max_size=3),
    ),
    max_size=12,
).map("".join)


@given(fragments)
@example("a:b#c@d:e[expiration:")
@example("a:b#c@d:e[not_before:0001-01-01T00:00:00+14:00]")
@example('a:b#c@d:e[x:{"a":' * 2)
@example("a:b#c@d:e[x:" + "[" * 100_000)
@example("a:b#c@d:e[x:" + '{"a":' * 3_000 + "1" + "}" * 3_000 + "]")
@example('a:b#c@d:e[x:{"a":' + "9" * 5_000 + "}]")
def test_garbage_is_refused_by_name_and_never_crashes(text: str) -> None:
    for reader in READERS:
        try:
            value = reader(text)
        except RemitError as error:
            assert error.message
            assert "\n" not in error.message, "a message is one line, whatever was given"
        else:
            if isinstance(value, Relationship):
                assert parse_relationship(format_relationship(value)) == value


@given(relationships, st.data())
def test_a_bitten_relationship_is_refused_or_means_something(relationship: Relationship, data: st.DataObject) -> None:
    text = format_relationship(relationship)
    start = data.draw(st.integers(0, len(text)))
    bitten = text[:start] + text[data.draw(st.integers(start, len(text))) :]
    try:
        read = parse_relationship(bitten)
    except RemitError:
        return
    assert parse_relationship(format_relationship(read)) == read


@given(st.text(max_size=20))
def test_an_id_is_allowed_exactly_when_every_character_is(id: str) -> None:
    allowed = bool(id) and id != "*" and all(char in ID_CHARACTERS for char in id)
    try:
        checked_id(id)
    except InvalidReference:
        assert not allowed
    else:
        assert allowed


@given(st.text(string.ascii_lowercase + string.digits + "_/A-. ", max_size=12))
def test_a_type_is_names_between_slashes(text: str) -> None:
    def accepted(check: object, value: str) -> bool:
        try:
            check(value)  # type: ignore[operator]
        except InvalidReference:
            return False
        return True

    assert accepted(checked_type, text) == all(accepted(checked_name, part) for part in text.split("/"))


# --- examples ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "tool:erp.pay#may_use@run:r-7",
            Relationship(ObjectRef("tool", "erp.pay"), "may_use", SubjectRef("run", "r-7")),
        ),
        (
            "tool:mcp.github/create_issue#may_use@user:anne@example.com",
            Relationship(
                ObjectRef("tool", "mcp.github/create_issue"), "may_use", SubjectRef("user", "anne@example.com")
            ),
        ),
        ("doc:d#viewer@user:*", Relationship(ObjectRef("doc", "d"), "viewer", SubjectRef("user", "*"))),
        ("doc:d#viewer@user:u#...", Relationship(ObjectRef("doc", "d"), "viewer", SubjectRef("user", "u"))),
        ("doc:**#viewer@g:*a#m", Relationship(ObjectRef("doc", "**"), "viewer", SubjectRef("g", "*a", "m"))),
        (
            'doc:d#viewer@user:u[on_ip:{"cidr": "10.0.0.0/8", "n": 2.0}][expiration:1970-01-01T00:00:01Z]',
            Relationship(
                ObjectRef("doc", "d"),
                "viewer",
                SubjectRef("user", "u"),
                Qualifiers(CaveatUse("on_ip", '{"cidr":"10.0.0.0/8","n":2}'), None, 1_000_000),
            ),
        ),
        (
            "doc:d#viewer@user:u[not_before:1970-01-01T00:00:01Z][expiration:1970-01-01T01:00:02+01:00]",
            Relationship(
                ObjectRef("doc", "d"), "viewer", SubjectRef("user", "u"), Qualifiers(None, 1_000_000, 2_000_000)
            ),
        ),
    ],
)
def test_a_relationship_is_split_at_the_first_marks(text: str, expected: Relationship) -> None:
    assert parse_relationship(text) == expected


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", InvalidRelationship, "type:id#relation@type:id"),
        ("doc:d", InvalidRelationship, "type:id#relation@type:id"),
        ("doc:d#viewer", InvalidRelationship, "type:id#relation@type:id"),
        ("doc#viewer@user:u", InvalidReference, "`doc` is not an object"),
        ("doc:#viewer@user:u", InvalidReference, "id is missing"),
        ("doc:*#viewer@user:u", InvalidReference, "wildcard"),
        ("doc:d#viewer@user", InvalidReference, "`user` is not a subject"),
        ("doc:d#viewer@user:u#", InvalidReference, "ends in `#`"),
        ("doc:d#viewer@user:*#member", InvalidReference, "a wildcard has no relation"),
        ("doc:d e#viewer@user:u", InvalidReference, "' '"),
        ("doc:café#viewer@user:u", InvalidReference, r"'\xe9'"),
        ("Doc:d#viewer@user:u", InvalidReference, "`Doc` is not a type name"),
        ("doc:d#Viewer@user:u", InvalidReference, "`Viewer` is not a relation name"),
        ("doc:d#viewer@user:u]", InvalidReference, "']'"),
        ("doc:d#viewer@user:u[", InvalidRelationship, "after `[`"),
        ("doc:d#viewer@user:u[c", InvalidRelationship, "not closed"),
        ("doc:d#viewer@user:u[expiration:", InvalidRelationship, "not closed"),
        ("doc:d#viewer@user:u[expiration:tomorrow]", InvalidRelationship, "`tomorrow` is not an RFC 3339 time"),
        ("doc:d#viewer@user:u[c]x", InvalidRelationship, "expected `[` at `x`"),
        ("doc:d#viewer@user:u[c][c]", InvalidRelationship, "once each"),
        (
            "doc:d#viewer@user:u[expiration:2027-01-01T00:00:00Z][not_before:2027-01-01T00:00:00Z]",
            InvalidRelationship,
            "in the order",
        ),
        ("doc:d#viewer@user:u[c:{]", InvalidContext, "not JSON"),
        ("doc:d#viewer@user:u[c:[1]]", InvalidContext, "a JSON object"),
        ('doc:d#viewer@user:u[c:{"a":1,"a":2}]', InvalidContext, "`a` stands twice"),
        ('doc:d#viewer@user:u[c:{"a":NaN}]', InvalidContext, "`NaN` is not JSON"),
        ('doc:d#viewer@user:u[c:{"a":9007199254740993}]', InvalidContext, "beyond 2^53"),
    ],
)
def test_a_refusal_names_what_is_wrong(text: str, error: type[RemitError], says: str) -> None:
    with pytest.raises(error) as caught:
        parse_relationship(text)
    assert says in caught.value.message


def test_a_question_is_never_about_everyone() -> None:
    with pytest.raises(InvalidReference, match="a question names one subject"):
        parse_question("doc:d#view@user:*")


@pytest.mark.parametrize("length", [1024, 1025])
def test_an_id_is_at_most_1024_bytes(length: int) -> None:
    if length <= notation.ID_BYTES_MAX:
        assert checked_id("i" * length)
    else:
        with pytest.raises(InvalidReference, match="1025 characters, more than the 1024 allowed"):
            checked_id("i" * length)


def test_a_prefix_may_begin_with_a_star_but_not_be_empty() -> None:
    assert notation.checked_id_prefix("*") == "*"
    with pytest.raises(InvalidReference, match="every id"):
        notation.checked_id_prefix("")


def test_a_subject_may_be_everyone_only_where_that_is_meant() -> None:
    everyone = SubjectRef("user", "*")
    assert checked_subject(everyone, wildcard=True) == everyone
    with pytest.raises(InvalidReference):
        checked_subject(everyone)


@pytest.mark.parametrize(
    ("text", "down_us", "up_us"),
    [
        ("1970-01-01T00:00:00.0000001Z", 0, 1),
        ("1970-01-01T00:00:00.0000010Z", 1, 1),
        ("1970-01-01T00:00:00.1234569Z", 123456, 123457),
        ("1969-12-31T23:59:59.9999999Z", -1, 0),
    ],
)
def test_what_is_finer_than_a_microsecond_never_lengthens_a_grant(text: str, down_us: int, up_us: int) -> None:
    read = parse_relationship(f"d:d#r@u:u[not_before:{text}][expiration:{text}]").qualifiers
    assert (read.expiration_us, read.not_before_us) == (down_us, up_us)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2027",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-13-01T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "2027-01-01T00:00:00+25:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "２０27-01-01T00:00:00Z",
    ],
)
def test_a_time_that_no_calendar_of_ours_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRelationship, match="RFC 3339"):
        parse_time(text)


def test_the_last_instant_is_not_rounded_past_the_calendar() -> None:
    with pytest.raises(InvalidRelationship):
        parse_time("9999-12-31T23:59:59.9999999Z", round_up=True)


@pytest.mark.parametrize(
    "context",
    [
        [],
        "text",
        None,
        {1: "one"},
        {"a": {2: "two"}},
        {"a": {1, 2}},
        {"a": math.nan},
        {"a": -math.inf},
        {"a": 2**53 + 1},
        {"a": 10**5000},
        {"a": "\ud800"},
        {"\udfff": 1},
    ],
)
def test_what_json_cannot_carry_is_no_context(context: object) -> None:
    with pytest.raises(InvalidContext):
        normalized_context(context)


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner]])
def test_a_context_nests_so_deep_and_no_deeper(wrap: object) -> None:
    def nested(levels: int) -> dict[str, object]:
        value: object = 1
        for _ in range(levels - 1):
            value = wrap(value)  # type: ignore[operator]
        return {"a": value}

    assert normalized_context(nested(CONTEXT_DEPTH_MAX))
    with pytest.raises(InvalidContext, match="deeper than"):
        normalized_context(nested(CONTEXT_DEPTH_MAX + 1))


def test_whole_doubles_are_integers_in_the_canonical_text() -> None:
    assert canonical_json({"b": 1.0, "a": [-0.0, 1.5, True, None], "ü": "ß"}) == '{"a":[0,1.5,true,null],"b":1,"ü":"ß"}'


def test_a_message_never_shows_a_control_character() -> None:
    with pytest.raises(RemitError) as caught:
        parse_object("doc:\x1b[31mred\n")
    assert caught.value.message.isprintable()


def test_the_store_that_goes_without_saying_is_named_where_there_is_none() -> None:
    assert no_such_store("").message == no_such_store("default").message == "there is no store `default`"
