"""Every way Remit can fail, grouped by the moment it happens.

An error is data for a caller who can act on it: a stable `reason` that programs match on, a canonical gRPC
`status`, a message for people, and `metadata` naming the values. The reasons are a public promise.
Law: no error is ever an answer; a caller who sees one has been told neither yes nor no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Self


class Status(Enum):
    """The canonical gRPC status codes Remit uses, by their wire numbers, free of any transport import."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Fault(Enum):
    """What of its reason an error is, where another wire than Remit's own tells such errors apart."""

    CAVEAT_ARGUMENT = "a parameter of a caveat was given a value of another type"
    FILTER_EMPTY = "a filter names nothing at all"
    FILTER_CONTRADICTS = "a filter names parts that exclude each other"
    PERMISSION_WANTED = "a relation was named where a permission is asked for"
    PERMISSION_WRITTEN = "a relationship is written to a permission"
    PRECONDITION_EMPTY = "a precondition has no filter"
    RELATION_UNKNOWN = "the definition has no relation of that name"
    SUBJECT_NOT_TAKEN = "the relation does not take such a subject"
    SUBJECT_RELATION_UNKNOWN = "the subject's definition has no relation or permission of that name"
    SUBJECT_TYPE_UNKNOWN = "the schema does not define the subject's type"
    UPDATE_REPEATED = "a request says two things about one relationship"
    WILDCARD_ASKED = "a question is about everyone at once"


class RemitError(Exception):
    """The root of all of them. `field` names the request field at fault, where there is one. `domain` is whose words
    `reason` is one of; `fault` is no part of what Remit's own wire says."""

    reason: str = "INTERNAL"
    status: Status = Status.INTERNAL
    domain: str = "remit"
    fault: Fault | None = None

    def __init__(self, message: str, *, field: str = "", **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}

    def with_fault(self, fault: Fault) -> Self:
        """The error itself, which says what of its reason it is."""
        self.fault = fault
        return self


# --- when a request is read -------------------------------------------------------------------------------------


class InvalidArgument(RemitError):
    """A field is missing, malformed, too long or contradicts another one."""

    reason = "INVALID_ARGUMENT"
    status = Status.INVALID_ARGUMENT


class InvalidReference(InvalidArgument):
    """An object, subject or relation name is not of its form."""

    reason = "INVALID_REFERENCE"


class InvalidRelationship(InvalidArgument):
    """The text of a relationship cannot be read, or its parts contradict each other."""

    reason = "INVALID_RELATIONSHIP"


class InvalidContext(InvalidArgument):
    """A caveat's context is not a JSON object, too large, holds a value JSON numbers cannot carry, or (written with a
    relationship) holds a parameter that the caveat does not declare, or declares of another type."""

    reason = "INVALID_CONTEXT"


class DocumentInvalid(InvalidArgument):
    """A constraint document is not of its form, over a bound, or names a permission that its relation does not declare.
    The metadata has the JSON Pointer into the document, what is wrong, and the fix; and the relationship, where it was
    to be written."""

    reason = "DOCUMENT_INVALID"

    def __init__(
        self, pointer: str, problem: str, fix: str = "", *, relationship: object = None, field: str = ""
    ) -> None:
        message = f"the constraint document: `{pointer}` {problem}" if pointer else f"the constraint document {problem}"
        about: dict[str, object] = {}
        if relationship is not None:
            message = f"`{relationship}`: {message}"
            about["relationship"] = relationship
        super().__init__(
            f"{message}: {fix}" if fix else message, field=field, pointer=pointer, problem=problem, fix=fix, **about
        )
        self.pointer = pointer
        self.problem = problem
        self.fix = fix


class DescriptorInvalid(InvalidArgument):
    """What a tool is described by cannot be read, is over a bound, or has a schema that two libraries may judge
    differently. The metadata has the JSON Pointer into the descriptor, the problem, and the fix."""

    reason = "DESCRIPTOR_INVALID"

    def __init__(self, pointer: str, problem: str, fix: str) -> None:
        what = f"the descriptor: `{pointer}` {problem}" if pointer else f"the descriptor {problem}"
        super().__init__(f"{what}: {fix}", pointer=pointer, problem=problem, fix=fix)
        self.pointer = pointer
        self.problem = problem
        self.fix = fix


class InvalidToken(InvalidArgument):
    """The text is not a token."""

    reason = "INVALID_TOKEN"


