//! The whole frontend, over real sockets: callers in front, and behind it a server that is told how to behave.
//!
//! Law: whatever stands behind, every call ends in an answer or a status.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, Request, Response};
use sha2::{Digest, Sha256};
use tokio::net::{TcpStream, UnixListener};

use crate::credentials::{Credential, Credentials};
use crate::dispatch::dispatched_call::DispatchedCall;
use crate::dispatch::queues::QueueConfig;
use crate::fair_quota::Holdings;
use crate::hot_path::answer::{HotPath, Limits};
use crate::hot_path::engine::double::Facts;
use crate::hot_path::questions::tests::{QUESTION, check_request};
use crate::metrics::Bounds;
use crate::status::Status;
use crate::transport::pool::Pool;
use crate::transport::server::{Config, Frontend};
use crate::transport::worker::{Statuses, Timeouts};
use crate::verbs::{Verb, VerbTable};
use remit_core::clock::Clock;

const CHECK: &str = "/remit.v1.Permissions/Check";
const KEPT: &str = "/remit.v1.Relationships/Write";
const STREAM: &str = "/remit.v1.Relationships/Import";
const OTHER: &str = "/remit.v1.Schemas/ReadSchema";

/// How the server behind the frontend answers.
#[derive(Clone, Copy)]
enum Behind {
    Echo,
    Reset(Reason),
}

struct Stage {
    frontend: Frontend,
    address: SocketAddr,
    folder: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn open(name: &str, proxied_max: usize, timeouts: Timeouts) -> (Stage, PathBuf) {
    let folder = std::env::temp_dir().join(format!("remit-front-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let upstream = folder.join("grpc");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let status = |code, message: &str| Status {
        code,
        message: message.to_owned(),
        details: String::new(),
        request_id: String::new(),
    };
    let clock = Arc::new(Clock::manual(7));
    let verb = |path: &str, right: &str| {
        Verb::new(path.to_owned(), path.to_owned(), Some(0), Some(right.to_owned()), path == CHECK).unwrap()
    };
    let stream = Verb::new(STREAM.to_owned(), STREAM.to_owned(), None, Some("write".to_owned()), false).unwrap();
    let queue = QueueConfig {
        places: Holdings::new(2),
        overloaded: status(8, "full"),
        fair_share_spent: status(8, "too much"),
        stopping: status(14, "stopping"),
    };
    let pool = |limit| Pool {
        holdings: Holdings::new(limit),
        overloaded: status(8, "full"),
        fair_share_spent: status(8, "too much"),
    };
    let config = Config {
        credentials: Credentials::Everyone,
        clock: Arc::clone(&clock),
        // Not as in `verbs.py`: which right a verb needs is what this table says.
        verbs: VerbTable::new(vec![verb(CHECK, "ask"), verb(KEPT, "write"), stream], 1).unwrap(),
        queues: vec![queue],
        hot_path: Some(HotPath {
            engine: Arc::new(Facts::new(&["doc:readme#view@user:ann"])),
            clock,
            limits: Limits {
                steps_max: 100,
                items_max: 10,
                spicedb_items_max: 10,
                context_bytes_max: 4096,
                request_bytes_max: 1 << 20,
                response_bytes_max: 1 << 20,
            },
        }),
        upstream: upstream.clone(),
        threads: 2,
        bounds: Bounds::default(),
        timeouts,
        statuses: Statuses {
            unavailable: status(14, "nobody there"),
            slow_request: status(10, "too slow"),
            stranger_too_long: status(3, "too long"),
        },
        calls_per_connection_max: 100,
        carried_bytes_max: 2 << 20,
        small_bytes: SMALL_BYTES,
        open_message_bytes_max: 4 * 1024,
        has_rates: false,
        proxied: pool(proxied_max),
        strangers: pool(proxied_max),
        health_watches: pool(proxied_max),
        health_watches_per_peer_max: 3,
        unanswered: pool(UNANSWERED_BYTES_MAX),
        unsent: Holdings::new(1 << 20),
        services: [String::new()].into(),
    };
    (Stage { frontend: Frontend::open(config, listener, None).unwrap(), address, folder }, upstream)
}

const LONG: Duration = Duration::from_secs(60);
const PATIENT: Timeouts =
    Timeouts { handshake: LONG, idle: LONG, ping_every: LONG, pong_within: LONG, request: LONG, taken: LONG };
const UNANSWERED_BYTES_MAX: usize = 64 * 1024;
const SMALL_BYTES: usize = 4 * 1024;

async fn behind(listener: UnixListener, how: Behind) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                tokio::spawn(async move {
                    if let Behind::Reset(reason) = how {
                        return respond.send_reset(reason);
                    }
                    let peer = request.headers()[crate::transport::proxy::PEER].clone();
                    let head = Response::builder().header("x-peer", peer).body(()).unwrap();
                    let mut out = respond.send_response(head, false).unwrap();
                    while let Some(Ok(data)) = request.body_mut().data().await {
                        request.body_mut().flow_control().release_capacity(data.len()).unwrap();
                        out.send_data(data, false).unwrap();
                    }
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    out.send_trailers(trailers).unwrap();
                });
            }
        });
    }
}

