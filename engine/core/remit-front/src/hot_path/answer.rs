//! The hot methods: which they are, which requests to them are answered here, and with what. No I/O.
//!
//! Only what is plain and successful is answered. All else goes to Python with its bytes unchanged, which says it in its
//! own words: so there is one meaning, and one set of error texts.
//! Law: what is answered here is what Python would have answered at that moment, but for the steps and the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use parking_lot::RwLock;

use super::engine::{Answer, CheckItem, Engine, View};
use super::expansions::{read_expand, write_expand};
use super::questions::{Asked, CheckAnswer, only_message, read_check, read_check_many, write_check, write_check_many};
use super::spicedb;
use crate::codec::tokens::Token;
use crate::credentials::{Admitted, Credentials};
use remit_core::clock::Clock;
use remit_core::expand::{Budget, ExpandRequest};

/// What a request may cost while others wait for the same thread: about a millisecond. What needs more is Python's,
/// whose threads have time.
const INLINE_STEPS_MAX: u64 = 20_000;

/// The same of an Expand, whose every step is sorted and written down as well; and the bytes of its answer, for a caveat's
/// context may be long.
const INLINE_EXPAND_STEPS_MAX: u64 = 4_000;
const INLINE_EXPAND_BYTES_MAX: usize = 512 * 1024;

/// A method that may be answered here: Remit's own, and SpiceDB's.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Method {
    Check,
    CheckMany,
    CheckPermission,
    CheckBulkPermissions,
    Expand,
}

/// All of them, with their paths and the verb under which `metrics.py` counts them.
pub const METHODS: [(Method, &str, &str); 5] = [
    (Method::Check, "/remit.v1.Permissions/Check", "Check"),
    (Method::CheckMany, "/remit.v1.Permissions/CheckMany", "CheckMany"),
    (Method::CheckPermission, "/authzed.api.v1.PermissionsService/CheckPermission", "spicedb.CheckPermission"),
    (
        Method::CheckBulkPermissions,
        "/authzed.api.v1.PermissionsService/CheckBulkPermissions",
        "spicedb.CheckBulkPermissions",
    ),
    (Method::Expand, "/remit.v1.Permissions/Expand", "Expand"),
];

impl Method {
    pub fn of(path: &str) -> Option<Self> {
        METHODS.iter().find(|(_, known, _)| *known == path).map(|(method, ..)| *method)
    }

    /// Whether its answers tell the steps, so that they are counted.
    pub fn tells_steps(self) -> bool {
        matches!(self, Self::Check | Self::CheckMany)
    }
}

/// What one request may ask for: `limits.py`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub steps_max: u64,
    pub items_max: usize,
    pub context_bytes_max: usize,
    pub request_bytes_max: usize,
    pub response_bytes_max: usize,
}

/// Who may ask, at this moment.
pub type SharedCredentials = Arc<RwLock<Arc<Credentials>>>;

/// What answers are made of.
pub struct HotPath {
    pub engine: Arc<dyn Engine>,
    pub clock: Arc<Clock>,
    pub credentials: SharedCredentials,
    pub limits: Limits,
}

/// What the headers of a plain request say.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct RequestMeta {
    pub authorization: Option<HeaderValue>,
    pub deadline: Option<Instant>,
    /// On behalf of a run: which is for Python to look at.
    pub of_run: bool,
}

impl RequestMeta {
    /// `None` for a request that is not plain: no gRPC, compressed, of two keys. Other metadata changes no answer.
    pub fn read(headers: &HeaderMap, began: Instant) -> Option<Self> {
        let mut plain = Self { authorization: None, deadline: None, of_run: false };
        let mut is_grpc = false;
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => is_grpc = matches!(value.as_bytes(), b"application/grpc" | b"application/grpc+proto"),
                "grpc-encoding" if value != "identity" => return None,
                "x-remit-run" => plain.of_run = true,
                "authorization" if plain.authorization.replace(value.clone()).is_some() => return None,
                "grpc-timeout" => plain.deadline = Some(began + timeout(value.as_bytes())?),
                _ => {}
            }
        }
        is_grpc.then_some(plain)
    }
}

/// What `grpc-timeout` says: up to eight digits and a unit.
fn timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3_600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// An answer, as a gRPC message, and what it says to questions of yes or no.
#[derive(Debug, PartialEq, Eq)]
pub struct EncodedResponse {
    pub message: Vec<u8>,
    pub decided: Vec<CheckAnswer>,
}

