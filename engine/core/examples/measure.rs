//! What a check, a tuple and a write cost in process, on documents in folders, shared with people and nested groups.
//!
//! `cargo run --release --example measure -- 1000000`. Figures are of this machine in this moment: compare ratios.

use _core::graph::{QualifiersText, Triple};
use _core::plan::{Definition, Expression};
use _core::{Answer, Identity, Question, Session, Store};
use std::time::{Duration, Instant};

/// Numbers that are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % end
    }
}

type Fact = [String; 6];

struct World {
    facts: Vec<Fact>,
    documents: u64,
    users: u64,
}

fn fact(resource: (&str, u64), relation: &str, subject: (&str, u64), subject_relation: &str) -> Fact {
    let (resource_type, resource_id) = resource;
    let (subject_type, subject_id) = subject;
    [
        resource_type.into(),
        format!("{resource_type}-{resource_id}"),
        relation.into(),
        subject_type.into(),
        format!("{subject_type}-{subject_id}"),
        subject_relation.into(),
    ]
}

/// About `tuples` relationships: a third as many documents, a thirtieth as many folders, a hundredth as many groups.
fn world(tuples: u64) -> World {
    let mut random = Random(7);
    let (documents, folders, groups, users) = (tuples / 3, tuples / 30, tuples / 100, tuples / 10);
    let mut facts = Vec::new();
    for group in 0..groups {
        for _ in 0..8 {
            facts.push(fact(("group", group), "member", ("user", random.below(users)), ""));
        }
        if group > 0 && random.below(2) == 0 {
            facts.push(fact(("group", group), "member", ("group", random.below(group)), "member"));
        }
    }
    for folder in 0..folders {
        if folder > 0 {
            facts.push(fact(("folder", folder), "parent", ("folder", random.below(folder)), ""));
        }
        facts.push(fact(("folder", folder), "viewer", ("group", random.below(groups)), "member"));
    }
    for document in 0..documents {
        facts.push(fact(("document", document), "parent", ("folder", random.below(folders)), ""));
        facts.push(fact(("document", document), "owner", ("user", random.below(users)), ""));
        if random.below(2) == 0 {
            let (kind, subject) = if random.below(2) == 0 {
                (("user", random.below(users)), "")
            } else {
                (("group", random.below(groups)), "member")
            };
            facts.push(fact(("document", document), "viewer", kind, subject));
        }
    }
    for wide in 0..10 {
        facts.push(fact(("document", documents + wide), "parent", ("folder", 0), ""));
        for _ in 0..1_000 {
            facts.push(fact(("document", documents + wide), "viewer", ("group", random.below(groups)), "member"));
        }
    }
    World { facts, documents, users }
}

fn schema() -> Vec<Definition> {
    let name = |name: &str| Expression::Name(name.into());
    let parent = || Expression::Arrow { relation: "parent".into(), name: "view".into(), every: false };
    let definition = |name: &str, relations: &[&str], permissions| Definition {
        name: name.into(),
        relations: relations.iter().map(|each| (*each).into()).collect(),
        permissions,
    };
    let view = |expressions| vec![("view".to_owned(), Expression::Union(expressions))];
    vec![
        definition("user", &[], vec![]),
        definition("group", &["member"], vec![]),
        definition("folder", &["parent", "viewer"], view(vec![name("viewer"), parent()])),
        definition("document", &["parent", "owner", "viewer"], view(vec![name("viewer"), name("owner"), parent()])),
    ]
}

fn triple(fact: &Fact) -> Triple<'_> {
    let [resource_type, resource_id, relation, subject_type, subject_id, subject_relation] = fact;
    Triple { resource_type, resource_id, relation, subject_type, subject_id, subject_relation }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let tuples = std::env::args().nth(1).map_or(1_000_000, |given| given.parse().expect("a number of tuples"));
    let world = world(tuples);
    let count = world.facts.len();
    let store = Store::new(Identity::default());
    let plain = QualifiersText::default();

    let before = resident_bytes();
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    store.write().install(&schema(), 1);
    for batch in world.facts.chunks(100) {
        let begun = Instant::now();
        store.write().apply(batch.iter().map(|each| (triple(each), Some(&plain))));
        slowest = slowest.max(begun.elapsed());
    }
    let loading = started.elapsed();
    let held = resident_bytes() - before;
    let counted = store.read().graph().bytes();
    println!(
        "{count} tuples: {:.2} M/s, the slowest hundred {slowest:.1?}",
        count as f64 / loading.as_secs_f64() / 1e6
    );
    println!("memory: {:.1} B a tuple resident, {:.1} counted", per(held, count), per(counted as u64, count));

    let mut random = Random(11);
    let asked: Vec<[String; 2]> = (0..400_000)
        .map(|_| {
            let document = random.below(world.documents);
            [format!("document-{document}"), format!("user-{}", random.below(world.users))]
        })
        .collect();
    for (name, answers) in [("no cache", 0), ("cache", 1 << 16)] {
        let mut session = Session::new(answers);
        measure(&format!("random documents, {name}"), &store, &mut session, &asked);
    }
    let mut session = Session::new(1 << 16);
    let hot = vec![asked[0].clone(); 400_000];
    measure("one hot pair, cache", &store, &mut session, &hot);
    measure("one hot pair, no cache", &store, &mut Session::new(0), &hot);
    let wide: Vec<[String; 2]> = (0..20_000)
        .map(|at| [format!("document-{}", world.documents + at % 10), format!("user-{}", random.below(world.users))])
        .collect();
    measure("shared with 1,000 groups, no cache", &store, &mut Session::new(0), &wide);
    measure("shared with 1,000 groups, cache", &store, &mut Session::new(1 << 16), &wide);

    let begun = Instant::now();
    let written = 100_000.min(count);
    for each in &world.facts[count - written..] {
        store.write().apply([(triple(each), None)]);
        store.write().apply([(triple(each), Some(&plain))]);
    }
    println!("removing and adding one: {:.2} µs", begun.elapsed().as_secs_f64() * 1e6 / written as f64);
}

fn measure(name: &str, store: &Store, session: &mut Session, asked: &[[String; 2]]) {
    let (mut yes, mut steps) = (0_u64, 0);
    let started = Instant::now();
    for [document, user] in asked {
        session.clear();
        let question = Question {
            resource_type: "document",
            resource_id: document,
            permission: "view",
            subject_type: "user",
            subject_id: user,
            subject_relation: "",
        };
        let (answer, spent) = store.read().check(session, &question, 0, u64::MAX, &|| false);
        yes += u64::from(answer == Answer::Yes);
        steps += spent;
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / asked.len() as f64;
    let (yes, steps) = (per(yes * 100, asked.len()), per(steps, asked.len()));
    println!("{name}: {each:.3} µs a check ({yes:.1} % yes, {steps:.1} steps), {:?}", session.cache_stats());
}

fn per(total: u64, count: usize) -> f64 {
    total as f64 / count as f64
}