class ForeignToken(InvalidArgument):
    """The token belongs to another store, or to this store before it was restored or recreated."""

    reason = "FOREIGN_TOKEN"


class FutureToken(RemitError):
    """The token's revision has not happened yet in this store."""

    reason = "FUTURE_TOKEN"
    status = Status.OUT_OF_RANGE


class InvalidCursor(InvalidArgument):
    """The cursor is damaged, or belongs to another query or another version of the server; or `*` was answered
    otherwise on the list's first page."""

    reason = "INVALID_CURSOR"


class LimitExceeded(InvalidArgument):
    """A request is larger than a limit allows; the metadata names the limit and both numbers."""

    reason = "LIMIT_EXCEEDED"


class MalformedRequest(InvalidArgument):
    """The bytes are not the protobuf message the method takes, or a string in it is not UTF-8."""

    reason = "MALFORMED_REQUEST"


class UnknownMethod(RemitError):
    """The server has no such service or method."""

    reason = "UNKNOWN_METHOD"
    status = Status.UNIMPLEMENTED


class NotOneRequest(RemitError):
    """A method that takes exactly one request was sent none, or a second. The status is the one gRPC gives it."""

    reason = "NOT_ONE_REQUEST"
    status = Status.UNIMPLEMENTED


# --- when a schema is read or changed ---------------------------------------------------------------------------


class SchemaInvalid(InvalidArgument):
    """The schema text does not compile. `issues` holds every finding, each with position, caret and suggestion
    already rendered; the message is the first of them."""

    reason = "SCHEMA_INVALID"

    def __init__(self, message: str, *, issues: Sequence[object] = (), field: str = "", **metadata: object) -> None:
        super().__init__(message, field=field, **metadata)
        self.issues = tuple(issues)


class SchemaNotFound(RemitError):
    """The store has no schema yet."""

    reason = "SCHEMA_NOT_FOUND"
    status = Status.NOT_FOUND


class SchemaOrphansRelationships(RemitError):
    """The new schema has no place for relationships that exist. The metadata counts them, the message names some."""

    reason = "SCHEMA_ORPHANS_RELATIONSHIPS"
    status = Status.FAILED_PRECONDITION


# --- when a question is asked -----------------------------------------------------------------------------------


class UnknownType(RemitError):
    """The schema has no definition of that name."""

    reason = "UNKNOWN_TYPE"
    status = Status.FAILED_PRECONDITION


class UnknownRelation(RemitError):
    """The definition has no relation or permission of that name."""

    reason = "UNKNOWN_RELATION"
    status = Status.FAILED_PRECONDITION


class StepBudgetSpent(RemitError):
    """The evaluation was not finished within its steps. It is not a no."""

    reason = "STEP_BUDGET"
    status = Status.RESOURCE_EXHAUSTED


class DeadlineExceeded(RemitError):
    """The caller's deadline passed while the evaluation ran."""

    reason = "DEADLINE_EXCEEDED"
    status = Status.DEADLINE_EXCEEDED


class Cancelled(RemitError):
    """The caller went away."""

    reason = "CANCELLED"
    status = Status.CANCELLED


class NegativeCycle(RemitError):
    """The answer is undefined: it depends on its own negation. The message names the cycle."""

    reason = "NEGATIVE_CYCLE"
    status = Status.FAILED_PRECONDITION


class CaveatFailed(RemitError):
    """A caveat the answer depends on could not be evaluated with the parameters at hand (a wrong type, a missing
    map key, a division by zero), or the expression itself failed."""

    reason = "CAVEAT_FAILED"
    status = Status.INVALID_ARGUMENT


class InvalidCall(RemitError):
    """The call that a question is about cannot be read: its arguments are no strict JSON, or over a bound."""

    reason = "INVALID_CALL"
    status = Status.INVALID_ARGUMENT


class CallUnjudgeable(RemitError):
    """The answer depends on a constraint that this call cannot be judged by: a value of another type, one that is not
    written as it must be, or a call that names no descriptor which its tool has accepted."""

    reason = "CALL_UNJUDGEABLE"
    status = Status.INVALID_ARGUMENT


class RevisionGone(RemitError):
    """The revision asked for is older than what the changelog still holds."""

    reason = "REVISION_GONE"
    status = Status.OUT_OF_RANGE


