"""The kinds of documents by which an organisation describes itself: a table of what each may say, and of the facts that
are written for it.

In a fact `{name}` is the document's own name, and `{ref}` what the field names: an object, or a subject with its
relation. A field that may name several types takes a name without one as of the first.
Law: every fact that a document may imply names the document, in a place that no other kind writes; so whose a fact is
can be read off the fact, and two documents never claim the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

API_VERSION = "remit/v1"
# Where a document names no directory: that of the verbs.
DIRECTORY = "remit"


class Form(Enum):
    """What a field's value is."""

    ONE = "one name"
    MANY = "a list of names"
    FLAG = "true, or left out"
    CHOICE = "one of a few words"
    CEILINGS = "the ceilings of an agent's runs"
    DESCRIPTOR = "a descriptor, or the digest of one"
    INTENT = "what is covered, or `same`"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a `spec`. `fact`: what is written for each name in it, "" where that is not all. `types`: whom it
    may name, as a schema says it: `team#member`, `run:*`. `takes`: which of `from`, `until`, `arguments` and `matching`
    a name may have beside it. `is_fixed`: what it said first is what it says. `stays_away`: what somebody has
    taken away is not written again, for to examine something anew is no file's to do."""

    name: str
    form: Form
    fact: str
    types: tuple[str, ...]
    about: str
    takes: tuple[str, ...] = ()
    default: str = ""
    is_required: bool = False
    is_fixed: bool = False
    stays_away: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of documents. `list`: the kind of a list of them. `type`: of the object that one is about. `either`:
    fields of which it has exactly one. `ended_by`: a relation that ends such an object for good."""

    name: str
    list: str
    type: str
    about: str
    fields: tuple[Field, ...] = ()
    either: tuple[str, ...] = ()
    ended_by: str = ""

    def field(self, name: str) -> Field | None:
        return next((each for each in self.fields if each.name == name), None)


_OWNERS = ("user", "team#member")
_HOLDERS = ("user", "team#member", "system", "agent", "agent_version")
_KNOWING = ("user", "team#member", "system")
_ANYBODY = (
    "agent", "agent:*", "agent_version", "agent_version:*", "run:*", "user", "user:*", "system", "system:*",
)  # fmt: skip
_UNTIL = ("until",)
_FROM_UNTIL = ("from", "until")
_CALLS = ("arguments",)
_GRANT = ("from", "until", "arguments")
RISKS = ("low", "medium", "high")


def _one(
    name: str,
    type: str,
    fact: str,
    about: str,
    *,
    takes: tuple[str, ...] = (),
    is_required: bool = False,
    is_fixed: bool = False,
) -> Field:
    return Field(name, Form.ONE, fact, (type,), about, takes, is_required=is_required, is_fixed=is_fixed)


def _many(
    name: str,
    types: tuple[str, ...],
    fact: str,
    about: str,
    *,
    takes: tuple[str, ...] = (),
    is_required: bool = False,
    is_fixed: bool = False,
) -> Field:
    return Field(name, Form.MANY, fact, types, about, takes, is_required=is_required, is_fixed=is_fixed)


def _directory(type: str, about: str) -> Field:
    fact = f"{type}:{{name}}#registered@{{ref}}"
    return Field("directory", Form.ONE, fact, ("directory",), about, _UNTIL, default=DIRECTORY)


def _domain(type: str) -> Field:
    about = "The part of the estate that stops it."
    return _one("domain", "domain", f"{type}:{{name}}#domain@{{ref}}", about, is_required=True)


def _inherits(type: str) -> Field:
    about = "It needs no grant of data of its own: those above it in the chain decide."
    return Field("inherits_data", Form.FLAG, f"{type}:{{name}}#inherits_data@directory:{DIRECTORY}", (), about)


def _denied(type: str) -> Field:
    return _many("denied", _ANYBODY, f"{type}:{{name}}#denied@{{ref}}", "From whom it is taken, whatever grants it.")


# fmt: off
_TOOLS = ("tool",)
_DATA = ("dataset",)
# What a profile says under `intent`, where it is not `same`: what whoever declares it is about.
INTENT = (
    _many("tools", _TOOLS, "{ref}#in_intent@profile:{name}#declares", "The tools that it covers.", takes=_CALLS,
          is_fixed=True),
    _many("data", _DATA, "{ref}#in_intent@profile:{name}#declares", "The data that it covers.", takes=_CALLS,
          is_fixed=True),
)
# What an agent says under `ceilings`: whole numbers from 1 on, and a list of names of profiles.
CEILINGS: Mapping[str, str] = {
    "depth_max": "How deep a chain may be that ends in a run of the agent.",
    "fan_out_max": "How many runs may live at a time directly below one of its runs.",
    "lifetime_max_s": "How many seconds one of its runs may live.",
    "profiles": "Which profiles its runs may hold or declare; any where it is left out.",
}

KINDS = (
    Kind("Person", "People", "user", "A person, who may own agents and have runs act for them.", (
        _directory("user", "Who knows the person."),
    )),
    Kind("Team", "Teams", "team", "A group of people. What it is given is gone for those who leave it.", (
        _many("members", _OWNERS, "team:{name}#member@{ref}", "Who belongs: people, and all of another team.",
              takes=_UNTIL),
    )),
    Kind("System", "Systems", "system", "A machine that may have runs act for it, such as a scheduler.", (
        _directory("system", "Who declares the system."),
        _many("owners", _OWNERS, "system:{name}#owner@{ref}", "Who answers for it.", is_required=True),
        _domain("system"),
    )),
    Kind("Consent", "Consents", "consent", "A directory lets agents act for everybody it knows.", (
        Field("directory", Form.ONE, "{ref}#consent@consent:{name}", ("directory",), "For whose people.",
              default=DIRECTORY),
        _many("agents", ("agent",), "consent:{name}#agent@{ref}", "Which agents may.", takes=_UNTIL, is_required=True),
    ), ended_by="withdrawn"),
    Kind("Estate", "Estates", "estate", "All that one organisation answers for. A hold on it is the kill switch."),
    Kind("Domain", "Domains", "domain", "A part of the estate that is stopped as one.", (
        _one("estate", "estate", "domain:{name}#estate@{ref}", "Where it belongs.", is_required=True),
    )),
    Kind("Agent", "Agents", "agent", "A registered identity with an owner. Runs of its versions act.", (
        _directory("agent", "Who vouches for it."),
        _many("owners", (*_OWNERS, "system"), "agent:{name}#owner@{ref}", "Who answers for it.", is_required=True),
        _domain("agent"),
        _inherits("agent"),
        Field("ceilings", Form.CEILINGS, "", (), "What its runs may come to at most."),
    ), ended_by="terminated"),
    Kind("Version", "Versions", "agent_version", "One version of an agent: this model, this prompt, these tools.", (
        _one("of", "agent", "agent_version:{name}#version_of@{ref}", "Whose version it is.", is_required=True,
             is_fixed=True),
        Field("certified", Form.ONE, "agent_version:{name}#certified@{ref}", ("directory",),
              "Who has examined it, and until when.", _UNTIL, stays_away=True),
        _inherits("agent_version"),
    ), ended_by="terminated"),
    Kind("Tool", "Tools", "tool", "Something that acts on the world: an API, an MCP tool, a command.", (
        _directory("tool", "Who offers it."),
        _domain("tool"),
        _many("tags", ("tag",), "tool:{name}#tag@{ref}", "What it is known for."),
        Field("untagged", Form.FLAG, f"tool:{{name}}#untagged@directory:{DIRECTORY}", (),
              "Somebody looked, and no tag fits."),
        Field("risk", Form.CHOICE, "tool:{name}#risk@{ref}", RISKS, "How much harm it can do."),
        Field("descriptor", Form.DESCRIPTOR, "tool:{name}#descriptor@{ref}", (),
              "What it says of its arguments, and is accepted: the document, or its SHA-256.", stays_away=True),
        _many("may_use", (*_HOLDERS, "agent_version:*"), "tool:{name}#may_use@{ref}", "Who has it by name.",
              takes=_GRANT),
        _denied("tool"),
    ), either=("tags", "untagged")),
    Kind("Tag", "Tags", "tag", "What tools are known for: that they spend money, that they send things out."),
    Kind("Profile", "Profiles", "profile", "What may be done, said once. It is not edited, another one is made.", (
        _many("tools", _TOOLS, "{ref}#may_use@profile:{name}#holds", "The tools that it gives.", takes=_CALLS,
              is_fixed=True),
        _many("data", _DATA, "{ref}#reader@profile:{name}#holds", "The data that it gives.", takes=_CALLS,
              is_fixed=True),
        _many("levels", ("level",), "{ref}#cleared@profile:{name}#holds", "The classes of data that it is cleared for.",
              is_fixed=True),
        Field("intent", Form.INTENT, "", (), "What whoever declares it is about; what it gives, if it is left out.",
              default="same", is_fixed=True),
        _many("holders", _HOLDERS, "profile:{name}#holder@{ref}", "Who holds it.", takes=_FROM_UNTIL),
    )),
    Kind("Guardrail", "Guardrails", "guardrail", "A rule that nothing overrides.", (
        _many("over", ("tag", "tool", "domain"), "{ref}#guardrail@guardrail:{name}", "What it rules over.",
              is_required=True),
        _many("forbids", _ANYBODY, "guardrail:{name}#forbids@{ref}", "Whom it forbids, and which calls.",
              takes=("matching",), is_required=True),
    )),
    Kind("Level", "Levels", "level", "A class of data.", (
        _one("above", "level", "level:{name}#above@{ref}", "The next stricter level."),
        _many("cleared", _HOLDERS, "level:{name}#cleared@{ref}", "Who may see data of it and of those below.",
              takes=_UNTIL),
    )),
    Kind("Dataset", "Datasets", "dataset", "Data that is classified as one: a table, a folder, an index.", (
        _domain("dataset"),
        _many("levels", ("level",), "dataset:{name}#classification@{ref}", "Its labels, which must all admit a reader.",
              is_required=True),
        _many("readers", _HOLDERS, "dataset:{name}#reader@{ref}", "Who may read it by name.", takes=_GRANT),
        _denied("dataset"),
    )),
    Kind("Credential", "Credentials", "credential", "What runs are started with: a key, by its id, or a certificate.", (
        _directory("credential", "Who knows it."),
    )),
    Kind("Contact", "Contacts", "user", "Who knows a person, and may have something sent to them.", (
        _many("known_by", _KNOWING, "user:{name}#contact@{ref}", "Who knows the person.", takes=_UNTIL,
              is_required=True),
    )),
)
# fmt: on

BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
BY_LIST: Mapping[str, Kind] = {kind.list: kind for kind in KINDS}
# Whose documents say that an object of that type is there. A contact says nothing of the kind.
BY_TYPE: Mapping[str, Kind] = {kind.type: kind for kind in reversed(KINDS) if kind.name != "Contact"}
