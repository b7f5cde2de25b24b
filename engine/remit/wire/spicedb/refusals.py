"""What SpiceDB would say where Remit refuses: its status, its reason and its domain, for clients that test for them.

An error keeps its text and its details; `ErrorInfo` has SpiceDB's reason, the metadata that SpiceDB gives with it, and
beside that our own, with `remit_reason`. Where SpiceDB has no reason of its own, only the status is as it would be.
Law: the reason that Remit gives is never lost, and a refusal is never less of one."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from remit.errors import (
    CaveatFailed,
    Fault,
    InvalidContext,
    InvalidCursor,
    KeyExpired,
    KeyMistyped,
    KeyUnknown,
    LimitExceeded,
    PreconditionFailed,
    RelationshipExists,
    RelationshipRefused,
    RemitError,
    SchemaInvalid,
    SchemaNotFound,
    SchemaOrphansRelationships,
    Status,
    StepBudgetSpent,
    TooManyMatch,
    UnknownRelation,
    UnknownType,
)
from remit.language.source import Issue

DOMAIN = "authzed.com"

_INVALID, _UNMET = Status.INVALID_ARGUMENT, Status.FAILED_PRECONDITION


class Refusal(NamedTuple):
    """`reason` without its prefix, "" where SpiceDB gives none; `names`: our metadata by SpiceDB's names."""

    status: Status
    reason: str = ""
    names: Mapping[str, str] = {}


_UNKNOWN_DEFINITION = Refusal(_UNMET, "UNKNOWN_DEFINITION", {"definition_name": "type"})
_UNKNOWN_RELATION = Refusal(
    _UNMET, "UNKNOWN_RELATION_OR_PERMISSION", {"definition_name": "type", "relation_or_permission_name": "relation"}
)
_UNKNOWN_SUBJECT = Refusal(_UNMET, "UNKNOWN_DEFINITION", {"definition_name": "subject_type"})
_WRONG_PARAMETER = Refusal(
    _INVALID, "CAVEAT_PARAMETER_TYPE_ERROR", {"caveat_name": "caveat", "parameter_name": "parameter"}
)
_WRONG_KEY = Refusal(Status.PERMISSION_DENIED)

BY_FAULT: Mapping[Fault, Refusal] = {
    Fault.CAVEAT_ARGUMENT: _WRONG_PARAMETER,
    Fault.FILTER_CONTRADICTS: Refusal(_INVALID, "INVALID_FILTER"),
    Fault.FILTER_EMPTY: Refusal(_INVALID, "INVALID_FILTER"),
    Fault.PERMISSION_WANTED: Refusal(_INVALID, "UNKNOWN_RELATION_OR_PERMISSION", {"relationName": "relation"}),
    Fault.PERMISSION_WRITTEN: Refusal(
        _INVALID, "CANNOT_UPDATE_PERMISSION", {"definition_name": "type", "permission_name": "relation"}
    ),
    Fault.PRECONDITION_EMPTY: Refusal(_INVALID, "EMPTY_PRECONDITION"),
    Fault.RELATION_UNKNOWN: _UNKNOWN_RELATION,
    Fault.SUBJECT_NOT_TAKEN: Refusal(
        _INVALID,
        "INVALID_SUBJECT_TYPE",
        {"definition_name": "type", "relation_name": "relation", "subject_type": "subject_type"},
    ),
    Fault.SUBJECT_RELATION_UNKNOWN: Refusal(_UNMET, "UNKNOWN_RELATION_OR_PERMISSION"),
    Fault.SUBJECT_TYPE_UNKNOWN: _UNKNOWN_SUBJECT,
    Fault.UPDATE_REPEATED: Refusal(
        _INVALID, "UPDATES_ON_SAME_RELATIONSHIP", {"definition_name": "type", "relationship": "relationship"}
    ),
    Fault.WILDCARD_ASKED: Refusal(_INVALID, "WILDCARD_NOT_ALLOWED"),
}

BY_LIMIT: Mapping[str, Refusal] = {
    "updates_max": Refusal(
        _INVALID, "TOO_MANY_UPDATES_IN_REQUEST", {"update_count": "given", "maximum_updates_allowed": "limit"}
    ),
    "spicedb_import_max": Refusal(
        _INVALID, "TOO_MANY_UPDATES_IN_REQUEST", {"update_count": "given", "maximum_updates_allowed": "limit"}
    ),
    "spicedb_preconditions_max": Refusal(
        _INVALID,
        "TOO_MANY_PRECONDITIONS_IN_REQUEST",
        {"precondition_count": "given", "maximum_updates_allowed": "limit"},
    ),
    "spicedb_items_max": Refusal(
        _INVALID, "TOO_MANY_CHECKS_IN_REQUEST", {"check_count": "given", "maximum_checks_allowed": "limit"}
    ),
    "spicedb_metadata_bytes_max": Refusal(
        _INVALID,
        "TRANSACTION_METADATA_TOO_LARGE",
        {"metadata_byte_size": "given", "maximum_allowed_metadata_byte_size": "limit"},
    ),
    "relationship_context_bytes_max": Refusal(
        _INVALID, "MAX_RELATIONSHIP_CONTEXT_SIZE", {"context_size": "given", "max_allowed_size": "limit"}
    ),
    "page_max": Refusal(
        _INVALID, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", {"limit_provided": "given", "maximum_limit_allowed": "limit"}
    ),
    "matches_max": Refusal(
        _INVALID, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", {"limit_provided": "given", "maximum_limit_allowed": "limit"}
    ),
}