async fn caller(address: SocketAddr) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::Builder::new().handshake::<_, Bytes>(socket).await.unwrap();
    tokio::spawn(async move { connection.await.is_ok() });
    sender
}

fn call(sender: &mut SendRequest<Bytes>, path: &str, extra: &[(&str, &str)]) -> (ResponseFuture, SendStream<Bytes>) {
    let mut request = Request::post(format!("http://remit{path}")).header("content-type", "application/grpc");
    for (name, value) in extra {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(()).unwrap(), false).unwrap()
}

/// The headers, the body and the trailers of an answer.
async fn answer(response: ResponseFuture) -> (HeaderMap, Bytes, HeaderMap) {
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut data = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        data.extend_from_slice(&chunk);
    }
    (head.headers, data.freeze(), body.trailers().await.unwrap().unwrap_or_default())
}

fn body(message: &[u8]) -> Bytes {
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    body.into()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, test).await.expect("it took too long") });
}

fn is_yes(message: &[u8]) -> bool {
    message[5..7] == [8, 3]
}

#[test]
fn a_question_is_answered_here_also_where_its_body_comes_late_and_in_pieces() {
    run(async {
        let (stage, _) = open("native", 10, PATIENT);
        let mut sender = caller(stage.address).await;
        let whole = body(&check_request("", &QUESTION));
        let (response, mut sending) = call(&mut sender, CHECK, &[]);
        sending.send_data(whole.clone(), true).unwrap();
        let (head, message, trailers) = answer(response).await;
        assert_eq!(
            (&head["content-type"], &trailers["grpc-status"]),
            (&"application/grpc".parse().unwrap(), &"0".parse().unwrap())
        );
        assert!(is_yes(&message));
        let (response, mut sending) = call(&mut sender, CHECK, &[]);
        // Another call that is answered in between shows that the first part was there alone.
        sending.send_data(whole.slice(..9), false).unwrap();
        let (between, mut at_once) = call(&mut sender, CHECK, &[]);
        at_once.send_data(whole.clone(), true).unwrap();
        assert!(is_yes(&answer(between).await.1));
        sending.send_data(whole.slice(9..), false).unwrap();
        sending.send_data(Bytes::new(), true).unwrap();
        assert!(is_yes(&answer(response).await.1));
        let (label, totals) = &stage.frontend.methods()[0];
        assert_eq!((*label, totals.yes, totals.elsewhere), (CHECK, 3, 0));
    });
}

#[test]
fn the_table_says_which_right_a_call_needs_and_who_lacks_it_is_grpcios_to_refuse() {
    run(async {
        let (stage, upstream) = open("rights", 10, PATIENT);
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let key = |text: &str, right: &str| {
            let rights = [right.to_owned()].into();
            let credential = Credential { id: text.into(), rights, stores: None, until_us: None };
            (Sha256::digest(text).into(), Arc::new(credential))
        };
        stage.frontend.set_credentials(Credentials::Keyed([key("asks", "ask"), key("checks", "check")].into()));
        let mut sender = caller(stage.address).await;
        let mut ask = async |shown: &[(&str, &str)], message: &[u8]| {
            let (response, mut sending) = call(&mut sender, CHECK, shown);
            sending.send_data(body(message), true).unwrap();
            answer(response).await
        };
        let whole = check_request("", &QUESTION);
        let (head, message, _) = ask(&[("authorization", "Bearer asks")], &whole).await;
        assert!(is_yes(&message) && !head.contains_key("x-peer"));
        // With a message that could be answered, or one that nobody can read: it makes no difference.
        let strangers: [&[(&str, &str)]; 3] =
            [&[("authorization", "Bearer checks")], &[("authorization", "Bearer nobody")], &[]];
        for shown in strangers {
            for message in [&whole[..], b"\xff\xff"] {
                let (head, echoed, _) = ask(shown, message).await;
                assert_eq!((head.contains_key("x-peer"), echoed), (true, body(message)), "{shown:?}");
            }
        }
        let (_, totals) = &stage.frontend.methods()[0];
        assert_eq!((totals.yes, totals.elsewhere), (1, 6));
        behind.abort();
    });
}

