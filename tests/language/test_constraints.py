"""Laws of `use arguments`: constraint documents stand on their own side of every `-`, whatever lies between, and what
they may ask is named and there."""

from __future__ import annotations

import re
from itertools import product
from random import Random

import pytest

from remit.errors import SchemaInvalid
from remit.language import Compiled, compile_schema
from remit.language.source import Issue
from tests.support.seeds import Seeds

HEAD = "use arguments\nuse expiration\nuse not_before\nuse delegation\n"
USER = "definition user { relation contact: user }\n"


def compiled(text: str) -> Compiled:
    return compile_schema(HEAD + USER + text, name="ours.zed")


def issues(text: str, head: str = HEAD + USER) -> list[Issue]:
    try:
        compile_schema(head + text, name="ours.zed")
    except SchemaInvalid as error:
        assert all("^" in issue.render() for issue in error.issues)
        return list(error.issues)
    return []


# --- how they are written ---------------------------------------------------------------------------------------


def test_they_stand_alone_and_beside_times_and_name_what_documents_may_ask() -> None:
    schema = compiled("""
        definition doc {
            relation a: user with arguments | user:* with arguments(user#contact) |
                user with arguments(user#contact, doc#p, user#contact) and not_before and expiration
            relation b: user with matching and expiration
            permission p = a - b
        }
    """).schema
    types = schema.definitions["doc"].relations["a"].subject_types
    assert [each.declared for each in types] == [(), (("user", "contact"),), (("doc", "p"), ("user", "contact"))]
    assert str(types[2]) == "user with arguments(doc#p, user#contact) and not_before and expiration"
    assert schema.caveats == {} and schema.uses_arguments


def test_a_list_may_have_its_closing_parenthesis_on_a_line_of_its_own() -> None:
    text = """
        use import
        import "remit:agents@1" with arguments(
            user#contact_of_principal, // whom they know
            account#owner
        )
        definition account {
            relation owner: user
            relation payee: user with arguments(
                user#contact
            ) | user
        }
    """
    (payee, _) = compile_schema(HEAD + text).schema.definitions["account"].relations["payee"].subject_types
    assert payee.declared == (("user", "contact"),)
    (issue,) = issues("definition a { relation r: user with arguments(user#contact\n\n, user#contact) }")
    assert issue.code == "unexpected-token", "and nothing else is"


def test_without_the_flag_they_are_names_as_any_other() -> None:
    text = "caveat arguments(x int) { x > 1 }\ncaveat matching(x int) { x > 1 }\n"
    text += "definition user {}\ndefinition doc { relation a: user with arguments | user with matching }"
    schema = compile_schema(text).schema
    assert set(schema.caveats) == {"arguments", "matching"}
    assert schema.side_of("arguments") is None


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("caveat matching(x int) { x > 1 }", "reserved-name", "`use arguments` brings"),
        ("definition a { relation r: user with arguments() }", "unexpected-token", "without parentheses"),
        ("definition a { relation r: user with arguments(user) }", "unexpected-token", "a permission of `user`"),
        ("definition a { relation r: user with arguments(usr#contact) }", "unknown-type", "did you mean `user`"),
        ("definition a { relation r: user with arguments(user#friend) }", "unknown-relation", "`friend`"),
        (
            "definition a { relation r: user with arguments | user with arguments(user#contact) }",
            "duplicate-subject-type",
            "name all permissions in one of them",
        ),
        ("definition a { final relation r: user with arguments }", "final-relation-qualified", "a condition"),
        (
            "definition a { relation r: a with arguments\n relation s: a\n permission q = s.along(r) }",
            "chain-relation-qualified",
            "a caveat",
        ),
        ("definition a { relation r: user with expiration and arguments }", "misplaced-caveat", "the caveat first"),
    ],
)
def test_what_is_written_wrong_is_refused_at_its_place(text: str, code: str, told: str) -> None:
    (issue,) = issues(text)
    assert issue.code == code and told in f"{issue.message} {issue.suggestion}"


def test_the_flag_is_named_where_it_is_missing() -> None:
    (bare,) = issues("definition user {}\ndefinition a { relation r: user with matching }", "")
    (asked,) = issues("definition user {}\ndefinition a { relation r: user with arguments(user#a) }", "")
    assert (bare.code, asked.code) == ("unknown-caveat", "flag-missing")
    assert "use arguments" in bare.suggestion and "use arguments" in asked.suggestion