# --- when facts are written -------------------------------------------------------------------------------------


class RelationshipRefused(RemitError):
    """The schema does not allow this relationship: the relation is a permission, or the subject type, caveat or
    times are not declared on it."""

    reason = "RELATIONSHIP_NOT_ALLOWED"
    status = Status.FAILED_PRECONDITION


class RelationshipExists(RemitError):
    """CREATE met a relationship that is already there."""

    reason = "RELATIONSHIP_EXISTS"
    status = Status.ALREADY_EXISTS


class PreconditionFailed(RemitError):
    """A precondition of the write does not hold."""

    reason = "PRECONDITION_FAILED"
    status = Status.FAILED_PRECONDITION


class SingleTaken(RemitError):
    """A `single` relation of this resource already has another subject."""

    reason = "SINGLE_RELATION_TAKEN"
    status = Status.FAILED_PRECONDITION


class ManagedRefused(RemitError):
    """A `managed` relation was written by a caller without the right `write-managed`."""

    reason = "MANAGED_RELATION"
    status = Status.PERMISSION_DENIED


class FinalRefused(RemitError):
    """A relationship of a `final` relation would be deleted."""

    reason = "FINAL_RELATION"
    status = Status.FAILED_PRECONDITION


class SweptRefused(RemitError):
    """A relationship would be written that names an object which was over for good, and was swept with all it had."""

    reason = "OBJECT_SWEPT"
    status = Status.FAILED_PRECONDITION


class WeakeningRefused(RemitError):
    """A relationship that stands and is subtracted somewhere would be written so that it holds back less."""

    reason = "SUBTRACTED_WEAKENED"
    status = Status.FAILED_PRECONDITION


class ConstraintsUnfit(RemitError):
    """A constraint on a tool would be written that does not fit an accepted descriptor of it, or a descriptor accepted
    that constraints do not fit. `unfit` holds the first of them, and the message names each."""

    reason = "CONSTRAINTS_UNFIT"
    status = Status.FAILED_PRECONDITION

    def __init__(self, descriptor: str, unfit: Sequence[object], *, field: str = "") -> None:
        told = "; ".join(map(str, unfit))
        fix = "correct the constraints, or the types that the descriptor says"
        super().__init__(
            f"what {descriptor} says of arguments does not fit {told}: {fix}", field=field, count=len(unfit)
        )
        self.unfit = tuple(unfit)


class RecordRefused(InvalidArgument):
    """A record is of no kind that there is, about another type's object, too large, not what its digest says, or no
    document of its kind."""

    reason = "RECORD_NOT_ALLOWED"


class RecordFixed(RemitError):
    """A record whose document never changes would be written with another one."""

    reason = "RECORD_FIXED"
    status = Status.FAILED_PRECONDITION


# --- when a verb of agents is carried out ------------------------------------------------------------------------


class AgentsNotInSchema(RemitError):
    """The verbs of agents write facts of `remit:agents@1`, and the store's schema does not have its relations."""

    reason = "AGENTS_NOT_IN_SCHEMA"
    status = Status.FAILED_PRECONDITION


class RequestIdReused(RemitError):
    """A `request_id` of the last hour came with another request."""

    reason = "REQUEST_ID_REUSED"
    status = Status.FAILED_PRECONDITION


class ObjectUnknown(RemitError):
    """A verb is about an object that nobody has heard of: it may be misspelt."""

    reason = "OBJECT_UNKNOWN"
    status = Status.NOT_FOUND


class NotHoldable(RemitError):
    """The schema has no holds on objects of that type."""

    reason = "NOT_HOLDABLE"
    status = Status.FAILED_PRECONDITION


class NotTerminable(RemitError):
    """Runs, versions and agents end for good, and nothing else."""

    reason = "NOT_TERMINABLE"
    status = Status.INVALID_ARGUMENT


class LifecycleRefused(RemitError):
    """The object is in a state in which the verb is refused; the metadata have the object, the state and the event."""

    reason = "LIFECYCLE_REFUSED"
    status = Status.FAILED_PRECONDITION


class NotLive(RemitError):
    """A run would be started by, as or with what is not live: held, ended, over, not registered, not certified. The
    metadata have the object."""

    reason = "NOT_LIVE"
    status = Status.FAILED_PRECONDITION


