//! The checks every reference from outside must pass, as in `notation.py`, which alone says what is wrong with one.
//!
//! Law: what passes here passes there. (What does not is left to Python, so the other way round costs only time.)

const TYPE_LENGTH_MAX: usize = 256;
const NAME_LENGTH_MAX: usize = 64;
const ID_BYTES_MAX: usize = 1024;

/// A relation or permission: lower-case letters, digits and `_`, beginning with a letter and not ending in `_`.
pub fn is_name(name: &[u8]) -> bool {
    let Some((first, rest)) = name.split_first() else {
        return false;
    };
    let ends_well = rest.last().is_none_or(|&last| last != b'_');
    first.is_ascii_lowercase()
        && name.len() <= NAME_LENGTH_MAX
        && ends_well
        && rest.iter().all(|&byte| is_of_name(byte))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

/// A definition's name: names with `/` between prefixes.
pub fn is_type(name: &[u8]) -> bool {
    name.len() <= TYPE_LENGTH_MAX && name.split(|&byte| byte == b'/').all(is_name)
}

/// An object's id: printable ASCII but `#`, `[`, `]`, and not the wildcard alone.
pub fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id != b"*" && id.iter().all(|&byte| is_of_id(byte))
}

fn is_of_id(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'#' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_a_letter_and_do_not_end_in_an_underscore() {
        for good in ["a", "view", "a1", "a_b", &"a".repeat(64)] {
            assert!(is_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "_a", "a_", "1a", "A", "a-b", "a/b", "a\n", "ü", &"a".repeat(65)] {
            assert!(!is_name(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn types_are_names_with_prefixes() {
        let long = ["a".repeat(64), "b".repeat(64), "c".repeat(64), "d".repeat(61)].join("/");
        for good in ["doc", "acme/doc", "a/b/c", &long] {
            assert!(is_type(good.as_bytes()), "{good}");
        }
        for bad in ["", "/doc", "doc/", "a//b", "a/B", &format!("{long}d"), &format!("{long}/e")] {
            assert!(!is_type(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn ids_are_printable_ascii_without_what_ends_one() {
        for good in ["1", "**", "mcp.github/create_issue", "anne@example.com", "a:b", &"x".repeat(1024)] {
            assert!(is_id(good.as_bytes()), "{good}");
        }
        for bad in ["", "*", "a b", "a#b", "[", "]", "\u{7f}", "ü", "a\0", &"x".repeat(1025)] {
            assert!(!is_id(bad.as_bytes()), "{bad}");
        }
    }
}
