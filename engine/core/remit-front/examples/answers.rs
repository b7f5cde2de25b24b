//! What the frontend's own part of a Check costs: from the bytes of a request to those of its answer, without a socket.
//!
//! `cargo run --release --example answers`; under `valgrind --tool=callgrind` it tells instructions.

use remit_core::clock::Clock;
use remit_core::graph::{QualifiersText, Triple};
use remit_core::schema::plan::{Definition, Expression};
use remit_core::{Core, Identity, Store};
use remit_front::credentials::Credentials;
use remit_front::hot_path::answer::{HotPath, Limits};
use remit_front::hot_path::methods::Method;
use std::sync::Arc;
use std::time::Instant;

/// As in the module that Python imports.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHECKS: usize = 200_000;

/// A length-delimited field of protobuf, shorter than 128 bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// The body of a `remit.v1.CheckRequest`, as gRPC frames it.
fn body(document: u32, user: u32) -> Vec<u8> {
    let object =
        |type_: &str, id: u32| [field(1, type_.as_bytes()), field(2, format!("{type_}-{id}").as_bytes())].concat();
    let message =
        [field(3, &object("document", document)), field(4, b"view"), field(5, &field(1, &object("user", user)))]
            .concat();
    [&[0, 0, 0, 0, message.len() as u8], &*message].concat()
}

fn main() {
    let store = Store::new(Identity { name: "default".into(), ..Identity::default() });
    let view = Expression::Union(vec![Expression::Name("viewer".into()), Expression::Name("owner".into())]);
    let document = Definition {
        name: "document".into(),
        relations: vec!["viewer".into(), "owner".into()],
        permissions: vec![("view".into(), view)],
        ..Definition::default()
    };
    let user = Definition { name: "user".into(), ..Definition::default() };
    store.write().install(&[document, user], &[], false, 1);
    let plain = QualifiersText::default();
    for number in 0..1_000 {
        let (resource_id, subject_id) = (format!("document-{number}"), format!("user-{}", number % 100));
        let triple = Triple {
            resource_type: "document",
            resource_id: &resource_id,
            relation: "viewer",
            subject_type: "user",
            subject_id: &subject_id,
            subject_relation: "",
        };
        store.write().apply([(triple, Some(&plain))]);
    }
    let core = Arc::new(Core::default());
    core.add(Arc::new(store));
    let limits = Limits {
        steps_max: 100_000,
        items_max: 1_000,
        spicedb_items_max: 10_000,
        context_bytes_max: 1 << 16,
        request_bytes_max: 1 << 20,
        response_bytes_max: 1 << 20,
    };
    let credentials = parking_lot::RwLock::new(Credentials::Everyone);
    let clock = Arc::new(Clock::manual(0));
    let hot_path = HotPath { engine: core, clock: Arc::clone(&clock), limits };
    let bodies: Vec<Vec<u8>> = (0..1_000).map(|number| body(number, number % 100 + number % 2)).collect();
    let begun = Instant::now();
    let mut yes = 0;
    for at in 0..CHECKS {
        let client = credentials.read().admit(None, Some("check"), &clock).expect("there are no keys");
        let body = &bodies[at % bodies.len()];
        let response = hot_path.answer(Method::Check, &client, None, body).expect("it is plain");
        yes += usize::from(response.answers[0].is_yes);
    }
    let ns = begun.elapsed().as_nanos() as f64 / CHECKS as f64;
    println!("{ns:.0} ns a Check from bytes to bytes ({yes} of {CHECKS} yes)");
}
