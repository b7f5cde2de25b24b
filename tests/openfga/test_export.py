"""Laws of the way out: what is exported for OpenFGA means there, and read back here, what it meant; what OpenFGA has no
word for is refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import InvalidArgument, RemitError
from remit.eval.budget import Budget
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language.compiler import compile_schema
from remit.language.plan import Schema
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef, Verdict
from remit.notation import canonical_json, parse_relationship
from remit.openfga.from_schema import model_of
from remit.openfga.language import parse_model
from remit.openfga.model import Model
from remit.openfga.printer import print_model
from remit.openfga.store_file import read_moved
from remit.openfga.store_text import store_head, tuple_line
from remit.openfga.translation import translate
from remit.openfga.tuples import read_tuple
from remit.openfga.yaml_values import read_yaml
from tests.support.openfga_judge import Judge, Tuple
from tests.support.seeds import Seeds

TYPES = ("doc", "folder", "team")
RELATIONS, PERMISSIONS = ("parent", "r0", "r1"), ("p0", "p1", "p2")
KEYS = tuple((type_, name) for type_ in TYPES for name in (*RELATIONS, *PERMISSIONS))
OBJECTS = tuple(ObjectRef(type_, id) for type_ in TYPES for id in ("1", "2"))
USERS = (ObjectRef("user", "a"), ObjectRef("user", "b"))
CAVEATS = """
caveat small(x int, most int) { x < most && "}" != '{' }
caveat near(ip ipaddress, nets list<string>) {
    nets.exists(net, ip.in_cidr(net)) // or nobody
}
"""
CONTEXTS = ("{}", '{"most":3}', '{"most":"3","x":2}')
ASKED: dict[str, object] = {"x": 2, "ip": "10.0.0.1"}


def expression(random: Random, names: list[str], size: int) -> str:
    if size > 0:
        left, right = (expression(random, names, size - 1 - random.randrange(2)) for _ in range(2))
        return f"({left} {random.choice('++&-')} {right})"
    return random.choice(names) if random.random() < 0.7 else f"parent->{random.choice((*RELATIONS, *PERMISSIONS))}"


def kinds(random: Random, *others: str) -> str:
    """What a relation takes: `user`, and some of the others."""
    written = ["user", *random.sample(others, random.randint(0, 3))]
    return " | ".join(each + random.choice(("", "", " with small")) for each in written)


def random_schema(random: Random) -> str:
    """A permission is computed of those before it on the same object, and of any beyond an arrow."""
    text = CAVEATS + "definition user {}"
    for type_ in TYPES:
        text += f"\ndefinition {type_} {{\n  relation parent: {' | '.join(random.sample(TYPES, random.randint(1, 2)))}"
        usersets = ("team#r1", "team#p0", "folder#p1")
        text += f"\n  relation r0: {kinds(random, 'user:*', *TYPES, *usersets)}"
        text += f"\n  relation r1: {kinds(random, *TYPES, *usersets)}"
        for number, name in enumerate(PERMISSIONS):
            names = ["r0", "r1", *PERMISSIONS[:number]]
            text += f"\n  permission {name} = {expression(random, names, random.randint(0, 3))}"
        text += "\n}"
    return text


def usable(schema: Schema) -> list[Relationship]:
    """Every relationship that the schema has a place for, over the objects and users of the universe."""
    found = []
    for resource in OBJECTS:
        for relation in schema.definitions[resource.type].relations.values():
            for each in relation.subject_types:
                ids = "*" if each.wildcard else "ab" if each.type == "user" else "12"
                for id in ids:
                    subject = SubjectRef(each.type, id, each.relation)
                    if (each.type, id, each.relation) == (*resource, relation.name):
                        continue  # OpenFGA does not write what is a member of itself
                    for context in CONTEXTS if each.caveat else [None]:
                        use = CaveatUse(str(each.caveat), context) if context is not None else None
                        found.append(Relationship(resource, relation.name, subject, Qualifiers(use)))
    return found


def answers(schema: Schema, facts: Iterable[Relationship], names: Iterable[str]) -> list[tuple[object, ...]]:
    """What each user is told of each name of each object: the verdict and what is missing, or the error."""
    graph = Graph()
    for fact in facts:
        graph.add(fact)
    evaluation = Evaluation(schema, graph, now_us=0, context=ASKED)
    told: list[tuple[object, ...]] = []
    for resource in OBJECTS:
        for name in names:
            for user in USERS:
                try:
                    answer = evaluation.check(resource, name, SubjectRef(*user), Budget())
                    told.append((answer.verdict, answer.missing))
                except RemitError as error:
                    told.append((error.reason,))
    return told


@pytest.mark.seeds(50)
def test_what_is_exported_means_there_and_read_again_what_it_meant(seeds: Seeds, tmp_path: Path) -> None:
    """There by OpenFGA's own judge, who knows no conditions: he judges what is under none."""
    path, names = tmp_path / "store.fga.yaml", (*RELATIONS, *PERMISSIONS)
    exported = 0
    for seed in seeds:
        random = Random(seed)
        schema = compile_schema(random_schema(random)).schema
        try:
            model = model_of(schema)
        except InvalidArgument as error:
            assert "nothing that is written leads to it" in error.message
            continue
        exported += 1
        assert parse_model(print_model(model)) == model
        fitting = usable(schema)
        drawn = [random.choice(fitting) for _ in range(random.randint(5, 40))]
        facts = list({fact.key: fact for fact in drawn}.values())
        path.write_text(store_head("default", schema) + "".join(tuple_line(fact) for fact in facts))
        moved = read_moved(path)
        assert {key: moved.translated.names.relations[key] for key in KEYS} == {key: key[1] for key in KEYS}
        assert answers(moved.world.schema, moved.world.relationships, names) == answers(schema, facts, names)
        judged(model, schema, [fact for fact in facts if fact.qualifiers.caveat is None])
    seeds.require(exported > len(seeds.range) / 2, exported)


