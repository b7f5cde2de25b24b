"""The lookups from a real client to a real engine and back: every part of a page, and what a client makes of pages."""

from __future__ import annotations

import pytest

from remit.client import Client, Found, RemoteError, Verdict
from remit.model import ObjectRef, SubjectRef
from tests.support.serving import NOW_US

SCHEMA = """caveat few(count int) {
  count < 3
}

caveat ratio(z int) {
  10 / z > 1
}

definition user {}

definition folder {
  relation viewer: user | user:* | user with few
  relation banned: user
  relation hurdle: user with ratio
  permission view = viewer - banned
  permission passed = viewer - hurdle
  permission odd = viewer - odd
}
"""
FOLDERS = [f"folder:f{number}" for number in range(5)]


@pytest.fixture
def folders(client: Client) -> Client:
    client.create_store("folders")
    client.store = "folders"
    client.write_schema(SCHEMA)
    client.touch(*(f"{folder}#viewer@user:ann" for folder in FOLDERS))
    client.touch("folder:f2#banned@user:ann", "folder:maybe#viewer@user:ann[few]", "folder:f0#banned@user:eve")
    return client


def test_what_a_subject_has(folders: Client) -> None:
    found = list(folders.lookup_resources("folder#view@user:ann", page_size=2))
    assert [str(each.what) for each in found] == ["folder:f0", "folder:f1", "folder:f3", "folder:f4", "folder:maybe"]
    assert found[-1] == Found(ObjectRef("folder", "maybe"), Verdict.CONDITIONAL, ("count",))
    assert [bool(each) for each in found] == [True, True, True, True, False]
    given = {"count": 1}
    assert all(folders.lookup_resources("folder#view@user:ann", context=given))


def test_a_page_names_its_revision_and_goes_on(folders: Client) -> None:
    token = folders.touch("folder:zoo#viewer@user:ann")
    page = folders.lookup_resources_page("folder#view@user:ann", at_least=token, limit=3)
    assert (page.token, page.evaluated_at_us, page.complete, page.historical) == (token, NOW_US, False, False)
    assert page.steps > 0
    rest = folders.lookup_resources_page("folder#view@user:ann", cursor=page.next_cursor)
    assert [str(each.what) for each in rest.found] == ["folder:f4", "folder:maybe", "folder:zoo"]
    assert (rest.next_cursor, rest.complete) == ("", True)
    folders.delete("folder:zoo#viewer@user:ann")
    past = folders.lookup_resources_page("folder#view@user:ann", at_exactly=token, cursor=page.next_cursor)
    assert (past.historical, past.found[-1].what.id) == (True, "zoo")
    with pytest.raises(RemoteError) as refused:
        folders.lookup_resources_page("folder#view@user:eve", cursor=page.next_cursor)
    assert (refused.value.reason, refused.value.field) == ("INVALID_CURSOR", "cursor")


def test_everybody_but_some(folders: Client) -> None:
    folders.touch("folder:f0#viewer@user:*")
    ann, everybody, eve = (SubjectRef("user", id) for id in ("ann", "*", "eve"))
    page = folders.lookup_subjects_page("folder:f0#view@user")
    assert page.found == (Found(everybody, Verdict.YES), Found(ann, Verdict.YES))
    assert page.excluded == (eve,)
    told = list(folders.lookup_subjects("folder:f0#view@user", page_size=1))
    assert told == [Found(ann, Verdict.YES), Found(everybody, Verdict.YES, excluded=(eve,))]


def test_everybody_is_told_only_where_everybody_has_an_answer(folders: Client) -> None:
    """Of those without one nobody knows whether `*` stands for them."""
    folders.touch("folder:f0#viewer@user:*", 'folder:f0#hurdle@user:kim[ratio:{"z":0}]')
    told = []
    for page_size in (0, 1, 2, 3):
        with pytest.raises(RemoteError) as raised:
            for each in folders.lookup_subjects("folder:f0#passed@user", page_size=page_size):
                told.append(each.what.id)
        assert raised.value.reason == "CAVEAT_FAILED"
    assert set(told) <= {"ann", "eve"}
    page = folders.lookup_subjects_page("folder:f0#passed@user")
    assert page.found[0].what.id == "*"
    assert [each.what.id for each in page.failed] == ["kim"]


def test_pages_end_where_everybody_has_another_answer(folders: Client) -> None:
    folders.touch("folder:f0#viewer@user:*")
    told = []
    with pytest.raises(RemoteError, match="ask for it anew") as raised:
        for each in folders.lookup_subjects("folder:f0#view@user", page_size=2):
            told.append(each.what.id)
            folders.delete("folder:f0#viewer@user:*")
    assert (raised.value.reason, raised.value.field) == ("INVALID_CURSOR", "cursor")
    assert told == ["ann"]


def test_an_error_comes_at_the_end_and_the_page_tells_of_what(folders: Client) -> None:
    page = folders.lookup_permissions_page("folder:f0@user:ann", relations=True)
    assert [each.what for each in page.found] == ["passed", "view", "viewer"]
    assert [(each.what, each.error.reason) for each in page.failed] == [("odd", "NEGATIVE_CYCLE")]
    assert (page.next_cursor, page.complete) == ("", False)
    told = []
    with pytest.raises(RemoteError, match="undefined"):
        for each in folders.lookup_permissions("folder:f0@user:ann", relations=True, page_size=1):
            told.append(each.what)
    assert told == ["passed", "view", "viewer"]


def test_facts_of_the_request_count(folders: Client) -> None:
    fact = "folder:new#viewer@user:zoe"
    found = list(folders.lookup_resources("folder#view@user:zoe", contextual=[fact]))
    assert [each.what.id for each in found] == ["new"]
    assert list(folders.lookup_resources("folder#view@user:zoe")) == []
