//! Holdings as Python has them: `remit._core.Holdings`.

use std::sync::Arc;

use pyo3::prelude::*;
use remit_front::fair_quota::Holdings;

/// See `Holdings` of `server/limits/fair_quota.py`, whose clients share with those of the frontend.
#[pyclass(name = "Holdings", frozen, module = "remit._core")]
pub struct PyHoldings {
    pub holdings: Arc<Holdings>,
}

#[pymethods]
impl PyHoldings {
    #[new]
    fn new(limit: usize) -> Self {
        Self { holdings: Holdings::new(limit) }
    }

    /// None; or where there is not enough, or not for this client, what it holds and what is left.
    fn take(&self, client_id: &str, amount: usize) -> Option<(usize, usize)> {
        self.holdings.hold(&client_id.into(), amount).err().map(|refused| (refused.own, refused.free))
    }

    /// False where the client does not hold as much.
    fn give_back(&self, client_id: &str, amount: usize) -> bool {
        self.holdings.give_back(client_id, amount)
    }

    /// How much is taken, how many hold something, and how many were refused.
    fn stats(&self) -> (usize, usize, u64) {
        (self.holdings.taken(), self.holdings.clients(), self.holdings.refused())
    }
}