# --- on which side they stand -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "code", "places"),
    [
        ("relation a: user with arguments; permission p = a", "", ()),
        ("relation a: user; relation b: user with matching; permission p = a - b", "", ()),
        ("relation a: user; relation b: user with arguments; permission p = a - b", "arguments-subtracted", ("`p`",)),
        ("relation a: user with matching; permission p = a", "matching-not-subtracted", ("`p`",)),
        ("relation a: user with matching", "matching-not-subtracted", ("nothing subtracts it",)),
        # `a - (b - c)`: c gives.
        ("relation a: user; relation b: user; relation c: user with arguments; permission p = a - (b - c)", "", ()),
        (
            "relation a: user; relation b: user; relation c: user with matching; permission p = a - (b - c)",
            "matching-not-subtracted",
            ("`p`",),
        ),
        # Through a name that is only ever subtracted, though it may be asked by itself.
        (
            "relation a: user; relation b: user; relation c: user with matching; permission q = b - c; "
            "permission p = a - q",
            "matching-not-subtracted",
            ("`q`",),
        ),
        ("relation a: user; relation b: user with matching; permission q = b; permission p = a - q", "", ()),
        (
            "relation a: user; relation b: user with matching; permission q = b; permission p = a - q; "
            "permission r = q",
            "constraint-both-ways",
            ("`q`", "`p`"),
        ),
        (
            "relation a: user with arguments; permission give = a; permission p = give; permission q = p - a",
            "constraint-both-ways",
            ("`give`", "`q`"),
        ),
        ("relation a: user; relation up: doc with matching; permission p = a - up->p", "constraint-both-ways", ()),
        ("relation a: user; relation up: doc with matching; permission p = a - up->a", "", ()),
        ("relation a: user; relation up: doc with matching; permission p = a - up.exists()", "", ()),
        ("relation a: user; relation up: doc with arguments; permission p = a & up.any(a)", "", ()),
        ("relation a: user; relation up: doc with arguments; permission p = up.all(a)", "constraint-both-ways", ()),
        ("relation a: doc#b; relation b: user with matching; relation c: user; permission p = c - a", "", ()),
        (
            "relation a: doc#b; relation b: user with arguments; relation c: user; permission p = c - a",
            "arguments-subtracted",
            ("`p`",),
        ),
        # A circle which nobody else reads begins with each of its members.
        (
            "relation a: user; relation b: user with matching; permission p = (a - b) + q; permission q = p",
            "",
            (),
        ),
        ("relation a: user; relation b: user with matching; permission p = (a - q) + b; permission q = b - p",
         "constraint-both-ways", ()),
    ],
)  # fmt: skip
def test_the_wrong_side_is_refused_and_says_where(members: str, code: str, places: tuple[str, ...]) -> None:
    found = issues(f"definition doc {{ {members} }}\n")
    assert [issue.code for issue in found] == [code] * bool(code)
    for place in places:
        assert place in found[0].message


def test_a_relation_used_both_ways_is_told_to_become_two() -> None:
    (issue,) = issues("""
        definition doc {
            relation a: user
            relation b: user with arguments
            permission give = b
            permission taken = a - b
        }
    """)
    assert issue.suggestion.startswith("make it two relations")
    assert "`give` of `doc` (line 10)" in issue.message and "`taken` of `doc` (line 11)" in issue.message


def test_what_a_document_that_matches_may_ask_is_told_to_go_without_constraints() -> None:
    """Two relations would not help: each would be asked both ways."""
    (issue,) = issues(
        """
        use import
        import "remit:agents@1" with arguments(account#payee)
        definition account { relation payee: user with arguments }
    """,
        HEAD,
    )
    assert issue.code == "constraint-both-ways"
    assert re.match(
        r"documents of relation `forbids` of `guardrail` \(remit:agents@1, line \d+\) may ask for `account#payee` by "
        "`related` and by `unrelated`: constrain no relation",
        issue.suggestion,
    )


