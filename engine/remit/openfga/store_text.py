"""A store of Remit → the text of a store file of OpenFGA's CLI, `store.fga.yaml`, a tuple a line.

    name: default
    model: |
      model
        schema 1.1
      …
    tuples:
      - {"object": "document:1", "relation": "viewer", "user": "user:anne"}

Law: what is written is read (`store_file.py`) as the same relationships; what OpenFGA cannot hold is refused, with the
relationship."""

from __future__ import annotations

import json
import re
from textwrap import indent
from typing import NoReturn

from remit.errors import InvalidArgument
from remit.language.plan import Schema
from remit.model import WILDCARD, Relationship
from remit.notation import parse_context
from remit.openfga.from_schema import model_of
from remit.openfga.printer import print_model

# Characters: OpenFGA's limits.
OBJECT_MAX, USER_MAX = 256, 512
STORE_NAME_MIN = 3
_UNFIT_ID = re.compile("[:#*\\s]")
# What JSON writes as it is, and YAML does not read, or reads as the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def store_head(name: str, schema: Schema) -> str:
    """All up to the first tuple. Raises InvalidArgument where OpenFGA has no word for what the schema says."""
    model = print_model(model_of(schema))
    name = name if len(name) >= STORE_NAME_MIN else f"store {name}"
    return f"name: {_json(name)}\nmodel: |\n{indent(model, '  ')}tuples:\n"


def tuple_line(relationship: Relationship) -> str:
    """Raises InvalidArgument for what OpenFGA cannot hold."""
    resource, subject, qualifiers = relationship.resource, relationship.subject, relationship.qualifiers
    for id in (resource.id, subject.id):
        if (unfit := _UNFIT_ID.search(id)) and not (id is subject.id and id == WILDCARD):
            _refuse(relationship, f"an id there has no `{unfit[0]}`")
    if qualifiers.expiration_us is not None or qualifiers.not_before_us is not None:
        _refuse(relationship, "OpenFGA knows no times")
    if (subject.type, subject.id, subject.relation) == (*resource, relationship.relation):
        _refuse(relationship, "OpenFGA does not write what is a member of itself")
    object, user = str(resource), str(subject)
    if len(object) > OBJECT_MAX or len(user) > USER_MAX:
        _refuse(relationship, f"an object has at most {OBJECT_MAX} characters there, and a user {USER_MAX}")
    written = f'"object": {_json(object)}, "relation": {_json(relationship.relation)}, "user": {_json(user)}'
    if qualifiers.caveat is not None:
        condition = f'"name": {_json(qualifiers.caveat.name)}'
        if context := parse_context(qualifiers.caveat.context_json):
            condition += f', "context": {_json(context)}'
        written += f', "condition": {{{condition}}}'
    return f"  - {{{written}}}\n"


def _json(value: object) -> str:
    """JSON that is YAML, too, and means the same there."""
    match value:
        case dict():
            return f"{{{', '.join(f'{_json(key)}: {_json(each)}' for key, each in value.items())}}}"
        case list():
            return f"[{', '.join(_json(each) for each in value)}]"
        case float():
            digits, exponent, power = repr(value).partition("e")
            # Without a point, `1e+20` would be a text.
            return f"{digits if '.' in digits or not exponent else f'{digits}.0'}{exponent}{power}"
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _refuse(relationship: Relationship, reason: str) -> NoReturn:
    raise InvalidArgument(f"`{relationship.key}` cannot be exported to OpenFGA: {reason}")
