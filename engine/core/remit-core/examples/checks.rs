//! What a check costs in process, without Python, on the world that `python -m bench` measures too.
//!
//! `python -m bench.core_world --size large world.txt`, then `cargo run --release --example checks -- world.txt`.
//! Every answer is compared with the expected one. Figures are of this machine in this moment: compare ratios, and
//! instructions, which do not depend on who else is at work.

use remit_core::graph::{QualifiersText, Triple};
use remit_core::schema::plan::{Definition, Expression};
use remit_core::{ANSWERS, Answer, Context, Identity, Question, Session, Store};
use std::str::Split;

/// As in the module that Python imports.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Words<'a> = Split<'a, char>;

fn word<'a>(words: &mut Words<'a>) -> &'a str {
    words.next().expect("another word in the line")
}

fn strings(words: &mut Words) -> Vec<String> {
    (0..count(words)).map(|_| word(words).to_owned()).collect()
}

fn count(words: &mut Words) -> usize {
    word(words).parse().expect("a number")
}

/// In Polish notation, a list led by its length.
fn expression(words: &mut Words) -> Expression {
    let all = |words: &mut Words| (0..count(words)).map(|_| expression(words)).collect();
    match word(words) {
        "nil" => Expression::Nil,
        "self" => Expression::Itself,
        "name" => Expression::Name(word(words).into()),
        "union" => Expression::Union(all(words)),
        "intersection" => Expression::Intersection(all(words)),
        "exclusion" => {
            let base = expression(words);
            Expression::Exclusion(Box::new(base), Box::new(expression(words)))
        }
        "arrow" => {
            Expression::Arrow { relation: word(words).into(), name: word(words).into(), every: word(words) == "1" }
        }
        "subject" => Expression::SubjectArrow(word(words).into()),
        "exists" => Expression::Exists(word(words).into()),
        "along" => Expression::Along { child: word(words).into(), relations: strings(words) },
        other => panic!("no expression is a `{other}`"),
    }
}

fn triple(line: &str) -> Triple<'_> {
    let mut words = line.split('\t');
    let mut next = || word(&mut words);
    let (resource_type, resource_id, relation) = (next(), next(), next());
    let (subject_type, subject_id, subject_relation) = (next(), next(), next());
    Triple { resource_type, resource_id, relation, subject_type, subject_id, subject_relation }
}

/// Work of this thread alone, so others on the machine hardly count: nanoseconds, and instructions outside the kernel.
struct Meter {
    counter: Option<i32>, // a file of the kernel's; None where there are no counters
}

impl Meter {
    fn new() -> Meter {
        let mut attributes = [0_u64; 16]; // perf_event_attr
        attributes[0] = 128 << 32; // its size; type 0 is hardware
        attributes[1] = 1; // PERF_COUNT_HW_INSTRUCTIONS
        attributes[5] = 0b110_0000; // not in the kernel, not in the hypervisor
        // SAFETY: the call reads 128 bytes of attributes, which are there, and returns a file or -1.
        let file = unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) };
        Meter { counter: (file >= 0).then_some(file as i32) }
    }

    fn read(&self) -> (f64, f64) {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the clock exists on every Linux, and writes only into the struct it is given.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
        let mut instructions = 0_u64;
        if let Some(file) = self.counter {
            // SAFETY: a counter's file gives eight bytes, and there is room for eight.
            let read = unsafe { libc::read(file, (&raw mut instructions).cast(), 8) };
            assert_eq!(read, 8, "a counter is read whole");
        }
        (now.tv_sec as f64 * 1e9 + now.tv_nsec as f64, instructions as f64)
    }
}

struct Case<'a> {
    question: Question<'a>,
    expected: Answer,
}

/// Of each workload, its questions round and round.
const CHECKS: usize = 60_000;
const PIECE: usize = 50;

/// In pieces of fifty checks: the tenth of them that was quickest tells what it costs where nobody disturbs.
fn measure(name: &str, meter: &Meter, store: &Store, session: &mut Session, cases: &[Case]) {
    let mut pieces: Vec<(f64, f64)> = Vec::new();
    let (mut steps_all, mut steps_most) = (0, 0);
    let mut at = 0;
    while at < CHECKS {
        let before = meter.read();
        for _ in 0..PIECE {
            let Case { question, expected } = &cases[at % cases.len()];
            session.clear();
            let (answer, steps) = store.read().check(session, question, &Context::default(), 0, u64::MAX, &|| false);
            assert_eq!(answer, *expected, "{question:?}");
            steps_all += steps;
            steps_most = steps_most.max(steps);
            at += 1;
        }
        let after = meter.read();
        let each = PIECE as f64;
        pieces.push(((after.0 - before.0) / each, (after.1 - before.1) / each));
    }
    let instructions = pieces.iter().map(|piece| piece.1).sum::<f64>() / pieces.len() as f64;
    let mut ns: Vec<f64> = pieces.iter().map(|piece| piece.0).collect();
    ns.sort_unstable_by(f64::total_cmp);
    let (quick, median) = (ns[ns.len() / 10], ns[ns.len() / 2]);
    let steps = steps_all as f64 / at as f64;
    println!(
        "{name:36} {quick:8.0} ns undisturbed {median:8.0} median {instructions:8.0} instructions {steps:7.1} steps, \
         {steps_most} at most"
    );
}

fn main() {
    let file = std::env::args().nth(1).expect("the file that `python -m bench.core_world` wrote");
    let only = std::env::args().nth(2).unwrap_or_default();
    let text = std::fs::read_to_string(file).expect("the world's file can be read");
    let mut definitions: Vec<Definition> = Vec::new();
    let mut workloads: Vec<(&str, Vec<Case>)> = Vec::new();
    let store = Store::new(Identity::default());
    let plain = QualifiersText::default();
    let mut facts: Vec<Triple> = Vec::new();
    for line in text.lines() {
        let (what, rest) = line.split_once('\t').expect("a letter and its words");
        let mut words = rest.split('\t');
        match what {
            "D" => definitions.push(Definition { name: rest.into(), ..Definition::default() }),
            "R" => definitions.last_mut().expect("a definition comes first").relations.push(rest.into()),
            "P" => {
                let permission = (word(&mut words).to_owned(), expression(&mut words));
                definitions.last_mut().expect("a definition comes first").permissions.push(permission);
            }
            "F" => facts.push(triple(rest)),
            "W" => workloads.push((rest, Vec::new())),
            "Q" => {
                let Triple { resource_type, resource_id, relation, subject_type, subject_id, subject_relation } =
                    triple(rest);
                let question = Question {
                    resource_type,
                    resource_id,
                    permission: relation,
                    subject_type,
                    subject_id,
                    subject_relation,
                };
                let expected = if rest.ends_with("\t1") { Answer::Yes } else { Answer::No };
                workloads.last_mut().expect("a workload comes first").1.push(Case { question, expected });
            }
            other => panic!("no line begins with `{other}`"),
        }
    }
    store.write().install(&definitions, &[], false, 1);
    for batch in facts.chunks(10_000) {
        store.write().apply(batch.iter().map(|fact| (*fact, Some(&plain))));
    }
    println!("{} facts", store.read().graph().len());
    let meter = Meter::new();
    for (name, cases) in workloads.iter().filter(|(name, _)| name.contains(&only)) {
        measure(&format!("{name}, no cache"), &meter, &store, &mut Session::new(0), cases);
        if *name == "hot pair" {
            measure("hot pair, cache", &meter, &store, &mut Session::new(ANSWERS), cases);
        }
    }
}
