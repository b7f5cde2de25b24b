"""The rules of delegation: what `along`, `exists()` and `subject->` may not say, and agents, who may.

Refusals are a table like test_checker's: `«…»` marks where the caret must stand."""

from __future__ import annotations

import re
from random import Random

import pytest

from remit.errors import SchemaInvalid
from remit.language import compile_schema
from remit.language.plan import Along, Exclusion, Exists, Intersection, Name, SubjectArrow
from tests.support.seeds import Seeds

HEAD = "use delegation\nuse expiration\nuse not_before\nuse self\n"
CAVEAT = "caveat limit(amount int) { amount < 10 }\n"
USER = "definition user {\npermission live = self\n}\n"
TEAM = "definition team { relation member: user }\n"
RUN = "definition run {\nrelation boss: run | user\npermission live = self\n}\n"
TOOL = "definition tool {\nrelation may: user | run\npermission use = may.along(boss)\n}\n"


def tool(*members: str) -> str:
    return "definition tool {\n" + "\n".join(members) + "\n}\n"


REFUSED = {
    # --- final relations ---
    "final relation with a caveat": (
        CAVEAT + USER + "definition run { final relation ended: user | «user with limit» }\n",
        "final-relation-qualified",
        "whoever asks and whenever",
    ),
    "final relation with an end": (
        USER + "definition run { final managed relation ended: «user:* with expiration» | user }\n",
        "final-relation-qualified",
        "`ended` of `run`",
    ),
    "final relation with a beginning": (
        USER + "definition run { single final relation ended: «user with not_before» }\n",
        "final-relation-qualified",
        "`user with not_before`",
    ),
    # --- chain relations ---
    "chain relation with a caveat": (
        CAVEAT + USER + "definition run { relation boss: run | «user with limit» }\n" + TOOL,
        "chain-relation-qualified",
        "a caveat",
    ),
    "chain relation with an end": (
        USER + "definition run { relation boss: «run with expiration» | user }\n" + TOOL,
        "chain-relation-qualified",
        "a time",
    ),
    "chain relation with a beginning": (
        USER + "definition run { relation boss: «run with not_before» | user }\n" + TOOL,
        "chain-relation-qualified",
        "a time",
    ),
    "chain relation with a wildcard": (
        USER + "definition run { relation boss: run | «user:*» }\n" + TOOL,
        "chain-relation-qualified",
        "a wildcard",
    ),
    "chain relation with a userset": (
        USER + TEAM + "definition run { relation boss: run | user | «team#member» }\n" + TOOL,
        "chain-relation-qualified",
        "a userset",
    ),
    "chain relation in a definition that no chain meets": (
        USER + RUN + TOOL + "definition hat { relation boss: «user:* with expiration» }\n",
        "chain-relation-qualified",
        "a wildcard and a time",
    ),
    # --- along ---
    "along nothing": (
        USER + RUN + tool("relation may: user | run", "permission use = «may.along()»"),
        "along-empty",
        "names no relation",
    ),
    "along one relation twice": (
        USER + RUN + tool("relation may: user | run", "permission use = may.along(boss, «boss»)"),
        "along-repeats",
        "twice",
    ),
    "along a permission": (
        USER + RUN + tool("relation may: user | run", "permission use = may.along(boss, «live»)"),
        "along-permission",
        "`live` is a permission",
    ),
    "along what another type has as a permission": (
        USER
        + "definition bot {\nrelation made_by: user\npermission boss = made_by\n}\n"
        + RUN
        + tool("relation may: user | run | bot", "permission use = may.along(«boss»)"),
        "along-permission",
        "`boss` is a permission of `bot`",
    ),
    "along a relation of no type": (
        USER + RUN + tool("relation may: user | run", "permission use = may.along(«bos»)"),
        "unknown-relation",
        "`bos` is not defined on any type",
    ),
    "along a relation of no type that is reached": (
        USER + RUN + tool("relation may: user", "permission use = may.along(«boss»)"),
        "along-unreachable-relation",
        "that reaches `user`",
    ),
    "along an unknown permission": (
        USER + RUN + tool("relation may: user | run", "permission use = «ma».along(boss)"),
        "unknown-relation",
        "`ma` is not defined on `tool`",
    ),
    # --- exists ---
    "exists of a permission": (
        USER + tool("relation a: user", "permission b = a", "permission c = «b».exists()"),
        "exists-on-permission",
        "`b` of `tool` is a permission",
    ),
    "exists of nothing": (USER + tool("permission c = «b».exists()"), "unknown-relation", "`b` is not defined"),
    # --- self-reference ---
    "along itself": (
        USER + RUN + tool("relation may: user | run", "permission use = may + «use.along(boss)»"),
        "self-reference",
        "permission `use` asks itself",
    ),
    "subject arrow to itself": (
        USER + RUN + tool("permission use = «subject->use»"),
        "self-reference",
        "permission `use` asks itself",
    ),
    # --- subject-> under a minus ---
    "subtracted from a type that cannot be asked": (
        USER + "definition bot {}\n" + tool("relation may: user | bot", "permission use = may - «subject->live»"),
        "subject-arrow-subtracted",
        "would not stop `bot`",
    ),
    "subtracted from a userset": (
        USER + TEAM + tool("relation may: team#member", "permission use = may - «subject->live»"),
        "subject-arrow-subtracted",
        "would not stop `team#member`",
    ),
    "subtracted below other operators": (
        USER
        + "definition bot {}\n"
        + tool(
            "relation may: user | bot",
            "relation odd: user",
            "permission use = may - (odd + (odd & «subject->live»))",
        ),
        "subject-arrow-subtracted",
        "would not stop `bot`",
    ),
    "subtracted from everybody": (
        USER + tool("relation may: user", "permission use = may.exists() - «subject->live»"),
        "subject-arrow-subtracted",
        "would not stop `tool`",
    ),
    "subtracted by another name": (
        USER
        + "definition bot {}\n"
        + tool("relation may: user | bot", "permission awake = subject->live", "permission use = may - «awake»"),
        "subject-arrow-subtracted",
        "(by `awake`)",
    ),
    "subtracted by way of another type": (
        USER
        + "definition bot {}\ndefinition room { permission awake = subject->live }\n"
        + tool("relation may: user | bot", "relation in: room", "permission use = may - «in->awake»"),
        "subject-arrow-subtracted",
        "(by `in->awake`)",
    ),
    "subtracted where nobody can be asked": (
        USER + tool("relation may: user", "permission use = may - «subject->lively»"),
        "subject-arrow-subtracted",
        "would not stop `user`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_dangerous_form_is_refused_at_its_place(case: str) -> None:
    marked, code, said = REFUSED[case]
    marked = HEAD + marked
    text = marked.replace("«", "").replace("»", "")
    with pytest.raises(SchemaInvalid) as caught:
        compile_schema(text)
    assert [issue.code for issue in caught.value.issues] == [code]  # type: ignore[attr-defined]
    (issue,) = caught.value.issues
    assert said in issue.message  # type: ignore[attr-defined]
    assert issue.span.start == marked.index("«")  # type: ignore[attr-defined]


ACCEPTED = {
    "subject arrow subtracted from who can be asked": USER
    + tool("relation may: user", "permission use = may - subject->live"),
    "subject arrow subtracted from a chain": USER
    + RUN
    + tool("relation may: user | run", "permission use = may.along(boss) - subject->live"),
    "subject arrow granted to who cannot be asked": USER
    + "definition bot {}\n"
    + tool("relation may: user | bot", "permission use = may & subject->live"),
    "exists subtracted from everybody": USER + tool("relation may: user", "permission use = may - may.exists()"),
    "along by a type that only the chain leads to": USER
    + "definition agent { relation boss: user }\n"
    + "definition run { relation made_of: agent }\n"
    + tool("relation may: run", "permission use = may.along(made_of, boss)"),
    "along a relation, too": USER + RUN + TOOL,
    "modifiers": USER
    + "definition run {\nsingle relation boss: run | user\nmanaged relation a: user\n"
    + "single managed relation b: user\n}\n",
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_safe_compiles(case: str) -> None:
    compile_schema(HEAD + ACCEPTED[case])


# The core of the agents' schema, with the least that finishes it.
AGENTS = """
use delegation
use expiration
use self

definition directory {}
definition hold {}
definition intent {}
definition team { relation member: user }
definition estate {
    relation hold: hold
    permission stopped = hold.exists()
}
definition domain {
    relation estate: estate
    relation hold: hold
    permission stopped = hold.exists() + estate->stopped
}
definition user {
    managed relation registered: directory
    managed relation hold: hold
    permission stopped = hold.exists()
    permission live    = (self & registered.exists()) - stopped
    permission any_intent = self
}
definition agent {
    managed relation registered: directory
    managed relation owner: user | team#member
    single relation domain: domain
    managed relation hold: hold
    permission stopped = hold.exists() + domain->stopped
    permission live    = (self & registered.exists() & owner.exists()) - stopped
    permission any_intent = self
    permission inherits = self
}
definition agent_version {
    single managed relation version_of: agent
    managed relation certified: directory
    managed relation hold: hold
    permission live = (self & certified.exists()) - hold.exists()
    permission any_intent = self
    permission inherits = self
}
definition run {
    single managed relation delegated_by: run | user
    single managed relation instance_of: agent_version
    managed relation intent: intent
    managed relation without_intent: directory
    managed relation hold: hold
    permission live = (self & (intent.exists() + without_intent.exists())) - hold.exists()
    permission any_intent = self & without_intent.exists()
    permission inherits = self
}
definition tool {
    relation may_use: user | team#member | agent | agent_version | run with expiration | run
    relation in_intent: run
    relation denied: user | user:* | agent | agent:* | run | run:*
    managed relation hold: hold
    permission link = (may_use & (in_intent + subject->any_intent) & subject->live) - denied
    permission use  = link.along(delegated_by, instance_of, version_of) - hold.exists()
}
definition level {
    relation above: level
    relation cleared: user | team#member | agent | agent_version | run
    permission admits = cleared + above->admits
}
definition dataset {
    relation reader: user | team#member | agent | agent_version | run
    relation classification: level
    relation denied: user | user:* | agent | agent:* | run | run:*
    permission link = ((reader + subject->inherits) & classification.all(admits) & subject->live) - denied
    permission read = link.along(delegated_by, instance_of, version_of)
}
"""


def test_the_core_of_the_agents_schema_compiles_without_a_warning() -> None:
    compiled = compile_schema(AGENTS)
    assert compiled.warnings == ()
    schema = compiled.schema
    assert schema.chain_relations == {"delegated_by", "instance_of", "version_of"}
    assert schema.definitions["run"].relations["delegated_by"].single
    assert schema.definitions["run"].relations["delegated_by"].managed
    assert not schema.definitions["tool"].relations["may_use"].single
    use = schema.definitions["tool"].permissions["use"].expression
    assert use == Exclusion(Along("link", ("delegated_by", "instance_of", "version_of")), Exists("hold"))
    link = schema.definitions["tool"].permissions["link"].expression
    assert isinstance(link, Exclusion)
    assert link.subtracted == Name("denied")
    assert isinstance(link.base, Intersection)
    assert link.base.children[2] == SubjectArrow("live")
    assert len(link.base.children) == 3


@pytest.mark.seeds(200)
def test_a_schema_with_a_word_astray_compiles_or_is_refused_inside_its_text(seeds: Seeds) -> None:
    pieces = re.findall(r"\w+|\s+|[^\w\s]", AGENTS)
    names = [
        at for at, piece in enumerate(pieces) if piece.isidentifier() and piece not in ("definition", "permission")
    ]
    refused = 0
    for seed in seeds:
        random = Random(seed)
        astray = list(pieces)
        for _ in range(random.randint(1, 3)):
            astray[random.choice(names)] = pieces[random.choice(names)]
        text = "".join(astray)
        try:
            issues = compile_schema(text).warnings
        except SchemaInvalid as error:
            issues = error.issues  # type: ignore[assignment]
            refused += 1
        for issue in issues:
            assert 0 <= issue.span.start <= issue.span.end <= len(text)
            assert issue.render()
    seeds.require(50 < refused < 200, f"{refused} were refused")
