"""Schemas of any size, by shape: each is of what some step of the compiler would look at twice.

A shape takes a size, and its text grows with it in proportion."""

from __future__ import annotations

from collections.abc import Callable, Iterable

USER = "definition user {}\n"


def _definition(name: str, *members: str | Iterable[str]) -> str:
    lines = [line for each in members for line in ([each] if isinstance(each, str) else each)]
    return f"definition {name} {{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def _unions(size: int) -> str:
    relations = (f"relation r{at}: user" for at in range(size))
    unions = (f"permission p{at} = r{at} + r{(at * 7) % size} + r{(at * 11) % size}" for at in range(size))
    return USER + _definition("d", relations, unions)


def _one_union(size: int) -> str:
    names = " + ".join(f"r{at}" for at in range(size))
    return USER + _definition("d", (f"relation r{at}: user" for at in range(size)), f"permission p = {names}")


def _names(size: int) -> str:
    chain = (f"permission p{at} = p{at + 1} + r" for at in range(size))
    return USER + _definition("d", "relation r: user", chain, f"permission p{size} = r")


def _exclusions(size: int) -> str:
    acting = _definition("user", "relation ok: user", "permission asked = ok")
    chain = (f"permission p{at} = r - p{at - 1}" for at in range(1, size))
    return "use delegation\n" + acting + _definition("d", "relation r: user", "permission p0 = subject->asked", chain)


def _chain_of_types(size: int) -> str:
    first = _definition("t0", "relation r: user", "permission p = r")
    rest = (
        _definition(f"t{at}", "relation r: user", f"relation up: t{at - 1}", "permission p = r + up->p")
        for at in range(1, size)
    )
    return USER + first + "".join(rest)


def _ring_of_types(size: int) -> str:
    types = (
        _definition(f"t{at}", "relation r: user", f"relation up: t{(at + 1) % size}", "permission p = r + up->p")
        for at in range(size)
    )
    return USER + "".join(types)


def _usersets(size: int) -> str:
    rest = (_definition(f"t{at}", f"relation m: user | t{at - 1}#m") for at in range(1, size))
    return USER + _definition("t0", "relation m: user") + "".join(rest)


def _wildcards(size: int) -> str:
    chain = (f"relation m{at}: g#m{at - 1}" for at in range(1, size))
    holders = (f"relation r{at}: g#m{size - 1}" for at in range(size))
    return USER + _definition("g", "relation m0: user:*", chain) + _definition("d", holders)


def _arrows(size: int) -> str:
    types = "".join(_definition(f"t{at}", "relation m: user") for at in range(size))
    leading = " | ".join(f"t{at}" for at in range(size))
    return USER + types + _definition("d", f"relation r: {leading}", (f"permission p{at} = r->m" for at in range(size)))


def _dead_arrows(size: int) -> str:
    types = "".join(_definition(f"t{at}", f"relation m{at}: user") for at in range(size))
    leading = " | ".join(f"t{at}" for at in range(size))
    arrows = (f"permission p{at} = r->m{at}" for at in range(size))
    return USER + types + _definition("d", f"relation r: {leading}", arrows)


def _acting_subjects(size: int) -> str:
    types = "".join(_definition(f"t{at}", f"relation ok: t{at}", "permission a = ok") for at in range(size))
    asking = (f"permission p{at} = r & subject->a" for at in range(size))
    return "use delegation\n" + types + _definition("d", "relation r: t0", asking)


def _subtracted_subjects(size: int) -> str:
    acting = _definition("user", "relation ok: user", (f"permission u{at} = ok" for at in range(size)))
    asking = (f"permission p{at} = r - subject->u{at}" for at in range(size))
    return "use delegation\n" + acting + _definition("d", "relation r: user", asking)


def _delegations(size: int) -> str:
    types = "".join(_definition(f"t{at}", f"relation by: t{(at + 1) % size}") for at in range(size))
    leading = " | ".join(f"t{at}" for at in range(size))
    chains = (f"permission p{at} = r.along(by)" for at in range(size))
    return "use delegation\n" + types + _definition("d", f"relation r: {leading}", chains)


def _narrowing(size: int) -> str:
    chain = (f"permission x{at} = x{at - 1} - r" for at in range(1, size))
    entries = (f"permission p{at} = r.along(by) & x{size - 1}" for at in range(size))
    run = _definition("run", "relation by: run")
    return "use delegation\n" + run + _definition("d", "relation r: run", "permission x0 = r - r", chain, entries)


def _aliases(size: int) -> str:
    return USER + _definition(
        "d", "relation r: user", (f"permission p{at} = p{at + 1}" for at in range(size)), f"permission p{size} = r"
    )


def _caveats(size: int) -> str:
    return USER + "".join(f"caveat c{at}(a{at} int, b int) {{ a{at} < b && b > {at} }}\n" for at in range(size))


def _caveated_types(size: int) -> str:
    caveats = "".join(f"caveat c{at}(a int) {{ a > {at} }}\n" for at in range(size))
    return USER + caveats + _definition("d", "relation r: " + " | ".join(f"user with c{at}" for at in range(size)))


def _partials(size: int) -> str:
    side = 4 * int(size**0.5)
    brought = "".join(f"\tpermission p{at} = r\n" for at in range(side))
    definitions = "".join(f"definition t{at} {{ ...q }}\n" for at in range(side))
    return f"use partial\n{USER}partial q {{\n\trelation r: user\n{brought}}}\n{definitions}"


def _unknown_names(size: int) -> str:
    return USER + _definition("d", "relation r: user", (f"permission p{at} = q{at} + zq{at}" for at in range(size)))


def _comments(size: int) -> str:
    members = (f"// spicedb-ignore-warning: some-name\n\t/* {at} */\n\tpermission p{at} = r" for at in range(size))
    return USER + _definition("d", "relation r: user", members)


SHAPES: dict[str, Callable[[int], str]] = {
    "unions": _unions,
    "one union": _one_union,
    "chains of names": _names,
    "exclusions": _exclusions,
    "chains of types": _chain_of_types,
    "rings of types": _ring_of_types,
    "usersets": _usersets,
    "wildcards": _wildcards,
    "arrows": _arrows,
    "dead arrows": _dead_arrows,
    "acting subjects": _acting_subjects,
    "subtracted subjects": _subtracted_subjects,
    "delegations": _delegations,
    "narrowing": _narrowing,
    "aliases": _aliases,
    "caveats": _caveats,
    "caveated types": _caveated_types,
    "partials": _partials,
    "unknown names": _unknown_names,
    "comments": _comments,
}