def judged(model: Model, schema: Schema, facts: list[Relationship]) -> None:
    written = [Tuple(str(fact.resource), fact.relation, str(fact.subject)) for fact in facts]
    try:
        holders = Judge(model, written, [str(each) for each in (*USERS, *OBJECTS)]).holders()
    except ValueError:
        return  # what hangs on its own negation is an error here
    expected = [
        (Verdict.YES if str(user) in holders[str(resource), name] else Verdict.NO, ())
        for resource in OBJECTS
        for name in (*RELATIONS, *PERMISSIONS)
        for user in USERS
    ]
    assert answers(schema, facts, (*RELATIONS, *PERMISSIONS)) == expected


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), VALUES, max_size=3))
def test_any_context_is_read_as_it_was_written(context: dict[str, object]) -> None:
    use = CaveatUse("small", canonical_json(context))
    fact = Relationship(ObjectRef("doc", "a@b/c|d=+-_.!~"), "r", SubjectRef("team", "1", "m"), Qualifiers(use))
    text = "model\n schema 1.1\ntype team\n relations\n  define m: [team]\n"
    text += "type doc\n relations\n  define r: [team#m with small]\ncondition small(x: int) { x < 1 }"
    names = translate(parse_model(text)).names
    line = tuple_line(fact)
    assert line.count("\n") == 1
    (written,) = read_yaml(line, name="tuples")
    assert read_tuple(written, names) == fact


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (
            "permission p = r - nil",
            "permission `p` of `doc` cannot be exported to OpenFGA: OpenFGA has no word for `nil`",
        ),
        ("permission p = self", "no word for `self`"),
        ("permission p = r.all(r)", "no word for `r.all(r)`"),
        ("permission p = subject->r", "no word for `subject->r`"),
        ("permission p = r.exists()", "no word for `r.exists()`"),
        ("permission p = r.along(r)", "no word for `r.along(r)`"),
        ("single relation q: user", "relation `q` of `doc` cannot be exported to OpenFGA: it is `single`"),
        ("final relation q: user", "it is `final`"),
        ("managed relation q: user", "it is `managed`"),
        ("relation q: user with expiration", "it takes `user with expiration`, and OpenFGA knows no times"),
        ("relation q: user with not_before", "knows no times"),
        ("relation q: user with arguments", "it takes `user with arguments`, and OpenFGA judges no calls"),
        ("relation q: doc#r\n permission p = q->r", "`q->r` begins at `doc#r`"),
        ("permission p = r->p", "`p` of `doc` cannot be exported to OpenFGA: nothing that is written leads to it"),
        ("relation q: doc#q", "`q` of `doc` cannot be exported to OpenFGA: nothing that is written leads to it"),
        ("relation or: user", "it is a word of its language"),
        (f"relation {'q' * 51}: user", "is of letters, digits and `_`, at most 50"),
    ],
)
def test_what_openfga_has_no_word_for_is_refused_by_name(member: str, said: str) -> None:
    flags = "use arguments\nuse delegation\nuse expiration\nuse not_before\nuse self\n"
    schema = compile_schema(
        f"{flags}definition user {{ relation r: user }}\ndefinition doc {{ relation r: doc\n{member} }}"
    ).schema
    with pytest.raises(InvalidArgument) as caught:
        model_of(schema)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("caveat", "said"),
    [
        ("c(x bytes) { x == b'' }", "`x` is of type `bytes`"),
        ("c(x any) { x == 1 }", "`x` is of type `any`"),
        ("c(x list<list<int>>) { x == [] }", "`x` is of type `list<list<int>>`"),
        ("c(x map<any>) { x.isSubtreeOf({}) }", "`x` is of type `map<any>`"),
        ("c(x map<int>) { x[?'a'].hasValue() }", "reads `[?` otherwise"),
        ("c(x string) { x == 'a #b' }", "reads `#` otherwise"),
        ("c(x string) { x == 'a\u2028b' }", "the character U+2028"),
        ("1c(x string) { x == '' }", "caveat `1c`"),
        (f"c({'x' * 51} string) {{ {'x' * 51} == '' }}", "parameter of caveat `c` `xxx"),
    ],
)
def test_a_caveat_that_openfga_would_read_otherwise_is_refused(caveat: str, said: str) -> None:
    schema = compile_schema(f"caveat {caveat}\ndefinition user {{}}").schema
    with pytest.raises(InvalidArgument) as caught:
        model_of(schema)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("team:a#r@team:a#r", "does not write what is a member of itself"),
        ("doc:a:b#r@user:u", "an id there has no `:`"),
        ("doc:a#r@user:u*", "an id there has no `*`"),
        (f"doc:{'a' * 253}#r@user:u", "at most 256 characters"),
        (f"doc:a#r@user:{'u' * 508}", "and a user 512"),
        ("doc:a#r@user:u[expiration:2030-01-01T00:00:00Z]", "no times"),
    ],
)
def test_a_relationship_that_openfga_cannot_hold_is_refused(fact: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        tuple_line(parse_relationship(fact))
    assert said in caught.value.message


def test_a_model_is_printed_as_people_write_it(tmp_path: Path) -> None:
    schema = compile_schema(
        "caveat hours(hour int) { hour >= 8 }\ndefinition user {}\n"
        "definition doc {\n  relation parent: doc\n  relation viewer: user | user:* | user with hours\n"
        "  permission view = (viewer + parent->view) - (parent & viewer)\n}"
    ).schema
    assert store_head("default", schema) == (
        'name: "default"\nmodel: |\n  model\n    schema 1.1\n\n  type user\n\n  type doc\n    relations\n'
        "      define parent: [doc]\n      define viewer: [user, user:*, user with hours]\n"
        "      define view: (viewer or view from parent) but not (parent and viewer)\n\n"
        "  condition hours(hour: int) {\n    hour >= 8\n  }\ntuples:\n"
    )
    assert store_head("s", schema).startswith('name: "store s"\n')  # it has three characters at least
    assert tuple_line(parse_relationship('doc:a#viewer@user:b[hours:{"hour":9}]')) == (
        '  - {"object": "doc:a", "relation": "viewer", "user": "user:b", '
        '"condition": {"name": "hours", "context": {"hour": 9}}}\n'
    )
