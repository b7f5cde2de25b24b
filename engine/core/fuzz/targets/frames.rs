//! What a connection may say, whatever it is: to a frontend that serves on loopback.
//!
//! Law: the connection ends, the frontend goes on, and a good caller beside it is answered.
#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use remit_core::clock::Clock;
use remit_core::graph::{QualifiersText, Triple};
use remit_core::schema::plan::Definition;
use remit_core::{Core, Identity, Store};
use remit_front::credentials::Credentials;
use remit_front::dispatch::queues::QueueConfig;
use remit_front::fair_quota::Holdings;
use remit_front::hot_path::answer::{HotPath, Limits};
use remit_front::metrics::Bounds;
use remit_front::status::Status;
use remit_front::transport::pool::Pool;
use remit_front::transport::server::{Config, Frontend};
use remit_front::transport::worker::{Statuses, Timeouts};
use remit_front::verbs::{Verb, VerbTable};
use second::{CheckRequest, Object, Subject};

/// How often a good caller asks, in connections of others.
const GOOD_EVERY: usize = 16;
const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    frontend: Frontend,
    address: SocketAddr,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let status = |code| Status { code, message: "no".to_owned(), details: String::new(), request_id: String::new() };
    let clock = Arc::new(Clock::manual(7));
    // Nobody takes what is dispatched to Python: it waits until its caller leaves, or its queue is full.
    let verb = |path: &str, queue, is_hot| {
        Verb::new(path.to_owned(), path.to_owned(), queue, None, is_hot).expect("it may be")
    };
    let verbs = vec![
        verb("/remit.v1.Permissions/Check", Some(0), true),
        verb("/remit.v1.Relationships/Write", Some(0), false),
        verb("/remit.v1.Relationships/Import", None, false),
    ];
    let pool = |limit| Pool { holdings: Holdings::new(limit), overloaded: status(8), fair_share_spent: status(8) };
    let queues = vec![QueueConfig {
        places: Holdings::new(64),
        overloaded: status(8),
        fair_share_spent: status(8),
        stopping: status(14),
    }];
    let config = Config {
        credentials: Credentials::Everyone,
        clock: Arc::clone(&clock),
        verbs: VerbTable::new(verbs, queues.len()).expect("every queue is there"),
        queues,
        hot_path: Some(HotPath {
            engine: Arc::new(core()),
            clock,
            limits: Limits {
                steps_max: 100,
                items_max: 10,
                spicedb_items_max: 10,
                request_bytes_max: 1 << 20,
                response_bytes_max: 1 << 20,
                context_bytes_max: 4 << 10,
            },
        }),
        upstream: "/nowhere".into(), // what is not answered here is refused
        threads: 1,
        bounds: Bounds::default(),
        timeouts: Timeouts {
            handshake: PATIENCE,
            idle: PATIENCE,
            ping_every: PATIENCE,
            pong_within: PATIENCE,
            request: PATIENCE,
            taken: PATIENCE,
        },
        statuses: Statuses { unavailable: status(14), slow_request: status(10), stranger_too_long: status(3) },
        calls_per_connection_max: 100,
        carried_bytes_max: 2 << 20,
        small_bytes: 4 * 1024,
        open_message_bytes_max: 4 * 1024,
        has_rates: false,
        proxied: pool(100),
        strangers: pool(100),
        health_watches: pool(100),
        health_watches_per_peer_max: 128,
        unanswered: pool(1 << 20),
        unsent: Holdings::new(1 << 20),
        services: [String::new()].into(),
    };
    Served { frontend: Frontend::open(config, listener, None).expect("it serves"), address }
});

fn core() -> Core {
    let core = Core::default();
    let store = Store::new(Identity { name: "default".to_owned(), ..Identity::default() });
    let definition = |name: &str, relations: &[&str]| Definition {
        name: name.into(),
        relations: relations.iter().map(|each| (*each).into()).collect(),
        permissions: vec![],
        asking: vec![],
    };
    let fact = Triple {
        resource_type: "doc",
        resource_id: "readme",
        relation: "view",
        subject_type: "user",
        subject_id: "ann",
        subject_relation: "",
    };
    store.write().install(&[definition("user", &[]), definition("doc", &["view"])], &[], false, 1);
    store.write().apply([(fact, Some(&QualifiersText::default()))]);
    core.add(Arc::new(store));
    core
}

/// A connection that asks one question, whose answer is yes.
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let object = |kind: &str, id: &str| Some(Object { kind: kind.to_owned(), id: id.to_owned() });
    let asked = CheckRequest {
        resource: object("doc", "readme"),
        permission: "view".to_owned(),
        subject: Some(Subject { object: object("user", "ann"), ..Subject::default() }),
        ..CheckRequest::default()
    };
    let mut body = vec![0; 5];
    asked.encode(&mut body).expect("memory has room");
    body[4] = u8::try_from(body.len() - 5).expect("it is short");
    let pairs = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/remit.v1.Permissions/Check"),
        (":authority", "frontend"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    // Literals that enter no table, without Huffman's code.
    let header = |(a, b): &(&str, &str)| [&[0, a.len() as u8], a.as_bytes(), &[b.len() as u8], b.as_bytes()].concat();
    let head: Vec<u8> = pairs.iter().flat_map(header).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    [preface, frame(4, 0, 0, b""), frame(1, 4, 1, &head), frame(0, 1, 1, &body)].concat()
});

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

static SAID: AtomicUsize = AtomicUsize::new(0);

fuzz_target!(|said: &[u8]| {
    disturb(said);
    if SAID.fetch_add(1, Relaxed).is_multiple_of(GOOD_EVERY) {
        require_good();
        assert!(SERVED.frontend.connections() < 64, "connections are kept");
    }
});

fn connected() -> TcpStream {
    let socket = TcpStream::connect(SERVED.address).expect("the frontend listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
    socket
}

/// Say it and nothing more, until the frontend ends the connection.
fn disturb(said: &[u8]) {
    let mut socket = connected();
    let ended = socket
        .write_all(said)
        .and_then(|()| socket.shutdown(Shutdown::Write))
        .and_then(|()| socket.read_to_end(&mut Vec::new()));
    if let Err(error) = ended {
        let is_let_go = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
        assert!(is_let_go.contains(&error.kind()), "the connection does not end: {error}");
    }
}

/// That the answer is a message of a `CheckResponse` that says yes.
fn require_good() {
    let mut socket = connected();
    socket.write_all(&GOOD).expect("the frontend reads");
    let mut answer = Vec::new();
    while !answer.windows(3).any(|it| it == [8, 3, 0x1a]) {
        let mut more = [0; 1024];
        let count = match socket.read(&mut more) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue, // by the fuzzer's own alarm
            read => read.expect("the frontend answers"),
        };
        assert!(count > 0, "a good caller is let go: {answer:?}");
        answer.extend_from_slice(&more[..count]);
    }
}
