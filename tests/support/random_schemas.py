"""Random schemas as text, for the compiler to accept or refuse, and facts that their relations take.

Unlike random_worlds.py, which makes plans the compiler would never make, everything here goes the way of a user: text,
compiler, admission. Most texts are refused; the ones that are not are what Remit promises to live with."""

from __future__ import annotations

import re
from random import Random

from remit.errors import SchemaInvalid
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef

CHAINS = ("boss", "of")
RELATIONS = {"user": ("r0",), "group": ("member", "r1"), "doc": ("viewer", "parent", "r0"), "run": (*CHAINS, "r1")}
TYPES = tuple(RELATIONS)
PERMISSIONS = ("p0", "p1", "p2")
CROWDS = ("member", "viewer")  # where wildcards may stand; no arrow begins there, and nothing else brings them in
ANYTHING = ("r0", "r1", "p0", "p1", "p2", "member", "viewer")
HEAD = """use delegation
use expiration
use not_before
use self
caveat small(x int) { x < 10 }
caveat both(x int, y int) { x < y }
"""


def random_schema(random: Random) -> tuple[str, Schema]:
    """A text that compiles, and its plan."""
    while True:
        text = HEAD + "".join(map(_definition, [random] * len(TYPES), TYPES))
        try:
            return text, compile_schema(text).schema
        except SchemaInvalid:
            continue


def changed_schema(random: Random, text: str) -> tuple[str, Schema]:
    """The text with some permissions rewritten, and some relations taking more, less or only one; it compiles."""
    while True:
        type, lines = "", text.splitlines()
        for index, line in enumerate(lines):
            if found := re.match(r"definition (\w+)", line):
                type = found[1]
            elif (found := re.match(r"  permission (\w+)", line)) and random.random() < 0.4:
                lines[index] = _permission(random, type, found[1])
            elif (found := re.match(r"  (.*)relation (\w+): (.*)", line)) and random.random() < 0.3:
                taken = found[3].split(" | ")
                if random.random() < 0.4 and len(taken) > 1:
                    taken.pop(random.randrange(len(taken)))
                else:
                    taken.append(_subject_type(random, found[2]))
                modifier = random.choice((found[1], "", "single "))
                lines[index] = f"  {modifier}relation {found[2]}: {' | '.join(dict.fromkeys(taken))}"
        changed = "\n".join(lines)
        try:
            return changed, compile_schema(changed).schema
        except SchemaInvalid:
            continue


def random_fact(random: Random, schema: Schema, now_us: int) -> Relationship:
    """A fact that its relation takes, about to begin or to end, or just begun or over."""
    type = random.choice(TYPES)
    relation = schema.definitions[type].relations[random.choice(RELATIONS[type])]
    taken = random.choice(relation.subject_types)
    subject = SubjectRef(taken.type, "*" if taken.wildcard else random.choice("abc"), taken.relation)
    caveat = CaveatUse(taken.caveat, random.choice(("{}", '{"x":5}', '{"x":50}'))) if taken.caveat else None
    not_before_us = now_us + random.choice((-1, 0, 1)) if taken.not_before else None
    expiration_us = now_us + random.choice((-1, 0, 1, 5)) if taken.expiration else None
    qualifiers = Qualifiers(caveat, not_before_us, expiration_us)
    return Relationship(ObjectRef(type, random.choice("abc")), relation.name, subject, qualifiers)


def random_subject(random: Random) -> SubjectRef:
    type = random.choice(TYPES)
    relation = random.choice((*RELATIONS[type], *PERMISSIONS)) if random.random() < 0.2 else ""
    return SubjectRef(type, random.choice("abc"), relation)


def _definition(random: Random, type: str) -> str:
    lines = [f"definition {type} {{"]
    for relation in RELATIONS[type]:
        count = random.randint(1, 2 if relation in CHAINS else 4)
        taken = dict.fromkeys(_subject_type(random, relation) for _ in range(count))
        modifier = random.choice(("", "", "", "single ", "managed ", "final "))
        if modifier == "final " and any(" with " in each for each in taken):
            modifier = ""
        lines.append(f"  {modifier}relation {relation}: {' | '.join(taken)}")
    for permission in PERMISSIONS:
        lines.append(_permission(random, type, permission))
    return "\n".join([*lines, "}", ""])


def _subject_type(random: Random, relation: str) -> str:
    type = random.choice(TYPES)
    if relation in CHAINS:
        return type
    kind, subject = random.random(), type
    if kind < 0.3:
        plain = [name for name in RELATIONS[type] if name not in CROWDS]
        subject = f"{type}#{random.choice((*plain, *PERMISSIONS))}"
    elif kind < 0.45 and relation in CROWDS:
        subject = f"{type}:*"
    traits = random.choice(([], [], [], ["small"], ["both"], ["expiration"], ["small", "expiration"], ["not_before"]))
    return f"{subject} with {' and '.join(traits)}" if traits else subject


def _permission(random: Random, type: str, name: str) -> str:
    depth = random.randint(0, 3)
    return f"  permission {name} = {_expression(random, type, name, depth) if depth else _leaf(random, type, name)}"


def _expression(random: Random, type: str, name: str, depth: int) -> str:
    """The compiler refuses few of these: above all those where `subject->` is subtracted."""
    if depth == 0 or random.random() < 0.2:
        return random.choice((*RELATIONS[type], *PERMISSIONS)) if random.random() < 0.5 else _leaf(random, type, name)
    one, other = (_expression(random, type, name, depth - 1) for _ in range(2))
    return f"({one} {random.choice('+++&&--')} {other})"


def _leaf(random: Random, type: str, name: str) -> str:
    """Anything but a bare permission, which might be a name for itself, and nothing that asks the permission itself."""
    relation = random.choice([each for each in RELATIONS[type] if each not in CROWDS])
    anything = random.choice([each for each in ANYTHING if each != name])
    child = random.choice([each for each in (*RELATIONS[type], *PERMISSIONS) if each != name])
    return random.choice(
        (
            random.choice(RELATIONS[type]),
            f"{relation}->{anything}",
            f"{relation}->{name}",
            f"{relation}.all({anything})",
            f"{relation}.exists()",
            f"subject->{anything}",
            f"{child}.along({random.choice(('boss', 'boss, of', 'of'))})",
            random.choice(("self", "nil")),
        )
    )
