"""The engine: all verbs of Remit by noun, over a store that is the truth and a graph in memory that is quick.

Here they are only built and wired. Everything is synchronous and may be called from many threads.
Law: the graph of a store is what its relationships are, at every revision that anyone can see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from remit.engine.agents.applies import Applies
from remit.engine.agents.consents import Consents
from remit.engine.agents.ends import Ends
from remit.engine.agents.holds import Holds
from remit.engine.agents.impacts import Impacts
from remit.engine.agents.inventory import Inventory
from remit.engine.agents.lineage import Lineage
from remit.engine.agents.owners import Owners
from remit.engine.agents.performing import Verbs
from remit.engine.agents.registrations import Registrations
from remit.engine.agents.runs import Runs
from remit.engine.agents.stops import Stopping
from remit.engine.agents.tool_reading import ToolReading
from remit.engine.agents.tools import Tools
from remit.engine.agents.versions import Versions
from remit.engine.clock import Clock
from remit.engine.descriptors import Descriptors
from remit.engine.entries import Entries, EntrySink
from remit.engine.limits import Limits
from remit.engine.loaded import LoadedStores
from remit.engine.lookups import Lookups
from remit.engine.questions import Questions
from remit.engine.records import Records
from remit.engine.relationships import Relationships
from remit.engine.request_view import RequestViews
from remit.engine.results import EngineStats
from remit.engine.schemas import Schemas
from remit.engine.stores import Stores
from remit.engine.streams import Streams
from remit.engine.upkeep import RETENTION_US, Upkeep
from remit.engine.watching import Watches
from remit.eval.evaluators import quickest_evaluator
from remit.interrupt import Interrupt, never_interrupted
from remit.model import DEFAULT_STORE
from remit.store.port import Commit, Store

if TYPE_CHECKING:
    from remit import _core


class Engine:
    """Every verb by its noun, over all stores of one data directory: `engine.questions.check(…)`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: Limits | None = None,
        *,
        retention_us: int = RETENTION_US,
        entries: EntrySink | None = None,
    ) -> None:
        """Load every store into memory; make `default` where there is none. Cost: O(relationships).

        `retention_us` is how long revisions can be asked about and watched, as far as `upkeep` is called. `entries`:
        where those of verbs are kept, as far as `self.entries` is started; None for nowhere but the changelog."""
        self._store = store
        self.clock = clock
        self.limits = limits = limits or Limits()
        if not store.names():
            store.create(DEFAULT_STORE)
        self.loaded = loaded = LoadedStores(store)
        descriptors = Descriptors(loaded)
        self.views = views = RequestViews(loaded, clock, limits, descriptors)
        watches = Watches(loaded)
        evaluator = quickest_evaluator(limits.evaluation_bytes_max)
        self.questions = Questions(views, evaluator, limits)
        self.lookups = Lookups(views, evaluator, limits)
        self.records = Records(loaded)
        self.relationships = Relationships(loaded, clock, limits, descriptors)
        self.schemas = Schemas(loaded, views, clock, limits)
        self.stores = Stores(store, loaded, watches, clock, limits)
        self.streams = Streams(loaded, watches, evaluator, clock, limits)
        verbs = Verbs(loaded, views, descriptors, evaluator, clock, limits)
        self.holds = Holds(verbs)
        self.ends = Ends(verbs)
        self.consents = Consents(verbs)
        self.runs = Runs(verbs)
        self.lineage = Lineage(verbs)
        self.registrations = Registrations(verbs)
        self.versions = Versions(verbs, evaluator, limits)
        self.inventory = Inventory(views, self.records, evaluator, limits)
        self.tools = Tools(verbs)
        self.tool_reading = ToolReading(verbs)
        self.applies = Applies(verbs, evaluator, limits)
        self.entries = Entries(loaded, entries, clock, retention_us) if entries is not None else None
        self._upkeep = Upkeep(store, loaded, clock, retention_us, self.entries)
        self.owners = Owners(verbs, evaluator, limits)
        self.impacts = Impacts(verbs, Stopping(evaluator, limits), limits)

    def close(self) -> None:
        """Finish what is queued and release the store. The engine answers nothing afterwards."""
        self._store.close()

    @property
    def core(self) -> _core.NativeCore | None:
        """The stores in the native core, for the frontend; None where there is none."""
        return self.loaded.core

    def stats(self) -> EngineStats:
        """What there is now, for whoever watches. Cost: O(stores)."""
        store = self._store
        behind_us = self.entries.behind_us() if self.entries is not None else 0
        return EngineStats(
            self.loaded.stats(), store.size_bytes(), store.writes_waiting(), store.problem(), behind_us / 1_000_000
        )

    def on_commit(self, observer: Callable[[Commit], None]) -> Callable[[], None]:
        """Call `observer` after each commit to the disk; see `Store.observe`. Returns what ends it."""
        return self._store.observe(observer)

    def upkeep(self, interrupt: Interrupt = never_interrupted) -> None:
        """A round of sweeping what expired long ago and forgetting old revisions; see `upkeep.Upkeep`."""
        self._upkeep.round(interrupt)
