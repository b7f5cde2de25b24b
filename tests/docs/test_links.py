"""Every link of every page leads to a file that is there, and to a heading of it; every file that is named is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import DOCS, ROOT

PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "bench" / "README.md"]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """The anchors of its headings as GitHub makes them: the second of a name ends in `-1`."""
    anchors: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE):
        anchor = re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        count = sum(1 for each in anchors if each == anchor)
        anchors.append(f"{anchor}-{count}" if count else anchor)
    return set(anchors)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page}: `{target}`"
        if anchor:
            assert anchor in anchors_of(there), f"{page}: `{target}`"


def test_the_index_has_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)", index)}
    assert {page.resolve() for page in PAGES} - {DOCS / "README.md"} <= linked


# What a page may name that is not in the checkout: made while serving, brought along by a caller, or an example.
ELSEWHERE = {"keys.json", "data.mdb", "lock.mdb", "world.yaml", "/openapi.json"}


def files() -> Iterator[str]:
    """Every file of the checkout, but what is built or installed."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in ("target", "data") and not name.startswith(".")]
        yield from (str(Path(folder, name).relative_to(ROOT)) for name in names)


def test_every_file_that_a_page_names_is_there() -> None:
    there = {f"/{path}" for path in files()}
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue  # it tells what was
        text = without_code(page.read_text(encoding="utf-8"))
        for name in re.findall(r"`([\w./-]+\.(?:py|rs|md|zed|proto|yaml|toml|json))`", text):
            name = name.removeprefix("../")
            is_there = any(path.endswith(f"/{name}") for path in there)
            assert is_there or name in ELSEWHERE, f"{page.relative_to(ROOT)} names `{name}`"
