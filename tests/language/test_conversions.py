"""Law: a text that a caveat converts comes to what cel-go comes to, or fails where that fails.

The table is what cel-go v0.20.2, as SpiceDB 1.56 builds it (github.com/authzed/cel-go, Go 1.26), answered to each text.
Its rules are Go's: strconv.ParseInt and ParseUint of base 10, ParseFloat, ParseBool, time.ParseDuration, and time.Parse
of time.RFC3339, with cel-go's own bounds on timestamps (years 1 to 9999)."""

from __future__ import annotations

import pytest

from remit.errors import CaveatFailed
from remit.language.caveats import Caveat
from remit.language.parameters import ANY, BYTES, STRING, ParameterType, parse_parameter_type
from remit.model import Verdict

# conversion → text → the CEL expression of what it comes to
ACCEPTED: dict[str, dict[str, str]] = {
    "int": {
        "5": "5",
        "+5": "5",
        "-5": "-5",
        "-0": "0",
        "007": "7",
        "0" * 28 + "5": "5",
        "9223372036854775807": "9223372036854775807",
        "-9223372036854775808": "-9223372036854775808",
    },
    "uint": {"5": "5u", "007": "7u", "18446744073709551615": "18446744073709551615u"},
    "double": {
        "5": "5.0",
        "+5": "5.0",
        "-5": "-5.0",
        "-0": "-0.0",
        ".5": "0.5",
        "5.": "5.0",
        "5e3": "5000.0",
        "5E3": "5000.0",
        "5e+3": "5000.0",
        "5e-3": "0.005",
        "07": "7.0",
        "1_000": "1000.0",
        "1_000.5": "1000.5",
        "0_1.5": "1.5",
        "1e1_0": "10000000000.0",
        "0x5p0": "5.0",
        "0X5P0": "5.0",
        "0x5p-1": "2.5",
        "0x1.8p1": "3.0",
        "0x.8p0": "0.5",
        "0x_5p0": "5.0",
        "0x5_0p1_0": "81920.0",
        "0x1p-1080": "0.0",
        "1e308": "1e308",
        "1.7976931348623158e308": "1.7976931348623157e308",
        "1e-400": "0.0",
        "0e99999999999999999999": "0.0",
        **dict.fromkeys(("inf", "Inf", "INF", "+inf", "infinity"), "1.0 / 0.0"),
        **dict.fromkeys(("-inf", "-Infinity"), "-1.0 / 0.0"),
    },
    "bool": {
        **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), "true"),
        **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), "false"),
    },
    "duration": {
        "5s": "duration('5s')",
        "1h30m": "duration('5400s')",
        "1.5h": "duration('5400s')",
        "-5s": "duration('-5s')",
        "+5s": "duration('5s')",
        **dict.fromkeys(("0", "-0", "+0", "0s", "0.0000000001s"), "duration('0s')"),
        **dict.fromkeys(("1us", "1µs", "1μs"), "duration('0.000001s')"),
        "1ms": "duration('0.001s')",
        "1ns": "duration('0.000000001s')",
        ".5s": "duration('0.5s')",
        "5.s": "duration('5s')",
        "2562047h47m16.854775807s": "duration('9223372036.854775807s')",
        "-2562047h47m16.854775808s": "duration('-9223372036.854775808s')",
    },
    "timestamp": {
        **dict.fromkeys(
            (
                "2027-01-01T00:00:00Z",
                "2027-01-01T00:00:00+00:00",
                "2027-01-01T00:00:00-00:00",
                "2027-01-01T0:00:00Z",
            ),
            "timestamp('2027-01-01T00:00:00Z')",
        ),
        **dict.fromkeys(("2027-01-01T00:00:00.5Z", "2027-01-01T00:00:00,5Z"), "timestamp('2027-01-01T00:00:00.500Z')"),
        **dict.fromkeys(
            ("2027-01-01T00:00:00.123456789Z", "2027-01-01T00:00:00.1234567891Z"),
            "timestamp('2027-01-01T00:00:00.123456789Z')",
        ),
        "2028-02-29T00:00:00Z": "timestamp('2028-02-29T00:00:00Z')",
        "2027-01-01T00:00:00+23:59": "timestamp('2026-12-31T00:01:00Z')",
        "2027-01-01T00:00:00+24:00": "timestamp('2026-12-31T00:00:00Z')",
        "2027-01-01T00:00:00+24:60": "timestamp('2026-12-30T23:00:00Z')",
        "2027-01-01T00:00:00-24:00": "timestamp('2027-01-02T00:00:00Z')",
        "2027-01-01T00:00:00+00:60": "timestamp('2026-12-31T23:00:00Z')",
        "2027-01-01T0:00:00,5+24:00": "timestamp('2026-12-31T00:00:00.500Z')",
        "0001-01-01T00:00:00Z": "timestamp('0001-01-01T00:00:00Z')",
        "0001-01-01T00:00:00-00:01": "timestamp('0001-01-01T00:01:00Z')",
        "9999-12-31T23:59:59.999999999Z": "timestamp('9999-12-31T23:59:59.999999999Z')",
    },
}

