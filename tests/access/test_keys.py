"""Keys: their text, whom it proves, what may change, and the file they are kept in."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.access.key_file import changing_keys, decode_keys, encode_keys, read_keys
from remit.access.keys import ALL_RIGHTS, ALL_STORES, Key, Keys, Right, key_id_of, new_key_id, new_key_text, right_names
from remit.errors import KeyExpired, KeyMistyped, KeyNotFound, KeyRefused, KeysUnreadable, KeyUnknown, Unauthenticated
from tests.support.small_disks import fill_disk, small_disk

NOW_US = 1_800_000_000_000_000
TEXT_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

rights = st.frozensets(st.sampled_from(Right), min_size=1, max_size=10)
stores = st.frozensets(st.sampled_from(["default", "eu-west", "a", "z_9", ALL_STORES]), min_size=1)
principals = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40).filter(
    lambda name: name != "local"
)
moments = st.integers(NOW_US, NOW_US + 10**15)


def one(**parts: Any) -> tuple[Keys, Key, str]:
    given: dict[str, Any] = {
        "principal": "service:gateway",
        "stores": ["default"],
        "rights": [Right.CHECK],
        "now_us": NOW_US,
    }
    return Keys().with_new(**(given | parts))


# --- the text -----------------------------------------------------------------------------------------------------


ONE_TEXT = new_key_text(new_key_id())  # for what draws by it: the same text has to draw the same way


@given(st.data())
def test_one_wrong_character_is_told_without_asking(data: st.DataObject) -> None:
    text = ONE_TEXT
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from(TEXT_LETTERS + "_A1 é").filter(lambda letter: letter != text[at]))
    with pytest.raises(KeyMistyped):
        key_id_of(text[:at] + wrong + text[at + 1 :])


def test_two_characters_that_are_swapped_are_told_without_asking() -> None:
    for _ in range(20):
        text = new_key_text(new_key_id())
        for at in range(len(text) - 1):
            swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
            if swapped != text:
                with pytest.raises(KeyMistyped):
                    key_id_of(swapped)


@pytest.mark.parametrize("cut", [0, 1, 3, 11, 12, 40, 70])
def test_a_key_that_was_cut_off_or_has_something_added_is_told(cut: int) -> None:
    text = new_key_text(new_key_id())
    for wrong in (text[:cut], text + "a", text + "\n", " " + text, text.upper()):
        with pytest.raises(KeyMistyped):
            key_id_of(wrong)


@given(st.text(max_size=90))
def test_any_text_is_a_key_or_told_to_be_none(text: str) -> None:
    with pytest.raises(KeyMistyped):
        key_id_of(text)


def test_a_key_has_256_random_bits_and_names_its_id() -> None:
    texts = [new_key_text("abcdefgh") for _ in range(50)]
    assert {key_id_of(text) for text in texts} == {"abcdefgh"}
    secrets = {text.removeprefix("rk_abcdefgh_")[:52] for text in texts}
    assert len(secrets) == 50
    for position in range(51):  # the last letter carries one bit
        assert len({secret[position] for secret in secrets}) > 5


# --- whom it proves -----------------------------------------------------------------------------------------------


@given(principal=principals, seen=stores, held=rights)
def test_a_key_proves_its_principal_with_its_rights_and_nobody_else(
    principal: str, seen: frozenset[str], held: frozenset[Right]
) -> None:
    keys, key, text = one(principal=principal, stores=seen, rights=held)
    keys, other, other_text = keys.with_new(principal="x", stores=["a"], rights=[Right.READ], now_us=NOW_US)
    proven = keys.authenticate(text, NOW_US)
    assert (proven.id, proven.principal, proven.stores, proven.rights) == (key.id, principal, seen, held)
    assert keys.authenticate(other_text, NOW_US).id == other.id
    for right in Right:
        assert proven.holds(right) == (right in held)
    for store in ("", "default", "eu-west", "a", "z_9", "never-heard-of", "*"):
        assert proven.sees(store) == (ALL_STORES in seen or (store or "default") in seen)


def test_what_is_not_proven_is_refused_alike_whether_or_not_the_id_is_known() -> None:
    keys, key, _ = one()
    for id in (key.id, "aaaaaaaa"):
        with pytest.raises(KeyUnknown) as refused:
            keys.authenticate(new_key_text(id), NOW_US)
        assert refused.value.message.replace(id, "ID") == (
            "key `ID` is not valid here: it was revoked or replaced, or is of another server"
        )
        assert refused.value.metadata == {}


def test_comparisons_take_the_same_time_and_happen_for_unknown_ids_too(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(given: bytes, kept: bytes) -> bool:
        compared.append((given, kept))
        return given == kept

    keys, _, text = one()
    monkeypatch.setattr("remit.access.keys.hmac.compare_digest", compare_digest)
    keys.authenticate(text, NOW_US)
    with pytest.raises(KeyUnknown):
        keys.authenticate(unknown := new_key_text("aaaaaaaa"), NOW_US)
    digest = hashlib.sha256(text.encode()).digest()
    assert compared == [(digest, digest), (hashlib.sha256(unknown.encode()).digest(), bytes(32))]


@given(moments, moments)
def test_a_key_is_valid_until_its_expiration_and_not_at_it(expiration_us: int, at_us: int) -> None:
    keys, key, text = one(expiration_us=expiration_us)
    if at_us < expiration_us:
        assert keys.is_valid(keys.authenticate(text, at_us), at_us)
    else:
        with pytest.raises(KeyExpired):
            keys.authenticate(text, at_us)
        with pytest.raises(KeyUnknown):  # that it has expired is told only to who has it
            keys.authenticate(new_key_text(key.id), at_us)


def test_a_revoked_key_is_unknown_and_others_stay() -> None:
    keys, key, text = one()
    keys, _, other = keys.with_new(principal="other", stores=["a"], rights=[Right.READ], now_us=NOW_US)
    shown, kept = keys.authenticate(text, NOW_US), keys.authenticate(other, NOW_US)
    left = keys.without(key.id)
    with pytest.raises(KeyUnknown):
        left.authenticate(text, NOW_US)
    assert not left.is_valid(shown, NOW_US)
    assert left.is_valid(kept, NOW_US)
    with pytest.raises(KeyNotFound):
        left.without(key.id)


@given(grace_us=st.integers(0, 10**9), after_us=st.integers(0, 2 * 10**9))
def test_the_old_text_counts_for_the_grace_and_the_new_one_at_once(grace_us: int, after_us: int) -> None:
    keys, key, old = one()
    shown = keys.authenticate(old, NOW_US)
    rotated, again, new = keys.with_rotated(key.id, now_us=NOW_US, grace_us=grace_us)
    at_us = NOW_US + after_us
    assert (again.id, again.principal, again.stores, again.rights) == (key.id, key.principal, key.stores, key.rights)
    assert rotated.authenticate(new, at_us).id == key.id
    assert rotated.is_valid(shown, at_us) == (after_us < grace_us)
    if after_us < grace_us:
        assert rotated.authenticate(old, at_us).id == key.id
    else:
        with pytest.raises(KeyUnknown):
            rotated.authenticate(old, at_us)


def test_a_second_rotation_never_lengthens_the_grace_of_the_first() -> None:
    keys, key, first = one()
    keys, _, second = keys.with_rotated(key.id, now_us=NOW_US, grace_us=100)
    keys, _, third = keys.with_rotated(key.id, now_us=NOW_US + 50, grace_us=1_000)
    assert len(next(iter(keys)).secrets) == 3
    keys.authenticate(first, NOW_US + 99)
    with pytest.raises(KeyUnknown):
        keys.authenticate(first, NOW_US + 100)
    keys.authenticate(second, NOW_US + 1_049)
    keys, _, fourth = keys.with_rotated(key.id, now_us=NOW_US + 200)
    for text in (first, second, third):
        with pytest.raises(KeyUnknown):
            keys.authenticate(text, NOW_US + 200)
    assert keys.authenticate(fourth, NOW_US + 200).id == key.id
    assert len(next(iter(keys)).secrets) == 1


@pytest.mark.parametrize(
    "changed", [{"principal": "x"}, {"stores": ["a"]}, {"rights": ["read"]}, {"expiration": "2020-01-01T00:00:00Z"}]
)
def test_a_key_whose_row_was_changed_does_not_prove_what_it_was(changed: dict[str, object]) -> None:
    keys, _, text = one()
    shown = keys.authenticate(text, NOW_US)
    document = json.loads(encode_keys(keys))
    document["keys"][0].update(changed)
    assert keys.is_valid(shown, NOW_US)
    assert not decode_keys(json.dumps(document).encode()).is_valid(shown, NOW_US)


# --- what may be made ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"principal": ""}, "principal"),
        ({"principal": "two words"}, "principal"),
        ({"principal": "é"}, "principal"),
        ({"principal": "x" * 257}, "principal"),
        ({"principal": "local"}, "without keys"),
        ({"stores": []}, "no store"),
        ({"stores": ["Default"]}, "not a store's name"),
        ({"stores": [""]}, "not a store's name"),
        ({"rights": []}, "no right"),
        ({"stores": [ALL_STORES], "rights": ALL_RIGHTS}, "bootstrap"),
        ({"stores": ["a", ALL_STORES], "rights": ALL_RIGHTS}, "bootstrap"),
    ],
)
def test_what_is_no_key_is_not_made(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        one(**parts)


def test_only_the_bootstrap_key_is_all_powerful_and_there_is_one() -> None:
    keys, key, text = one(bootstrap=True, stores=[], rights=[])
    proven = keys.authenticate(text, NOW_US)
    assert proven.rights == ALL_RIGHTS
    assert all(proven.sees(store) for store in ("", "a", "any-other"))
    with pytest.raises(KeyRefused, match=key.id):
        keys.with_new(principal="x", stores=[], rights=[], now_us=NOW_US, bootstrap=True)
    row = json.loads(encode_keys(keys))["keys"][0]
    twin = row | {"id": "aaaaaaaa"}
    with pytest.raises(KeyRefused, match="two bootstrap keys"):
        decode_keys(json.dumps({"version": 1, "keys": [row, twin]}).encode())
    # On one store, or one right short, is short of all.
    one(stores=["default"], rights=ALL_RIGHTS)
    one(stores=[ALL_STORES], rights=ALL_RIGHTS - {Right.AUDIT})


# --- the file -----------------------------------------------------------------------------------------------------


@st.composite
def key_sets(draw: st.DrawFn) -> Keys:
    keys = Keys()
    for _ in range(draw(st.integers(0, 4))):
        keys, key, _ = keys.with_new(
            principal=draw(principals),
            stores=draw(stores),
            rights=draw(rights),
            now_us=draw(moments),
            expiration_us=draw(st.none() | moments),
        )
        if draw(st.booleans()):
            keys, _, _ = keys.with_rotated(key.id, now_us=NOW_US, grace_us=draw(st.integers(0, 10**9)))
    if draw(st.booleans()):
        keys, _, _ = keys.with_new(principal="root", stores=(), rights=(), now_us=NOW_US, bootstrap=True)
    return keys


@given(key_sets())
def test_a_file_says_what_was_written_to_it(keys: Keys) -> None:
    assert list(decode_keys(encode_keys(keys))) == list(keys)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(keys=key_sets())
def test_a_change_is_read_back_whole_and_by_its_owner_alone(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "keys.json"
    with changing_keys(path) as change:
        change.keys = keys
    assert list(read_keys(path) or ()) == list(keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == [".keys.json.reserve", "keys.json"]


def test_no_text_of_a_key_is_in_the_file_nor_shown_by_anything_kept(tmp_path: Path) -> None:
    keys, key, text = one()
    with changing_keys(tmp_path / "keys.json") as change:
        change.keys = keys
    secret = text.removeprefix(f"rk_{key.id}_")
    for kept in ((tmp_path / "keys.json").read_text(), repr(key), repr(keys), str(vars(keys)), repr(key.secrets)):
        assert secret not in kept
        assert secret[:20] not in kept
    assert key.secrets[0].digest.hex() not in repr(key)


def test_a_change_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    keys, _, _ = one()
    with changing_keys(path) as change:
        change.keys = keys
    before = path.read_bytes()
    with pytest.raises(KeyNotFound), changing_keys(path) as change:
        change.keys = change.keys.without("aaaaaaaa")

    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeysUnreadable, match="no space left"), changing_keys(path) as change:
        change.keys = Keys()
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [".keys.json.reserve", "keys.json"]


# --- a full disk --------------------------------------------------------------------------------------------------


def several(count: int) -> Keys:
    keys = Keys()
    for at in range(count):
        keys, _, _ = keys.with_new(principal=f"service:{at}", stores=("s",), rights=(Right.CHECK,), now_us=NOW_US)
    return keys


def test_keys_are_revoked_one_after_the_other_on_a_full_disk(tmp_path: Path) -> None:
    """Others filled it, and take what becomes free; a new key finds no room, and says so."""
    with small_disk(tmp_path / "disk", 256 * 1024) as disk:
        path = disk / "keys.json"
        with changing_keys(path) as change:
            change.keys = several(150)
        ids = [key.id for key in read_keys(path) or ()]
        for number, id in enumerate(ids[:10], 1):
            fill_disk(disk / f"other-{number}")
            with changing_keys(path) as change:
                change.keys = change.keys.without(id)
            assert [key.id for key in read_keys(path) or ()] == ids[number:]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        fill_disk(disk / "other")
        with pytest.raises(KeysUnreadable, match="no space left"), changing_keys(path) as change:
            change.keys = several(400)
        assert [key.id for key in read_keys(path) or ()] == ids[10:]


def without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no file can be made."""
    open_, created = os.open, os.O_CREAT

    def full(name: Any, flags: int, *mode: int) -> int:
        if flags & created:
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_(name, flags, *mode)

    monkeypatch.setattr(os, "open", full)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_on_a_full_disk_too_the_keys_stay_those_of_the_servers_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server that cannot read them goes on with the keys it knows, the revoked one among them."""
    path = tmp_path / "keys.json"
    with changing_keys(path) as change:
        change.keys = several(3)
    os.chown(path, 4_711, 4_712)  # and not the reserve
    without_room(monkeypatch)
    with changing_keys(path) as change:
        change.keys = several(2)
    assert (path.stat().st_uid, path.stat().st_gid) == (4_711, 4_712)


@pytest.mark.parametrize(
    "made", ["a link", "a second name", "readable", "somebody else's", "small", "a pipe", "nothing"]
)
def test_a_reserve_that_others_may_have_made_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    path, reserve, elsewhere = tmp_path / "keys.json", tmp_path / ".keys.json.reserve", tmp_path / "elsewhere"
    with changing_keys(path) as change:
        change.keys = several(3)
    before = path.read_bytes()
    elsewhere.write_bytes(bytes(2 * len(before)))
    elsewhere.chmod(0o600)
    match made:
        case "a link":
            reserve.unlink()
            reserve.symlink_to(elsewhere)
        case "a second name":
            reserve.unlink()
            os.link(elsewhere, reserve)
        case "readable":
            reserve.chmod(0o640)
        case "somebody else's":
            if os.geteuid() != 0:
                pytest.skip("only root gives files away")
            os.chown(reserve, 4_711, -1)
        case "small":
            reserve.write_bytes(b"0")
        case "a pipe":
            reserve.unlink()
            os.mkfifo(reserve, 0o600)
        case "nothing":
            reserve.unlink()
    without_room(monkeypatch)
    with pytest.raises(KeysUnreadable, match="no space left"), changing_keys(path) as change:
        change.keys = Keys()
    assert path.read_bytes() == before and elsewhere.read_bytes() == bytes(2 * len(before))


def test_changes_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def add(number: int) -> None:
        for each in range(5):
            with changing_keys(path) as change:
                change.keys, _, _ = change.keys.with_new(
                    principal=f"p{number}.{each}", stores=["a"], rights=[Right.READ], now_us=NOW_US
                )

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.principal for key in read_keys(path) or ()} == {f"p{n}.{m}" for n in range(4) for m in range(5)}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "real" / "keys.json")
    keys, _, _ = one()
    with changing_keys(link) as change:
        change.keys = keys
    assert link.is_symlink()
    assert list(read_keys(tmp_path / "real" / "keys.json") or ()) == list(keys)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_administrator_leaves_the_file_with_its_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 4242, 4343)
    path = tmp_path / "keys.json"
    keys, _, _ = one()
    for each in (keys, Keys()):
        with changing_keys(path) as change:
            change.keys = each
        assert (path.stat().st_uid, path.stat().st_gid) == (4242, 4343)


def row(**changed: object) -> bytes:
    keys, _, _ = one()
    document = json.loads(encode_keys(keys))
    for name, value in changed.items():
        if value is None:
            del document["keys"][0][name]
        else:
            document["keys"][0][name] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "has no `version`"),
        (b'{"version": 2, "keys": []}', "version `2`"),
        (b'{"version": true, "keys": []}', "version `True`"),
        (b'{"version": 1, "keys": {}}', "not a list"),
        (b'{"version": 1, "keys": [], "sealed": true}', "`sealed`, which is not known"),
        (b'{"version": 1, "keys": [3]}', "key 1 is not a JSON object"),
        (row(id=None), "key 1 has no `id`"),
        (row(id="rk_abcdefgh_secret"), "the id of a key"),
        (row(id=7), "`id` is not text"),
        (row(principal="two words"), "two words"),
        (row(stores=None), "`stores` is not a list"),
        (row(stores="default"), "`stores` is not a list"),
        (row(stores=[1]), "`stores` is not text"),
        (row(rights=["fly"]), "`fly` is not a right"),
        (row(rights=None), "`rights` is not a list"),
        (row(only_from="10.0.0.0/8"), "`only_from`, which is not known"),
        (row(created="yesterday"), "RFC 3339"),
        (row(expiration=1), "`expiration` is not text"),
        (row(secrets=[]), "no secret"),
        (row(secrets=[{"sha256": "abcd"}]), "2 bytes"),
        (row(secrets=[{"sha256": "rk_abcdefgh_secret"}]), "not hexadecimal"),
        (row(secrets=[{"sha256": "00" * 32, "until": "soon"}]), "RFC 3339"),
        (row(bootstrap="yes"), "true or false"),
        (row(bootstrap=True), "remove `stores` and `rights`"),
    ],
)
def test_a_damaged_file_is_refused_and_says_where(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_bytes(data)
    with pytest.raises(KeysUnreadable) as refused:
        read_keys(path)
    assert said in refused.value.message
    assert str(path) in refused.value.message
    assert "secret" not in refused.value.message.replace("no secret", "").replace("a secret", "")


@given(st.binary(max_size=200))
def test_any_bytes_are_keys_or_refused(data: bytes) -> None:
    with pytest.raises(KeyRefused):
        decode_keys(data)


def test_a_key_that_is_there_twice_is_refused() -> None:
    document = json.loads(row())
    document["keys"] *= 2
    with pytest.raises(KeyRefused, match="twice"):
        decode_keys(json.dumps(document).encode())


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(encode_keys(Keys()))
    path.chmod(mode)
    with pytest.raises(KeysUnreadable, match="chmod go-w"):
        read_keys(path)
    path.chmod(0o644)  # it holds nothing that could be used: being read by others does no harm
    kept = read_keys(path)
    assert kept is not None
    assert kept.count == 0


def test_a_file_that_others_may_replace_is_refused_whatever_links_lead_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, links = tmp_path / "kept", tmp_path / "links"
    for folder in (kept, links):
        folder.mkdir(mode=0o700)
    (kept / "keys.json").write_bytes(encode_keys(Keys()))
    link = links / "keys.json"
    link.symlink_to(kept / "keys.json")
    for folder in (kept, links):
        folder.chmod(0o707)
        with pytest.raises(KeysUnreadable, match=f"chmod go-w {folder}"):
            read_keys(link)
        folder.chmod(0o1707)
        assert read_keys(link) is not None, "in a sticky folder nobody replaces what is another's"
        folder.chmod(0o770)
        caplog.clear()
        assert read_keys(link) is not None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        folder.chmod(0o700)
    caplog.clear()
    assert read_keys(link) is not None
    assert not caplog.records


def test_every_directory_and_link_on_the_way_is_looked_at(tmp_path: Path) -> None:
    above, kept, between = tmp_path / "above", tmp_path / "above" / "kept", tmp_path / "between"
    for folder in (above, kept, between):
        folder.mkdir(mode=0o700)
    (kept / "keys.json").write_bytes(encode_keys(Keys()))
    (between / "link").symlink_to(Path("..", "above", "kept"))
    link = tmp_path / "keys.json"
    link.symlink_to(between / "link" / "keys.json")
    assert read_keys(link) is not None
    for folder in (above, kept, between):
        folder.chmod(0o707)
        with pytest.raises(KeysUnreadable, match=f"chmod go-w {folder}`"):
            read_keys(link)
        folder.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_link_or_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "keys.json").write_bytes(encode_keys(Keys()))
    link = tmp_path / "keys.json"
    link.symlink_to(kept / "keys.json")
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    assert read_keys(link) is not None
    os.chown(link, 8, 8, follow_symlinks=False)
    with pytest.raises(KeysUnreadable, match=f"user `8`.*chown -h 7 {link}`"):
        read_keys(link)
    os.chown(link, 7, 7, follow_symlinks=False)
    os.chown(kept, 8, 8)
    with pytest.raises(KeysUnreadable, match=f"user `8`.*chown 7 {kept}`"):
        read_keys(link)


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "keys": [], "keys": []}',
        '{"version": 1, "keys": [{"rights": ["check"], "rights": ["admin"]}]}',
        '{"version": 1, "keys": [{"\\u0072ights": ["check"], "rights": ["admin"]}]}',
    ],
)
def test_a_field_is_there_once(text: str) -> None:
    with pytest.raises(KeyRefused, match="twice"):
        decode_keys(text.encode())


@pytest.mark.parametrize(
    ("user", "owner", "is_trusted"),
    [(7, 7, True), (7, 0, True), (7, 8, False), (0, 0, True), (0, 8, True)],
)
def test_a_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, owner: int, is_trusted: bool
) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(encode_keys(Keys()))
    found = os.stat_result((0o100600, 0, 0, 1, owner, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "fstat", lambda _: found)
    try:
        assert read_keys(path) is not None
        assert is_trusted
    except KeysUnreadable as error:
        assert not is_trusted and "chown 7" in error.message


def test_no_file_is_not_the_same_as_no_keys(tmp_path: Path) -> None:
    assert read_keys(tmp_path / "keys.json") is None
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe").chmod(0o600)
    for no_file in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeysUnreadable):
            read_keys(no_file)
    with pytest.raises(KeysUnreadable), changing_keys(tmp_path / "none" / "keys.json"):
        raise AssertionError("there is no folder for it")


def test_rights_are_named_as_people_name_them() -> None:
    assert right_names(ALL_RIGHTS) == [
        "decide", "check", "read", "write", "write-managed", "schema", "spawn", "spawn-unproven", "consent", "hold",
        "release", "terminate", "register", "accept", "certify", "apply", "audit",
        "admin",
    ]  # fmt: skip
    assert issubclass(KeyMistyped, Unauthenticated)
