"""What the Rust core shows of itself: the crate `engine/core/remit-py`. Its `store.rs` is what `graph/native.py` wraps,
its `clock.rs`, `holdings.rs` and `front.rs` what `engine/clock.py`, `server/limits/fair_quota.py` and
`server/frontend/frontend.py` do. At run time `native_core.py`
imports it, and nothing else."""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, TypeAlias, TypedDict

from remit.model import ObjectRef, Qualifiers, SubjectRef

version: str

QualifiersTuple: TypeAlias = tuple[()] | tuple[tuple[str, str] | None, int | None, int | None]
ExpressionTuple: TypeAlias = tuple[object, ...]
AskingTuple: TypeAlias = tuple[str, tuple[str, str, bool], str, tuple[bool, bool], list[tuple[str, str]]]
DefinitionTuple: TypeAlias = tuple[str, list[str], list[tuple[str, ExpressionTuple]], list[AskingTuple]]
CaveatTuple: TypeAlias = tuple[str, list[tuple[str, str]], bytes]
SchemaTuple: TypeAlias = tuple[list[DefinitionTuple], list[CaveatTuple], bool]
CallTuple: TypeAlias = tuple[str, bytes, str, str]
Checked: TypeAlias = tuple[bool | None, int, bool]
ChangeTuple: TypeAlias = tuple[tuple[ObjectRef, str, SubjectRef], Qualifiers | None]

# Of an expansion: a set's type, id, relation and definition; a node, which begins with what it is; a fact's subject,
# what qualifies it and the set behind it; a reference, and whether it is truncated.
SetTuple: TypeAlias = tuple[str, str, str, NodeTuple]
NodeTuple: TypeAlias = tuple[Any, ...]
SubjectTuple: TypeAlias = tuple[str, str, str, QualifiersTuple, ReferenceTuple | None]
ReferenceTuple: TypeAlias = tuple[str, str, str, bool]
# The revision, the sets (None: Python finds them), the steps, and whether the budget ended it.
Expanded: TypeAlias = tuple[int, tuple[SetTuple, ...] | None, int, bool]

# The revision; ids with yes, no or None (Python decides), and whether an edge names them (None: Python finds them); the
# id to go on after; the steps, and whether the budget ended it.
LookedUp: TypeAlias = tuple[int, list[tuple[str, bool | None, bool]] | None, str | None, int, bool]

def fit_arguments(descriptor: bytes, arguments: bytes) -> tuple[str, str, str]: ...

class NativeStore:
    def __init__(self, name: str, uuid: bytes, epoch: int) -> None: ...
    def apply(
        self,
        changes: Sequence[ChangeTuple],
        revision: int | None = None,
        schema: SchemaTuple | None = None,
        descriptors: list[tuple[str, bytes | None]] | None = None,
    ) -> None: ...
    def load(
        self, rows: list[tuple[bytes, bytes]], triple_start: int
    ) -> list[tuple[int | None, int | None, list[str]]]: ...
    def check(
        self,
        resource: ObjectRef,
        permission: str,
        subject: SubjectRef,
        now_us: int,
        steps_max: int,
        interrupt: Callable[[], None] | None = None,
        context: Mapping[str, object] | None = None,
        changed: Sequence[ChangeTuple] | None = None,
        call: CallTuple | None = None,
    ) -> tuple[int, Checked]: ...
    def check_many(
        self,
        questions: Sequence[tuple[ObjectRef, str, SubjectRef]],
        now_us: int,
        steps_max: int,
        interrupt: Callable[[], None] | None = None,
        contexts: list[Mapping[str, object]] | None = None,
        changed: Sequence[ChangeTuple] | None = None,
        steps_together: int | None = None,
        calls: Sequence[CallTuple | None] | None = None,
    ) -> tuple[int, list[Checked]]: ...
    def expand(
        self,
        resource: ObjectRef,
        name: str,
        now_us: int,
        depth: int,
        steps_max: int,
        interrupt: Callable[[], None] | None = None,
    ) -> Expanded: ...
    def look_up(
        self,
        resource: ObjectRef,
        permission: str,
        subject: SubjectRef,
        now_us: int,
        after: str,
        limit: int,
        steps_max: int,
        interrupt: Callable[[], None] | None = None,
        context: Mapping[str, object] | None = None,
        changed: Sequence[ChangeTuple] | None = None,
    ) -> LookedUp: ...
    @property
    def revision(self) -> int: ...
    def count(self) -> int: ...
    def bytes(self) -> int: ...
    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> QualifiersTuple | None: ...
    def edges(
        self, resource: ObjectRef, relation: str, start: int, count: int, only_usersets: bool = False
    ) -> tuple[int, list[tuple[tuple[str, str, str], QualifiersTuple]]]: ...
    def nodes_of(self, subject: SubjectRef) -> list[tuple[tuple[str, str], str]]: ...
    def ids_of(self, type: str, start: int) -> tuple[list[str], int | None]: ...
    def relationships(
        self, start: int, count: int
    ) -> tuple[int, int | None, list[tuple[tuple[str, str], str, tuple[str, str, str], QualifiersTuple]]]: ...
    def check_invariants(self) -> None: ...