BY_KIND: Mapping[type[RemitError], Refusal] = {
    CaveatFailed: Refusal(_INVALID, "CAVEAT_EVALUATION_ERROR", {"caveat_name": "caveat"}),
    InvalidContext: Refusal(_INVALID),
    InvalidCursor: Refusal(_UNMET, "INVALID_CURSOR"),
    KeyExpired: _WRONG_KEY,
    KeyMistyped: _WRONG_KEY,
    KeyUnknown: _WRONG_KEY,
    PreconditionFailed: Refusal(_UNMET, "WRITE_OR_DELETE_PRECONDITION_FAILURE"),
    RelationshipExists: Refusal(
        Status.ALREADY_EXISTS, "ATTEMPT_TO_RECREATE_RELATIONSHIP", {"relationship": "relationship"}
    ),
    RelationshipRefused: Refusal(_INVALID, "INVALID_SUBJECT_TYPE"),
    # In SpiceDB every name is unknown where there is no schema.
    SchemaNotFound: Refusal(_UNMET, "UNKNOWN_DEFINITION"),
    SchemaOrphansRelationships: Refusal(_INVALID, "SCHEMA_TYPE_ERROR"),
    StepBudgetSpent: Refusal(Status.RESOURCE_EXHAUSTED, "MAXIMUM_DEPTH_EXCEEDED", {"maximum_depth_allowed": "limit"}),
    TooManyMatch: Refusal(_INVALID, "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE", {"limit": "limit"}),
    UnknownRelation: _UNKNOWN_RELATION,
    UnknownType: _UNKNOWN_DEFINITION,
}

# Of a schema: what SpiceDB finds once the text has been read, in its type system. Everything else it says of the text.
TYPE_ERRORS = frozenset(
    {
        "along-empty",
        "along-permission",
        "along-repeats",
        "caveat-without-parameters",
        "chain-relation-qualified",
        "duplicate-member",
        "duplicate-subject-type",
        "exists-on-permission",
        "final-relation-qualified",
        "permission-cycle",
        "permission-on-arrow-left",
        "self-reference",
        "transitive-wildcard",
        "unknown-caveat",
        "unknown-relation",
        "unknown-type",
        "unused-parameter",
        "wildcard-on-arrow-left",
    }
)


def _schema_invalid(error: RemitError) -> Refusal:
    """SpiceDB reads the whole text before it looks at any type."""
    issues = [issue for issue in getattr(error, "issues", ()) if isinstance(issue, Issue)]
    is_read = bool(issues) and all(issue.code in TYPE_ERRORS for issue in issues)
    return Refusal(_UNMET, "SCHEMA_TYPE_ERROR") if is_read else Refusal(_INVALID, "SCHEMA_PARSE_ERROR")


def _limit_exceeded(error: RemitError) -> Refusal:
    return BY_LIMIT.get(error.metadata.get("name", ""), Refusal(_INVALID))


_JUDGED: Mapping[type[RemitError], Callable[[RemitError], Refusal]] = {
    LimitExceeded: _limit_exceeded,
    SchemaInvalid: _schema_invalid,
}


def refusal_of(error: RemitError) -> Refusal | None:
    """What SpiceDB says of it; None where that is what Remit says."""
    if error.fault is not None:
        return BY_FAULT[error.fault]
    judged = _JUDGED.get(type(error))
    return judged(error) if judged is not None else BY_KIND.get(type(error))


# Fields that the engine names, by SpiceDB's names for them: of any request, of some, and within a filter.
_FIELDS = {
    "after": "optional_start_cursor",
    "cursor": "optional_cursor",
    "filter": "relationship_filter",
    "metadata": "optional_transaction_metadata",
    "preconditions": "optional_preconditions",
}
_FIELDS_OF = {
    "BulkExportRelationships": {"filter": "optional_relationship_filter"},
    "DiffSchema": {"schema": "comparison_schema"},
    "ExperimentalDiffSchema": {"schema": "comparison_schema"},
    "ExportBulkRelationships": {"filter": "optional_relationship_filter"},
    "LookupResources": {"resource": "resource_object_type"},
    "LookupSubjects": {"subject": "subject_object_type"},
}
_FIELDS_OF_FILTER = {
    "relation": "optional_relation",
    "resource_id": "optional_resource_id",
    "resource_id_prefix": "optional_resource_id_prefix",
    "subject_id": "optional_subject_filter.optional_subject_id",
    "subject_relation": "optional_subject_filter.optional_relation.relation",
    "subject_type": "optional_subject_filter.subject_type",
}
_FIRST = re.compile(r"\w*")
_IN_FILTER = re.compile(r"(filters?(?:\[\d+\])?)\.(\w+)$")


def _field(field: str, method: str) -> str:
    """The field of an error as a request of SpiceDB's has it."""
    names = {**_FIELDS, **_FIELDS_OF.get(method, {})}
    field = _FIRST.sub(lambda first: names.get(first[0], first[0]), field, count=1)
    return _IN_FILTER.sub(lambda found: f"{found[1]}.{_FIELDS_OF_FILTER.get(found[2], found[2])}", field)


def told_as_spicedb(error: RemitError, method: str = "") -> RemitError:
    """The error as a caller of SpiceDB's wire is told of it. `method`: the one that was called."""
    if isinstance(error, SchemaNotFound) and method == "ReadSchema":
        return error
    refusal, field = refusal_of(error), _field(error.field, method)
    if refusal is None and field == error.field:
        return error
    told = copy.copy(error)
    told.field = field
    if refusal is None:
        return told
    told.status = refusal.status
    if refusal.reason:
        told.reason, told.domain = f"ERROR_REASON_{refusal.reason}", DOMAIN
        named = {theirs: error.metadata[ours] for theirs, ours in refusal.names.items() if ours in error.metadata}
        told.metadata = {**named, "remit_reason": error.reason, **error.metadata}
    return told
