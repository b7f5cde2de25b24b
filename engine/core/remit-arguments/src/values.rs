//! The types of values, each with the one spelling that it takes: a path, URL, host, address, mail address, decimal or date
//! written otherwise is refused by name, and never repaired.
//!
//! Law: what passes is read to the same by whoever reads it, so what was judged is what the tool will do.

use icu_normalizer::ComposingNormalizerBorrowed;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Url;

/// What a value is beyond JSON, by the word of its tool's descriptor or of the constraint that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Path,
    Url,
    Host,
    Email,
    Address,
    Decimal,
    Date,
}

impl Type {
    pub const ALL: [Type; 7] =
        [Type::Path, Type::Url, Type::Host, Type::Email, Type::Address, Type::Decimal, Type::Date];

    /// The word for it in descriptors.
    pub fn name(self) -> &'static str {
        match self {
            Type::Path => "path",
            Type::Url => "url",
            Type::Host => "host",
            Type::Email => "email",
            Type::Address => "address",
            Type::Decimal => "decimal",
            Type::Date => "date",
        }
    }

    pub fn parse(word: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|each| each.name() == word)
    }

    /// Whether text is a value of this type, in its one spelling. Cost: O(text).
    pub fn takes(self, text: &str) -> bool {
        match self {
            Type::Path => is_path(text),
            Type::Url => ReadUrl::of(text).is_some(),
            Type::Host => is_host(text),
            Type::Email => is_email(text),
            Type::Address => address(text).is_some(),
            Type::Decimal => is_decimal(text),
            Type::Date => is_date(text),
        }
    }
}

/// Text in the one form that its characters have together (NFC). Cost: O(text), a look at each byte where it is ASCII.
pub fn is_nfc(text: &str) -> bool {
    text.is_ascii() || ComposingNormalizerBorrowed::new_nfc().is_normalized(text)
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, and no `-0`.
pub fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    let is_zero = || unsigned.bytes().all(|byte| byte == b'0' || byte == b'.');
    is_whole && is_digits(fraction) && !(unsigned.len() < text.len() && is_zero())
}

/// A day that there is, `YYYY-MM-DD`. Two of them compare as their texts do.
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number = |part: &[u8]| {
        part.iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(&bytes[..4]), number(&bytes[5..7]), number(&bytes[8..])) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && 1 <= day && day <= days
}

const PATH_BYTES_MAX: usize = 4_096; // Linux opens none that is longer

/// Segments between `/`, of which none is empty, `.` or `..`; nothing that a file system, a shell or a decoder of percent
/// signs might read as more than a character of a name.
pub fn is_path(text: &str) -> bool {
    let is_strange = |c: char| c == '\\' || c.is_control();
    if text.len() > PATH_BYTES_MAX || text.contains(is_strange) || has_encoded_dot_or_slash(text) || !is_nfc(text) {
        return false;
    }
    let relative = text.strip_prefix('/').unwrap_or(text);
    text == "/" || relative.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn has_encoded_dot_or_slash(text: &str) -> bool {
    let encoded = |digits: &[u8]| {
        [b"2e", b"2f", b"5c"].iter().any(|each| digits.get(..2).is_some_and(|two| two.eq_ignore_ascii_case(*each)))
    };
    text.bytes().enumerate().any(|(at, byte)| byte == b'%' && encoded(&text.as_bytes()[at + 1..]))
}

/// Whether a path is that directory or below it; both are paths.
pub fn is_below(path: &str, directory: &str) -> bool {
    let Some(rest) = path.strip_prefix(directory) else {
        return false;
    };
    rest.is_empty() || rest.starts_with('/') || directory == "/"
}

/// IPv4 as four decimal numbers; IPv6 as RFC 5952 writes it, no zone and no IPv4 in it.
pub fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(address));
    }
    let address: Ipv6Addr = text.parse().ok()?;
    let is_plain = address.to_ipv4_mapped().is_none() && address.to_string() == text;
    is_plain.then_some(IpAddr::V6(address))
}