class CeilingExceeded(RemitError):
    """A run would be deeper, longer, or one more than the ceilings of its agent allow, or have a profile that they do
    not. The metadata have the ceiling."""

    reason = "CEILING_EXCEEDED"
    status = Status.FAILED_PRECONDITION


class ConsentMissing(RemitError):
    """Neither the person nor a directory that knows them lets the agent act for them."""

    reason = "CONSENT_MISSING"
    status = Status.FAILED_PRECONDITION


class Excess(RemitError):
    """A run would be given what its delegator has not. The message and the metadata name what, as far as they go; a dry
    run tells all of it."""

    reason = "EXCESS"
    status = Status.FAILED_PRECONDITION


class SessionDiffers(RemitError):
    """The run that lives under the session's name was started with other profiles, intent or bindings."""

    reason = "SESSION_DIFFERS"
    status = Status.FAILED_PRECONDITION


class NotNarrower(RemitError):
    """The profile covers what the intent of the run does not. The metadata say what, and why."""

    reason = "NOT_NARROWER"
    status = Status.FAILED_PRECONDITION


class OwnerNotPresent(RemitError):
    """An agent or a system would have no owner who is there now: each has left, is held, or is a system that nobody
    answers for."""

    reason = "OWNER_NOT_PRESENT"
    status = Status.FAILED_PRECONDITION


class DomainNotPlaced(RemitError):
    """An agent or a tool would stand in a domain that belongs to no estate, and so is beyond every kill switch."""

    reason = "DOMAIN_NOT_PLACED"
    status = Status.FAILED_PRECONDITION


class DomainStopped(RemitError):
    """An agent or a tool would be moved out of a domain that is held, and so from under the hold."""

    reason = "DOMAIN_STOPPED"
    status = Status.FAILED_PRECONDITION


class VersionOfAnotherAgent(RemitError):
    """The version that was named is of another agent."""

    reason = "VERSION_OF_ANOTHER_AGENT"
    status = Status.FAILED_PRECONDITION


class CertifierOwns(RemitError):
    """A version would be certified by somebody who owns its agent, or of whom it is not certain that they do not."""

    reason = "CERTIFIER_OWNS"
    status = Status.PERMISSION_DENIED


class NotOwned(RemitError):
    """What would be handed over is not the owner's, or they own nothing."""

    reason = "NOT_OWNED"
    status = Status.FAILED_PRECONDITION


class DescriptorNotPending(RemitError):
    """A descriptor would be accepted, or rejected, that the tool has not proposed, or no longer does."""

    reason = "DESCRIPTOR_NOT_PENDING"
    status = Status.FAILED_PRECONDITION


class WideningRefused(RemitError):
    """ChangeTool would lower a risk, or make a tool usable: that is RelaxTool's, which needs a right of its own."""

    reason = "WIDENING_REFUSED"
    status = Status.FAILED_PRECONDITION


class ToolsUnreadable(InvalidArgument):
    """Tools that the caller named cannot be read: a manifest that is none, an MCP server that does not answer as one,
    or that says more than is read, or the package `mcp` that is not there."""

    reason = "TOOLS_UNREADABLE"


class ApplyInvalid(InvalidArgument):
    """A document of Apply is not of its kind's form: an unknown kind or field, a wrong type, a name that is there
    twice. The metadata have the document by its number, the JSON Pointer into it, the problem and the fix."""

    reason = "APPLY_INVALID"


class ApplyRefused(RemitError):
    """A document of Apply does not fit what is there: it names what nobody has heard of, has no owner who is present,
    is of another set, returns after its end, or edits a profile. The metadata are as of ApplyInvalid."""

    reason = "APPLY_REFUSED"
    status = Status.FAILED_PRECONDITION


# --- when a file is read or written -----------------------------------------------------------------------------


class FileUnreadable(InvalidArgument):
    """A file that the caller named cannot be read: it is missing, a folder, not permitted, or not UTF-8."""

    reason = "FILE_UNREADABLE"


class FileUnwritable(InvalidArgument):
    """A file that the caller named cannot be written: its folder is missing, the disk is full, it is not permitted."""

    reason = "FILE_UNWRITABLE"


class WorldUnreadable(InvalidArgument):
    """The file is not a world: it is no YAML, or not of the shape of one. The message says on which line."""

    reason = "WORLD_UNREADABLE"


