//! Which methods are handed to threads of Python, in which lanes they wait, and what is said where a lane is full.
//!
//! Law: what is turned away was not begun, and is counted under the reason that it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hashbrown::HashMap;

use super::dispatched_call::{CallPlace, Calls};
use super::work_queue::{Lane, Place};
use crate::fair_quota::{Full, Sharer, Shares};
use crate::status::Refusal;

/// A method: its path, the verb under which `metrics.py` counts it, its lane's number, and the right it needs.
pub struct Verb {
    pub path: String,
    pub label: String,
    pub lane: usize,
    pub right: Option<String>,
}

/// A lane's places, and its two refusals.
pub struct LanePlan {
    pub places: Arc<Shares>,
    pub overloaded: Refusal,
    pub fair_share_spent: Refusal,
}

/// The table of methods, and the lanes.
pub struct Unary {
    numbers: HashMap<String, usize>,
    verbs: Vec<(Verb, [AtomicU64; 2])>,
    lanes: Vec<(Arc<Calls>, [Refusal; 2])>,
}

impl Unary {
    /// Each verb's lane is one of `lanes`.
    pub fn new(verbs: Vec<Verb>, lanes: Vec<LanePlan>) -> Self {
        assert!(verbs.iter().all(|verb| verb.lane < lanes.len()), "a verb waits in one of the lanes");
        Self {
            numbers: verbs.iter().enumerate().map(|(number, verb)| (verb.path.clone(), number)).collect(),
            verbs: verbs.into_iter().map(|verb| (verb, <[AtomicU64; 2]>::default())).collect(),
            lanes: lanes
                .into_iter()
                .map(|plan| (Lane::new(plan.places), [plan.overloaded, plan.fair_share_spent]))
                .collect(),
        }
    }

    /// The verb of a path, by its number; `None` for methods that are not handed over.
    pub fn number(&self, path: &str) -> Option<usize> {
        self.numbers.get(path).copied()
    }

    pub fn right(&self, verb: usize) -> Option<&str> {
        self.verbs[verb].0.right.as_deref()
    }

    /// A place for a call to a verb, or what to say instead.
    pub fn place(&self, verb: usize, sharer: &Sharer) -> Result<CallPlace, &Refusal> {
        let (verb, refused) = &self.verbs[verb];
        let (lane, refusals) = &self.lanes[verb.lane];
        match lane.places.take(sharer, 1) {
            Ok(share) => Ok(Place { lane: Arc::clone(lane), share }),
            Err(full) => {
                refused[full.why as usize].fetch_add(1, Relaxed);
                Err(&refusals[full.why as usize])
            }
        }
    }

    /// Where threads take calls from.
    pub fn lane(&self, number: usize) -> Option<&Arc<Calls>> {
        self.lanes.get(number).map(|(lane, _)| lane)
    }

    /// Let all threads go.
    pub fn close(&self) {
        self.lanes.iter().for_each(|(lane, _)| lane.close());
    }

    // --- for whoever watches ------------------------------------------------------------------------------------

    /// Of each verb, how many calls were turned away: for want of places, and for having too many of them.
    pub fn refused(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.verbs.iter().map(|(verb, refused)| {
            let of = |full: Full| refused[full as usize].load(Relaxed);
            (verb.label.as_str(), of(Full::Overloaded), of(Full::FairShareSpent))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_says_why_and_counts_it_under_that() {
        let verb = |path: &str, lane| Verb { path: path.to_owned(), label: path.to_owned(), lane, right: None };
        let plan = |places_max| LanePlan {
            places: Shares::new(places_max),
            overloaded: Refusal { message: "full".to_owned(), ..Refusal::failed() },
            fair_share_spent: Refusal { message: "too much".to_owned(), ..Refusal::failed() },
        };
        let unary = Unary::new(vec![verb("/a", 0), verb("/b", 1)], vec![plan(2), plan(1)]);
        let (a, b) = (unary.number("/a").unwrap(), unary.number("/b").unwrap());
        let (ann, bob) = (Sharer::from("ann"), Sharer::from("bob"));
        let said = |verb, sharer| unary.place(verb, sharer).err().map(|refusal| refusal.message.clone());
        let first = unary.place(a, &ann);
        assert_eq!((first.is_ok(), said(b, &ann)), (true, None));
        let second = unary.place(a, &bob);
        assert_eq!((second.is_ok(), said(a, &bob).as_deref()), (true, Some("full")));
        drop(first);
        let third = unary.place(a, &ann);
        drop(second);
        let fourth = unary.place(a, &ann);
        assert_eq!((third.is_ok(), fourth.is_ok()), (true, true));
        assert_eq!(unary.lane(0).unwrap().places.taken(), 2);
        assert_eq!(unary.refused().collect::<Vec<_>>(), [("/a", 1, 0), ("/b", 0, 0)]);
        assert_eq!((unary.number("/c"), unary.lane(2).is_none()), (None, true));
    }
}