const HOST_LENGTH_MAX: usize = 253; // DNS carries no longer name
const LABEL_LENGTH_MAX: usize = 63;
const LOCAL_PART_LENGTH_MAX: usize = 64; // RFC 5321, 4.5.3.1.1

/// A name in lower case, in the ASCII form of IDNA, no dot at its end; or an address, of which only a constraint can tell
/// whether it may stand there.
pub fn is_host(text: &str) -> bool {
    if is_address_like(text) {
        return address(text).is_some();
    }
    text.len() <= HOST_LENGTH_MAX
        && text.split('.').all(is_label)
        && (!text.split('.').any(|label| label.starts_with("xn--")) || is_idna(text))
}

/// Whether whoever connects to the host takes it for an address, and looks up no name: WHATWG's standard does so where the
/// last label is a number, and fails where it is no address.
pub fn is_address_like(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = |digits: &str| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    host.contains(':') || is_decimal || last.strip_prefix("0x").is_some_and(is_hex)
}

fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let is_bare = !label.starts_with('-') && !label.ends_with('-');
    let is_plain = label.as_bytes().get(2..4) != Some(b"--") || label.starts_with("xn--");
    !label.is_empty() && label.len() <= LABEL_LENGTH_MAX && is_bare && is_plain && label.bytes().all(is_letter)
}

/// Whether it is what UTS 46 makes of what it decodes to, not in transition, and nothing in it is encoded twice.
fn is_idna(text: &str) -> bool {
    let uts_46 = Uts46::new();
    let made = uts_46.to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
    let (decoded, _) = uts_46.to_unicode(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    made.is_ok_and(|made| made == text) && !decoded.split('.').any(|label| label.starts_with("xn--"))
}

/// One `@`, before it words of ASCII with dots between them (the dot-atom of RFC 5322), behind it a host that is a name.
pub fn is_email(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_letter);
    text.split_once('@').is_some_and(|(local, host)| {
        let is_local = local.len() <= LOCAL_PART_LENGTH_MAX && local.split('.').all(is_word);
        is_local && !is_address_like(host) && is_host(host)
    })
}

/// The port of a scheme of WHATWG's URL standard that has a host, and whose URLs every reader takes apart alike.
pub fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

/// What constraints ask of a URL.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadUrl {
    url: Url,
}

impl ReadUrl {
    /// A URL of a scheme with hosts, which is its own serialisation (WHATWG), with nobody's name in it, and its host and
    /// whatever is encoded in their one spelling.
    pub fn of(text: &str) -> Option<ReadUrl> {
        let url = Url::parse(text).ok().filter(|url| url.as_str() == text)?;
        let is_special = default_port(url.scheme()).is_some();
        let is_anonymous = url.username().is_empty() && url.password().is_none();
        // The standard has written `^` of a path as `%5E` since 2023, and this reader does not yet.
        let is_current = !url.path().contains('^');
        let read = ReadUrl { url };
        (is_special && is_anonymous && is_current && are_escapes_normal(text) && is_host(read.host())).then_some(read)
    }

    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// An IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The scheme's own where none is said.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(self.own_port())
    }

    pub fn own_port(&self) -> u16 {
        default_port(self.scheme()).unwrap_or_default()
    }

    pub fn path(&self) -> &str {
        self.url.path()
    }
}

/// Whether a URL that is not refused could have the path, which begins with a `/`.
pub fn is_path_of_url(path: &str) -> bool {
    ReadUrl::of(&format!("https://host{path}")).is_some_and(|url| url.path() == path)
}