class WorldInvalid(InvalidArgument):
    """The world was read, but its schema does not compile, or lines of it are not what they should be. `findings` holds
    every one of them (see `world.Finding`); the message is the first."""

    reason = "WORLD_INVALID"

    def __init__(self, message: str, *, findings: Sequence[object] = (), field: str = "", **metadata: object) -> None:
        super().__init__(message, field=field, **metadata)
        self.findings = tuple(findings)


class TooManyMatch(RemitError):
    """A filter that should be replaced or removed in one revision means more relationships than one may hold."""

    reason = "TOO_MANY_MATCH"
    status = Status.FAILED_PRECONDITION


class FilterTooBroad(RemitError):
    """The filters of a write, which judge and remove while all other writers wait, would look at more relationships
    than one write may."""

    reason = "FILTER_TOO_BROAD"
    status = Status.FAILED_PRECONDITION


# --- when a caller shows who it is ------------------------------------------------------------------------------


class Unauthenticated(RemitError):
    """The server tells callers apart by keys, and this request shows none that is valid."""

    reason = "UNAUTHENTICATED"
    status = Status.UNAUTHENTICATED


class KeyMissing(Unauthenticated):
    """The request carries no key, or carries it in a way that is not `authorization: Bearer …`."""

    reason = "KEY_MISSING"


class KeyMistyped(Unauthenticated):
    """The text is no key that was ever given out: its form or its checksum is wrong."""

    reason = "KEY_MISTYPED"


class KeyUnknown(Unauthenticated):
    """The key is of the right form, but the server does not hold it: it was revoked, replaced, or is another server's.
    Whether its id is known is not told."""

    reason = "KEY_UNKNOWN"


class KeyExpired(Unauthenticated):
    """The key was valid until its expiration."""

    reason = "KEY_EXPIRED"


class CertificateMissing(Unauthenticated):
    """The server lets in only clients with a certificate, and the connection over HTTP has shown none."""

    reason = "CERTIFICATE_MISSING"


class OriginRefused(RemitError):
    """The request over HTTP was sent by a web page, which the server answers none of."""

    reason = "ORIGIN_REFUSED"
    status = Status.PERMISSION_DENIED


class RightMissing(RemitError):
    """The key does not hold the right that the verb needs. The metadata names both."""

    reason = "RIGHT_MISSING"
    status = Status.PERMISSION_DENIED


class StoreNotAllowed(RemitError):
    """A store was to be made by a name the key does not hold. It says nothing about whether there is one."""

    reason = "STORE_NOT_ALLOWED"
    status = Status.PERMISSION_DENIED


# --- when keys are made or read ---------------------------------------------------------------------------------


class KeyRefused(InvalidArgument):
    """A key of that kind is not made: a part of it is malformed, or it would be all-powerful without being the
    bootstrap key."""

    reason = "KEY_REFUSED"


class KeyNotFound(RemitError):
    """There is no key of that id in the file."""

    reason = "KEY_NOT_FOUND"
    status = Status.NOT_FOUND


class KeysUnreadable(RemitError):
    """The keys file is missing where one is required, damaged, of an unknown version, or open to be changed by
    others."""

    reason = "KEYS_UNREADABLE"
    status = Status.FAILED_PRECONDITION


class CertificateUnreadable(RemitError):
    """A certificate, its private key or the authority for clients cannot be read, or they do not belong together."""

    reason = "CERTIFICATE_UNREADABLE"
    status = Status.FAILED_PRECONDITION


# --- when the store is opened, read or written ------------------------------------------------------------------


class StoreNotFound(RemitError):
    """No such store, or none this caller may see: the two answers are the same on purpose."""

    reason = "STORE_NOT_FOUND"
    status = Status.NOT_FOUND


class StoreExists(RemitError):
    """A store of that name is already there."""

    reason = "STORE_EXISTS"
    status = Status.ALREADY_EXISTS


class StoreLocked(RemitError):
    """Another process has this data directory open."""

    reason = "STORE_LOCKED"
    status = Status.FAILED_PRECONDITION


class StoreFormatUnknown(RemitError):
    """The data directory was written in a format this version does not know."""

    reason = "STORE_FORMAT_UNKNOWN"
    status = Status.FAILED_PRECONDITION


class StoreFull(RemitError):
    """The disk or the map is full. Nothing of the write was applied; reads go on, and small writes and deletes."""

    reason = "STORE_FULL"
    status = Status.RESOURCE_EXHAUSTED


