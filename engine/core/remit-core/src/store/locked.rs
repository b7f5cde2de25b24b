//! A store in memory: its identity, and its state behind a lock.
//!
//! Law: whoever shares the lock sees one (plan, graph, revision) for as long as it does; the lock is never waited for
//! with Python's own lock held, nor Python's taken while this one is.

use super::state::State;
use super::walked::Walked;
use crate::graph::Graph;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Which store this is; see `store.interface.StoreIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub uuid: [u8; 16],
    pub epoch: u64,
}

/// Numbers stores in the order they are made, so that a session never takes one for another.
static STORES_MADE: AtomicU64 = AtomicU64::new(1);

pub struct Store {
    pub(super) number: u64,
    identity: Identity,
    state: RwLock<State>,
    writers_waiting: AtomicU32,
    pub(super) walked: Walked,
}

impl Store {
    pub fn new(identity: Identity) -> Store {
        let number = STORES_MADE.fetch_add(1, Ordering::Relaxed);
        Store {
            number,
            identity,
            state: RwLock::default(),
            writers_waiting: AtomicU32::new(0),
            walked: Walked::default(),
        }
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Share the lock: what is seen stays as it is. May wait for a delta being applied.
    pub fn read(&self) -> View<'_> {
        View { store: self, state: self.state.read() }
    }

    /// The same, unless it would have to wait.
    pub fn try_read(&self) -> Option<View<'_>> {
        self.state.try_read().map(|state| View { store: self, state })
    }

    /// Hold the lock alone.
    pub fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.writers_waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.state.write();
        self.writers_waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Whether somebody waits to hold the lock alone: a question that takes long should give way, and begin anew.
    pub fn is_awaited(&self) -> bool {
        self.writers_waiting.load(Ordering::Relaxed) != 0
    }
}

/// A store as it stands, for as long as this is held.
pub struct View<'a> {
    pub(super) store: &'a Store,
    pub(super) state: RwLockReadGuard<'a, State>,
}

impl View<'_> {
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    pub fn identity(&self) -> &Identity {
        &self.store.identity
    }

    pub fn graph(&self) -> &Graph {
        &self.state.graph
    }

    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// What the graph takes, and what stands beside it: caveats, and lists kept for pages to come.
    pub fn bytes(&self) -> usize {
        self.state.graph.bytes()
            + self.state.caveats.bytes()
            + self.state.descriptors.bytes()
            + self.store.walked.bytes()
    }

    pub fn has_schema(&self) -> bool {
        self.state.plan.is_some()
    }
}
