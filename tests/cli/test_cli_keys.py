"""Laws of `remit key` and `remit whoami`: a key is printed once and alone, and does what was said."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from remit.access.key_file import read_keys
from remit.access.keys import ALL_RIGHTS, Right, key_id_of, new_key_text
from remit.cli.arguments.durations import parse_duration
from remit.client import Client, RemoteError
from remit.errors import InvalidArgument
from tests.cli.test_cli_serve import serving
from tests.support.cli_shell import Shell

PATIENCE_S = 30.0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_key_is_alone_on_standard_output_and_is_kept_as_a_hash(bare_shell: Shell, here: Path) -> None:
    outcome = bare_shell("key", "create", "--principal", "service:gw", "--store", "default", "--right", "check")
    assert outcome.code == 0
    [text] = outcome.lines
    id = key_id_of(text)
    assert f"`{id}`" in outcome.err
    assert text not in outcome.err
    assert text not in (here / "data" / "keys.json").read_text()
    keys = read_keys(here / "data" / "keys.json")
    assert keys is not None
    key = keys.authenticate(text, 0)
    assert (key.principal, key.stores, key.rights) == ("service:gw", {"default"}, {Right.CHECK})
    assert (here / "data").stat().st_mode & 0o777 == 0o700


def test_the_first_bootstrap_key_is_all_powerful_and_there_is_no_second(bare_shell: Shell, here: Path) -> None:
    made = bare_shell("key", "bootstrap", "--json", "--keys", "keys.json")
    assert made.json[0]["rights"] == [right.value for right in Right]
    assert made.json[0]["stores"] == ["*"]
    again = bare_shell("key", "bootstrap", "--keys", "keys.json")
    assert (again.code, again.out) == (2, "")
    assert "KEY_REFUSED" in again.err
    keys = read_keys(here / "keys.json")
    assert keys is not None
    assert keys.authenticate(made.json[0]["key"], 0).rights == ALL_RIGHTS


def test_create_makes_a_bootstrap_key_only_where_it_is_the_first(bare_shell: Shell, here: Path) -> None:
    first = ("key", "create", "--principal", "root", "--bootstrap")
    assert bare_shell(*first, "--right", "check").code == 2
    assert not (here / "data").exists()
    assert bare_shell("key", "create", "--principal", "x", "--store", "a", "--right", "read").code == 0
    assert bare_shell(*first).code == 2
    assert bare_shell(*first, "--keys", "others.json").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "--principal", "x"],
        ["create", "--principal", "x", "--store", "a"],
        ["create", "--principal", "x", "--right", "check"],
        ["create", "--principal", "x", "--store", "a", "--right", "fly"],
        ["create", "--principal", "x", "--store", "A", "--right", "read"],
        ["create", "--principal", "x y", "--store", "a", "--right", "read"],
        ["create", "--principal", "x", "--store", "a", "--right", "read", "--expires", "soon"],
        ["create", "--principal", "x", "--store", "*", *[f"--right={right.value}" for right in Right]],
        ["revoke"],
        ["revoke", "aaaaaaaa"],
        ["rotate", "aaaaaaaa"],
        ["list"],
        ["list", "--keys", "."],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_an_error_and_makes_no_key(bare_shell: Shell, here: Path, arguments: list[str]) -> None:
    outcome = bare_shell("key", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err
    assert list(here.rglob("keys.json")) == []


def test_list_shows_every_key_and_nothing_that_opens_a_door(bare_shell: Shell, here: Path) -> None:
    text = bare_shell("key", "bootstrap").lines[0]
    other = bare_shell(
        "key", "create", "--principal", "anne", "--store", "b", "--store", "a", "--right", "read", "--right", "check",
        "--expires", "1d",
    ).lines[0]  # fmt: skip
    for outcome in (bare_shell("key", "list"), bare_shell("key", "list", "--json")):
        assert outcome.code == 0
        assert text[12:] not in outcome.out and other[12:] not in outcome.out
        assert [row for row in outcome.lines if key_id_of(text) in row or key_id_of(other) in row] == outcome.lines[-2:]
    rows = [each | {"created": ""} for each in outcome.json]
    assert rows[0]["bootstrap"] is True and "expiration" not in rows[0]
    assert (rows[1]["principal"], rows[1]["stores"], rows[1]["rights"]) == ("anne", ["a", "b"], ["check", "read"])
    assert rows[1]["expired"] is False and rows[1]["expiration"].endswith("Z")


def test_a_revoked_key_is_gone_and_a_rotated_one_has_a_new_text(bare_shell: Shell, here: Path) -> None:
    path = here / "data" / "keys.json"
    text = bare_shell("key", "bootstrap").lines[0]
    [new] = bare_shell("key", "rotate", key_id_of(text)).lines
    assert key_id_of(new) == key_id_of(text) and new != text
    keys = read_keys(path)
    assert keys is not None
    assert keys.authenticate(new, 0).bootstrap
    revoked = bare_shell("key", "revoke", key_id_of(text))
    assert (revoked.code, revoked.out) == (0, "")
    assert "no key is left" in revoked.err
    keys = read_keys(path)
    assert keys is not None and keys.count == 0


def test_whoami_tells_of_a_server_without_keys_that_everyone_is_everybody(shell: Shell) -> None:
    assert "principal  local" in shell("whoami").lines
    [told] = shell("whoami", "--json").json
    assert told["rights"] == [right.value for right in Right]
    assert "key_id" not in told and "expiration" not in told


def test_a_mistyped_key_is_told_without_a_server(bare_shell: Shell) -> None:
    text = new_key_text("aaaaaaaa")
    outcome = bare_shell("whoami", "--endpoint", "127.0.0.1:1", "--token", text[:30] + "aa" + text[32:])
    assert outcome.code == 2
    assert "KEY_MISTYPED" in outcome.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90d", 7_776_000), ("1d12h", 129_600), ("2w", 1_209_600), ("05m", 300)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds * 1_000_000


@pytest.mark.parametrize("text", ["", "90", "d", "0s", "-1d", "1.5d", "1y", "1d 2h", "1D", "999999999w", "١d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a duration"):
        parse_duration(text)


# --- the whole way ------------------------------------------------------------------------------------------------


def test_a_server_asks_for_the_keys_that_were_made_before_it_and_hears_of_a_revocation(
    bare_shell: Shell, here: Path
) -> None:
    data = here / "data"
    text = bare_shell("key", "create", "--principal", "anne", "--store", "default", "--right", "read").lines[0]
    with serving("--data", str(data)) as (said, process):
        endpoint = str(said["serving"])
        asked = ("whoami", "--endpoint", endpoint, "--json")
        assert bare_shell(*asked, "--token", text).json[0]["principal"] == "anne"
        assert "KEY_MISSING" in bare_shell(*asked).err
        assert bare_shell("key", "revoke", key_id_of(text)).code == 0
        process.send_signal(signal.SIGHUP)  # it would look by itself, too
        with Client(endpoint, token=text) as client, pytest.raises(RemoteError) as refused:
            while True:  # until the signal has arrived; the test's own limit ends a server that never hears
                client.who_am_i(timeout_s=PATIENCE_S)
        assert refused.value.reason == "KEY_UNKNOWN"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert text[12:40] not in log


def test_a_server_opens_to_others_only_with_keys_and_tls_or_on_ones_word(bare_shell: Shell, here: Path) -> None:
    outside = ("serve", "--grpc", "0.0.0.0:0", "--data", "data", "--json")
    refused = json.loads(bare_shell(*outside).err.splitlines()[-1])
    assert refused["error"]["reason"] == "ADDRESS_REFUSED"
    assert not (here / "data" / "data.mdb").exists()  # refused before anything was opened
    assert "KEYS_UNREADABLE" in bare_shell(*outside, "--keys", "none.json").err
    bare_shell("key", "bootstrap")
    assert "ADDRESS_REFUSED" in bare_shell(*outside).err
    assert "USAGE" in bare_shell(*outside, "--tls-cert", "cert.pem").err
    assert "USAGE" in bare_shell(*outside, "--tls-client-ca", "ca.pem").err
    assert "CERTIFICATE_UNREADABLE" in bare_shell(*outside, "--tls-cert", "cert.pem", "--tls-key", "key.pem").err
    with serving("--grpc", "0.0.0.0:0", "--data", "data", "--insecure-plaintext") as (said, _):
        assert str(said["serving"]).startswith("0.0.0.0:")
