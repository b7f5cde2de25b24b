"""The synchronous client: one method a verb, references as text.

Generated from `aio/client.py` (`make client`).
Law: a method returns the server's answer or raises; a timeout is never an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import grpc

from remit.client.answers import (
    AgentResult,
    Answer,
    ApplyResult,
    CertifyResult,
    ConsentResult,
    Deleted,
    Expanded,
    FailedLookup,
    Found,
    HoldResult,
    Identity,
    ImpactResult,
    Imported,
    LookupPage,
    OrphanPage,
    Page,
    RetireResult,
    RunResult,
    SchemaDiff,
    SchemaText,
    SchemaWritten,
    TerminateResult,
    ToolResult,
    TransferResult,
    Unanswered,
    VersionResult,
    Written,
)
from remit.client.attempts import Attempts, checked_timeout
from remit.client.channel import TIMEOUT_S, Tls, credentials_of, endpoint_of, metadata_of
from remit.client.requests import lookups, permissions, relationships, schemas, stores
from remit.client.requests.agents import applies, consents, holds, impacts, owners, registry, runs, tools
from remit.client.requests.agents.runs import Scalar
from remit.client.requests.permissions import Question
from remit.client.requests.request import ReadOptions, Request, updates_of
from remit.client.resume import ResumableExport, ResumablePermissionWatch, ResumableWatch
from remit.client.sync.connection import Connection, Items
from remit.client.sync.runs import Run
from remit.client.sync.streams import Backup, Export, PermissionWatch, Watch
from remit.client.uploads import ImportUpload, Progress, RestoreUpload
from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.consents import ConsentState
from remit.engine.agents.descriptions import AgentState, Digests
from remit.engine.agents.inventory import AgentDescription, AgentPage
from remit.engine.agents.lineage import ChainLink, RunPage, SubtreePage
from remit.engine.agents.run_states import RunState
from remit.engine.agents.tool_reading import ToolDescription, ToolPage
from remit.engine.agents.tool_states import ToolState
from remit.errors import RemoteError
from remit.model import (
    Call,
    ObjectRef,
    Operation,
    Precondition,
    Relationship,
    RelationshipFilter,
    StoredRelationship,
    StoreInfo,
    SubjectRef,
    Update,
)
from remit.notation import checked_store
from remit.v1 import stores_pb2
from remit.wire.stores import decode_store

T = TypeVar("T")


class Client:
    """A connection to one server and one store. Safe to share among threads; connects at the first request.

    Every method raises RemoteError with the server's reason, and InvalidReference and its kin before anything is sent.
    `timeout_s` bounds each request; the server stops working on it then too."""

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        store: str = "",
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        tls: Tls | None = None,
        insecure_plaintext: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """`endpoint` defaults to REMIT_ENDPOINT or 127.0.0.1:50051, `token` to REMIT_TOKEN, `tls` to REMIT_TLS,
        REMIT_CA, REMIT_CERT and REMIT_CERT_KEY; `credentials` are gRPC's own, for what these do not say.
        `insecure_plaintext` lets the token leave this machine unencrypted, as where a proxy encrypts."""
        credentials = credentials_of(tls, credentials)
        self.endpoint = endpoint_of(endpoint)
        self.store = store
        self.timeout_s = checked_timeout(timeout_s)
        metadata = metadata_of(
            token, self.endpoint, encrypted=credentials is not None, insecure_plaintext=insecure_plaintext
        )
        self._connection = Connection(self.endpoint, credentials, metadata)

    # --- questions ----------------------------------------------------------------------------------------------

    def check(
        self,
        question: str | Question,
        *,
        context: Mapping[str, object] | None = None,
        call: Call | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        explain: bool = False,
        timeout_s: float | None = None,
    ) -> Answer:
        """`resource#permission@subject`, as in `tool:erp.pay#use@run:r-7`. The answer is true only for a yes.

        `call` is what it is asked for, where that is one call of a tool; `at_exactly` asks of the past, and
        `contextual` adds facts that count for this question only."""
        options = ReadOptions(at_least, at_exactly, contextual)
        return self._send(permissions.check(self.store, question, context, call, options, explain), timeout_s)

    def check_many(
        self,
        questions: Iterable[str | Question],
        *,
        context: Mapping[str, object] | None = None,
        call: Call | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        timeout_s: float | None = None,
    ) -> tuple[Answer | Unanswered, ...]:
        """Answers in the order asked, all at one revision and one time."""
        options = ReadOptions(at_least, at_exactly, contextual)
        return self._send(permissions.check_many(self.store, questions, context, call, options), timeout_s)

    def expand(
        self,
        target: str,
        *,
        depth: int = 0,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        timeout_s: float | None = None,
    ) -> Expanded:
        """Everyone in `type:id#permission`; `depth` opens only so many sets deep."""
        options = ReadOptions(at_least, at_exactly, contextual)
        return self._send(permissions.expand(self.store, target, options, depth), timeout_s)

    # --- lookups ------------------------------------------------------------------------------------------------

    def lookup_resources(
        self,
        lookup: str,
        *,
        context: Mapping[str, object] | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        page_size: int = 0,
    ) -> Iterator[Found[ObjectRef]]:
        """All resources that a subject has a permission of, by id: `tool#use@run:r-7`, a check without the resource's
        id. Each is true in an `if` only for a yes. At the end the error is raised of the first that has no answer."""
        options = ReadOptions(at_least, at_exactly, tuple(contextual))
        pages = self._pages(
            lambda page: lookups.lookup_resources(self.store, lookup, context, options, page), page_size
        )
        for page in pages:
            yield from page.found

    def lookup_resources_page(
        self,
        lookup: str,
        *,
        context: Mapping[str, object] | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        limit: int = 0,
        cursor: str = "",
        timeout_s: float | None = None,
    ) -> LookupPage[ObjectRef]:
        """One page, at most `limit` of them (0: as many as the server gives), those that failed told as such."""
        options = ReadOptions(at_least, at_exactly, contextual)
        request = lookups.lookup_resources(self.store, lookup, context, options, lookups.PageOf(limit, cursor))
        return self._send(request, timeout_s)

    def lookup_subjects(
        self,
        lookup: str,
        *,
        context: Mapping[str, object] | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        page_size: int = 0,
    ) -> Iterator[Found[SubjectRef]]:
        """All subjects of a type that have a permission, by id: `tool:erp.pay#use@run`, a check without the subject's
        id, or `…@group#member`. Whoever is not named has it too where `*` is found, which comes last, with those it
        does not stand for. Each is true in an `if` only for a yes. At the end the error is raised of the first that
        has no answer, and no `*` is given then."""
        options = ReadOptions(at_least, at_exactly, tuple(contextual))
        looking = lookups.Looking()
        pages = self._pages(lambda page: lookups.lookup_subjects(self.store, lookup, context, options, page), page_size)
        for page in pages:
            yield from looking.told(page)

    def lookup_subjects_page(
        self,
        lookup: str,
        *,
        context: Mapping[str, object] | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        limit: int = 0,
        cursor: str = "",
        timeout_s: float | None = None,
    ) -> LookupPage[SubjectRef]:
        """One page, at most `limit` of them (0: as many as the server gives), those that failed told as such. A `*` is
        on the first, and whom it does not stand for on any."""
        options = ReadOptions(at_least, at_exactly, contextual)
        request = lookups.lookup_subjects(self.store, lookup, context, options, lookups.PageOf(limit, cursor))
        return self._send(request, timeout_s)

    def lookup_permissions(
        self,
        lookup: str,
        *,
        relations: bool = False,
        context: Mapping[str, object] | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        page_size: int = 0,
    ) -> Iterator[Found[str]]:
        """All permissions of an object that a subject has, by name: `tool:erp.pay@run:r-7`, a check without the
        permission; with `relations`, its relations as well. Each is true in an `if` only for a yes. At the end the
        error is raised of the first that has no answer."""
        options = ReadOptions(at_least, at_exactly, tuple(contextual))
        pages = self._pages(
            lambda page: lookups.lookup_permissions(self.store, lookup, relations, context, options, page), page_size
        )
        for page in pages:
            yield from page.found

    def lookup_permissions_page(
        self,
        lookup: str,
        *,
        relations: bool = False,
        context: Mapping[str, object] | None = None,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Iterable[str | Relationship] = (),
        limit: int = 0,
        cursor: str = "",
        timeout_s: float | None = None,
    ) -> LookupPage[str]:
        """One page, at most `limit` of them (0: as many as the server gives), those that failed told as such."""
        options = ReadOptions(at_least, at_exactly, contextual)
        page = lookups.PageOf(limit, cursor)
        request = lookups.lookup_permissions(self.store, lookup, relations, context, options, page)
        return self._send(request, timeout_s)

    def _pages(
        self, request: Callable[[lookups.PageOf], Request[LookupPage[T]]], page_size: int
    ) -> Iterator[LookupPage[T]]:
        """All pages of a lookup. Raises, when all were given, the first error among what failed."""
        failed: tuple[FailedLookup[T], ...] = ()
        cursor, is_last = "", False
        while not is_last:
            page = self._send(request(lookups.PageOf(page_size, cursor)), None)
            yield page
            failed = failed or page.failed[:1]
            cursor, is_last = page.next_cursor, not page.next_cursor
        for each in failed:
            raise each.error

    # --- facts --------------------------------------------------------------------------------------------------

    def touch(self, *relationships: str | Relationship) -> str:
        """Write them, whatever was there; all or none. The token of the write."""
        return self.write(updates_of(Operation.TOUCH, relationships))

    def create(self, *relationships: str | Relationship) -> str:
        """Write them; refused as a whole if one is there. The token of the write."""
        return self.write(updates_of(Operation.CREATE, relationships))

    def delete(self, *relationships: str | Relationship) -> str:
        """Remove them; those that are not there do not matter. The token of the write."""
        return self.write(updates_of(Operation.DELETE, relationships))

    def write(
        self,
        updates: Iterable[Update],
        *,
        preconditions: Iterable[Precondition] = (),
        metadata: Mapping[str, object] | None = None,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> str:
        """All updates as one revision, or none; durable when it returns. The token of the write, empty for a dry run,
        which is judged the same and writes nothing.

        After a timeout or a lost connection the write may have happened: a TOUCH or DELETE can be repeated."""
        request = relationships.write(self.store, updates, preconditions, metadata, dry_run)
        written = self._send(request, timeout_s)
        return written.token

    def write_result(
        self,
        updates: Iterable[Update],
        *,
        preconditions: Iterable[Precondition] = (),
        metadata: Mapping[str, object] | None = None,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> Written:
        """What `write` does, and all that is told of it: which of the updates had expired already, beside the token."""
        request = relationships.write(self.store, updates, preconditions, metadata, dry_run)
        return self._send(request, timeout_s)

    def replace(
        self,
        filter: RelationshipFilter,
        updates: Iterable[Update],
        *,
        preconditions: Iterable[Precondition] = (),
        metadata: Mapping[str, object] | None = None,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> Written:
        """Remove what a filter means and write the updates, as one revision: nobody sees the one without the other.

        What the updates write stays. A filter names at least a type, and means at most 10,000 relationships."""
        request = relationships.write(self.store, updates, preconditions, metadata, dry_run, filter)
        return self._send(request, timeout_s)

    def delete_by_filter(
        self,
        filter: RelationshipFilter,
        *,
        limit: int = 0,
        preconditions: Iterable[Precondition] = (),
        metadata: Mapping[str, object] | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> Deleted:
        """Remove what a filter means, at most `limit` (0: all), in as many calls as it takes, each a revision that asks
        for the preconditions anew. `progress` hears after each how many are gone. A dry run is one call that counts up
        to what one revision may remove."""
        conditions = tuple(preconditions)
        deleting = relationships.Deleting(limit, dry_run, progress)
        while True:
            call_limit = deleting.call_limit
            request = relationships.delete_by_filter(self.store, filter, conditions, metadata, dry_run, call_limit)
            if not deleting.goes_on(self._send(request, timeout_s)):
                return deleting.deleted

    def read(
        self, filter: RelationshipFilter | None = None, *, at_least: str = "", page_size: int = 0
    ) -> Iterator[StoredRelationship]:
        """All facts a filter means, page by page, in a stable order; what is written meanwhile may or may not show."""
        cursor = ""
        while True:
            page = self.read_page(filter, at_least=at_least, limit=page_size, cursor=cursor)
            yield from page.items
            cursor = page.next_cursor
            if not cursor:
                return

    def read_page(
        self,
        filter: RelationshipFilter | None = None,
        *,
        at_least: str = "",
        limit: int = 0,
        cursor: str = "",
        timeout_s: float | None = None,
    ) -> Page:
        """One page, at most `limit` facts (0: as many as the server gives)."""
        return self._send(relationships.read(self.store, filter, at_least, limit, cursor), timeout_s)

    # --- streams ------------------------------------------------------------------------------------------------

    def watch(
        self,
        after: str = "",
        filters: Iterable[RelationshipFilter] = (),
        *,
        checkpoint_interval_ms: int = 0,
        resume: bool = True,
    ) -> Watch:
        """Every change after a token (without one: from now on) that any of the filters means (without one: all), each
        revision once and in order, for as long as it is open. Begins with a checkpoint.

        A stream that breaks or is ended in passing is asked for again from where it was, unless `resume` is false.
        REVISION_GONE says that the changelog does not reach back so far: export, then watch from the export's token."""
        watch = ResumableWatch(self.store, after, filters, checkpoint_interval_ms)
        return Watch(watch, self._connection, resume=resume)

    def watch_permission(
        self,
        permission: str,
        *,
        after: str = "",
        evaluated_at_us: int | None = None,
        checkpoint_interval_ms: int = 0,
        resume: bool = True,
    ) -> PermissionWatch:
        """Who has `type#permission@type` (or `…@type#relation`) of what, as that changes after the token and the time
        of an answer (without them: from now on), for as long as it is open. Begins with a checkpoint: look up as of its
        token, then apply what comes. A `reset` says to look up anew.

        A stream that breaks or is ended in passing is asked for again from where it was, unless `resume` is false."""
        watch = ResumablePermissionWatch(self.store, permission, after, evaluated_at_us, checkpoint_interval_ms)
        return PermissionWatch(watch, self._connection, resume=resume)

    def export(
        self, filter: RelationshipFilter | None = None, *, at_least: str = "", cursor: str = "", resume: bool = True
    ) -> Export:
        """All relationships that a filter means, in a stable order; what is written meanwhile may or may not show, and
        a watch from the export's `token` reports all of it. `cursor` goes on where an earlier export was."""
        return Export(ResumableExport(self.store, filter, at_least, cursor), self._connection, resume=resume)

    def import_(
        self,
        relationships: Items[str | Relationship],
        *,
        progress: Progress | None = None,
        expired: Progress | None = None,
    ) -> Imported:
        """Touch any number of relationships, a thousand a revision; `progress` hears after each how many are durable,
        and before that `expired` the places, counted from 0, of those that had expired already.

        Where it fails, the error's metadata say how many are written (`imported`) and which one was refused (`index`,
        counted from 0). All of it may be sent again, or the rest."""
        upload = ImportUpload(self.store, progress, expired)
        stream = self._connection.exchange(upload, relationships)
        try:
            while (message := stream.next()) is not None:
                upload.receive(message)
        except RemoteError as error:
            raise upload.refused(error) from error.__cause__
        finally:
            stream.cancel()
        if upload.failure is not None:
            raise upload.failure
        return upload.done

    # --- schemas ------------------------------------------------------------------------------------------------

    def write_schema(self, text: str, *, dry_run: bool = False, timeout_s: float | None = None) -> SchemaWritten:
        """Make this the store's schema; a dry run is judged the same and writes nothing. A RemoteError with reason
        SCHEMA_INVALID holds the compiler's `findings`."""
        return self._send(schemas.write_schema(self.store, text, dry_run), timeout_s)

    def read_schema(self, *, at_least: str = "", at_exactly: str = "", timeout_s: float | None = None) -> SchemaText:
        return self._send(schemas.read_schema(self.store, at_least, at_exactly), timeout_s)

    def diff_schema(self, text: str, *, at_least: str = "", timeout_s: float | None = None) -> SchemaDiff:
        """What a schema would change, against the store's: in meaning, and for the relationships that exist."""
        return self._send(schemas.diff_schema(self.store, text, at_least), timeout_s)

    # --- agents -------------------------------------------------------------------------------------------------

    def hold(
        self,
        on: str | ObjectRef,
        *,
        reason: str = "",
        id: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> HoldResult:
        """Silence an object and everything below it, until the hold is released by its id. Each method of agents is
        carried out once, however often it is sent: by the `request_id`, which is made where none is given."""
        return self._send(holds.hold(self.store, on, reason, id, request_id, dry_run), timeout_s)

    def release(
        self,
        id: str,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> HoldResult:
        """Take a hold away by its id. What else holds the same object goes on to."""
        return self._send(holds.release(self.store, id, reason, request_id, dry_run), timeout_s)

    def terminate(
        self,
        object: str | ObjectRef,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> TerminateResult:
        """End a run, a version or an agent for good, and with it everything below."""
        return self._send(holds.terminate(self.store, object, reason, request_id, dry_run), timeout_s)

    def give_consent(
        self,
        giver: str | ObjectRef,
        agents: str | Iterable[str],
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ConsentResult:
        """Let agents act for a person, or for everybody whom a directory knows."""
        request = consents.give_consent(self.store, giver, agents, reason, request_id, dry_run)
        return self._send(request, timeout_s)

    def withdraw_consent(
        self,
        id: str,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ConsentResult:
        """End a consent for good, and with it every run that was started under it."""
        return self._send(consents.withdraw_consent(self.store, id, reason, request_id, dry_run), timeout_s)

    def list_consents(self, giver: str | ObjectRef, *, timeout_s: float | None = None) -> tuple[ConsentState, ...]:
        """The consents of a person or a directory, withdrawn ones among them."""
        return self._send(consents.list_consents(self.store, giver), timeout_s)

    def spawn(
        self,
        delegator: str | ObjectRef,
        version: str,
        profiles: str | Iterable[str],
        *,
        intent: str = "",
        bindings: Mapping[str, Scalar] | None = None,
        lifetime_s: int = 0,
        session: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> Run:
        """Start a run below a person, a system or a run, or find the one that lives under the session's name. A run
        that was started is terminated where its `with` block ends."""
        request = runs.spawn(
            self.store,
            delegator,
            version,
            profiles,
            intent,
            bindings or {},
            lifetime_s,
            session,
            request_id,
            dry_run,
        )
        return Run(self, self._send(request, timeout_s))

    def renew(
        self,
        run: str,
        *,
        lifetime_s: int = 0,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> RunResult:
        """Let a run live for so long from now; where it lives longer already, it stays so."""
        return self._send(runs.renew(self.store, run, lifetime_s, request_id, dry_run), timeout_s)

    def narrow(
        self,
        run: str,
        intent: str,
        *,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> RunResult:
        """Declare a profile that covers nothing that what the run has declared does not."""
        return self._send(runs.narrow(self.store, run, intent, request_id, dry_run), timeout_s)

    def declare_intent(
        self,
        run: str,
        intent: str,
        *,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> RunResult:
        """Replace what a run has declared, by a profile that covers nothing that its delegator is not granted."""
        return self._send(runs.declare_intent(self.store, run, intent, request_id, dry_run), timeout_s)

    def describe_run(self, run: str, *, timeout_s: float | None = None) -> RunState:
        """One run as it stands."""
        return self._send(runs.describe_run(self.store, run), timeout_s)

    def list_runs(
        self,
        *,
        delegator: str | ObjectRef | None = None,
        version: str = "",
        living: bool = False,
        limit: int = 0,
        cursor: str = "",
        timeout_s: float | None = None,
    ) -> RunPage:
        """A page of the runs there are. It may be empty and not the last: the last has no cursor."""
        return self._send(runs.list_runs(self.store, delegator, version, living, limit, cursor), timeout_s)

    def show_chain(self, run: str, *, timeout_s: float | None = None) -> tuple[ChainLink, ...]:
        """What a run acts for: every link of its chain, from itself up."""
        return self._send(runs.show_chain(self.store, run), timeout_s)

    def show_subtree(
        self, object: str | ObjectRef, *, limit: int = 0, cursor: str = "", timeout_s: float | None = None
    ) -> SubtreePage:
        """A page of the runs below a run, a person or a system, each before those below itself."""
        return self._send(runs.show_subtree(self.store, object, limit, cursor), timeout_s)

    def register_agent(
        self,
        agent: str,
        *,
        owners: Iterable[str | SubjectRef],
        domain: str,
        ceilings: Ceilings | None = None,
        directory: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> AgentResult:
        """Register an agent, with owners of whom one is there now, in a domain that belongs to an estate."""
        request = registry.register_agent(self.store, agent, owners, domain, ceilings, directory, request_id, dry_run)
        return self._send(request, timeout_s)

    def change_agent(
        self,
        agent: str,
        *,
        owners: Iterable[str | SubjectRef] = (),
        domain: str = "",
        ceilings: Ceilings | None = None,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> AgentResult:
        """Replace what is named: all owners, the domain, all ceilings."""
        request = registry.change_agent(self.store, agent, owners, domain, ceilings, request_id, dry_run)
        return self._send(request, timeout_s)

    def retire_agent(
        self,
        agent: str,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> RetireResult:
        """End an agent's registration and terminate it: its id never returns."""
        return self._send(registry.retire_agent(self.store, agent, reason, request_id, dry_run), timeout_s)

    def add_version(
        self,
        agent: str,
        version: str,
        *,
        model: str = "",
        prompt: str = "",
        tools: str = "",
        like: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> VersionResult:
        """Add a version to an agent by digests of its model, prompt and tools; those that are not given are of the
        version that it is `like`."""
        digests = Digests(model, prompt, tools)
        request = registry.add_version(self.store, agent, version, digests, like, request_id, dry_run)
        return self._send(request, timeout_s)

    def certify(
        self,
        version: str,
        *,
        until_us: int,
        reason: str = "",
        directory: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> CertifyResult:
        """Certify a version until a time, in microseconds since the epoch, as somebody who does not own its agent."""
        request = registry.certify(self.store, version, until_us, reason, directory, request_id, dry_run)
        return self._send(request, timeout_s)

    def decertify(
        self,
        version: str,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> VersionResult:
        """Take away every certification of a version, so that its runs stop."""
        return self._send(registry.decertify(self.store, version, reason, request_id, dry_run), timeout_s)

    def list_agents(self, *, at_least: str = "", page_size: int = 0) -> Iterator[AgentState]:
        """All agents that anything is known of, by id, page by page; each page is of one revision."""
        cursor = ""
        while True:
            page = self.list_agents_page(at_least=at_least, limit=page_size, cursor=cursor)
            yield from page.agents
            cursor = page.next_cursor
            if not cursor:
                return

    def list_agents_page(
        self, *, at_least: str = "", limit: int = 0, cursor: str = "", timeout_s: float | None = None
    ) -> AgentPage:
        """One page, at most `limit` agents (0: as many as the server gives)."""
        return self._send(registry.list_agents(self.store, at_least, limit, cursor), timeout_s)

    def describe_agent(
        self, agent: str, *, at_least: str = "", limit: int = 0, cursor: str = "", timeout_s: float | None = None
    ) -> AgentDescription:
        """An agent, and a page of its versions, at most `limit` (0: as many as the server gives)."""
        return self._send(registry.describe_agent(self.store, agent, at_least, limit, cursor), timeout_s)

    def orphans(
        self,
        leaving: str | ObjectRef = "",
        *,
        limit: int = 0,
        cursor: str = "",
        timeout_s: float | None = None,
    ) -> OrphanPage:
        """A page of the agents and systems that have no owner who is there; with `leaving`, a person, of what they
        answer for and would have none without them."""
        return self._send(owners.orphans(self.store, leaving, limit, cursor), timeout_s)

    def transfer_owner(
        self,
        from_owner: str | SubjectRef,
        to_owner: str | SubjectRef,
        *,
        only: Iterable[str | ObjectRef] = (),
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> TransferResult:
        """Give every agent and system that an owner has, or `only` some of them, to another, who must be there: a
        person, `team:x#member`, or a system. Who is in which team stays as it is."""
        return self._send(
            owners.transfer_owner(self.store, from_owner, to_owner, only, reason, request_id, dry_run), timeout_s
        )

    def impact(
        self,
        object: str | ObjectRef,
        *,
        leaving: bool = False,
        limit: int = 0,
        with_chains: bool = False,
        timeout_s: float | None = None,
    ) -> ImpactResult:
        """What a hold on an object would stop, or, `leaving`, what would stop without a person: counted, and at most
        `limit` of each type named (0: a hundred). `with_chains`: with the relationships that lead there."""
        return self._send(impacts.impact(self.store, object, leaving, limit, with_chains), timeout_s)

    def register_tool(
        self,
        tool: str,
        *,
        domain: str,
        descriptor: bytes,
        tags: Iterable[str] = (),
        untagged: bool = False,
        risk: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Register a tool with what it says of itself (docs/tools.md), which is pending until it is accepted. It has
        tags, or is untagged; what nobody has rated is of high risk."""
        request = tools.register(self.store, tool, domain, descriptor, tags, untagged, risk, request_id, dry_run)
        return self._send(request, timeout_s)

    def propose_descriptor(
        self,
        tool: str,
        descriptor: bytes,
        *,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Say what a tool says of itself now: pending in the place of what was pending before."""
        return self._send(tools.propose(self.store, tool, descriptor, request_id, dry_run), timeout_s)

    def accept_descriptor(
        self,
        tool: str,
        digest: str,
        *,
        keep_earlier: bool = False,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Have calls judged by the pending descriptor of that digest, and no more by earlier ones unless they are
        kept."""
        return self._send(tools.accept(self.store, tool, digest, keep_earlier, request_id, dry_run), timeout_s)

    def reject_descriptor(
        self,
        tool: str,
        digest: str,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Forget the pending descriptor, or take back one that was accepted."""
        return self._send(tools.reject(self.store, tool, digest, reason, request_id, dry_run), timeout_s)

    def change_tool(
        self,
        tool: str,
        *,
        tags: Iterable[str] = (),
        risk: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Give a tool more tags, or a higher risk."""
        return self._send(tools.change(self.store, tool, tags, risk, request_id, dry_run), timeout_s)

    def relax_tool(
        self,
        tool: str,
        *,
        remove_tags: Iterable[str] = (),
        untagged: bool = False,
        risk: str = "",
        domain: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Take tags from a tool, set its risk, or move it to another domain."""
        request = tools.relax(self.store, tool, remove_tags, untagged, risk, domain, request_id, dry_run)
        return self._send(request, timeout_s)

    def retire_tool(
        self,
        tool: str,
        *,
        reason: str = "",
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ToolResult:
        """Take a tool out of every registry, for good."""
        return self._send(tools.retire(self.store, tool, reason, request_id, dry_run), timeout_s)

    def list_tools(self, *, at_least: str = "", page_size: int = 0) -> Iterator[ToolState]:
        """The tools that are registered or were retired, by id."""
        cursor = ""
        while True:
            page = self.list_tools_page(at_least=at_least, limit=page_size, cursor=cursor)
            yield from page.tools
            cursor = page.next_cursor
            if not cursor:
                return

    def list_tools_page(
        self, *, at_least: str = "", limit: int = 0, cursor: str = "", timeout_s: float | None = None
    ) -> ToolPage:
        """One page, at most `limit` of them (0: as many as the server gives)."""
        return self._send(tools.list_page(self.store, at_least, limit, cursor), timeout_s)

    def describe_tool(self, tool: str, *, at_least: str = "", timeout_s: float | None = None) -> ToolDescription:
        """What a tool says of itself, what it would say, and the difference."""
        return self._send(tools.describe(self.store, tool, at_least), timeout_s)

    def apply(
        self,
        documents: Iterable[Mapping[str, object] | bytes],
        *,
        set: str = "",
        selector: Mapping[str, str] | None = None,
        prune: bool = False,
        request_id: str = "",
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ApplyResult:
        """Make the store say what documents say, which are mappings, or JSON as bytes: docs/apply.md has their kinds.
        `prune`: remove what the set was given before and they do not have. `selector`: only those with these labels."""
        request = applies.apply(self.store, documents, set, selector, prune, request_id, dry_run)
        return self._send(request, timeout_s)

    # --- stores -------------------------------------------------------------------------------------------------

    def create_store(self, name: str, *, timeout_s: float | None = None) -> StoreInfo:
        """Make an empty store. STORE_EXISTS where there is one of that name."""
        return self._send(stores.create_store(name), timeout_s)

    def list_stores(self, *, timeout_s: float | None = None) -> tuple[StoreInfo, ...]:
        """The stores this client may see, by name."""
        return self._send(stores.list_stores(), timeout_s)

    def delete_store(self, name: str, *, timeout_s: float | None = None) -> None:
        """Remove a store and all it holds. There is no way back but a backup."""
        self._send(stores.delete_store(name), timeout_s)

    def backup(self, store: str | None = None) -> Backup:
        """A copy of a store (this client's, if none is named) as it stands, while it goes on: bytes, to be kept as they
        are and given to `restore`."""
        request = stores_pb2.BackupRequest(name=self.store if store is None else store)
        return Backup(self._connection.stream("/remit.v1.Stores/Backup", request, stores_pb2.BackupResponse))

    def restore(self, name: str, chunks: Items[bytes]) -> StoreInfo:
        """Make a store of a backup, under a name that is free. It is there when this returns, or not at all; tokens of
        before are refused as foreign."""
        upload = RestoreUpload(checked_store(name, field="name"))
        try:
            response = self._connection.upload(upload, chunks)
        except RemoteError as error:
            if upload.failure is not None:
                raise upload.failure from error
            raise
        return decode_store(response.store)

    def who_am_i(self, *, timeout_s: float | None = None) -> Identity:
        """Who the server takes this client for, and what it may do."""
        return self._send(stores.who_am_i(), timeout_s)

    # --- the connection -----------------------------------------------------------------------------------------

    def _send(self, request: Request[T], timeout_s: float | None) -> T:
        attempts = Attempts(self.timeout_s if timeout_s is None else timeout_s, is_repeatable=request.is_repeatable)
        while True:
            try:
                response = self._connection.call(request, attempts.left_s)
            except RemoteError as error:
                pause_s = attempts.pause_s(error)
                if pause_s is None or self._connection.closed.is_set_within(pause_s):
                    raise
            else:
                return request.read(response)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
