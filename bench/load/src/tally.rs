//! What was counted: answers, errors, how long they took. Law: nothing counts that was answered during the warm-up.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::options::Options;

/// The longest time told apart from longer ones.
const LONGEST_US: u64 = 60_000_000;

pub struct Tally {
    answers: u64,
    wrong: u64,
    failed: u64,
    latency_ns: Histogram<u64>,
    began: Instant,
    duration: Duration,
    rate: f64,
    cpu_s: f64,
}

impl Tally {
    pub fn new(options: &Options) -> Self {
        let latency_ns = Histogram::new_with_bounds(100, LONGEST_US * 1_000, 3).expect("the bounds are valid");
        let duration = options.duration;
        Self {
            answers: 0,
            wrong: 0,
            failed: 0,
            latency_ns,
            began: Instant::now(),
            duration,
            rate: options.rate,
            cpu_s: 0.0,
        }
    }

    pub fn answered(&mut self, took: Duration) {
        self.answers += 1;
        self.latency_ns.saturating_record(took.as_nanos() as u64);
    }

    /// An answer, but not the expected one.
    pub fn was_wrong(&mut self) {
        self.wrong += 1;
    }

    /// An error instead of an answer.
    pub fn has_failed(&mut self) {
        self.failed += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.wrong += other.wrong;
        self.failed += other.failed;
        self.latency_ns += &other.latency_ns;
    }

    pub fn end(&mut self) {
        self.cpu_s = processor_s();
    }

    pub fn is_clean(&self) -> bool {
        self.answers > 0 && self.wrong == 0 && self.failed == 0
    }

    /// Latencies are in microseconds. `cpu_share`: of the whole time, warm-up included; near 1 means that this program
    /// was what held the server back.
    pub fn json(&self) -> String {
        let us = |quantile: f64| self.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
        let whole_s = self.began.elapsed().as_secs_f64();
        format!(
            "{{\"answers\": {}, \"wrong\": {}, \"failed\": {}, \"seconds\": {:.3}, \"per_s\": {:.0}, \"rate\": {:.0}, \
             \"latency_us\": {{\"mean\": {:.1}, \"p50\": {:.1}, \"p90\": {:.1}, \"p99\": {:.1}, \"p999\": {:.1}, \
             \"max\": {:.1}}}, \"from\": \"{}\", \"cpu_s\": {:.2}, \"cpu_share\": {:.2}}}",
            self.answers,
            self.wrong,
            self.failed,
            self.duration.as_secs_f64(),
            self.answers as f64 / self.duration.as_secs_f64(),
            self.rate,
            self.latency_ns.mean() / 1e3,
            us(0.5),
            us(0.9),
            us(0.99),
            us(0.999),
            self.latency_ns.max() as f64 / 1e3,
            if self.rate > 0.0 { "when it should have been sent" } else { "when it was sent" },
            self.cpu_s,
            self.cpu_s / whole_s,
        )
    }
}

/// The processor time of this process so far, from the kernel's own account, which counts in hundredths of a second.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold anything; what follows are numbers.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}