impl HotPath {
    /// What is said to a request's body; `None` where Python must say it.
    /// Cost: that of its questions, and some 0.5 µs.
    pub fn answer(&self, method: Method, plain: &RequestMeta, body: &[u8]) -> Option<EncodedResponse> {
        let message = only_message(body).filter(|message| message.len() <= self.limits.request_bytes_max)?;
        let credentials = self.credentials.read().clone();
        let admitted = credentials.admit(plain.authorization.as_ref())?;
        let Limits { items_max, context_bytes_max, .. } = self.limits;
        let answered = match method {
            Method::Check => {
                let asked = read_check(message, context_bytes_max)?;
                let item = std::slice::from_ref(&asked.questions);
                let (decided, head, now_us) = self.decide(&asked, item, &admitted, plain.deadline)?;
                EncodedResponse { message: write_check(decided[0], &head, now_us), decided }
            }
            Method::CheckMany => {
                let asked = read_check_many(message, items_max, context_bytes_max)?;
                let (decided, head, now_us) = self.decide(&asked, &asked.questions, &admitted, plain.deadline)?;
                EncodedResponse { message: write_check_many(&decided, &head, now_us), decided }
            }
            Method::CheckPermission => {
                let asked = spicedb::read_check(message, context_bytes_max)?;
                let item = std::slice::from_ref(&asked.questions);
                let (decided, head, _) = self.decide(&asked, item, &admitted, plain.deadline)?;
                EncodedResponse { message: spicedb::write_check(decided[0], &head), decided }
            }
            Method::CheckBulkPermissions => {
                let asked = spicedb::read_bulk(message, items_max, context_bytes_max)?;
                let items = &asked.questions;
                let (decided, head, _) = self.decide(&asked, &items.questions, &admitted, plain.deadline)?;
                EncodedResponse { message: spicedb::write_bulk(&decided, &items.items, &head), decided }
            }
            Method::Expand => {
                let message = self.expand(&read_expand(message)?, &admitted, plain.deadline)?;
                EncodedResponse { message, decided: Vec::new() }
            }
        };
        (answered.message.len() <= self.limits.response_bytes_max).then_some(answered)
    }

