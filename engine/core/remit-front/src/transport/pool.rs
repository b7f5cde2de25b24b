//! What all calls of a frontend take of, and what is said to who finds nothing left of it.
//!
//! Law: nobody waits for room; who is refused has taken nothing.

use std::sync::Arc;

use crate::fair_quota::{ClientId, Full, Holding, Holdings, Refused};
use crate::status::Status;

pub struct Pool {
    pub holdings: Arc<Holdings>,
    pub overloaded: Status,
    pub fair_share_spent: Status,
}

impl Pool {
    /// Cost: O(1).
    pub fn take(&self, client_id: &ClientId, amount: usize) -> Result<Holding, Full> {
        self.holdings.take(client_id, amount).map_err(|Refused { why, .. }| why)
    }

    /// Let a client's room be so large at least, where there is any need of it.
    pub fn grow(&self, room: &mut Option<Holding>, client_id: &ClientId, amount: usize) -> Result<(), Full> {
        match room {
            Some(room) => room.grow_to(amount).map_err(|Refused { why, .. }| why)?,
            None => *room = Some(self.take(client_id, amount)?),
        }
        Ok(())
    }

    pub fn status(&self, why: Full) -> &Status {
        match why {
            Full::Overloaded => &self.overloaded,
            Full::FairShareSpent => &self.fair_share_spent,
        }
    }
}