class StoreUnavailable(RemitError):
    """The store cannot be opened or written now (permissions, an I/O error, shutting down)."""

    reason = "STORE_UNAVAILABLE"
    status = Status.UNAVAILABLE


class StoreOverloaded(StoreUnavailable):
    """The writer's queue is full. Nothing of the write was tried; try again a little later."""

    reason = "STORE_OVERLOADED"


class StoreDamaged(RemitError):
    """What the store holds breaks one of its own laws."""

    reason = "STORE_DAMAGED"
    status = Status.DATA_LOSS


# --- when a store is restored from a backup ---------------------------------------------------------------------


class BackupDamaged(InvalidArgument):
    """The backup's bytes are cut off, changed, or of no sense. The message says where it was noticed."""

    reason = "BACKUP_DAMAGED"


class BackupFormatUnknown(InvalidArgument):
    """The bytes are no backup, or one of a version that this version does not know."""

    reason = "BACKUP_FORMAT_UNKNOWN"


class BackupRefused(RemitError):
    """The backup is whole, and cannot become a store here: its schema does not compile, a relationship does not fit it,
    or it is from later than this server's clock says."""

    reason = "BACKUP_REFUSED"
    status = Status.FAILED_PRECONDITION


# --- when a server starts, is asked too much, or answers --------------------------------------------------------


class AddressRefused(RemitError):
    """The server does not listen there: the address is taken, is not one of this machine, or is open to others while
    there are no keys to tell callers apart."""

    reason = "ADDRESS_REFUSED"
    status = Status.FAILED_PRECONDITION


class Overloaded(RemitError):
    """As many requests are under way as the server takes on at once. Nothing of this one was tried; try again a little
    later."""

    reason = "OVERLOADED"
    status = Status.RESOURCE_EXHAUSTED


class FairShareSpent(Overloaded):
    """This caller holds more of what the server takes on at once than it leaves free for everybody else. Others are
    served; the metadata names the limit and how much is the caller's."""

    reason = "FAIR_SHARE"


class TooManyStreams(Overloaded):
    """As many streams are open as the server keeps at once, in all or for one key. The metadata says which."""

    reason = "TOO_MANY_STREAMS"


class TooManySandboxes(RemitError):
    """A server for testing has given as many tokens a store of their own as it may."""

    reason = "TOO_MANY_SANDBOXES"
    status = Status.RESOURCE_EXHAUSTED


class RateLimited(RemitError):
    """The key asks more often than the server lets it. `retry_after_s` is when the next request will be taken."""

    reason = "RATE_LIMITED"
    status = Status.RESOURCE_EXHAUSTED

    def __init__(self, message: str, *, retry_after_s: float = 1.0, field: str = "", **metadata: object) -> None:
        super().__init__(message, field=field, **metadata)
        self.retry_after_s = retry_after_s


class Draining(RemitError):
    """The server is about to stop and ends its streams. Go on from the last message, with another server or with this
    one when it is back."""

    reason = "DRAINING"
    status = Status.UNAVAILABLE


class SlowConsumer(RemitError):
    """A stream's reader did not take a message for so long that the server let it go. Go on from the last message."""

    reason = "SLOW_CONSUMER"
    status = Status.ABORTED


class SlowRequest(RemitError):
    """A message of the request did not come whole within `request_s`. Nothing of it was tried; send it again, faster
    or in smaller parts."""

    reason = "SLOW_REQUEST"
    status = Status.ABORTED


class AnswerTooLarge(RemitError):
    """The answer is known, but too large or too deep for one message. The text says how to ask for less."""

    reason = "ANSWER_TOO_LARGE"
    status = Status.RESOURCE_EXHAUSTED


class RemoteError(RemitError):
    """What a client raises: the error a server answered with, or that no server could be reached. `reason` and `status`
    are those of the server's error, or the status' name where the transport itself failed; `findings` are a schema's
    (see `wire.schemas.Finding`); `retry_after_s` is set where the server says when to come back."""

    def __init__(
        self,
        reason: str,
        status: Status,
        message: str,
        *,
        field: str = "",
        metadata: Mapping[str, str] | None = None,
        findings: Sequence[object] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.metadata = dict(metadata or {})  # a server's keys may be any, also those that are parameters here
        self.reason = reason
        self.status = status
        self.findings = tuple(findings)
        self.retry_after_s = retry_after_s
