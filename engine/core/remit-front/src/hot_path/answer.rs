//! The hot path itself: which requests are answered here, and with what. No I/O.
//!
//! Only what is plain and successful is answered. All else goes to Python with its bytes unchanged, which says it in its
//! own words: so there is one meaning, and one set of error texts. Who calls was let in before (`credentials`).
//! Law: what is answered here is what Python would have answered at that moment, but for the steps and the clock.

use std::sync::Arc;
use std::time::Instant;

use super::engine::{Answer, CheckItem, Engine, StoreView};
use super::expansions::{read_expand, write_expand};
use super::methods::Method;
use super::questions::{
    CheckAnswer, PlainRequest, only_message, read_check, read_check_many, write_check, write_check_many,
};
use super::spicedb;
use crate::codec::tokens::Token;
use crate::credentials::Client;
use remit_core::clock::Clock;
use remit_core::expand::{Budget, ExpandRequest};

/// What a request may cost while others wait for the same thread: about a millisecond. What needs more is Python's,
/// whose threads have time.
const INLINE_STEPS_MAX: u64 = 20_000;

/// The same of an Expand, whose every step is sorted and written down as well; and the bytes of its answer, for a caveat's
/// context may be long.
const INLINE_EXPAND_STEPS_MAX: u64 = 4_000;
const INLINE_EXPAND_BYTES_MAX: usize = 512 * 1024;

/// What one request may ask for: `limits.py`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub steps_max: u64,
    pub items_max: usize,
    pub spicedb_items_max: usize,
    pub context_bytes_max: usize,
    pub request_bytes_max: usize,
    pub response_bytes_max: usize,
}

/// What answers are made of.
pub struct HotPath {
    pub engine: Arc<dyn Engine>,
    pub clock: Arc<Clock>,
    pub limits: Limits,
}

/// A response, as a gRPC message, and what it answers to questions of yes or no.
#[derive(Debug, PartialEq, Eq)]
pub struct EncodedResponse {
    pub message: Vec<u8>,
    pub answers: Vec<CheckAnswer>,
}

impl HotPath {
    /// The response to a request's body, made by a client that may call the method; `None` where Python must say it.
    /// Cost: that of its questions, and some 0.5 µs.
    pub fn answer(
        &self,
        method: Method,
        client: &Client,
        deadline: Option<Instant>,
        body: &[u8],
    ) -> Option<EncodedResponse> {
        let message = only_message(body).filter(|message| message.len() <= self.limits.request_bytes_max)?;
        let Limits { items_max, spicedb_items_max, context_bytes_max, .. } = self.limits;
        let call = Call { hot_path: self, client, deadline };
        let response = match method {
            Method::Check => {
                let request = read_check(message, context_bytes_max)?;
                let (answers, head, now_us) = call.check(&request, std::slice::from_ref(&request.body))?;
                EncodedResponse { message: write_check(answers[0], &head, now_us), answers }
            }
            Method::CheckMany => {
                let request = read_check_many(message, items_max, context_bytes_max)?;
                let (answers, head, now_us) = call.check(&request, &request.body)?;
                EncodedResponse { message: write_check_many(&answers, &head, now_us), answers }
            }
            Method::CheckPermission => {
                let request = spicedb::read_check(message, context_bytes_max)?;
                let (answers, head, _) = call.check(&request, std::slice::from_ref(&request.body))?;
                EncodedResponse { message: spicedb::write_check(answers[0], &head), answers }
            }
            Method::CheckBulkPermissions => {
                let request = spicedb::read_bulk(message, spicedb_items_max, context_bytes_max)?;
                let (answers, head, _) = call.check(&request, &request.body.items)?;
                EncodedResponse { message: spicedb::write_bulk(&answers, &request.body.sent, &head), answers }
            }
            Method::Expand => EncodedResponse { message: call.expand(&read_expand(message)?)?, answers: Vec::new() },
        };
        (response.message.len() <= self.limits.response_bytes_max).then_some(response)
    }
}

/// Who makes a call, and until when it is waited for.
struct Call<'a> {
    hot_path: &'a HotPath,
    client: &'a Client,
    deadline: Option<Instant>,
}