/// By RFC 3986, 6.2.2.1 and 6.2.2.2: what need not be encoded is not, and hexadecimal digits are capitals. WHATWG's standard
/// leaves both as they come, and a server takes them for one.
fn are_escapes_normal(url: &str) -> bool {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    url.split('%').skip(1).all(|behind| match *behind.as_bytes() {
        [high, low, ..] => digit(high).zip(digit(low)).is_some_and(|(high, low)| {
            let encoded = high << 4 | low;
            !encoded.is_ascii_alphanumeric() && !b"-._~".contains(&encoded)
        }),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each with texts that it takes, and texts that it does not.
    const EXAMPLES: [(Type, &[&str], &[&str]); 7] = [
        (
            Type::Path,
            &["/", "a", "/srv/a.txt", "...", "/a%20b", "/é"],
            &["", "/a/", "//", "a/../b", "./a", "a\\b", "/%2E", "/a%2fb", "/a\0", "/e\u{301}"],
        ),
        (
            Type::Url,
            &[
                "https://example.com/",
                "https://a.b:8443/x?y#z",
                "http://[2001:db8::1]/",
                "ws://10.0.0.1/",
                "https://a/%2F%C3%A9",
            ],
            &[
                "https://example.com",
                "HTTPS://example.com/",
                "https://example.com:443/",
                "https://a@b/",
                "https://b./",
                "https://a/../b",
                "https://a/^",
                "https://a/%61",
                "https://a/?%2d",
                "https://a/%c3%a9",
                "https://a/%",
                "https://a/%4",
                "https://a/#%é",
                "https://[::ffff:a00:1]/",
                "https://1.2/",
                "file:///a",
                "mailto:a@b",
                "",
            ],
        ),
        (
            Type::Host,
            &["example.com", "a_b", "xn--bcher-kva.example", "10.0.0.1", "::1"],
            &[
                "",
                "Example.com",
                "a.",
                "a..b",
                "-a",
                "ab--c",
                "xn--a",
                "bücher",
                "1.2",
                "0x1",
                "[::1]",
                "1.xn--4gbwdl",
                "xn--xn--axn--strae-oqa",
            ],
        ),
        (
            Type::Email,
            &["Bob+x@example.com", "a.b@c"],
            &["", "@a", "a@", "a@b@c", ".a@b", "a..b@c", "a@10.0.0.1", "é@a"],
        ),
        (
            Type::Address,
            &["10.0.0.1", "2001:db8::1", "::", "::102:304"],
            &[
                "10.0.0.01",
                "10.1",
                "::FFFF",
                "0::1",
                "::ffff:10.0.0.1",
                "::ffff:a00:1",
                "fe80::1%a",
                "::1.2.3.4",
                "10.0.0.1/8",
            ],
        ),
        (
            Type::Decimal,
            &["0", "-1.50", "99.99", "10", "-0.01"],
            &["", "-", "-0", "-0.00", "01", "1.", ".5", "1e2", "+1", "١"],
        ),
        (
            Type::Date,
            &["2026-01-31", "2024-02-29", "2000-02-29"],
            &["2026-02-29", "1900-02-29", "2026-04-31", "0000-01-01", "2026-1-1"],
        ),
    ];

    #[test]
    fn a_value_has_one_spelling() {
        for (type_, taken, refused) in EXAMPLES {
            taken.iter().for_each(|text| assert!(type_.takes(text), "{type_:?} {text}"));
            refused.iter().for_each(|text| assert!(!type_.takes(text), "{type_:?} {text}"));
            assert_eq!(Type::parse(type_.name()), Some(type_));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_value_or_none(text in any::<String>(), near in "[a-z0-9:/.@%?#\\[\\]xn-]{0,30}") {
            for type_ in Type::ALL {
                let _ = (type_.takes(&text), type_.takes(&near), type_.takes(&format!("https://{near}")));
            }
        }

        #[test]
        fn a_path_is_below_another_where_its_segments_begin_with_those(
            path in prop::collection::vec("[ab]{1,2}", 0..4), directory in prop::collection::vec("[ab]{1,2}", 0..3),
        ) {
            let text = |segments: &[String]| format!("/{}", segments.join("/"));
            prop_assert_eq!(is_below(&text(&path), &text(&directory)), path.starts_with(&directory));
        }
    }
}
