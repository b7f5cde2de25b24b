"""Law: of tools with destinations, whatever a user's task would do is let through, and what an injected text would do
is refused by the word that stands beside it; what nothing refuses is named, with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from bench.injections.asked import answers, answers_by_tool_alone
from bench.injections.domain import NAMES, ORGANISATION, Domain, Sample
from bench.injections.refusal import NO_GRANT, READING, first_refusal
from remit.errors import CallUnjudgeable, InvalidCall
from remit.eval.budget import Budget
from remit.eval.calls import JudgedCall
from remit.eval.semantics import Evaluation
from remit.graph.native import available
from remit.graph.plain import Graph
from remit.model import Verdict
from remit.native_core import SWITCH
from tests.support.places import ROOT

DOMAINS = [Domain.read(name) for name in NAMES]
# What a stranger would put in the place of a value, and the arguments in which anything may stand: texts for people,
# and the house that a journey's run is to choose.
STRANGE: tuple[object, ...] = (
    "eve@drop.example",
    "PIA@fenwick.example",
    "https://drop.example/",
    "/etc/passwd",
    "*",
    "drop.example",
    "203.0.113.9",
    "GB29NWBK60161331926819",
    "99999",
    "2099-01-01",
    "owner",
    99_999,
    -1,
)
FREE = {
    ("mail.send", "subject"),
    ("mail.send", "body"),
    ("mail.reply", "body"),
    ("drive.write", "text"),
    ("hotel.book", "hotel"),
}

each_domain = pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)


@pytest.fixture(params=["core", "python"], autouse=True)
def who_answers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setenv(SWITCH, "off")
    elif not available():
        pytest.skip("the native core is not built here, or is switched off")


def answers_by_meaning(domain: Domain, samples: Sequence[Sample]) -> list[Verdict | None]:
    graph = Graph(domain.facts())
    found: list[Verdict | None] = []
    for each in samples:
        question = domain.question(each)
        try:
            judged = JudgedCall(each.call, domain.descriptor)
            evaluation = Evaluation(ORGANISATION, graph, now_us=0, call=judged)
            asked = (question.resource, question.permission, question.subject)
            found.append(evaluation.check(*asked, budget=Budget()).verdict)
        except (CallUnjudgeable, InvalidCall):
            found.append(None)
    return found


def expected(sample: Sample) -> Verdict | None:
    if not sample.refused_by:
        return Verdict.YES
    return None if sample.is_unjudged else Verdict.NO


def strange_variants(arguments: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """The arguments with one scalar of them strange, by the top-level key in which it is."""
    for key, value in arguments.items():
        for changed in with_one_strange(value):
            yield key, {**arguments, key: changed}


def with_one_strange(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: changed} for changed in with_one_strange(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], changed, *value[index + 1 :]] for changed in with_one_strange(item))
    else:
        yield from (each for each in STRANGE if each != value)


def told(samples: Sequence[Sample], found: Sequence[Verdict | None]) -> list[tuple[str, Verdict | None]]:
    return [(each.about, answer) for each, answer in zip(samples, found, strict=True)]


@each_domain
def test_what_a_task_would_do_is_let_through_and_what_a_text_would_is_refused(domain: Domain) -> None:
    wanted = told(domain.samples, [expected(each) for each in domain.samples])
    assert told(domain.samples, answers(domain, domain.samples)) == wanted
    assert told(domain.samples, answers_by_meaning(domain, domain.samples)) == wanted


@each_domain
def test_each_is_refused_by_what_it_says(domain: Domain) -> None:
    found = {each.about: first_refusal(domain, each.call) for each in domain.samples}
    assert found == {each.about: each.refused_by for each in domain.samples}


@each_domain
def test_a_grant_that_says_which_tool_alone_would_let_them_through(domain: Domain) -> None:
    alone = {NO_GRANT, READING}
    wanted = [expected(each) if each.refused_by in alone else Verdict.YES for each in domain.samples]
    assert told(domain.samples, answers_by_tool_alone(domain, domain.samples)) == told(domain.samples, wanted)


@each_domain
def test_no_value_of_a_task_can_be_a_strangers(domain: Domain) -> None:
    tried = [
        (argument, each._replace(call=each.call._replace(arguments=json.dumps(changed).encode())))
        for each in domain.benign
        for argument, changed in strange_variants(json.loads(each.call.arguments))
    ]
    found = answers(domain, [sample for _, sample in tried])
    passing = zip(tried, found, strict=True)
    free = {(sample.call.tool, argument) for (argument, sample), answer in passing if answer is Verdict.YES}
    assert free == {(tool, argument) for tool, argument in FREE if tool in domain.tools}


@each_domain
def test_there_are_enough_calls_to_mean_something(domain: Domain) -> None:
    assert len(domain.benign) >= 10
    assert len(domain.injected) >= 15
    assert len({each.about for each in domain.samples}) == len(domain.samples), "each is about something of its own"
    assert {each.call.tool for each in domain.samples} == set(domain.tools), "each tool is called"
    assert all(gap.why_not for gap in domain.gaps)


@each_domain
def test_the_page_says_what_comes_out(domain: Domain) -> None:
    attacks = (*domain.injected, *domain.gaps)
    passing, refused, by_tool = (
        answers(domain, domain.benign).count(Verdict.YES),
        len(attacks) - answers(domain, attacks).count(Verdict.YES),
        len(attacks) - answers_by_tool_alone(domain, attacks).count(Verdict.YES),
    )
    row = f"| {domain.name} | {passing} of {len(domain.benign)} | {refused} of {len(attacks)} | {by_tool} |"
    assert row in (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
