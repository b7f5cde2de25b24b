"""Laws of the translation: what OpenFGA's model answers, the schema made of it answers; what cannot mean the same is
refused where it stands."""

from __future__ import annotations

from random import Random

import pytest

from remit.engine.admission import check_relationship
from remit.errors import RelationshipRefused, SchemaInvalid
from remit.eval.budget import Budget
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.model import Verdict
from remit.openfga.language import parse_model
from remit.openfga.model import Model
from remit.openfga.translation import fit_name, translate
from remit.openfga.tuples import NoPlace, read_object, read_tuple, read_user
from tests.support.openfga_judge import Judge, Tuple
from tests.support.seeds import Seeds

TYPES = ("group", "folder", "document")
RELATIONS = ("owner", "viewer", "can-view")
IDS = ("1", "2")
USERS = ("user:a", "user:b")
OBJECTS = tuple(f"{type_}:{id}" for type_ in TYPES for id in IDS)
NOT_IN_OPENFGA = {"permission-cycle"}
KINDS = ("user", "user:*", *(f"{type_}#{relation}" for type_ in TYPES for relation in RELATIONS))


def leaf(random: Random) -> str:
    match random.randrange(4):
        case 0 | 1:
            return f"[{', '.join(dict.fromkeys(('user', *random.sample(KINDS, random.randint(1, 3)))))}]"
        case 2:
            return random.choice(RELATIONS)
        case _:
            return f"{random.choice(RELATIONS)} from parent"


def rewrite(random: Random, leaves: int) -> str:
    if leaves == 1:
        return leaf(random)
    left = random.randint(1, leaves - 1)
    word = random.choice(("or", "or", "and", "and", "but not"))
    return f"({rewrite(random, left)}) {word} ({rewrite(random, leaves - left)})"


def usable(model: Model) -> list[Tuple]:
    """Every tuple that a relation of the model takes, over the objects and users of the universe."""
    found = []
    for type_ in model.types:
        for relation in type_.relations:
            for each in relation.restrictions:
                users = (
                    [f"{each.type}:*"]
                    if each.is_wildcard
                    else [user for user in (*USERS, *OBJECTS) if user.startswith(f"{each.type}:")]
                )
                suffix = f"#{each.relation}" if each.relation else ""
                found += [Tuple(f"{type_.name}:{id}", relation.name, user + suffix) for id in IDS for user in users]
    return found


def store_of(random: Random) -> tuple[str, list[Tuple]]:
    """A model, and tuples most of which it has a place for."""
    lines = ["model", "  schema 1.1", "type user"]
    for type_ in TYPES:
        parents = random.sample(TYPES, random.randint(1, 2))
        lines += [f"type {type_}", "  relations", f"    define parent: [{', '.join(parents)}]"]
        for relation in RELATIONS:
            written = rewrite(random, random.randint(1, 3))
            # OpenFGA takes one `[…]` a relation.
            lines.append(f"    define {relation}: {'[user, user:*]' if written.count('[') > 1 else written}")
    text = "\n".join(lines)
    places = usable(parse_model(text))
    fitting = [random.choice(places) for _ in range(random.randint(0, 20))]
    users = [*USERS, "user:*", *OBJECTS, *(f"{object}#{relation}" for object in OBJECTS for relation in RELATIONS)]
    others = range(random.randint(0, 3))
    return text, fitting + [
        Tuple(random.choice(OBJECTS), random.choice(("parent", *RELATIONS)), random.choice(users)) for _ in others
    ]


@pytest.mark.seeds(200, shards=2)
def test_the_schema_answers_what_the_model_answers(seeds: Seeds) -> None:
    judged = sum(require_same_answers(*store_of(Random(seed))) for seed in seeds)
    seeds.require(judged > len(seeds.range) / 3, judged)