class NativeCore:
    def __init__(self) -> None: ...
    def add(self, store: NativeStore) -> None: ...
    def remove(self, name: str) -> None: ...
    def names(self) -> list[str]: ...

def set_cache(answers: int) -> None: ...
def set_dear(steps: int) -> None: ...
def cache_stats() -> tuple[int, int, int, int]: ...
def all_caches() -> tuple[int, int, int, int]: ...
def panics() -> int: ...

# Of what a call comes to under a document: a word, and what belongs to it.
JudgedTuple: TypeAlias = tuple[Any, ...]

def judge_call(
    document: str,
    side: str,
    declared: Sequence[tuple[str, str]],
    tool: str,
    arguments: bytes,
    purpose: str = "",
    types: Sequence[tuple[str, str]] = (),
) -> JudgedTuple: ...

# --- the clock and the frontend ---------------------------------------------------------------------------------

class Clock:
    """The machine's clock; or where `told` says so, one that is told what the machine's two clocks say."""

    def __new__(cls, patience_us: int, told: tuple[int, int] | None = None) -> Clock: ...
    def now_us(self) -> int: ...
    def ahead_us(self) -> int: ...
    def advance_to(self, time_us: int) -> None: ...
    def promise(self, ceiling_us: int) -> None: ...
    def unkept(self) -> None: ...
    def wait_for_renewal(self, timeout_s: float) -> None: ...
    def renew_now(self) -> None: ...
    def tell(self, machine_us: int, ticks_us: int) -> None: ...

# A secret's SHA-256, its key's id and rights, the stores it sees (None: all), when it ceases to count.
CredentialRow = tuple[bytes, str, Set[str], Set[str] | None, int | None]
# A gRPC code, a message, and details in base64.
StatusParts = tuple[int, str, str]
# A path, the verb's label, its queue (a stream has none), the right it needs, and whether the core may answer it.
VerbRow = tuple[str, str, int | None, str | None, bool]
# How much there is, and what is said where there is none left, and where too much is the client's.
PoolRow = tuple[int, StatusParts, StatusParts]
# Places, and what is said where all are taken, and where too many are the client's.
WorkQueueRow = tuple[Holdings, StatusParts, StatusParts]

# The PEM of a chain, its key, and the authorities of clients.
PemParts = tuple[bytes, bytes, bytes | None]

class ListenerConfig(TypedDict):
    """Who is let in. `descriptor`: of a socket that listens, and is the frontend's from now on. `has_rates`: there is a
    bound on how often a key may call."""

    descriptor: int
    threads: int
    calls_per_connection_max: int
    has_rates: bool
    pem: PemParts | None

class UpstreamConfig(TypedDict):
    """Where that is carried which is neither answered nor dispatched by the core: a unix socket."""

    socket: str

class PoolsConfig(TypedDict):
    """What all callers share: calls carried to Python, of who may make them and of all others; watches of health; and
    bytes of requests, until they are answered."""

    proxied: PoolRow
    strangers: PoolRow
    health_watches: PoolRow
    unanswered: PoolRow

