//! What a check, a tuple and a write cost in process, on documents in folders, shared with people and nested groups.
//!
//! `cargo run --release --example measure -- 1000000`. Figures are of this machine in this moment: compare ratios.

use remit_core::graph::{QualifiersText, Triple};
use remit_core::schema::plan::{Definition, Expression};
use remit_core::{ANSWERS, Answer, Context, Identity, Question, Session, Store};

/// As in the module that Python imports.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// Counts of the world's things: a third as many documents as relationships, a thirtieth as many folders (six in each),
/// a hundredth as many groups (eight people each, every second in another), and ten documents shared with 1,000 groups.
struct World {
    documents: u64,
    folders: u64,
    groups: u64,
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

impl World {
    fn of(tuples: u64) -> World {
        World { documents: tuples / 3, folders: tuples / 30, groups: tuples / 100, users: tuples / 10 }
    }

    /// Every relationship, handed on as it is made.
    fn generate(&self, emit: &mut dyn FnMut(Fact)) {
        let World { documents, folders, groups, users } = *self;
        let mut random = Random(7);
        for group in 0..groups {
            for _ in 0..8 {
                emit(fact(("group", group), "member", ("user", random.below(users)), ""));
            }
            if group > 0 && random.below(2) == 0 {
                emit(fact(("group", group), "member", ("group", group / 2), "member"));
            }
        }
        for folder in 0..folders {
            if folder > 0 {
                emit(fact(("folder", folder), "parent", ("folder", folder / 6), ""));
            }
            emit(fact(("folder", folder), "viewer", ("group", random.below(groups)), "member"));
        }
        for document in 0..documents {
            emit(fact(("document", document), "parent", ("folder", random.below(folders)), ""));
            emit(fact(("document", document), "owner", ("user", random.below(users)), ""));
            match random.below(4) {
                0 => emit(fact(("document", document), "viewer", ("user", random.below(users)), "")),
                1 => emit(fact(("document", document), "viewer", ("group", random.below(groups)), "member")),
                _ => {}
            }
        }
        for wide in 0..10 {
            for _ in 0..1_000 {
                emit(fact(("document", documents + wide), "viewer", ("group", random.below(groups)), "member"));
            }
        }
    }
}

fn schema() -> Vec<Definition> {
    let name = |name: &str| Expression::Name(name.into());
    let parent = || Expression::Arrow { relation: "parent".into(), name: "view".into(), every: false };
    let definition = |name: &str, relations: &[&str], permissions| Definition {
        name: name.into(),
        relations: relations.iter().map(|each| (*each).into()).collect(),
        permissions,
        ..Definition::default()
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

/// Microseconds of this thread's own work: others on the machine do not count.
fn worked_us() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and writes only into the struct it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

fn main() {
    let tuples = std::env::args().nth(1).map_or(1_000_000, |given| given.parse().expect("a number of tuples"));
    let world = World::of(tuples);
    let store = Store::new(Identity::default());
    let plain = QualifiersText::default();
    store.write().install(&schema(), &[], false, 1);

    let before = resident_bytes();
    let mut applied: Vec<f32> = Vec::with_capacity(tuples as usize / 50);
    let mut batch: Vec<Fact> = Vec::new();
    world.generate(&mut |fact| {
        batch.push(fact);
        if batch.len() == 100 {
            let begun = worked_us();
            store.write().apply(batch.iter().map(|each| (triple(each), Some(&plain))));
            applied.push((worked_us() - begun) as f32);
            batch.clear();
        }
    });
    let held = resident_bytes() - before - applied.len() as u64 * 4;
    let (count, counted) = (store.read().graph().len(), store.read().graph().bytes());
    let total: f64 = applied.iter().map(|us| f64::from(*us)).sum();
    applied.sort_unstable_by(f32::total_cmp);
    let slowest = applied[applied.len() - 1];
    println!("{count} tuples: {:.2} M/s, the slowest hundred {slowest:.0} µs", count as f64 / total);
    println!("memory: {:.1} B a tuple resident, {:.1} counted", per(held, count), per(counted as u64, count));

    let mut random = Random(11);
    let asked: Vec<[String; 2]> = (0..200_000)
        .map(|_| {
            let document = random.below(world.documents);
            [format!("document-{document}"), format!("user-{}", random.below(world.users))]
        })
        .collect();
    measure("random documents, no cache", &store, &mut Session::new(0), &asked);
    measure("random documents, cache", &store, &mut Session::new(ANSWERS), &asked);
    let hot = vec![asked[0].clone(); 200_000];
    measure("one hot pair, no cache", &store, &mut Session::new(0), &hot);
    measure("one hot pair, cache", &store, &mut Session::new(ANSWERS), &hot);
    let wide: Vec<[String; 2]> = (0..20_000)
        .map(|at| [format!("document-{}", world.documents + at % 10), format!("user-{}", random.below(world.users))])
        .collect();
    measure("shared with 1,000 groups, no cache", &store, &mut Session::new(0), &wide);

    let changed: Vec<Fact> = (0..20_000)
        .map(|_| fact(("document", random.below(world.documents)), "viewer", ("user", random.below(world.users)), ""))
        .collect();
    let begun = worked_us();
    for each in &changed {
        store.write().apply([(triple(each), Some(&plain))]);
    }
    println!("adding one: {:.2} µs", (worked_us() - begun) / changed.len() as f64);
}

/// In pieces of fifty checks: the tenth of them that was quickest tells what it costs where nobody disturbs.
fn measure(name: &str, store: &Store, session: &mut Session, asked: &[[String; 2]]) {
    let (mut yes, mut steps) = (0_u64, 0);
    let mut pieces: Vec<f64> = Vec::new();
    for piece in asked.chunks(50) {
        let begun = worked_us();
        for [document, user] in piece {
            session.clear();
            let question = Question {
                resource_type: "document",
                resource_id: document,
                permission: "view",
                subject_type: "user",
                subject_id: user,
                subject_relation: "",
            };
            let (answer, spent) = store.read().check(session, &question, &Context::default(), 0, u64::MAX, &|| false);
            yes += u64::from(answer == Answer::Yes);
            steps += spent;
        }
        pieces.push((worked_us() - begun) / piece.len() as f64);
    }
    pieces.sort_unstable_by(f64::total_cmp);
    let (quick, median) = (pieces[pieces.len() / 10], pieces[pieces.len() / 2]);
    let (yes, steps) = (per(yes * 100, asked.len()), per(steps, asked.len()));
    println!("{name}: {quick:.3} µs a check undisturbed, {median:.3} median ({yes:.1} % yes, {steps:.1} steps)");
}

fn per(total: u64, count: usize) -> f64 {
    total as f64 / count as f64
}
