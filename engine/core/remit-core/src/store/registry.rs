//! All stores of the process by name.
//!
//! Law: a name leads to one store at a time.

use super::locked::Store;
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::sync::Arc;

/// All stores of the process by name. Python adds and removes them; the frontend finds them.
#[derive(Default)]
pub struct Core {
    stores: RwLock<HashMap<String, Arc<Store>>>,
}

impl Core {
    pub fn store(&self, name: &str) -> Option<Arc<Store>> {
        self.stores.read().get(name).cloned()
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.stores.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Under its identity's name, whatever store had it before.
    pub fn add(&self, store: Arc<Store>) {
        self.stores.write().insert(store.identity().name.clone(), store);
    }

    /// Whether one of that name was there.
    pub fn remove(&self, name: &str) -> bool {
        self.stores.write().remove(name).is_some()
    }
}
