"""Laws of effort: the work of a compilation grows with its schema, and ends at once when nobody waits for it.

Work is counted in looks at the interrupt, not in seconds: they do not hang on the machine."""

from __future__ import annotations

import pytest

from remit.errors import Cancelled, LimitExceeded, RemitError
from remit.language.caveats import Programs, compile_alone
from remit.language.compiler import compile_schema
from remit.language.diff import diff
from remit.language.effort import Effort
from remit.language.parameters import INT
from tests.support import large_schemas

SIZE = 400
GROWTH_MAX = 2.6  # of what is twice as large


class Looks:
    """An interrupt that counts, and raises at the look it is told to."""

    def __init__(self, ends_at: int = 0) -> None:
        self.count = 0
        self.ends_at = ends_at

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.ends_at:
            raise Cancelled("the caller left")


def looks_of(text: str) -> int:
    looks = Looks()
    try:
        schema = compile_schema(text, interrupt=looks).schema
        diff(schema, compile_schema(text + "\ndefinition one_more {}").schema, looks)
    except RemitError:
        pass  # refusing costs no more than compiling
    return looks.count


@pytest.mark.parametrize("shape", large_schemas.SHAPES)
def test_twice_the_schema_is_twice_the_work(shape: str) -> None:
    once, twice = (looks_of(large_schemas.SHAPES[shape](size)) for size in (SIZE, 2 * SIZE))
    assert once >= 5, "the work is looked at"
    assert twice / once < GROWTH_MAX


@pytest.mark.parametrize("shape", ["exclusions", "chains of types", "unknown names", "caveats", "partials"])
def test_what_an_interrupt_raises_ends_the_work_at_once(shape: str) -> None:
    text = large_schemas.SHAPES[shape](60)
    whole = looks_of(text)
    assert whole > 3
    for at in range(1, whole + 1):
        looks = Looks(at)
        with pytest.raises(Cancelled):
            schema = compile_schema(text, interrupt=looks).schema
            diff(schema, compile_schema(text + "\ndefinition one_more {}").schema, looks)
        assert looks.count == at, "nothing is looked at afterwards"


def test_a_schema_of_too_many_terms_is_refused_by_the_limits_name() -> None:
    text = "definition user {}\ndefinition doc {\n relation a: user | user:*\n permission b = a + (a & a)\n}"
    assert compile_schema(text, terms_max=9).warnings == ()
    with pytest.raises(LimitExceeded, match="more than the 8 terms allowed") as caught:
        compile_schema(text, terms_max=8)
    assert caught.value.metadata["name"] == "schema_terms_max"
    assert caught.value.metadata["limit"] == "8"


def test_partials_are_counted_where_they_are_brought() -> None:
    text = large_schemas.SHAPES["partials"](10_000)  # 6 kB that mean 160,000 members
    looks = Looks()
    with pytest.raises(LimitExceeded):
        compile_schema(text, terms_max=20_000, interrupt=looks)
    assert looks.count < 2_000  # a look every 32 steps, and some: 20,000 terms were counted, not 160,000


def test_caveats_share_an_environment_and_know_nothing_of_one_another() -> None:
    text = "definition user {} caveat one(a int) { a > 1 } caveat two(b int) { b > 1 && a > 1 }"
    with pytest.raises(RemitError) as caught:
        compile_schema(text)
    assert "undeclared reference to `a`" in caught.value.message
    programs = Programs([{"a": INT}, {"b": INT}])
    assert not isinstance(programs.of({"a": INT}, "a > 1"), tuple)
    assert isinstance(programs.of({"b": INT}, "a > b"), tuple)


def test_a_caveat_that_is_refused_costs_the_others_nothing() -> None:
    others = "".join(f"caveat c{at}(a int) {{ a > {at} }}\n" for at in range(50))
    for refused in ("caveat bad(int int) { int > 1 }", "caveat bad(a int) { a > }", "caveat bad(a string) { a }"):
        before = compile_alone.cache_info().misses
        with pytest.raises(RemitError, match="bad"):
            compile_schema(f"{others}{refused}\ndefinition user {{}}")
        assert compile_alone.cache_info().misses == before + 1


def test_an_effort_without_a_limit_has_none() -> None:
    Effort().require_terms(10**9)