class LimitsConfig(TypedDict):
    """What one request may ask for. Of messages: above which grpcio says that they are too large, up to which they are
    counted nowhere, and the largest of a method that needs no key. Watches of health of one address."""

    steps_max: int
    items_max: int
    spicedb_items_max: int
    context_bytes_max: int
    request_bytes_max: int
    response_bytes_max: int
    carried_bytes_max: int
    small_bytes: int
    open_message_bytes_max: int
    health_watches_per_peer_max: int

class TimeoutsConfig(TypedDict):
    handshake_s: float
    idle_s: float
    ping_every_s: float
    pong_within_s: float
    request_s: float
    taken_s: float

class StatusesConfig(TypedDict):
    """What is said to a call beside what the pools say."""

    unavailable: StatusParts
    slow_request: StatusParts
    stranger_too_long: StatusParts

class BucketsConfig(TypedDict):
    """The upper bounds of histograms."""

    seconds: Sequence[float]
    steps: Sequence[int]

class FrontendConfig(TypedDict):
    """`queues`: by the numbers that `verbs` names. `credentials` None: there are no keys, and everyone may call.
    `unsent`: memory for answers that wait to be read."""

    listener: ListenerConfig
    upstream: UpstreamConfig
    verbs: Sequence[VerbRow]
    queues: Sequence[WorkQueueRow]
    credentials: Sequence[CredentialRow] | None
    limits: LimitsConfig
    unsent: Holdings
    pools: PoolsConfig
    services: Set[str]
    timeouts: TimeoutsConfig
    statuses: StatusesConfig
    buckets: BucketsConfig

class MethodMetrics(TypedDict):
    """`seconds`, by verdict, and `steps`: buckets that are not cumulated, and the sum, in nanoseconds or steps."""

    yes: int
    no: int
    elsewhere: int
    seconds: dict[str, tuple[Sequence[int], int]]
    steps: tuple[Sequence[int], int]

class FrontendMetrics(TypedDict):
    connections: int
    accepted: int
    handshakes_failed: int
    handshakes_waiting: int
    handshakes_let_go: int
    proxied: tuple[int, int]
    strangers: tuple[int, int]
    unanswered: tuple[int, int]
    methods: dict[str, MethodMetrics]
    refused: dict[str, tuple[int, int, int]]

class Holdings:
    """See `server/limits/fair_quota.py`, whose clients share with those of the frontend."""

    def __new__(cls, limit: int) -> Holdings: ...
    def take(self, client_id: str, amount: int) -> tuple[int, int] | None: ...
    def give_back(self, client_id: str, amount: int) -> bool: ...
    def stats(self) -> tuple[int, int, int]: ...

def peer_and_host(address: str) -> tuple[str, str]:
    """What the frontend calls a connection from an address, and the host by which it counts strangers."""

class Reply:
    """The way back of one call that was taken: answered once, or else the caller is told of a failure."""

    def is_gone(self) -> bool: ...
    def make_room(self, size: int) -> tuple[int, int] | None: ...
    def answer(self, message: bytes) -> None: ...
    def refuse(self, status: StatusParts, request_id: str) -> None: ...

# The verb's number, metadata, peer, seconds left (None: as long as it takes), the message, the way back, and how many
# other threads wait for calls.
Taken = tuple[int, list[tuple[str, str | bytes]], str, float | None, bytes, Reply, int]

class Frontend:
    """See `server/frontend/frontend.py`."""

    def __new__(cls, core: NativeCore | None, clock: Clock, config: FrontendConfig) -> Frontend: ...
    def set_credentials(self, credentials: Sequence[CredentialRow] | None) -> None: ...
    def set_pem(self, pem: PemParts) -> None: ...
    def set_native(self, is_native: bool) -> None: ...
    def set_serving(self, is_serving: bool) -> None: ...
    def take(self, queue: int) -> Taken | None: ...
    def drain(self) -> None: ...
    def close(self, within_s: float) -> bool: ...
    def metrics(self) -> FrontendMetrics: ...