def require_same_answers(text: str, written: list[Tuple]) -> bool:
    """Whether there was something to judge."""
    model = parse_model(text)
    try:
        translated = translate(model)
    except SchemaInvalid as error:
        # OpenFGA refuses these, too: a relation that is nothing but itself.
        assert {issue.code for issue in error.issues} <= NOT_IN_OPENFGA
        return False
    names, schema = translated.names, translated.compiled.schema
    graph = Graph()
    for each in written:
        try:
            relationship = read_tuple(each._asdict(), names)
            check_relationship(schema, relationship)
        except (NoPlace, RelationshipRefused):
            continue
        graph.add(relationship)
    try:
        holders = Judge(model, written, [*USERS, *OBJECTS]).holders()
    except ValueError:
        return False  # what hangs on its own negation is an error here
    evaluation = Evaluation(schema, graph, now_us=0)
    for (object, relation), users in holders.items():
        permission = names.relations[object.partition(":")[0], relation]
        for user in USERS:
            answer = evaluation.check(read_object(object, names), permission, read_user(user, names), Budget())
            assert (answer.verdict is Verdict.YES) == (user in users), (object, relation, user)
    return True


def refusal_of(*lines: str) -> SchemaInvalid:
    with pytest.raises(SchemaInvalid) as caught:
        translate(parse_model("\n".join(("model", "  schema 1.1", "type user", *lines))))
    return caught.value


@pytest.mark.parametrize(
    ("relations", "line", "said"),
    [
        ("define a: [usr]", 6, "type `usr` is not defined"),
        ("define a: [user#x]", 6, "relation `x` of `user` is not defined"),
        ("define a: [user with c]", 6, "condition `c` is not defined"),
        ("define a: b", 6, "relation `b` of `doc` is not defined"),
        ("define a: a from b", 6, "relation `b` of `doc` is not defined"),
        ("define b: [user, user:*]\n    define a: a from b", 7, "holds more than objects"),
        ("define b: [user]\n    define a: zzz from b", 7, "no type that `b` of `doc` leads to has a relation `zzz`"),
        ("define a: [user]\n    define a: [user]", 7, "already defined"),
        ("define canView: [user]\n    define can-view: [user]", 7, "would both be `can_view`"),
        ("define 1st: [user]", 6, "is no name"),
        ("define a: [user] or [user] and [user]", 6, "write parentheses"),
        ("define a: [user] but not [user] but not [user]", 6, "write parentheses"),
        ("define a: [user] or", 6, "the end of the text"),
        ("define a: [user", 6, "expected `]`"),
        ("define from: [user]\n    define a: from", 7, "expected the name of a relation"),
    ],
)
def test_what_is_wrong_is_refused_where_it_stands(relations: str, line: int, said: str) -> None:
    error = refusal_of("type doc", "  relations", f"    {relations}")
    assert said in error.message
    assert error.metadata["line"] == str(line)


@pytest.mark.parametrize(
    ("name", "fitted"),
    [
        ("viewer", "viewer"),
        ("canView", "can_view"),
        ("can-view", "can_view"),
        ("HTTPServer", "http_server"),
        ("nil", "fga_nil"),
    ],
)
def test_names_are_fitted_to_how_remit_writes_them(name: str, fitted: str) -> None:
    assert fit_name(name) == fitted


def test_each_name_that_is_another_is_told() -> None:
    text = (
        "model\n schema 1.1\ntype user\ntype permission\n relations\n"
        "  define own: [user]\n  define canUse: [user] or own"
    )
    translated = translate(parse_model(text))
    assert translated.names.notes() == [
        "type `permission` is `fga_permission` here",
        "`canUse` of `permission` is `can_use` here",
        "what is written to `canUse` of `permission` is written to `can_use_direct` here",
    ]
    assert "permission can_use = can_use_direct + own" in translated.text


def test_a_name_that_is_taken_gets_a_number() -> None:
    text = (
        "model\n schema 1.1\ntype user\ntype d\n relations\n  define a_direct: [user]\n  define a: [user] or a_direct"
    )
    assert "relation a_direct2: user" in translate(parse_model(text)).text
