//! What the hot path asks of the engine: one consistent view of a store, and questions within it.
//!
//! Law: everything asked within one view is answered at one revision; only `Yes` and `No` are said to a caller, and the
//! rest is Python's to answer.

use std::cell::RefCell;

use crate::codec::tokens::Token;
use remit_core::check::caveats::Context;
use remit_core::expand::{Budget, ExpandRequest, ExpandResult, Expansion};
use remit_core::store::{self, Core, Session};

pub use remit_core::store::{Answer, Question};

/// A question, and what its request brings for caveats: an item of many, or all of a Check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckItem<'a> {
    pub question: Question<'a>,
    pub context: Context,
}

/// All stores, as the hot path sees them.
pub trait Engine: Send + Sync + 'static {
    /// Let `ask` see a store, which shares its lock meanwhile; false where there is none of that name.
    /// Never waits for Python.
    fn view(&self, store: &str, ask: &mut dyn FnMut(&mut dyn StoreView)) -> bool;
}

/// One store at one revision.
pub trait StoreView {
    fn head(&self) -> Token;

    /// These will be asked: what makes them quicker together may be done now.
    fn expect(&mut self, _items: &[CheckItem<'_>]) {}

    /// The answer, and the steps it took: no more than `steps_max`.
    fn check(
        &mut self,
        item: &CheckItem<'_>,
        now_us: i64,
        steps_max: u64,
        interrupted: &dyn Fn() -> bool,
    ) -> (Answer, u64);

    /// The sets behind a relation or permission.
    fn expand<'a>(
        &'a self,
        opening: ExpandRequest<'a>,
        now_us: i64,
        budget: &mut Budget<'_>,
    ) -> ExpandResult<Expansion<'a>>;
}

/// Answers that the cache of one of the frontend's threads has room for: 17 MB.
const CACHED_ANSWERS: usize = 1 << 18;

thread_local! {
    // In a box, as in `remit-py`'s `store.rs`.
    static SESSION: RefCell<Box<Session>> = RefCell::new(Box::new(Session::new(CACHED_ANSWERS)));
}

/// The core's own stores.
impl Engine for Core {
    fn view(&self, store: &str, ask: &mut dyn FnMut(&mut dyn StoreView)) -> bool {
        let Some(store) = self.store(store) else {
            return false;
        };
        SESSION.with_borrow_mut(|session| {
            session.clear();
            ask(&mut View { store: store.read(), session });
        });
        true
    }
}

struct View<'a> {
    store: store::View<'a>,
    session: &'a mut Session,
}

impl StoreView for View<'_> {
    fn head(&self) -> Token {
        let identity = self.store.identity();
        Token { uuid: identity.uuid, epoch: identity.epoch, revision: self.store.revision() }
    }

    fn expect(&mut self, items: &[CheckItem<'_>]) {
        self.store.expect(self.session, items.iter().map(|item| &item.question));
    }

    fn check(
        &mut self,
        item: &CheckItem<'_>,
        now_us: i64,
        steps_max: u64,
        interrupted: &dyn Fn() -> bool,
    ) -> (Answer, u64) {
        self.store.check(self.session, &item.question, &item.context, now_us, steps_max, interrupted)
    }

    fn expand<'a>(
        &'a self,
        opening: ExpandRequest<'a>,
        now_us: i64,
        budget: &mut Budget<'_>,
    ) -> ExpandResult<Expansion<'a>> {
        self.store.expand(opening, now_us, budget)
    }
}

#[cfg(test)]
pub mod double {
    //! An engine of facts without a schema, for the frontend's own tests.

    use super::*;
    use parking_lot::RwLock;
    use remit_core::expand::{ExpandError, Node, Set};
    use std::collections::HashSet;

    /// One store, `default`. A question is a fact or it is not; each letter of the resource's id takes a step; what
    /// is asked about type `elsewhere` is for Python.
    pub struct Facts {
        pub inner: RwLock<(Token, HashSet<String>)>,
    }

    impl Facts {
        pub fn new(facts: &[&str]) -> Self {
            let head = Token { uuid: [7; 16], epoch: 1, revision: 5 };
            Self { inner: RwLock::new((head, facts.iter().map(|fact| (*fact).to_owned()).collect())) }
        }
    }

    impl Engine for Facts {
        fn view(&self, store: &str, ask: &mut dyn FnMut(&mut dyn StoreView)) -> bool {
            if store != "default" {
                return false;
            }
            let inner = self.inner.read();
            ask(&mut View { inner: &inner });
            true
        }
    }

    struct View<'a> {
        inner: &'a (Token, HashSet<String>),
    }

    impl StoreView for View<'_> {
        fn head(&self) -> Token {
            self.inner.0
        }

        fn check(
            &mut self,
            item: &CheckItem<'_>,
            _: i64,
            steps_max: u64,
            interrupted: &dyn Fn() -> bool,
        ) -> (Answer, u64) {
            let Question { resource_type, resource_id, permission, subject_type, subject_id, subject_relation } =
                item.question;
            let steps = resource_id.len() as u64;
            if steps > steps_max || interrupted() {
                return (Answer::Spent, steps.min(steps_max));
            }
            if resource_type == "elsewhere" {
                return (Answer::Elsewhere, 0);
            }
            let hash = if subject_relation.is_empty() { "" } else { "#" };
            let fact = format!(
                "{resource_type}:{resource_id}#{permission}@{subject_type}:{subject_id}{hash}{subject_relation}"
            );
            (if self.inner.1.contains(&fact) { Answer::Yes } else { Answer::No }, steps)
        }

        /// One set, of nobody; each letter of the resource's id takes a step.
        fn expand<'a>(
            &'a self,
            opening: ExpandRequest<'a>,
            _: i64,
            budget: &mut Budget<'_>,
        ) -> ExpandResult<Expansion<'a>> {
            let ExpandRequest { resource, permission, .. } = opening;
            resource.id.bytes().try_for_each(|_| budget.spend())?;
            if resource.type_ == "elsewhere" {
                return Err(ExpandError::Elsewhere);
            }
            Ok(vec![Set { resource, relation: permission, definition: Node::Nobody }])
        }
    }
}
