"""Random syntax trees, every construct under the flags it needs: what the printer and the parser are judged by."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from remit.arguments.side import SIDES
from remit.language import syntax as sx
from remit.language.tokens import ARGUMENTS, DELEGATION, FLAGS, KEYWORDS

# Words that mean something somewhere, where they may also be names.
_TEMPTING = sorted(
    {"use", "single", "final", "managed", "along", "exists", "any", "all", "subject", "or", "user"}.union(
        *FLAGS.values(), FLAGS
    )
)
_LETTERS = st.characters(categories=["Ll", "Lu", "Lo", "Nd"]) | st.sampled_from("abcxyz019_")
_ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")


@cache  # building a strategy costs more than drawing from it
def names(flags):
    reserved = KEYWORDS.union(*(FLAGS[flag] for flag in flags))
    plain = st.sampled_from(["viewer", "folder", "a", "b2", "_x"])
    word = plain | st.sampled_from(_TEMPTING) | st.text(_LETTERS, min_size=1, max_size=6)
    return word.filter(lambda name: name not in reserved)


@cache
def paths(flags):
    return st.lists(names(flags), min_size=1, max_size=3).map("/".join)


_LINE_COMMENT = st.text(_ANY, max_size=12).map(lambda text: ("//" + text).rstrip())
_BLOCK_COMMENT = (
    st.lists(_ANY | st.sampled_from(["\n", "\n\t", "\n *", "/", "*"]), max_size=8)
    .map("".join)
    .filter(lambda text: "*/" not in text)
    .map(lambda text: f"/*{text}*/")
)
comments = st.just(()) | st.lists(_LINE_COMMENT | _BLOCK_COMMENT, max_size=2).map(tuple)


@cache
def expressions(flags):
    name = names(flags).map(sx.NameSyntax)
    arrow = st.recursive(
        name,
        lambda left: st.builds(sx.ArrowSyntax, left, names(flags), st.sampled_from([None, "any", "all"])),
        max_leaves=3,
    )
    leaves = [st.just(sx.NilSyntax()), name, arrow]
    if "self" in flags:
        leaves.append(st.just(sx.SelfSyntax()))
    if DELEGATION in flags:
        leaves.append(st.builds(sx.ExistsSyntax, name))
        leaves.append(st.builds(sx.AlongSyntax, name, st.lists(name, max_size=3).map(tuple)))
    return st.recursive(
        st.one_of(leaves),
        lambda inner: st.builds(sx.BinarySyntax, st.sampled_from(sx.Operator), inner, inner),
        max_leaves=12,
    )


@cache
def declared(flags):
    permission = st.builds(sx.PermissionReferenceSyntax, paths(flags), names(flags))
    return st.lists(permission, min_size=1, max_size=3).map(tuple)


@st.composite
def types(draw, flags):
    form = draw(st.sampled_from(["plain", "wildcard", "userset", "ellipsis"]))
    caveat = draw(st.none() | paths(flags) | st.sampled_from(sorted(SIDES)))
    return sx.TypeSyntax(
        draw(paths(flags)),
        relation={"userset": draw(names(flags)), "ellipsis": "..."}.get(form),
        wildcard=form == "wildcard",
        caveat=caveat,
        declared=draw(st.just(()) | declared(flags)) if caveat in SIDES and ARGUMENTS in flags else (),
        expiration="expiration" in flags and draw(st.booleans()),
        not_before="not_before" in flags and draw(st.booleans()),
    )


@cache
def members(flags):
    modifier = st.booleans() if DELEGATION in flags else st.just(False)
    return st.one_of(
        st.builds(
            sx.RelationSyntax,
            names(flags),
            st.lists(types(flags), min_size=1, max_size=3).map(tuple),
            single=modifier,
            final=modifier,
            managed=modifier,
            comments=comments,
        ),
        st.builds(
            sx.PermissionSyntax,
            names(flags),
            expressions(flags),
            st.lists(paths(flags), max_size=2).map(tuple),
            comments,
        ),
        st.builds(sx.PartialReferenceSyntax, paths(flags), comments),
    )


_CEL_PIECES = [
    "a == 1",
    "b",
    '"}"',
    "'\\'}'",
    'r"\\"',
    "b'{'",
    'Rb"""}\\"""',
    '"""{\n"}\\""""',
    "'''\n}'''",
    "{'k': [1, {}]}",
    "x // }{\n",
    "y % 2 != 0 ? !p : q[0].size() >= 1",
    "é",
    "a / b",
]
cel_expressions = st.lists(st.sampled_from(_CEL_PIECES), min_size=1, max_size=4).map(
    lambda pieces: " && ".join(pieces).strip()
)


@cache
def caveats(flags):
    type_ = st.recursive(
        st.builds(sx.ParameterTypeSyntax, names(flags)),
        lambda child: st.builds(sx.ParameterTypeSyntax, names(flags), child),
        max_leaves=4,
    )
    parameter = st.builds(sx.ParameterSyntax, names(flags), type_)
    parameters = st.lists(parameter, min_size=1, max_size=3).map(tuple)
    return st.builds(sx.CaveatSyntax, paths(flags), parameters, cel_expressions, comments)


_IMPORT_PATH = st.text(_ANY, max_size=8).filter(lambda path: '"' not in path or "'" not in path)


@st.composite
def schemas(draw):
    uses = draw(st.sampled_from(_FLAG_SETS).flatmap(st.permutations))
    items = [sx.UseSyntax(flag, draw(comments)) for flag in uses] + draw(_items(frozenset(uses)))
    return sx.SchemaSyntax(tuple(items), draw(comments))


# All flags, none, each alone and each left out: enough to see every word both as a keyword and as a name.
_FLAG_SETS = [sorted(FLAGS), [], *([flag] for flag in FLAGS), *(sorted(FLAGS.keys() - {flag}) for flag in FLAGS)]


@cache
def _items(flags):
    block = [paths(flags), st.lists(members(flags), max_size=4).map(tuple), comments, comments]
    kinds = [st.builds(sx.DefinitionSyntax, *block), caveats(flags)]
    if "partial" in flags:
        kinds.append(st.builds(sx.PartialSyntax, *block))
    if "import" in flags:
        asked = st.just(()) | declared(flags) if ARGUMENTS in flags else st.just(())
        kinds.append(st.builds(sx.ImportSyntax, _IMPORT_PATH, asked, comments))
    return st.lists(st.one_of(kinds), max_size=4)
