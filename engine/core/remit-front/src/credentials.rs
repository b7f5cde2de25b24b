//! Who may ask: the keys of `keyring.py`, as far as Check, CheckMany and Expand need them.
//!
//! Python pushes the whole table whenever its own has changed, so a key that was revoked is unknown here as soon as it
//! is there. A key is looked up by the SHA-256 of its text: how long that takes tells about the digest, and nobody can
//! choose a text by its digest, so it need not take the same time for all.
//! Law: who is let in here would be let in there, with the same right and to the same store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::fair_quota::ClientId;

/// One secret of one key. Times are microseconds since the epoch.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's id.
    pub id: Arc<str>,
    /// Whether the key holds the right `check`.
    pub may_check: bool,
    /// All that it holds, by their names in `keys.py`.
    pub rights: HashSet<String>,
    /// The stores it sees; `None` for all.
    pub stores: Option<HashSet<String>>,
    /// When this secret of it, or all of it, ceases to count.
    pub until_us: Option<i64>,
}

impl Caller {
    fn is_valid(&self, now_us: i64) -> bool {
        self.until_us.is_none_or(|until_us| until_us > now_us)
    }

    fn may_ask(&self, store: &str, now_us: i64) -> bool {
        self.may_check && self.is_valid(now_us) && self.stores.as_ref().is_none_or(|stores| stores.contains(store))
    }
}

/// All who may ask.
#[derive(Debug)]
pub enum Credentials {
    /// There were never any keys: everyone holds every right.
    Everyone,
    /// By the SHA-256 of a key's text.
    Keyed(HashMap<[u8; 32], Caller>),
}

/// A moment's permission to ask, held while a request is answered.
pub enum Admitted<'a> {
    Everyone,
    As(&'a Caller),
}

impl Credentials {
    /// Who shows this `authorization`; `None` where Python must say why not. Cost: one SHA-256.
    pub fn admit(&self, authorization: Option<&HeaderValue>) -> Option<Admitted<'_>> {
        match self {
            Self::Everyone => Some(Admitted::Everyone),
            Self::Keyed(keys) => {
                let (scheme, text) = authorization?.as_bytes().split_at_checked(BEARER.len())?;
                if !scheme.eq_ignore_ascii_case(BEARER) {
                    return None;
                }
                keys.get(&<[u8; 32]>::from(Sha256::digest(text))).map(Admitted::As)
            }
        }
    }
}

const BEARER: &[u8] = b"bearer ";

impl Admitted<'_> {
    /// Who shares the server with others: the key, or where there are none, who speaks on this connection. `None`: the
    /// key does not hold the right, or does not count any more.
    pub fn client_id(&self, right: Option<&str>, peer: &ClientId, now_us: i64) -> Option<ClientId> {
        match self {
            Self::Everyone => Some(Arc::clone(peer)),
            Self::As(caller) => {
                let may = caller.is_valid(now_us) && right.is_none_or(|right| caller.rights.contains(right));
                may.then(|| Arc::clone(&caller.id))
            }
        }
    }

    pub fn may_ask(&self, store: &str, now_us: i64) -> bool {
        match self {
            Self::Everyone => true,
            Self::As(caller) => caller.may_ask(store, now_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(caller: Caller) -> Credentials {
        Credentials::Keyed(HashMap::from([(Sha256::digest(b"rk_a").into(), caller)]))
    }

    fn caller() -> Caller {
        let rights = HashSet::from(["check".to_owned()]);
        Caller { id: Arc::from("k1"), may_check: true, rights, stores: None, until_us: Some(10) }
    }

    fn may(callers: &Credentials, shown: Option<&'static str>, store: &str, now_us: i64) -> bool {
        let shown = shown.map(HeaderValue::from_static);
        callers.admit(shown.as_ref()).is_some_and(|admitted| admitted.may_ask(store, now_us))
    }

    #[test]
    fn without_keys_everyone_may_ask() {
        assert!(may(&Credentials::Everyone, None, "default", 0));
        assert!(may(&Credentials::Everyone, Some("nonsense"), "default", 0));
    }

    #[test]
    fn with_keys_only_who_shows_one_whole_may_ask() {
        let callers = keyed(caller());
        for good in ["Bearer rk_a", "bearer rk_a", "BEARER rk_a"] {
            assert!(may(&callers, Some(good), "default", 0), "{good}");
        }
        for bad in ["Bearer rk_b", "Bearer rk_", "Bearer rk_a ", "Bearer  rk_a", "Basic rk_a", "rk_a", "Bearer", ""] {
            assert!(!may(&callers, Some(bad), "default", 0), "{bad}");
        }
        assert!(!may(&callers, None, "default", 0));
        assert!(!may(&Credentials::Keyed(HashMap::new()), Some("Bearer rk_a"), "default", 0));
    }

    #[test]
    fn a_key_shares_by_its_id_while_it_counts_in_what_it_may_do() {
        let callers = keyed(caller());
        let (shown, peer) = (HeaderValue::from_static("Bearer rk_a"), ClientId::from("ipv4:127.0.0.1:1"));
        let client_id = |right, now_us| {
            let admitted = callers.admit(Some(&shown)).unwrap();
            admitted.client_id(right, &peer, now_us).map(|client_id| client_id.to_string())
        };
        let own = Some("k1".to_owned());
        assert_eq!((client_id(Some("check"), 9), client_id(None, 9)), (own.clone(), own));
        assert_eq!((client_id(Some("write"), 9), client_id(None, 10)), (None, None));
        let everyone = Credentials::Everyone.admit(None).unwrap();
        assert_eq!(everyone.client_id(Some("write"), &peer, 0), Some(Arc::clone(&peer)));
    }

    #[test]
    fn a_key_counts_until_its_time_and_for_its_stores_and_rights() {
        assert!(may(&keyed(caller()), Some("Bearer rk_a"), "default", 9));
        assert!(!may(&keyed(caller()), Some("Bearer rk_a"), "default", 10));
        let own = keyed(Caller { stores: Some(HashSet::from(["own".to_owned()])), ..caller() });
        assert!(may(&own, Some("Bearer rk_a"), "own", 0));
        assert!(!may(&own, Some("Bearer rk_a"), "default", 0));
        assert!(!may(&keyed(Caller { may_check: false, ..caller() }), Some("Bearer rk_a"), "own", 0));
    }
}
