"""Law: each value of the corpus is refused for its reason, or not at all; and others who know its type agree.

`hostile_values.json` holds what has been used against those who read paths, URLs, hosts, addresses, numbers, Unicode
and JSON, beside what is harmless and looks like it."""

from __future__ import annotations

import ipaddress
import json
import posixpath
import re
import unicodedata
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import ada_url
import idna
import pytest
import rfc8785

from remit.arguments.call import read_call
from remit.arguments.values import VALUE_TYPES, refusal
from remit.errors import InvalidCall
from remit.model import Call
from tests.support.arguments.tables import bytes_of, rows_of, text_of

ROWS = rows_of("hostile_values", "values")
# Names of one symbol, which are valid under UTS 46, and so for every browser, and not under IDNA 2008.
SYMBOLS = {"xn--i-7iq.ws", "xn--n3h", "xn--ls8h.la"}


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    assert len(ROWS) > 900
    assert len({json.dumps([row["type"], bytes_of(row, "value").hex()]) for row in ROWS}) == len(ROWS)
    kinds = Counter((row["type"], "refused" in row) for row in ROWS)
    assert {type for type, _ in kinds} == {*VALUE_TYPES, "json"}
    assert min(kinds.values()) >= 8, kinds


@pytest.mark.parametrize("type", VALUE_TYPES)
def test_values_are_refused_for_their_reason(type: Any) -> None:
    found = [(value, refusal(type, value), row.get("refused")) for row, value in of_type(type)]
    assert [each for each in found if each[1] != each[2]] == []


def of_type(type: str) -> list[tuple[dict[str, Any], str]]:
    return [(row, text_of(row, "value")) for row in ROWS if row["type"] == type]


def accepted(type: str) -> list[str]:
    return [value for row, value in of_type(type) if "refused" not in row]


def refused(type: str) -> list[str]:
    return [value for row, value in of_type(type) if "refused" in row]


def test_arguments_are_refused_for_their_reason() -> None:
    for row in ROWS:
        if row["type"] != "json":
            continue
        call = Call("t", bytes_of(row, "value"))
        if "refused" in row:
            with pytest.raises(InvalidCall) as raised:
                read_call(call)
            assert raised.value.metadata == {"pointer": row["pointer"], "problem": row["refused"]}, row
        else:
            read_call(call)


# --- what others say --------------------------------------------------------------------------------------------


def test_whatever_is_accepted_is_in_nfc() -> None:
    assert all(unicodedata.normalize("NFC", value) == value for type in VALUE_TYPES for value in accepted(type))


def test_posix_leaves_accepted_paths_as_they_are() -> None:
    assert [path for path in accepted("path") if posixpath.normpath(path) != path] == []


def test_joining_an_accepted_path_to_a_directory_stays_below_it() -> None:
    for path in accepted("path"):
        joined = posixpath.normpath(f"/srv/reports/{path}")
        assert joined == "/srv/reports" or joined.startswith("/srv/reports/")


def test_ipaddress_writes_accepted_addresses_as_they_are() -> None:
    for text in accepted("address"):
        address = ipaddress.ip_address(text)
        assert str(address) == text and getattr(address, "ipv4_mapped", None) is None


def test_whatever_ipaddress_writes_is_accepted_unless_it_is_mapped() -> None:
    for text in refused("address"):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        of_one_kind = text == str(address) and not getattr(address, "scope_id", None)
        assert not of_one_kind or getattr(address, "ipv4_mapped", None), text


def test_browsers_take_accepted_addresses_and_hosts_for_what_they_are() -> None:
    for text in [*accepted("address"), *accepted("host")]:
        host = f"[{text}]" if ":" in text else text
        assert ada_url.URL(f"https://{host}/").hostname == host


def test_no_browser_reads_a_refused_host_as_it_is_written() -> None:
    """But for what no name may be: a label too long, a hyphen out of place, a sign of punctuation; and brackets."""
    tolerated = ("label", "more than", "empty", "dot", "nobody knows", "written as IPv6")
    for row, text in of_type("host"):
        if "refused" in row and "[" not in text and not any(word in row["refused"] for word in tolerated):
            try:
                read = ada_url.URL(f"https://{text}/").hostname
            except ValueError:
                continue
            assert read != text, row


def test_idna_2008_knows_accepted_names() -> None:
    for text in accepted("host"):
        if any(label.startswith("xn--") for label in text.split(".")) and text not in SYMBOLS:
            assert idna.encode(idna.decode(text), uts46=True, transitional=False).decode() == text


def test_whatwg_writes_accepted_urls_as_they_are() -> None:
    for text in accepted("url"):
        assert ada_url.normalize_url(text) == text
        assert ada_url.URL(text).origin.startswith(("http", "ws", "ftp"))


def test_of_urls_that_are_one_to_whoever_decodes_what_need_not_be_encoded_one_is_accepted() -> None:
    """Behind the host of a URL that is accepted, whatever is unreserved makes another where it is encoded, and so do
    small letters in what is encoded."""
    for text in accepted("url"):
        begin = text.index("/", text.index("://") + 3) + 1
        for found in re.finditer(r"(%[0-9A-F]{2})|[A-Za-z0-9._~-]", text[begin:]):
            start, end = found.start() + begin, found.end() + begin
            other = found[0].lower() if found[1] else f"%{ord(found[0]):02X}"
            assert other == found[0] or refusal("url", text[:start] + other + text[end:]) is not None, (text, other)


def test_a_url_written_as_the_reason_says_is_accepted() -> None:
    """So that whoever follows it comes to an end."""
    for row, _ in of_type("url"):
        _, said, rest = row.get("refused", "").partition("writes as `")
        if said and not rest.endswith("…`"):
            assert refusal("url", rest.removesuffix("`")) is None, row


def test_decimal_writes_accepted_decimals_as_they_are() -> None:
    assert [text for text in accepted("decimal") if format(Decimal(text), "f") != text] == []


def test_the_calendar_has_accepted_dates_and_no_others() -> None:
    assert [text for text in accepted("date") if date.fromisoformat(text).isoformat() != text] == []
    for text in refused("date"):
        try:
            assert date.fromisoformat(text).isoformat() != text
        except ValueError:
            continue


def test_rfc_8785_is_written_as_others_write_it() -> None:
    for row in ROWS:
        if row["type"] == "json" and "refused" not in row:
            text = bytes_of(row, "value")
            # It takes no integer that a double does not carry, though 10^20 is one that it does.
            written = rfc8785.dumps(json.loads(text, parse_int=float))
            assert read_call(Call("t", text)).canonical == written, row
