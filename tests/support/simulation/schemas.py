"""The schemas that simulated servers move between: one family, so that facts of one often have a place in another.

Each text is compiled as it is; the pool has changes that widen, that narrow (refused while facts stand there), that
only mean something else, and texts that do not compile. The types of caveat parameters are told beside each text, so
that the model need not ask the compiler."""

from __future__ import annotations

import functools

from remit.language import compile_schema
from remit.language.plan import Schema

_CAVEAT = "caveat small(amount int, most int) { amount <= most }"

_FULL = """
use delegation
use expiration
use not_before
use self

{caveat}

definition user {{
    permission live = self
}}

definition group {{
    relation member: user | group#member | user with expiration
}}

definition run {{
    single managed relation delegated_by: run | user
    relation hold: group
    {ended}: group
    permission live = self - (hold.exists() + ended.exists())
}}

definition thing {{
    {parent}: thing
    relation viewer: user | user:* | group#member | run | user with small | user with expiration | user with not_before
    relation banned: user | run | group#member | user with expiration
    single relation keeper: user | user with expiration
    permission link = {link}
    permission use = link.along(delegated_by)
    permission under = parent.all(use)
    permission odd = viewer - parent->odd
}}
"""

_LINK = "((viewer + parent->link) & subject->live) - banned"


def _text(caveat: str, parent: str, link: str, ended: str = "final relation ended") -> str:
    return _FULL.format(caveat=caveat, parent=parent, link=link, ended=ended)


FULL = _text(caveat=_CAVEAT, parent="relation parent", link=_LINK)
NOT_FINAL = _text(caveat=_CAVEAT, parent="relation parent", link=_LINK, ended="relation ended")
SINGLE_PARENT = _text(caveat=_CAVEAT, parent="single relation parent", link=_LINK)
OTHER_MEANING = _text(caveat=_CAVEAT, parent="relation parent", link="(viewer & subject->live) - parent->banned")
STRICTER_CAVEAT = _text(
    caveat="caveat small(amount int, most int) { amount < most }", parent="relation parent", link=_LINK
)
TEXT_CAVEAT = _text(
    caveat="caveat small(amount string, most string) { amount == most }", parent="relation parent", link=_LINK
)

PLAIN = """
definition user {}

definition group {
    relation member: user | group#member
}

definition thing {
    relation parent: thing
    relation viewer: user | group#member
    relation banned: user
    permission use = (viewer + parent->use) - banned
    permission odd = viewer - parent->odd
}
"""

BROKEN = (
    "definition thing {",
    "definition thing { relation viewer: nobody }",
    "definition thing {}\ndefinition thing {}",
)

CAVEATS: dict[str, dict[str, dict[str, type]]] = {
    FULL: {"small": {"amount": int, "most": int}},
    NOT_FINAL: {"small": {"amount": int, "most": int}},
    SINGLE_PARENT: {"small": {"amount": int, "most": int}},
    OTHER_MEANING: {"small": {"amount": int, "most": int}},
    STRICTER_CAVEAT: {"small": {"amount": int, "most": int}},
    TEXT_CAVEAT: {"small": {"amount": str, "most": str}},
    PLAIN: {},
}
SCHEMAS = tuple(CAVEATS)

# Of those that `use delegation`: the relations with qualifiers that stand behind a `-`, `viewer` by `odd`.
SUBTRACTED: dict[str, frozenset[tuple[str, str]]] = {
    text: frozenset({("thing", "banned"), ("thing", "viewer"), ("group", "member")}) if text != PLAIN else frozenset()
    for text in SCHEMAS
}


@functools.cache
def plan_of(text: str) -> Schema:
    """The plan of one of the texts."""
    return compile_schema(text).schema