    /// All questions at one revision and one time.
    fn decide<Questions>(
        &self,
        asked: &Asked<'_, Questions>,
        questions: &[CheckItem<'_>],
        admitted: &Admitted<'_>,
        deadline: Option<Instant>,
    ) -> Option<(Vec<CheckAnswer>, Token, i64)> {
        self.look(asked, admitted, deadline, |view, head, now_us, interrupted| {
            self.ask(view, questions, now_us, interrupted).map(|decided| (decided, head, now_us))
        })
    }

    /// The answer is written while the store is looked at: all that is in it lies there.
    fn expand(
        &self,
        asked: &Asked<'_, ExpandRequest<'_>>,
        admitted: &Admitted<'_>,
        deadline: Option<Instant>,
    ) -> Option<Vec<u8>> {
        let steps_max = self.limits.steps_max.min(INLINE_EXPAND_STEPS_MAX);
        let bytes_max = self.limits.response_bytes_max.min(INLINE_EXPAND_BYTES_MAX);
        self.look(asked, admitted, deadline, |view, head, now_us, interrupted| {
            let sets = view.expand(asked.questions, now_us, &mut Budget::new(steps_max, interrupted)).ok()?;
            write_expand(&sets, &head, now_us, bytes_max)
        })
    }

    /// What `ask` finds in the store that a request is about, at one revision and one time; `None` where it finds nothing,
    /// and where the caller may not ask there, or not yet.
    fn look<Questions, Found>(
        &self,
        asked: &Asked<'_, Questions>,
        admitted: &Admitted<'_>,
        deadline: Option<Instant>,
        ask: impl Fn(&mut dyn View, Token, i64, &dyn Fn() -> bool) -> Option<Found>,
    ) -> Option<Found> {
        let interrupted = || deadline.is_some_and(|deadline| deadline <= Instant::now());
        if interrupted() {
            return None;
        }
        let mut found = None;
        self.engine.look(asked.store, &mut |view| {
            let head = view.head();
            if asked.at_least.is_some_and(|token| !head.satisfies(&token)) {
                return;
            }
            // Read under the store's lock, as Python does: a later revision is never judged by an earlier clock.
            let now_us = self.clock.now();
            if admitted.may_ask(asked.store, now_us) {
                found = ask(view, head, now_us, &interrupted);
            }
        });
        found
    }

    fn ask(
        &self,
        view: &mut dyn View,
        questions: &[CheckItem<'_>],
        now_us: i64,
        interrupted: &dyn Fn() -> bool,
    ) -> Option<Vec<CheckAnswer>> {
        let mut decided = Vec::with_capacity(questions.len());
        let mut steps_left = INLINE_STEPS_MAX;
        if questions.len() > 1 {
            view.expect(questions);
        }
        for question in questions {
            let (answer, steps) = view.check(question, now_us, steps_left.min(self.limits.steps_max), interrupted);
            let is_yes = match answer {
                Answer::Yes => true,
                Answer::No => false,
                Answer::Spent | Answer::Elsewhere => return None,
            };
            steps_left = steps_left.saturating_sub(steps);
            decided.push(CheckAnswer { is_yes, steps });
        }
        Some(decided)
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Question;
    use super::super::engine::double::Facts;
    use super::super::expansions::tests::expand_request;
    use super::super::questions::tests::{QUESTION, check_many_request, check_request};
    use super::super::questions::{PREFIX_BYTES, write_check};
    use super::*;
    use crate::credentials::Caller;
    use remit_core::expand::{Node, Object, Set};
    use remit_core::protobuf::put_bytes;
    use std::collections::{HashMap, HashSet};

    const NOW_US: i64 = 1_800_000_000_000_000;
    const NOBODY: RequestMeta = RequestMeta { authorization: None, deadline: None, of_run: false };

    fn hot_path() -> HotPath {
        HotPath {
            engine: Arc::new(Facts::new(&["doc:readme#view@user:ann"])),
            clock: Arc::new(Clock::manual(NOW_US)),
            credentials: Arc::new(RwLock::new(Arc::new(Credentials::Everyone))),
            limits: Limits {
                steps_max: 10,
                items_max: 3,
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

    fn check(hot_path: &HotPath, plain: &RequestMeta, question: &Question<'_>) -> Option<EncodedResponse> {
        hot_path.answer(Method::Check, plain, &body(&check_request("", question)))
    }

    const HEAD: Token = Token { uuid: [7; 16], epoch: 1, revision: 5 };

    #[test]
    fn a_plain_question_is_answered_with_yes_or_no() {
        for (id, is_yes) in [("ann", true), ("bob", false)] {
            let answered = check(&hot_path(), &NOBODY, &Question { subject_id: id, ..QUESTION }).unwrap();
            assert_eq!(answered.decided, [CheckAnswer { is_yes, steps: 6 }]);
            assert_eq!(answered.message, write_check(answered.decided[0], &HEAD, NOW_US));
        }
    }

    #[test]
    fn what_the_core_does_not_settle_is_left_to_python() {
        for question in [
            Question { resource_type: "elsewhere", ..QUESTION },
            Question { resource_id: "longer-than-ten", ..QUESTION }, // takes more steps than there may be
            Question { permission: "Not_A_Name", ..QUESTION },
        ] {
            assert_eq!(check(&hot_path(), &NOBODY, &question), None, "{question:?}");
        }
        assert_eq!(hot_path().answer(Method::Check, &NOBODY, &body(&check_request("another", &QUESTION))), None);
        assert_eq!(hot_path().answer(Method::Check, &NOBODY, &check_request("", &QUESTION)), None);
        let past = RequestMeta { deadline: Some(Instant::now()), ..NOBODY };
        assert_eq!(check(&hot_path(), &past, &QUESTION), None);
    }

    #[test]
    fn many_are_answered_all_or_not_at_all() {
        let no = Question { subject_id: "bob", ..QUESTION };
        let ask = |questions: &[Question<'_>]| {
            hot_path().answer(Method::CheckMany, &NOBODY, &body(&check_many_request(questions)))
        };
        let verdicts = |questions: &[Question<'_>]| {
            ask(questions).map(|it| it.decided.iter().map(|each| each.is_yes).collect::<Vec<_>>())
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
            hot_path.answer(Method::Expand, &NOBODY, &body(&expand_request("", &opening)))
        };
        let object = |type_, id| Object { type_, id };
        let answered = expand(&hot_path(), object("doc", "readme")).unwrap();
        assert_eq!(answered.decided, []);
        let set = Set { resource: object("doc", "readme"), relation: "view", definition: Node::Nobody };
        assert_eq!(Some(answered.message), write_expand(&[set], &HEAD, NOW_US, 1_000));
        assert_eq!(expand(&hot_path(), object("elsewhere", "readme")), None);
        assert_eq!(expand(&hot_path(), object("doc", "longer-than-ten")), None);
        let mut narrow = hot_path();
        narrow.limits.response_bytes_max = 40;
        assert_eq!(expand(&narrow, object("doc", "readme")), None);
        *narrow.credentials.write() = Arc::new(Credentials::Keyed(HashMap::new()));
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
            assert_eq!(hot_path().answer(Method::Check, &NOBODY, &body(&message)).is_some(), is_answered, "{token:?}");
        }
    }

    #[test]
    fn with_keys_only_those_that_may_check_and_see_the_store_are_answered() {
        use sha2::{Digest, Sha256};
        let shown = RequestMeta { authorization: Some(HeaderValue::from_static("Bearer rk_a")), ..NOBODY };
        let good = Caller {
            id: Arc::from("k1"),
            may_check: true,
            rights: HashSet::new(),
            stores: None,
            until_us: Some(NOW_US + 1),
        };
        for (caller, is_answered) in [
            (good.clone(), true),
            (Caller { may_check: false, ..good.clone() }, false),
            (Caller { until_us: Some(NOW_US), ..good.clone() }, false),
            (Caller { stores: Some(HashSet::from(["other".to_owned()])), ..good.clone() }, false),
            (Caller { stores: Some(HashSet::from(["default".to_owned()])), ..good }, true),
        ] {
            let hot_path = hot_path();
            let table = HashMap::from([(Sha256::digest(b"rk_a").into(), caller)]);
            *hot_path.credentials.write() = Arc::new(Credentials::Keyed(table));
            assert_eq!(check(&hot_path, &shown, &QUESTION).is_some(), is_answered);
            assert_eq!(check(&hot_path, &NOBODY, &QUESTION), None);
        }
    }

    #[test]
    fn a_message_beyond_a_limit_is_left_to_python() {
        let mut hot_path = hot_path();
        hot_path.limits.request_bytes_max = check_request("", &QUESTION).len();
        assert!(check(&hot_path, &NOBODY, &QUESTION).is_some());
        hot_path.limits.request_bytes_max -= 1;
        assert_eq!(check(&hot_path, &NOBODY, &QUESTION), None);
        hot_path.limits.request_bytes_max += 1;
        hot_path.limits.response_bytes_max = PREFIX_BYTES;
        assert_eq!(check(&hot_path, &NOBODY, &QUESTION), None);
    }

    #[test]
    fn only_plain_headers_are() {
        let plain = |extra: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            for (name, value) in extra {
                headers.append(*name, HeaderValue::from_static(value));
            }
            RequestMeta::read(&headers, Instant::now())
        };
        assert_eq!(plain(&[("te", "trailers"), ("traceparent", "00-1"), ("grpc-encoding", "identity")]), Some(NOBODY));
        assert_eq!(plain(&[("authorization", "Bearer x")]).unwrap().authorization.unwrap(), "Bearer x");
        assert!(plain(&[("x-remit-run", "r-1")]).unwrap().of_run);
        assert!(plain(&[("grpc-timeout", "5S")]).unwrap().deadline.is_some());
        for extra in [
            &[("grpc-encoding", "gzip")][..],
            &[("authorization", "a"), ("authorization", "b")],
            &[("grpc-timeout", "5")],
            &[("grpc-timeout", "123456789S")],
            &[("grpc-timeout", "S")],
            &[("grpc-timeout", "-1S")],
        ] {
            assert_eq!(plain(extra), None, "{extra:?}");
        }
        assert_eq!(RequestMeta::read(&HeaderMap::new(), Instant::now()), None);
    }

    #[test]
    fn a_timeout_is_read_in_every_unit() {
        let read = |text: &str| timeout(text.as_bytes());
        assert_eq!(read("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
    }
}