REFUSED: dict[str, tuple[str, ...]] = {
    "int": (
        *("", "+", " 5", "5 ", "5\n", "\t5", "0x5", "0b1", "0o7", "5_0", "1e2", "5.0", "9223372036854775808"),
        *("-9223372036854775809", "٥", "−5", "--5", "+-5", "5u", "nan", "1" * 5_000),
    ),
    "uint": ("", "+5", "-5", "-0", " 5", "5 ", "0x5", "5u", "5_0", "18446744073709551616", "1e2"),
    "double": (
        *(".", "5e", "e5", " 5", "5 ", "5\n", "0x5", "0xp0", "1__0", "_1", "1_", "1_.5", "0x1p1024", "1e400", "-1e400"),
        *("1.7976931348623159e308", "infin", "+nan", "-nan", "nan(1)", "5f", "5d", "0b1", "0o7", "٥", "1,5", "--1"),
        *("1e99999999999999999999", "1" * 400, "ınf", ""),
    ),
    "bool": ("", "tRue", "yes", " true", "true "),
    "duration": (
        *("", " 5s", "5s ", "5", "1d", "5S", ".s", "1h-30m", "1e3s", "inf", "-inf", "infinite", "1_0s", "s", "1h 30m"),
        *("2562047h47m16.854775808s", "3000000h", "87660000h", "315576000001s", "٥s", "0x5s", "--5s", "+-5s", "1.5.5s"),
    ),
    "timestamp": (
        *("2027-01-01T00:00:00z", "2027-01-01t00:00:00Z", "2027-01-01 00:00:00Z", " 2027-01-01T00:00:00Z"),
        *("2027-01-01T00:00:00Z\n", "2027-01-01T00:00:00+0000", "2027-01-01T00:00:00+00", "2027-01-01T00:00:00"),
        *("2027-01-01T00:00Z", "2027-01-01", "2027-01-01T00:0:00Z", "2027-01-01T00:00:0Z", "2027-1-01T00:00:00Z"),
        *("2027-01-1T00:00:00Z", "2027-01-01T00:00:00.Z", "2027-01-01T24:00:00Z", "2027-01-01T00:60:00Z"),
        *("2027-01-01T00:00:60Z", "2027-02-29T00:00:00Z", "2027-13-01T00:00:00Z", "2027-01-01T00:00:00+25:00"),
        *("2027-01-01T00:00:00+00:61", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "0000-12-31T23:59:59Z"),
        *("9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z", "+2027-01-01T00:00:00Z", "infinite-future", ""),
        *("2027-01-01T00:00:00+0:00", "2027-01-01T00:00:00 +00:00", "2027-01-01T00:00:00UTC", "0000-02-29T00:00:00Z"),
    ),
}