def test_what_is_in_a_cycle_and_subtracted_is_not_said_to_be_subtracted_by_nothing() -> None:
    (issue,) = issues("""definition doc {
        relation a: user
        relation b: user with matching(doc#p)
        permission p = a - b
    }""")
    assert issue.code == "constraint-both-ways"
    assert "it gives by itself, and takes in permission `p`" in issue.message


def test_it_is_counted_through_the_chain_and_the_subject() -> None:
    text = """
        definition run {
            relation boss: run | user
            relation off: user with SIDE
            permission stopped = off.exists()
            permission live = boss - stopped
        }
        definition tool {
            relation may: run | user
            permission link = may & subject->live
            permission use = link.along(boss)
        }
    """
    assert issues(text.replace("SIDE", "matching")) == []
    assert [issue.code for issue in issues(text.replace("SIDE", "arguments"))] == ["arguments-subtracted"]


@pytest.mark.parametrize(
    ("side", "asked", "is_fine"),
    [
        ("arguments", "arguments", True),
        ("arguments", "matching", False),
        ("matching", "arguments", False),  # by `unrelated` it would take away
        ("matching", "matching", False),
    ],
)
def test_what_documents_may_ask_is_read_as_they_stand(side: str, asked: str, is_fine: bool) -> None:
    """What `arguments` asks for gives, and what `matching` asks for may do either."""
    text = f"""
        definition team {{ relation friend: user with {asked} }}
        definition doc {{
            relation a: user{" with arguments(team#friend)" if side == "arguments" else ""}
            relation b: user{" with matching(team#friend)" if side == "matching" else ""}
            permission p = a - b
        }}
    """
    assert (issues(text) == []) is is_fine


def test_what_holds_back_is_found_through_documents() -> None:
    """Under this flag alone too: what TOUCH would write anew may be a constraint."""
    text = """use arguments
        definition user {}
        definition descriptor {}
        definition team { relation friend: user; relation foe: user }
        definition tool {
            relation descriptor: descriptor
            relation a: user with arguments(team#friend)
            relation b: user with matching(team#foe)
            permission p = a - b
        }
    """
    schema = compile_schema(text).schema
    assert schema.subtracted == {("tool", "b"), ("team", "foe"), ("tool", "descriptor")}
    assert schema.counted == {("tool", "descriptor")}


# --- against the plain meaning ----------------------------------------------------------------------------------

TYPES = ("t", "u", "run")
RELATIONS = ("r", "s")
PERMISSIONS = ("p", "q", "o")
Tree = tuple[object, ...]


def random_tree(random: Random, own: str, depth: int) -> Tree:
    """Few of the forms that the compiler refuses most of for reasons of their own."""
    if depth and random.random() < 0.7:
        sides = (random_tree(random, own, depth - 1), random_tree(random, own, depth - 1))
        return (random.choice("+&--"), *sides)
    names = [*RELATIONS, *RELATIONS, *(name for name in PERMISSIONS if name != own)]
    kind = random.choice([*["name"] * 9, *["->"] * 5, ".all", "exists", "subject", "along"])
    return kind, random.choice(RELATIONS), random.choice(names)


def text_of(tree: Tree) -> str:
    match tree:
        case ("+" | "&" | "-" as operator, left, right):
            return f"({text_of(left)} {operator} {text_of(right)})"
        case ("name", _, name):
            return str(name)
        case ("->", relation, name):
            return f"{relation}->{name}"
        case (".all", relation, name):
            return f"{relation}.all({name})"
        case ("exists", relation, _):
            return f"{relation}.exists()"
        case ("subject", _, name):
            return f"subject->{name}"
        case ("along", _, name):
            return f"{name}.along(boss)"
    raise AssertionError(tree)


def readings(tree: Tree, type: str, leads: dict[tuple[str, str], set[str]], sign: int) -> set[tuple[str, str, int]]:
    """What a tree is made of, and whether it rises (+1) or falls (-1) with it, by the meaning of each operator."""
    match tree:
        case ("-", left, right):
            return readings(left, type, leads, sign) | readings(right, type, leads, -sign)
        case ("+" | "&", left, right):
            return readings(left, type, leads, sign) | readings(right, type, leads, sign)
        case ("name" | "along", _, name):
            return {(type, name, sign)}
        case ("->", relation, name):
            return {(type, relation, sign)} | {(target, name, sign) for target in leads[type, relation]}
        case (".all", relation, name):
            return {(type, relation, 1), (type, relation, -1)} | {(to, name, sign) for to in leads[type, relation]}
        case ("exists", relation, _):
            return {(type, relation, sign)}
        case ("subject", _, name):
            return {(each, name, sign) for each in TYPES}
    raise AssertionError(tree)