#[test]
fn a_key_that_is_revoked_while_a_message_is_on_its_way_does_not_count() {
    run(async {
        let (stage, upstream) = open("revoked", 10, PATIENT);
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let mut sender = caller(stage.address).await;
        let whole = body(&check_request("", &QUESTION));
        let (response, mut sending) = call(&mut sender, CHECK, &[]);
        sending.send_data(whole.slice(..9), false).unwrap();
        // Another call that is answered in between shows that the first was let in.
        let (between, mut at_once) = call(&mut sender, CHECK, &[]);
        at_once.send_data(whole.clone(), true).unwrap();
        assert!(is_yes(&answer(between).await.1));
        stage.frontend.set_credentials(Credentials::Keyed([].into()));
        sending.send_data(whole.slice(9..), true).unwrap();
        let (head, echoed, _) = answer(response).await;
        assert_eq!((head.contains_key("x-peer"), echoed), (true, whole));
        behind.abort();
    });
}

#[test]
fn all_else_is_carried_as_it_is_and_says_who_calls() {
    run(async {
        let (stage, upstream) = open("carry", 10, PATIENT);
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let mut sender = caller(stage.address).await;
        let large = Bytes::from(body(&[7; 30_000]).repeat(100));
        let (response, mut sending) = call(&mut sender, STREAM, &[("x-remit-peer", "ipv4:6.6.6.6:6")]);
        let data = large.clone();
        tokio::spawn(async move { crate::response::send(&mut sending, data, true).await.is_ok() });
        let (head, echoed, trailers) = answer(response).await;
        assert!(head["x-peer"].to_str().unwrap().starts_with("ipv4:127.0.0.1:"));
        assert_eq!((echoed.len(), &trailers["grpc-status"]), (large.len(), &"0".parse().unwrap()));
        assert!(echoed == large);
        let shared = stage.frontend.shared();
        while shared.proxied.holdings.taken() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(shared.unanswered.holdings.taken(), 0);
        behind.abort();
    });
}

#[test]
fn a_method_is_asked_for_by_its_path_alone() {
    run(async {
        let (stage, upstream) = open("query", 10, PATIENT);
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let mut sender = caller(stage.address).await;
        for path in [format!("{CHECK}?x"), format!("{CHECK}?"), "/grpc.health.v1.Health/Check?x".to_owned()] {
            let (response, mut sending) = call(&mut sender, &path, &[]);
            sending.send_data(body(&check_request("", &QUESTION)), true).unwrap();
            assert!(answer(response).await.0.contains_key("x-peer"), "{path} was answered here");
        }
        behind.abort();
    });
}

#[test]
fn a_probe_is_answered_though_nothing_else_can_be() {
    run(async {
        let (stage, _) = open("probe", 0, PATIENT);
        let mut sender = caller(stage.address).await;
        let mut ask = async |message: &[u8]| {
            let (response, mut sending) = call(&mut sender, crate::transport::health::CHECK, &[]);
            sending.send_data(body(message), true).unwrap();
            let (head, message, _) = answer(response).await;
            (message.to_vec(), head.get("grpc-status").map(|code| code.to_str().unwrap().to_owned()))
        };
        assert_eq!(ask(b"").await, (body(&[8, 1]).to_vec(), None));
        stage.frontend.shared().health.set_serving(false);
        assert_eq!(ask(b"").await, (body(&[8, 2]).to_vec(), None));
        assert_eq!(ask(b"\x0a\x01x").await.1.as_deref(), Some("5"));
        assert_eq!(ask(b"\xff").await.1.as_deref(), Some("8")); // only grpcio can say, and may not be asked
    });
}

/// The next message of an answer that goes on.
async fn next(body: &mut h2::RecvStream) -> Bytes {
    let data = body.data().await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    data
}