impl Call<'_> {
    /// All items at one revision and one time.
    fn check<Body>(
        &self,
        request: &PlainRequest<'_, Body>,
        items: &[CheckItem<'_>],
    ) -> Option<(Vec<CheckAnswer>, Token, i64)> {
        self.view(request, |view, head, now_us, interrupted| {
            self.check_each(view, items, now_us, interrupted).map(|answers| (answers, head, now_us))
        })
    }

    /// The response is written while the store is looked at: all that is in it lies there.
    fn expand(&self, request: &PlainRequest<'_, ExpandRequest<'_>>) -> Option<Vec<u8>> {
        let limits = &self.hot_path.limits;
        let steps_max = limits.steps_max.min(INLINE_EXPAND_STEPS_MAX);
        let bytes_max = limits.response_bytes_max.min(INLINE_EXPAND_BYTES_MAX);
        self.view(request, |view, head, now_us, interrupted| {
            let sets = view.expand(request.body, now_us, &mut Budget::new(steps_max, interrupted)).ok()?;
            write_expand(&sets, &head, now_us, bytes_max)
        })
    }

    /// What `ask` finds in the store that a request is about, at one revision and one time; `None` where it finds nothing,
    /// and where the client does not see that store, or the store is not there yet.
    fn view<Body, Found>(
        &self,
        request: &PlainRequest<'_, Body>,
        ask: impl Fn(&mut dyn StoreView, Token, i64, &dyn Fn() -> bool) -> Option<Found>,
    ) -> Option<Found> {
        let interrupted = || self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        if interrupted() || !self.client.sees(request.store) {
            return None;
        }
        let mut found = None;
        self.hot_path.engine.view(request.store, &mut |view| {
            let head = view.head();
            if request.at_least.is_none_or(|token| head.satisfies(&token)) {
                // Read under the store's lock, as Python does: a later revision is never judged by an earlier clock.
                found = ask(view, head, self.hot_path.clock.now(), &interrupted);
            }
        });
        found
    }

    fn check_each(
        &self,
        view: &mut dyn StoreView,
        items: &[CheckItem<'_>],
        now_us: i64,
        interrupted: &dyn Fn() -> bool,
    ) -> Option<Vec<CheckAnswer>> {
        let mut answers = Vec::with_capacity(items.len());
        let mut steps_left = INLINE_STEPS_MAX;
        if items.len() > 1 {
            view.expect(items);
        }
        for item in items {
            let steps_max = steps_left.min(self.hot_path.limits.steps_max);
            let (answer, steps) = view.check(item, now_us, steps_max, interrupted);
            let is_yes = match answer {
                Answer::Yes => true,
                Answer::No => false,
                Answer::Spent | Answer::Elsewhere => return None,
            };
            steps_left = steps_left.saturating_sub(steps);
            answers.push(CheckAnswer { is_yes, steps });
        }
        Some(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Question;
    use super::super::engine::double::Facts;
    use super::super::expansions::tests::expand_request;
    use super::super::questions::tests::{QUESTION, check_item, check_many_request, check_request};
    use super::super::questions::{PREFIX_BYTES, write_check};
    use super::*;
    use crate::credentials::Credential;
    use remit_core::expand::{Node, Object, Set};
    use remit_core::protobuf::put_bytes;
    use std::collections::HashSet;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn hot_path() -> HotPath {
        HotPath {
            engine: Arc::new(Facts::new(&["doc:readme#view@user:ann"])),
            clock: Arc::new(Clock::manual(NOW_US)),
            limits: Limits {
                steps_max: 10,
                items_max: 3,
                spicedb_items_max: 3,
                context_bytes_max: 600,
                request_bytes_max: 1_000,
                response_bytes_max: 1_000,
            },
        }
    }

    fn body(message: &[u8]) -> Vec<u8> {
        let mut body = vec![0];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(message);
        body
    }

    fn answer(hot_path: &HotPath, method: Method, message: &[u8]) -> Option<EncodedResponse> {
        hot_path.answer(method, &Client::Anyone, None, &body(message))
    }

    fn check(hot_path: &HotPath, question: &Question<'_>) -> Option<EncodedResponse> {
        answer(hot_path, Method::Check, &check_request("", question))
    }

    const HEAD: Token = Token { uuid: [7; 16], epoch: 1, revision: 5 };

    #[test]
    fn a_plain_question_is_answered_with_yes_or_no() {
        for (id, is_yes) in [("ann", true), ("bob", false)] {
            let answered = check(&hot_path(), &Question { subject_id: id, ..QUESTION }).unwrap();
            assert_eq!(answered.answers, [CheckAnswer { is_yes, steps: 6 }]);
            assert_eq!(answered.message, write_check(answered.answers[0], &HEAD, NOW_US));
        }
    }

    #[test]
    fn what_the_core_does_not_settle_is_left_to_python() {
        for question in [
            Question { resource_type: "elsewhere", ..QUESTION },
            Question { resource_id: "longer-than-ten", ..QUESTION }, // takes more steps than there may be
            Question { permission: "Not_A_Name", ..QUESTION },
        ] {
            assert_eq!(check(&hot_path(), &question), None, "{question:?}");
        }
        assert_eq!(answer(&hot_path(), Method::Check, &check_request("another", &QUESTION)), None);
        let (whole, now) = (check_request("", &QUESTION), Some(Instant::now()));
        assert_eq!(hot_path().answer(Method::Check, &Client::Anyone, None, &whole), None, "it has no prefix");
        assert_eq!(hot_path().answer(Method::Check, &Client::Anyone, now, &body(&whole)), None, "it is too late");
    }

    #[test]
    fn many_are_answered_all_or_not_at_all() {
        let no = Question { subject_id: "bob", ..QUESTION };
        let ask = |questions: &[Question<'_>]| answer(&hot_path(), Method::CheckMany, &check_many_request(questions));
        let verdicts = |questions: &[Question<'_>]| {
            ask(questions).map(|it| it.answers.iter().map(|each| each.is_yes).collect::<Vec<_>>())
        };
        assert_eq!(verdicts(&[QUESTION, no, QUESTION]), Some(vec![true, false, true]));
        assert_eq!(verdicts(&[QUESTION, Question { resource_type: "elsewhere", ..QUESTION }]), None);
        assert_eq!(verdicts(&[QUESTION, no, no, no]), None); // more than a request may ask
        assert_eq!(verdicts(&[]), None);
    }

    #[test]
    fn a_plain_expand_is_answered_and_decides_nothing() {
        let expand = |hot_path: &HotPath, resource| {
            let opening = ExpandRequest { resource, permission: "view", depth_max: 0 };
            answer(hot_path, Method::Expand, &expand_request("", &opening))
        };
        let object = |type_, id| Object { type_, id };
        let answered = expand(&hot_path(), object("doc", "readme")).unwrap();
        assert_eq!(answered.answers, []);
        let set = Set { resource: object("doc", "readme"), relation: "view", definition: Node::Nobody };
        assert_eq!(Some(answered.message), write_expand(&[set], &HEAD, NOW_US, 1_000));
        assert_eq!(expand(&hot_path(), object("elsewhere", "readme")), None);
        assert_eq!(expand(&hot_path(), object("doc", "longer-than-ten")), None);
        let mut narrow = hot_path();
        narrow.limits.response_bytes_max = 40;
        assert_eq!(expand(&narrow, object("doc", "readme")), None);
    }

    #[test]
    fn a_token_ahead_of_the_store_or_of_another_is_left_to_python() {
        for (token, is_answered) in [
            (HEAD, true),
            (Token { revision: 4, ..HEAD }, true),
            (Token { revision: 6, ..HEAD }, false),
            (Token { epoch: 2, ..HEAD }, false),
            (Token { uuid: [8; 16], ..HEAD }, false),
        ] {
            let mut consistency = Vec::new();
            put_bytes(&mut consistency, 1, &token.encode());
            let mut message = check_request("", &QUESTION);
            put_bytes(&mut message, 2, &consistency);
            assert_eq!(answer(&hot_path(), Method::Check, &message).is_some(), is_answered, "{token:?}");
        }
    }

    #[test]
    fn a_client_is_answered_about_the_stores_that_it_sees() {
        for (stores, is_answered) in [(None, true), (Some("default"), true), (Some("other"), false)] {
            let stores = stores.map(|store| HashSet::from([store.to_owned()]));
            let credential = Credential { id: "k1".into(), rights: HashSet::new(), stores, until_us: None };
            let client = Client::Key(Arc::new(credential));
            let message = body(&check_request("", &QUESTION));
            assert_eq!(hot_path().answer(Method::Check, &client, None, &message).is_some(), is_answered);
        }
    }

    #[test]
    fn nothing_is_evaluated_of_a_request_of_which_one_context_is_too_large() {
        struct Unasked;
        impl Engine for Unasked {
            fn view(&self, _: &str, _: &mut dyn FnMut(&mut dyn StoreView)) -> bool {
                panic!("a context is evaluated before it is limited")
            }
        }
        let hot_path = HotPath { engine: Arc::new(Unasked), ..hot_path() };
        let mut too_large = Vec::new();
        put_bytes(&mut too_large, 4, &[0x0a; 600]);
        for method in [Method::CheckMany, Method::CheckBulkPermissions] {
            let field = if method == Method::CheckMany { 3 } else { 2 };
            let mut message = Vec::new();
            for more in [&[][..], &too_large] {
                put_bytes(&mut message, field, &[&check_item(&QUESTION), more].concat());
            }
            assert_eq!(answer(&hot_path, method, &message), None);
        }
    }

    #[test]
    fn a_message_beyond_a_limit_is_left_to_python() {
        let mut hot_path = hot_path();
        hot_path.limits.request_bytes_max = check_request("", &QUESTION).len();
        assert!(check(&hot_path, &QUESTION).is_some());
        hot_path.limits.request_bytes_max -= 1;
        assert_eq!(check(&hot_path, &QUESTION), None);
        hot_path.limits.request_bytes_max += 1;
        hot_path.limits.response_bytes_max = PREFIX_BYTES;
        assert_eq!(check(&hot_path, &QUESTION), None);
    }
}
