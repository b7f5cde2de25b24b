//! Who may call what: the keys of `keyring.py`.
//!
//! Python pushes the whole table whenever its own has changed, so a key that was revoked is unknown here as soon as it
//! is there. A key is looked up by the SHA-256 of its text: how long that takes tells about the digest, and nobody can
//! choose a text by its digest, so it need not take the same time for all.
//! Law: who is let in here would be let in there, with the same right and to the same store. Whether a call may go on is
//! decided once, by `admit`, before a byte of its message is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::fair_quota::ClientId;
use remit_core::clock::Clock;

/// One secret of one key. Times are microseconds since the epoch.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The key's id.
    pub id: ClientId,
    /// All that it holds, by their names in `keys.py`.
    pub rights: HashSet<String>,
    /// The stores it sees; `None` for all.
    pub stores: Option<HashSet<String>>,
    /// When this secret of it, or all of it, ceases to count.
    pub until_us: Option<i64>,
}

/// All who may call.
#[derive(Debug)]
pub enum Credentials {
    /// There were never any keys: everyone holds every right.
    Everyone,
    /// By the SHA-256 of a key's text.
    Keyed(HashMap<[u8; 32], Arc<Credential>>),
}

/// Who makes a call that was let in.
#[derive(Debug, Clone)]
pub enum Client {
    Anyone,
    Key(Arc<Credential>),
}

impl Credentials {
    /// Who shows this `authorization`, where the key counts and holds the right, if one is needed; `None` where Python must
    /// say why not. Cost: one SHA-256.
    pub fn admit(&self, authorization: Option<&HeaderValue>, right: Option<&str>, clock: &Clock) -> Option<Client> {
        match self {
            Self::Everyone => Some(Client::Anyone),
            Self::Keyed(keys) => {
                let (scheme, text) = authorization?.as_bytes().split_at_checked(BEARER.len())?;
                if !scheme.eq_ignore_ascii_case(BEARER) {
                    return None;
                }
                let credential = keys.get(&<[u8; 32]>::from(Sha256::digest(text)))?;
                credential.may(right, clock).then(|| Client::Key(Arc::clone(credential)))
            }
        }
    }
}

const BEARER: &[u8] = b"bearer ";

impl Credential {
    fn may(&self, right: Option<&str>, clock: &Clock) -> bool {
        right.is_none_or(|right| self.rights.contains(right))
            && self.until_us.is_none_or(|until_us| until_us > clock.now())
    }
}

impl Client {
    /// Who shares the server with others: the key, or where there are none, who speaks on this connection.
    pub fn id(&self, peer: &ClientId) -> ClientId {
        Arc::clone(match self {
            Self::Anyone => peer,
            Self::Key(credential) => &credential.id,
        })
    }

    /// Whether a store is one that it may ask about.
    pub fn sees(&self, store: &str) -> bool {
        match self {
            Self::Anyone => true,
            Self::Key(credential) => credential.stores.as_ref().is_none_or(|stores| stores.contains(store)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Bearer rk_a";

    fn keyed(credential: Credential) -> Credentials {
        Credentials::Keyed(HashMap::from([(Sha256::digest(b"rk_a").into(), Arc::new(credential))]))
    }

    fn credential() -> Credential {
        let rights = HashSet::from(["check".to_owned()]);
        Credential { id: ClientId::from("k1"), rights, stores: None, until_us: Some(10) }
    }

    fn admit(
        credentials: &Credentials,
        shown: Option<&'static str>,
        right: Option<&str>,
        now_us: i64,
    ) -> Option<Client> {
        let shown = shown.map(HeaderValue::from_static);
        credentials.admit(shown.as_ref(), right, &Clock::manual(now_us))
    }

    #[test]
    fn without_keys_everyone_may_call() {
        let peer = ClientId::from("ipv4:127.0.0.1:1");
        for shown in [None, Some("nonsense")] {
            let client = admit(&Credentials::Everyone, shown, Some("write"), 0).unwrap();
            assert!(client.sees("default") && Arc::ptr_eq(&client.id(&peer), &peer));
        }
    }

    #[test]
    fn with_keys_only_who_shows_one_whole_may_call() {
        let credentials = keyed(credential());
        let may = |shown| admit(&credentials, shown, Some("check"), 0).is_some();
        for good in ["Bearer rk_a", "bearer rk_a", "BEARER rk_a"] {
            assert!(may(Some(good)), "{good}");
        }
        for bad in ["Bearer rk_b", "Bearer rk_", "Bearer rk_a ", "Bearer  rk_a", "Basic rk_a", "rk_a", "Bearer", ""] {
            assert!(!may(Some(bad)), "{bad}");
        }
        assert!(!may(None));
        assert!(admit(&Credentials::Keyed(HashMap::new()), Some(SHOWN), None, 0).is_none());
    }

    #[test]
    fn a_key_counts_until_its_time_in_what_it_may_do() {
        let credentials = keyed(credential());
        let may = |right, now_us| admit(&credentials, Some(SHOWN), right, now_us).is_some();
        assert!(may(Some("check"), 9) && may(None, 9));
        assert!(!may(Some("check"), 10) && !may(None, 10));
        for right in ["write", "", "a right that nobody has heard of"] {
            assert!(!may(Some(right), 9), "{right}");
        }
    }

    #[test]
    fn a_key_shares_by_its_id_and_sees_its_own_stores() {
        let client = |credential| admit(&keyed(credential), Some(SHOWN), None, 0).unwrap();
        assert_eq!(&*client(credential()).id(&ClientId::from("ipv4:127.0.0.1:1")), "k1");
        assert!(client(credential()).sees("default"));
        let own = client(Credential { stores: Some(HashSet::from(["own".to_owned()])), ..credential() });
        assert!(own.sees("own") && !own.sees("default"));
    }
}