# The text as a parameter that is one, as one that may be anything, and where macros bring it.
FORMS: dict[str, tuple[ParameterType, str]] = {
    "text": (STRING, "{conversion}(s) == {value}"),
    "any": (ANY, "{conversion}(s) == {value}"),
    "in a macro": (STRING, "[s].exists(item, {conversion}(item) == {value})"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("conversion", ACCEPTED)
def test_what_go_accepts_converts_to_the_same(conversion: str, form: str) -> None:
    type_, expression = FORMS[form]
    for text, value in ACCEPTED[conversion].items():
        caveat = Caveat("c", {"s": type_}, expression.format(conversion=conversion, value=value))
        assert caveat.evaluate({}, {"s": text}) == (Verdict.YES, frozenset()), text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("conversion", REFUSED)
def test_what_go_refuses_fails_whoever_wrote_it(conversion: str, form: str) -> None:
    type_, expression = FORMS[form]
    caveat = Caveat("c", {"s": type_}, expression.format(conversion=conversion, value=f"{conversion}(s)"))
    for text in REFUSED[conversion]:
        for written, request in (({}, {"s": text}), ({"s": text}, {})):
            with pytest.raises(CaveatFailed, match=f"cannot convert string to {conversion}"):
                caveat.evaluate(written, request)


@pytest.mark.parametrize("conversion", REFUSED)
def test_a_text_in_the_expression_is_read_as_one_in_a_context(conversion: str) -> None:
    for text in REFUSED[conversion]:
        quoted = text.replace("\n", "\\n").replace("\t", "\\t")
        caveat = Caveat("c", {"on": ANY}, f"on == 1.0 && {conversion}('{quoted}') == {conversion}('{quoted}')")
        with pytest.raises(CaveatFailed, match=f"cannot convert string to {conversion}"):
            caveat.evaluate({}, {"on": 1})


def test_not_a_number_is_not_even_itself() -> None:
    for text in ("nan", "NaN"):
        caveat = Caveat("c", {"s": STRING}, "double(s) != double(s)")
        assert caveat.evaluate({}, {"s": text})[0] is Verdict.YES


def test_a_text_with_a_nul_is_read_to_its_end() -> None:
    caveat = Caveat("c", {"b": BYTES}, "int(string(b)) == 5")
    assert caveat.evaluate({}, {"b": "NQ=="})[0] is Verdict.YES
    with pytest.raises(CaveatFailed, match="cannot convert string to int"):
        caveat.evaluate({}, {"b": "NQBh"})  # 5, NUL, a


def test_what_is_no_text_converts_as_ever() -> None:
    caveat = Caveat("c", {"a": ANY}, "int(a) == 5")
    assert [caveat.evaluate({}, {"a": value})[0] for value in (5, 5.5, "5", 6)] == [
        Verdict.YES,
        Verdict.YES,
        Verdict.YES,
        Verdict.NO,
    ]
    with pytest.raises(CaveatFailed, match="cannot convert string to int"):
        caveat.evaluate({}, {"a": " 5"})


def test_conversions_within_conversions_each_read_their_own_text() -> None:
    caveat = Caveat("c", {"a": ANY, "s": STRING}, "int(string(int(a) + int(s))) == 7 && double(a) == 5.0")
    assert caveat.evaluate({}, {"a": "5", "s": "2"})[0] is Verdict.YES
    assert caveat.evaluate({"a": "5"}, {}) == (Verdict.CONDITIONAL, frozenset({"s"}))


def test_a_failed_conversion_decides_nothing_that_the_rest_decides() -> None:
    caveat = Caveat("c", {"s": STRING, "on": ANY}, "int(s) == 5 || on == 1.0")
    assert caveat.evaluate({}, {"s": " 5", "on": 1})[0] is Verdict.YES


def test_parameters_of_every_type_stand_beside_a_conversion() -> None:
    """What is evaluated is not what was compiled: the types of the parameters must have survived."""
    caveat = Caveat(
        "c",
        {
            "s": STRING,
            "until": parse_parameter_type("timestamp"),
            "within": parse_parameter_type("list<duration>"),
            "ip": parse_parameter_type("ipaddress"),
        },
        "int(s) == 5 && until == timestamp('2027-01-01T00:00:00Z') && within[0] == duration('5s')"
        " && ip.in_cidr('10.0.0.0/8')",
    )
    request = {"s": "5", "until": "2027-01-01T00:00:00Z", "within": ["5s"], "ip": "::ffff:10.0.0.1"}
    assert caveat.evaluate({}, request)[0] is Verdict.YES


def test_a_variable_named_as_the_type_of_texts_changes_nothing() -> None:
    for expression in ("['x'].exists(string, int(a) == 5)", "['x'].map(string, int(a) == 5)[0]"):
        caveat = Caveat("c", {"a": ANY}, expression)
        with pytest.raises(CaveatFailed, match="cannot convert string to int"):
            caveat.evaluate({}, {"a": " 5"})
        assert caveat.evaluate({}, {"a": "5"}) == (Verdict.YES, frozenset())