@pytest.mark.seeds(600, shards=3)
def test_the_compiler_refuses_what_stands_on_the_wrong_side_and_nothing_else(seeds: Seeds) -> None:
    refused = fine = both = 0
    for seed in seeds:
        random = Random(seed)
        lines, made_of, leads, sides = [], {}, {}, {}
        for type in TYPES:
            lines.append(f"definition {type} {{")
            if type == "run":
                lines.append("  relation boss: run")
            for relation in RELATIONS:
                kind = random.choice(("", "", "", "", " with arguments", " with matching"))
                asked = (random.choice(TYPES), random.choice((*RELATIONS, *PERMISSIONS)))
                declares = bool(kind) and random.random() < 0.4
                target, userset = random.choice(TYPES), random.choice(("", "", "r", "p"))
                reads = {(target, userset, 1)} if userset else set()
                if declares:
                    reads |= {(*asked, 1)} | ({(*asked, -1)} if "matching" in kind else set())
                made_of[type, relation] = reads
                leads[type, relation] = {target}
                sides[type, relation] = kind.removeprefix(" with ")
                told = f"({asked[0]}#{asked[1]})" if declares else ""
                lines.append(f"  relation {relation}: {target}{'#' * bool(userset)}{userset}{kind}{told}")
            trees = {name: random_tree(random, name, random.randint(0, 2)) for name in PERMISSIONS}
            lines += [f"  permission {name} = {text_of(tree)}" for name, tree in trees.items()]
            lines.append("}")
            made_of |= {(type, name): tree for name, tree in trees.items()}
        reads_of = {
            member: readings(made, member[0], leads, 1) if isinstance(made, tuple) else made
            for member, made in made_of.items()
        }
        found = issues("\n".join(lines), HEAD)
        ours = ("arguments-subtracted", "matching-not-subtracted", "constraint-both-ways")
        if any(issue.code not in ours for issue in found):
            continue  # refused for what it is before anybody counts
        expected = {}
        for member, ways in brute_ways(reads_of).items():
            side = sides.get(member, "")
            if len(ways) == 2 and side:
                expected[member] = "constraint-both-ways"
            elif side == "arguments" and ways == {-1}:
                expected[member] = "arguments-subtracted"
            elif side == "matching" and ways == {1}:
                expected[member] = "matching-not-subtracted"
        named = re.compile(r"relation `(\w+)` of `(\w+)` takes")
        told = {}
        for issue in found:
            match = named.match(issue.message)
            assert match is not None
            told[match[2], match[1]] = issue.code
        assert told == expected, f"seed {seed}:\n" + "\n".join(lines)
        refused, fine, both = refused + bool(told), fine + (not told), both + ("constraint-both-ways" in told.values())
    seeds.require(
        refused - both > 4 and fine > 8 and both > 10, f"{refused} refused, {both} of them both ways, {fine} fine"
    )


def brute_ways(reads_of: dict[tuple[str, str], set[tuple[str, str, int]]]) -> dict[tuple[str, str], set[int]]:
    """By closing everything over everything."""
    reaches = {(one, (type, name)) for one, reads in reads_of.items() for type, name, _ in reads}
    members = list(reads_of)
    for middle, one, other in product(members, repeat=3):
        if (one, middle) in reaches and (middle, other) in reaches:
            reaches.add((one, other))
    ways: dict[tuple[str, str], set[int]] = {member: set() for member in members}
    for member in members:
        if all((member, other) in reaches for other in members if (other, member) in reaches):
            ways[member].add(1)
    while True:
        before = sum(map(len, ways.values()))
        for one, reads in reads_of.items():
            for type, name, sign in reads:
                ways[type, name] |= {sign * way for way in ways[one]}
        if sum(map(len, ways.values())) == before:
            return ways
