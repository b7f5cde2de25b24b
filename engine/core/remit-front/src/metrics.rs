//! What the frontend counts: how many were answered here and how, how long it took, what went to Python.
//!
//! Each thread counts for itself and whoever asks adds up, so that no request waits for another's count. Buckets and
//! their bounds are those of `metrics.py`, which shows these metrics among its own.
//! Law: nothing is decided by a metric.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::fair_quota::Full;
use crate::hot_path::questions::CheckAnswer;

/// The upper bounds of the buckets, rising; what is above the last has a bucket of its own.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    pub seconds: Vec<f64>,
    pub steps: Vec<u64>,
}

/// A histogram, not cumulated. `sum` is in nanoseconds, or in steps.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: usize) -> Self {
        Self { buckets: (0..=bounds).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    fn add(&self, bucket: usize, value: u64) {
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    fn add_to(&self, sums: &mut (Vec<u64>, u64)) {
        sums.0.resize(self.buckets.len(), 0);
        for (sum, bucket) in sums.0.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        sums.1 += self.sum.load(Relaxed);
    }
}

/// How long requests took, by the verdict of those that asked one question.
#[derive(Debug)]
struct Seconds {
    yes: Histogram,
    no: Histogram,
    others: Histogram,
}

impl Seconds {
    fn of(&self, answers: &[CheckAnswer]) -> &Histogram {
        match answers {
            [CheckAnswer { is_yes: true, .. }] => &self.yes,
            [CheckAnswer { is_yes: false, .. }] => &self.no,
            _ => &self.others,
        }
    }
}

/// One method's metrics, of one thread.
#[derive(Debug)]
pub struct MethodMetrics {
    yes: AtomicU64,
    no: AtomicU64,
    elsewhere: AtomicU64,
    seconds: Seconds,
    steps: Histogram,
}

impl MethodMetrics {
    pub fn new(bounds: &Bounds) -> Self {
        let histogram = || Histogram::new(bounds.seconds.len());
        Self {
            yes: AtomicU64::new(0),
            no: AtomicU64::new(0),
            elsewhere: AtomicU64::new(0),
            seconds: Seconds { yes: histogram(), no: histogram(), others: histogram() },
            steps: Histogram::new(bounds.steps.len()),
        }
    }

    /// A request was answered here; `tells_steps`: its answer says how many it took. Cost: some atomic additions to
    /// memory that no other thread writes.
    pub fn answered(&self, bounds: &Bounds, answers: &[CheckAnswer], tells_steps: bool, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = bounds.seconds.partition_point(|&bound| bound < seconds);
        self.seconds.of(answers).add(bucket, took.as_nanos() as u64);
        for each in answers {
            if each.is_yes { &self.yes } else { &self.no }.fetch_add(1, Relaxed);
            if tells_steps {
                self.steps.add(bounds.steps.partition_point(|&bound| bound < each.steps), each.steps);
            }
        }
    }

    /// A request that could have been answered here was left to Python.
    pub fn left_to_python(&self) {
        self.elsewhere.fetch_add(1, Relaxed);
    }

    pub fn add_to(&self, totals: &mut MethodTotals) {
        totals.yes += self.yes.load(Relaxed);
        totals.no += self.no.load(Relaxed);
        totals.elsewhere += self.elsewhere.load(Relaxed);
        self.seconds.yes.add_to(&mut totals.seconds_yes);
        self.seconds.no.add_to(&mut totals.seconds_no);
        self.seconds.others.add_to(&mut totals.seconds_others);
        self.steps.add_to(&mut totals.steps);
    }
}

/// Why a call to a verb was refused before any work.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    Overloaded,
    FairShareSpent,
    SlowRequest,
}

impl From<Full> for Refusal {
    fn from(why: Full) -> Self {
        match why {
            Full::Overloaded => Self::Overloaded,
            Full::FairShareSpent => Self::FairShareSpent,
        }
    }
}

/// How many calls were refused, by verb and by why. Of all threads: who is refused costs more than an addition anyway.
#[derive(Debug)]
pub struct RefusedCalls(Vec<[AtomicU64; 3]>);

impl RefusedCalls {
    pub fn new(verbs: usize) -> Self {
        Self((0..verbs).map(|_| Default::default()).collect())
    }

    pub fn count(&self, verb: usize, why: Refusal) {
        self.0[verb][why as usize].fetch_add(1, Relaxed);
    }

    /// In the order of `Refusal`.
    pub fn of(&self, verb: usize) -> [u64; 3] {
        std::array::from_fn(|why| self.0[verb][why].load(Relaxed))
    }
}

/// One method's metrics, of all threads. Buckets are not cumulated; the sums are nanoseconds and steps. `seconds_yes` and
/// `seconds_no` are of requests of one question.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct MethodTotals {
    pub yes: u64,
    pub no: u64,
    pub elsewhere: u64,
    pub seconds_yes: (Vec<u64>, u64),
    pub seconds_no: (Vec<u64>, u64),
    pub seconds_others: (Vec<u64>, u64),
    pub steps: (Vec<u64>, u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        let bounds = Bounds { seconds: vec![0.001, 0.01], steps: vec![1, 3] };
        let (one, other) = (MethodMetrics::new(&bounds), MethodMetrics::new(&bounds));
        let answer = |is_yes, steps| CheckAnswer { is_yes, steps };
        one.answered(&bounds, &[answer(true, 1)], true, Duration::from_millis(1));
        one.answered(&bounds, &[answer(false, 2), answer(true, 4)], true, Duration::from_millis(11));
        other.answered(&bounds, &[answer(false, 3)], true, Duration::from_millis(2));
        other.left_to_python();
        let mut totals = MethodTotals::default();
        one.add_to(&mut totals);
        other.add_to(&mut totals);
        let expected = MethodTotals {
            yes: 2,
            no: 2,
            elsewhere: 1,
            seconds_yes: (vec![1, 0, 0], 1_000_000),
            seconds_no: (vec![0, 1, 0], 2_000_000),
            seconds_others: (vec![0, 0, 1], 11_000_000),
            steps: (vec![1, 2, 1], 10),
        };
        assert_eq!(totals, expected);
    }
}
