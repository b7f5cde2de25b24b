//! What the frontend asks of the engine: one consistent look at a store, and questions within it.
//!
//! Law: everything asked within one look is answered at one revision; a frontend that was not opened stays shut, for only
//! `Yes` and `No` are said to a caller, and the rest is Python's to answer.

use std::cell::RefCell;

use crate::codec::tokens::Token;
use remit_core::check::caveats::Context;
use remit_core::expand::{Budget, ExpandRequest, ExpandResult, Expansion};
use remit_core::store::{self, Core, Session};

pub use remit_core::store::{Answer, Question};

/// A question, and what its request brings for caveats.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckItem<'a> {
    pub question: Question<'a>,
    pub context: Context,
}

/// All stores, as the frontend sees them.
pub trait Engine: Send + Sync + 'static {
    /// Let `ask` look at a store, which shares its lock meanwhile; false where there is none of that name.
    /// Never waits for Python.
    fn look(&self, store: &str, ask: &mut dyn FnMut(&mut dyn View)) -> bool;
}

/// One store at one revision.
pub trait View {
    fn head(&self) -> Token;

    /// These will be asked: what makes them quicker together may be done now.
    fn expect(&mut self, _questions: &[CheckItem<'_>]) {}

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
    fn look(&self, store: &str, ask: &mut dyn FnMut(&mut dyn View)) -> bool {
        let Some(store) = self.store(store) else {
            return false;
        };
        SESSION.with_borrow_mut(|session| {
            session.clear();
            ask(&mut Look { view: store.read(), session });
        });
        true
    }
}

struct Look<'a> {
    view: store::View<'a>,
    session: &'a mut Session,
}

impl View for Look<'_> {
    fn head(&self) -> Token {
        let identity = self.view.identity();
        Token { uuid: identity.uuid, epoch: identity.epoch, revision: self.view.revision() }
    }

    fn expect(&mut self, questions: &[CheckItem<'_>]) {
        self.view.expect(self.session, questions.iter().map(|item| &item.question));
    }

    fn check(
        &mut self,
        item: &CheckItem<'_>,
        now_us: i64,
        steps_max: u64,
        interrupted: &dyn Fn() -> bool,
    ) -> (Answer, u64) {
        self.view.check(self.session, &item.question, &item.context, now_us, steps_max, interrupted)
    }

    fn expand<'a>(
        &'a self,
        opening: ExpandRequest<'a>,
        now_us: i64,
        budget: &mut Budget<'_>,
    ) -> ExpandResult<Expansion<'a>> {
        self.view.expand(opening, now_us, budget)
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
        fn look(&self, store: &str, ask: &mut dyn FnMut(&mut dyn View)) -> bool {
            if store != "default" {
                return false;
            }
            let inner = self.inner.read();
            ask(&mut Look { inner: &inner });
            true
        }
    }

    struct Look<'a> {
        inner: &'a (Token, HashSet<String>),
    }

    impl View for Look<'_> {
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