#[test]
fn who_watches_health_is_told_at_once_and_whenever_it_changes_until_it_is_over() {
    run(async {
        let (stage, _) = open("watched", 16, PATIENT);
        let shared = stage.frontend.shared();
        let mut sender = caller(stage.address).await;
        let mut watch = async |message: &[u8], extra| {
            let (response, mut sending) = call(&mut sender, WATCH, extra);
            sending.send_data(body(message), true).unwrap();
            response.await.unwrap().into_body()
        };
        let mut server = watch(b"", &[]).await;
        let mut unknown = watch(b"\x0a\x01x", &[]).await;
        assert_eq!((next(&mut server).await, next(&mut unknown).await), (body(&[8, 1]), body(&[8, 3])));
        assert_eq!((shared.strangers.holdings.taken(), shared.health_watches.holdings.taken()), (2, 2));
        let mut hasty = watch(b"", &[("grpc-timeout", "50m")]).await;
        assert_eq!(next(&mut hasty).await, body(&[8, 1]));
        assert!(hasty.data().await.is_none());
        assert_eq!(hasty.trailers().await.unwrap().unwrap()["grpc-status"], "4");
        for (is_serving, status) in [(false, 2), (true, 1), (false, 2)] {
            shared.health.set_serving(is_serving);
            assert_eq!(next(&mut server).await, body(&[8, status]));
        }
        shared.health.end();
        shared.health.set_serving(true);
        assert!(server.data().await.is_none(), "nothing more is told");
        assert!(unknown.data().await.is_none(), "nothing changes for a service that is not there");
        for mut each in [server, unknown] {
            assert_eq!(each.trailers().await.unwrap().unwrap()["grpc-status"], "14");
        }
        while shared.strangers.holdings.taken() + shared.health_watches.holdings.taken() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn one_address_watches_health_so_often_and_no_more_and_takes_nothing_from_probes() {
    run(async {
        let (stage, _) = open("watches", 16, PATIENT);
        let mut sender = caller(stage.address).await;
        let mut ask = async |path| {
            let (response, mut sending) = call(&mut sender, path, &[]);
            sending.send_data(body(b""), true).unwrap();
            response.await.unwrap()
        };
        let mut watching = Vec::new();
        for _ in 0..3 {
            watching.push(ask(WATCH).await);
        }
        assert_eq!(ask(WATCH).await.headers()["grpc-status"], "8");
        assert!(!ask(PROBE).await.headers().contains_key("grpc-status"));
        watching.pop();
        // What was let go of has its place back once its reset has come.
        while ask(WATCH).await.headers().contains_key("grpc-status") {}
    });
}

#[test]
fn a_watch_that_is_no_plain_one_is_carried_and_one_that_nobody_reads_is_let_go() {
    run(async {
        let (stage, upstream) = open("odd-watch", 16, Timeouts { taken: Duration::from_millis(50), ..PATIENT });
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let mut sender = caller(stage.address).await;
        let (response, mut sending) = call(&mut sender, WATCH, &[]);
        sending.send_data(body(b"\xff"), true).unwrap();
        let (head, echoed, _) = answer(response).await;
        assert_eq!((head.contains_key("x-peer"), echoed), (true, body(b"\xff")));
        let mut unread = who_reads_nothing(stage.address).await;
        let (response, mut sending) = call(&mut unread, WATCH, &[]);
        sending.send_data(body(b""), true).unwrap();
        assert_eq!(how_it_ends(response).await, (Some(Reason::CANCEL), false));
        behind.abort();
    });
}

#[test]
fn calls_that_wait_for_their_own_callers_keep_nobody_from_being_let_in() {
    run(async {
        let (stage, upstream) = open("let-in", 200, PATIENT);
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let mut sender = caller(stage.address).await;
        // Each has the head of its answer, and all else is still to come.
        let mut open = Vec::new();
        for _ in 0..50 {
            let (response, sending) = call(&mut sender, STREAM, &[]);
            assert!(response.await.unwrap().headers().contains_key("x-peer"));
            open.push(sending);
        }
        behind.abort();
    });
}

/// A connection of a caller that lets nothing be sent to it.
async fn who_reads_nothing(address: SocketAddr) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (sender, connection) = builder.initial_window_size(0).handshake::<_, Bytes>(socket).await.unwrap();
    tokio::spawn(async move { connection.await.is_ok() });
    sender
}

/// Wait for the end of an answer that nobody reads: why it ended, and whether anything came of it.
async fn how_it_ends(response: ResponseFuture) -> (Option<Reason>, bool) {
    let mut body = response.await.unwrap().into_body();
    let mut has_come = false;
    loop {
        match body.data().await {
            Some(Ok(data)) => has_come |= !data.is_empty(),
            Some(Err(error)) => return (error.reason(), has_come),
            None => return (None, has_come),
        }
    }
}

const PROBE: &str = crate::transport::health::CHECK;
const WATCH: &str = crate::transport::health::WATCH;

#[test]
fn an_answer_that_nobody_reads_is_counted_with_whose_it_is() {
    run(async {
        let (stage, _) = open("unread", 16, PATIENT);
        let mut sender = who_reads_nothing(stage.address).await;
        let mut ask = async |path, message: &[u8]| {
            let (response, mut sending) = call(&mut sender, path, &[]);
            sending.send_data(body(message), true).unwrap();
            response.await
        };
        let shared = stage.frontend.shared();
        let taken = || (shared.strangers.holdings.taken(), shared.unsent.holdings.taken());
        let question = check_request("", &QUESTION);
        let mut unread = vec![ask(CHECK, &question).await];
        assert_eq!(taken(), (0, SMALL_BYTES));
        // Of the sixteen places, one address has no more than eight: then nothing is sent to it that it does not take.
        for number in 1..=8 {
            unread.push(ask(PROBE, b"").await);
            assert_eq!(taken(), (number, SMALL_BYTES));
        }
        assert_eq!(ask(PROBE, b"").await.unwrap_err().reason(), Some(Reason::CANCEL));
        assert_eq!(taken(), (8, SMALL_BYTES));
        drop((unread, sender));
        while taken() != (0, 0) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_answer_waits_for_its_reader_as_long_as_it_may_or_until_the_deadline() {
    run(async {
        let question = check_request("", &QUESTION);
        let short = Duration::from_millis(50);
        for (name, timeouts, extra) in [
            ("untaken", Timeouts { taken: short, ..PATIENT }, &[][..]),
            ("too-late", PATIENT, &[("grpc-timeout", "50m")][..]),
        ] {
            let (stage, _) = open(name, 16, timeouts);
            let mut sender = who_reads_nothing(stage.address).await;
            let shared = stage.frontend.shared();
            for (path, message) in [(CHECK, &question[..]), (PROBE, b"")] {
                let (response, mut sending) = call(&mut sender, path, extra);
                sending.send_data(body(message), true).unwrap();
                assert_eq!(how_it_ends(response).await, (Some(Reason::CANCEL), false), "{name} {path}");
                while shared.unsent.holdings.taken() + shared.strangers.holdings.taken() > 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
}

#[test]
fn a_large_answer_to_a_reader_who_stops_is_let_go_and_what_was_done_is_told_though_there_is_no_room() {
    run(async {
        let (stage, _) = open("large", 0, Timeouts { taken: Duration::from_millis(50), ..PATIENT });
        let queue = Arc::clone(stage.frontend.shared().queues.queue(0).unwrap());
        let unsent = Arc::clone(&stage.frontend.shared().unsent.holdings);
        let take = async || {
            let queue = Arc::clone(&queue);
            tokio::task::spawn_blocking(move || queue.take().unwrap().0.reply).await.unwrap()
        };
        let mut sender = caller(stage.address).await;
        let mut ask = || {
            let (response, mut sending) = call(&mut sender, KEPT, &[]);
            sending.send_data(body(b"x"), true).unwrap();
            response
        };
        let large = body(&vec![7; 100_000]); // its reader makes room for 64 KiB, and for the rest once it has read those
        let response = ask();
        let mut reply = take().await;
        reply.make_room(large.len()).unwrap();
        reply.answer(large.clone());
        assert_eq!(how_it_ends(response).await, (Some(Reason::CANCEL), true));
        while unsent.taken() > 0 {
            tokio::task::yield_now().await;
        }
        // Somebody else has nearly all of it, or all.
        for left in [large.len() - 1, SMALL_BYTES] {
            let others = unsent.take(&"others".into(), (1 << 20) - left).unwrap();
            let response = ask();
            let mut reply = take().await;
            assert!(reply.make_room(large.len()).is_err());
            reply.answer(large.clone());
            assert!(answer(response).await.1 == large);
            drop(others);
        }
        let others = unsent.take(&"others".into(), 1 << 20).unwrap();
        let response = ask();
        take().await.answer(body(b"done"));
        assert_eq!(answer(response).await.1, body(b"done"));
        drop(others);
    });
}

#[test]
fn a_stream_whose_reader_takes_nothing_is_let_go_and_its_place_given_back() {
    run(async {
        let (stage, upstream) = open("stuck", 10, Timeouts { taken: Duration::from_millis(50), ..PATIENT });
        let behind = tokio::spawn(behind(UnixListener::bind(upstream).unwrap(), Behind::Echo));
        let mut sender = who_reads_nothing(stage.address).await;
        let (response, mut sending) = call(&mut sender, STREAM, &[]);
        sending.send_data(body(b"x"), false).unwrap();
        assert_eq!(how_it_ends(response).await, (Some(Reason::CANCEL), false));
        while stage.frontend.shared().proxied.holdings.taken() > 0 {
            tokio::task::yield_now().await;
        }
        behind.abort();
    });
}

#[test]
fn a_body_takes_room_before_it_is_read_and_has_its_time() {
    run(async {
        let short = Duration::from_millis(200);
        let (stage, _) = open("bodies", 10, Timeouts { request: short, ..PATIENT });
        let mut senders = [caller(stage.address).await, caller(stage.address).await];
        let shared = stage.frontend.shared();
        let taken = || shared.unanswered.holdings.taken();
        let mut begin = |who: usize, path, size: u32| {
            let (response, mut sending) = call(&mut senders[who], path, &[]);
            let mut begun = vec![0];
            begun.extend_from_slice(&size.to_be_bytes());
            sending.send_data(begun.into(), false).unwrap();
            (response, sending)
        };
        let until = async |expected: usize| {
            while taken() != expected {
                tokio::task::yield_now().await;
            }
        };
        let status = async |response| answer(response).await.0["grpc-message"].to_str().unwrap().to_owned();
        let (first, _open) = begin(0, KEPT, 40 * 1024);
        until(40 * 1024).await;
        // Of the 64 KiB there are 24 left, and more than that is the first one's.
        let (second, _open) = begin(0, CHECK, 10);
        assert_eq!(status(second).await, "too much");
        let (third, _open) = begin(1, KEPT, 30 * 1024);
        assert_eq!(status(third).await, "full");
        assert_eq!(status(first).await, "too slow");
        until(0).await;
        let counted: Vec<_> = stage.frontend.refused().collect();
        assert_eq!(counted[..2], [(CHECK, [0, 1, 0]), (KEPT, [1, 0, 1])]);
    });
}

#[test]
fn callers_share_the_way_to_python_and_strangers_have_one_of_their_own() {
    run(async {
        let (stage, upstream) = open("shares", 4, PATIENT);
        let listener = UnixListener::bind(upstream).unwrap();
        let behind = tokio::spawn(behind(listener, Behind::Echo));
        let mut senders = [caller(stage.address).await, caller(stage.address).await];
        let mut kept = Vec::new();
        let mut begin = |who: usize, path| {
            let (response, sending) = call(&mut senders[who], path, &[]);
            kept.push(sending);
            response
        };
        let status = async |response: ResponseFuture| {
            let head = response.await.unwrap().into_parts().0;
            head.headers.get("grpc-message").map(|message| message.to_str().unwrap().to_owned())
        };
        let spent = Some("too much".to_owned());
        for (who, path, expected) in [
            (0, STREAM, &None),
            (0, STREAM, &None),
            (0, STREAM, &None),
            (0, STREAM, &spent),
            (1, STREAM, &None),
            (0, OTHER, &None), // which is nobody's in particular, and counted by address
            (0, OTHER, &None),
            (1, OTHER, &None),
            (1, OTHER, &spent),
        ] {
            assert_eq!(&status(begin(who, path)).await, expected, "{who} {path}");
        }
        drop((kept, senders));
        let shared = stage.frontend.shared();
        while shared.proxied.holdings.taken() + shared.strangers.holdings.taken() > 0 {
            tokio::task::yield_now().await;
        }
        behind.abort();
    });
}

#[test]
fn calls_that_come_at_once_share_a_few_ways_to_python() {
    run(async {
        let (stage, upstream) = open("burst", 1_000, PATIENT);
        let listener = UnixListener::bind(upstream).unwrap();
        let opened = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counting = Arc::clone(&opened);
        let behind = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                // Whose answer has begun never sees its end, so nobody makes room for others.
                open.push(tokio::spawn(async move {
                    let mut connection = h2::server::handshake(socket).await.unwrap();
                    let mut kept = Vec::new();
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let body = respond.send_response(Response::new(()), false).unwrap();
                        kept.push((request, respond, body));
                    }
                }));
            }
        });
        let mut senders = [caller(stage.address).await, caller(stage.address).await];
        let calls: Vec<_> = (0..180).map(|number| call(&mut senders[number % 2], OTHER, &[])).collect();
        let carried = || stage.frontend.shared().strangers.holdings.taken();
        while carried() < 180 || opened.load(std::sync::atomic::Ordering::Relaxed) < 4 {
            tokio::task::yield_now().await;
        }
        // Two threads, 90 calls each, 64 on a connection.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(opened.load(std::sync::atomic::Ordering::Relaxed), 4);
        drop(calls);
        behind.abort();
    });
}

#[test]
fn a_call_that_is_dispatched_is_answered_refused_or_failed_but_never_left() {
    run(async {
        let (stage, _) = open("dispatched", 0, PATIENT);
        let queue = Arc::clone(stage.frontend.shared().queues.queue(0).unwrap());
        let mut sender = caller(stage.address).await;
        let mut ask = |message: &'static [u8]| {
            let (response, mut sending) = call(&mut sender, KEPT, &[("x-remit-run", "r-1"), ("grpc-timeout", "50S")]);
            sending.send_data(body(message), true).unwrap();
            (response, sending)
        };
        let take = async || {
            let queue = Arc::clone(&queue);
            tokio::task::spawn_blocking(move || queue.take().unwrap().0).await.unwrap()
        };
        let (response, _sending) = ask(b"one");
        let DispatchedCall { call, mut reply } = take().await;
        assert_eq!((call.verb, &call.message[..], call.deadline.is_some()), (1, &b"one"[..], true));
        assert_eq!(call.metadata, [("x-remit-run".to_owned(), "r-1".to_owned())]);
        assert!(call.peer.starts_with("ipv4:127.0.0.1:"));
        reply.make_room(5 * 1024).unwrap();
        reply.answer(body(b"done"));
        let (_, message, trailers) = answer(response).await;
        assert_eq!((message, &trailers["grpc-status"]), (body(b"done"), &"0".parse().unwrap()));

        let (response, _sending) = ask(b"two");
        take().await.reply.refuse(Status { request_id: "r7".to_owned(), ..Status::failed() });
        let (head, ..) = answer(response).await;
        assert_eq!((&head["grpc-status"], &head["x-request-id"]), (&"13".parse().unwrap(), &"r7".parse().unwrap()));

        let (response, _sending) = ask(b"three");
        drop(take().await); // without a word
        assert_eq!(answer(response).await.0["grpc-status"], "13");
        assert_eq!(queue.places.taken(), 0);
    });
}

#[test]
fn who_goes_away_holds_nobody_up_and_what_is_too_much_is_refused_at_once() {
    run(async {
        let (stage, _) = open("gone", 0, PATIENT);
        let queue = Arc::clone(stage.frontend.shared().queues.queue(0).unwrap());
        let mut sender = caller(stage.address).await;
        let mut ask = || {
            let (response, mut sending) = call(&mut sender, KEPT, &[]);
            sending.send_data(body(b"x"), true).unwrap();
            (response, sending)
        };
        let (first, mut of_first) = ask();
        let begun = {
            let queue = Arc::clone(&queue);
            tokio::task::spawn_blocking(move || queue.take().unwrap().0).await.unwrap()
        };
        let (second, mut of_second) = ask();
        while queue.places.taken() < 2 {
            tokio::task::yield_now().await;
        }
        let (third, _of_third) = ask();
        let (head, ..) = answer(third).await;
        assert_eq!((&head["grpc-status"], &head["grpc-message"]), (&"8".parse().unwrap(), &"full".parse().unwrap()));
        assert_eq!((queue.places.refused(), stage.frontend.refused().nth(1)), (1, Some((KEPT, [1, 0, 0]))));
        of_second.send_reset(Reason::CANCEL); // nobody has begun with it
        drop(second);
        while queue.places.taken() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(!begun.reply.is_gone());
        of_first.send_reset(Reason::CANCEL);
        drop(first);
        while !begun.reply.is_gone() {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.places.taken(), 1, "it counts until the thread is done with it");
        drop(begun);
        assert_eq!(queue.places.taken(), 0);
    });
}

#[test]
fn what_is_not_answered_behind_is_a_status() {
    run(async {
        let (stage, upstream) = open("reset", 0, PATIENT);
        let mut sender = caller(stage.address).await;
        let status = async |sender: &mut SendRequest<Bytes>| {
            let (response, _sending) = call(sender, OTHER, &[]);
            answer(response).await.0["grpc-status"].to_str().unwrap().to_owned()
        };
        assert_eq!(status(&mut sender).await, "8"); // not even one may be carried
        drop((stage, upstream));
        let (stage, upstream) = open("reset", 10, PATIENT);
        let mut sender = caller(stage.address).await;
        assert_eq!(status(&mut sender).await, "14"); // nobody listens
        for (reason, code) in [(Reason::REFUSED_STREAM, "14"), (Reason::INTERNAL_ERROR, "13"), (Reason::CANCEL, "1")] {
            drop(std::fs::remove_file(&upstream));
            let listener = UnixListener::bind(&upstream).unwrap();
            let (stage, other) = open(code, 10, PATIENT);
            drop(std::fs::remove_file(&other));
            std::os::unix::fs::symlink(&upstream, &other).unwrap();
            let behind = tokio::spawn(behind(listener, Behind::Reset(reason)));
            let mut sender = caller(stage.address).await;
            assert_eq!(status(&mut sender).await, code);
            behind.abort();
        }
        drop(stage);
    });
}

#[test]
fn a_drain_tells_callers_to_go_and_the_door_ends() {
    run(async {
        let (stage, _) = open("drain", 10, PATIENT);
        let socket = TcpStream::connect(stage.address).await.unwrap();
        let (mut sender, connection) = h2::client::Builder::new().handshake::<_, Bytes>(socket).await.unwrap();
        let connection = tokio::spawn(connection);
        let whole = body(&check_request("", &QUESTION));
        let (response, mut sending) = call(&mut sender, CHECK, &[]);
        sending.send_data(whole.clone(), true).unwrap();
        assert!(is_yes(&answer(response).await.1));
        let (response, mut sending) = call(&mut sender, CHECK, &[]);
        stage.frontend.drain();
        sending.send_data(whole, true).unwrap();
        assert!(is_yes(&answer(response).await.1), "who was let in is answered");
        drop((sender, sending));
        connection.await.unwrap().unwrap();
        let stage = tokio::task::spawn_blocking(move || (stage.frontend.close(LONG), stage)).await.unwrap();
        assert!(stage.0, "all ended by itself");
        assert!(TcpStream::connect(stage.1.address).await.is_err());
    });
}

#[test]
fn who_has_not_begun_to_speak_does_not_hold_up_the_end() {
    run(async {
        let (stage, _) = open("unbegun", 10, PATIENT);
        let silent = TcpStream::connect(stage.address).await.unwrap();
        while stage.frontend.handshakes().0 == 0 {
            tokio::task::yield_now().await;
        }
        let (is_ended, stage) = tokio::task::spawn_blocking(move || (stage.frontend.close(LONG), stage)).await.unwrap();
        assert!(is_ended, "all ended by itself");
        until_let_go(&silent).await;
        drop(stage);
    });
}

#[test]
fn who_says_nothing_is_let_go() {
    run(async {
        let short = Duration::from_millis(20);
        let (stage, _) = open("silent", 10, Timeouts { handshake: short, ..PATIENT });
        until_let_go(&TcpStream::connect(stage.address).await.unwrap()).await;
        let (stage, _) = open("idle", 10, Timeouts { idle: short, ..PATIENT });
        let socket = TcpStream::connect(stage.address).await.unwrap();
        let (sender, connection) = h2::client::Builder::new().handshake::<_, Bytes>(socket).await.unwrap();
        drop(sender);
        connection.await.unwrap(); // told to go in good order
        // One that is there, and answers nothing that it is asked.
        let (stage, _) = open("dead", 10, Timeouts { ping_every: short, pong_within: short, ..PATIENT });
        let dead = TcpStream::connect(stage.address).await.unwrap();
        dead.writable().await.unwrap();
        dead.try_write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").unwrap();
        until_let_go(&dead).await;
        drop(stage);
    });
}

/// Read, whatever comes, until nothing more does.
async fn until_let_go(socket: &TcpStream) {
    loop {
        socket.readable().await.unwrap();
        match socket.try_read(&mut [0; 1024]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
