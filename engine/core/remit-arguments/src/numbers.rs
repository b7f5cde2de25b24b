//! Numbers as texts: whether one is a number, how RFC 8785 writes it, and how two compare.
//!
//! Law: two numbers compare as their texts say, exactly, whatever doubles make of them.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Whether the two say the same number, exactly; `-0` says none that a double and a decimal agree about.
pub fn is_same_number(text: &str, written: &str) -> bool {
    compare_numbers(text, written) == Ordering::Equal && !(text.starts_with('-') && written == "0")
}

/// By the grammar of JSON.
pub fn is_number(text: &str) -> bool {
    fn digits(text: &[u8]) -> Option<&[u8]> {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then(|| &text[count..])
    }
    fn rest_of(text: &str) -> Option<&[u8]> {
        let mut rest = text.as_bytes();
        rest = rest.strip_prefix(b"-").unwrap_or(rest);
        rest = rest.strip_prefix(b"0").map_or_else(|| digits(rest), Some)?;
        if let Some(fraction) = rest.strip_prefix(b".") {
            rest = digits(fraction)?;
        }
        if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
            let sign = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+"));
            rest = digits(sign.unwrap_or(exponent))?;
        }
        Some(rest)
    }
    rest_of(text).is_some_and(<[u8]>::is_empty)
}

/// A number of JSON as RFC 8785 writes it; None where no double is so large.
pub fn number_text(text: &str) -> Option<Cow<'_, str>> {
    let is_small = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_small && (text == "0" || !text.starts_with('0')) {
        return Some(Cow::Borrowed(text)); // a whole number below 10^15 is a double
    }
    let double: f64 = text.parse().ok()?;
    double.is_finite().then(|| Cow::Owned(ryu_js::Buffer::new().format_finite(double).into()))
}

/// A decimal, or a number as JSON has it, by its sign, its digits and where its point stands.
#[derive(Clone, Copy)]
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a str) -> Decimal<'a> {
        let exponent = text.split_once('e').or_else(|| text.split_once('E')); // each quick to find in a long text
        let (mantissa, exponent) = exponent.unwrap_or((text, "0"));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        Decimal {
            is_negative: unsigned.len() < mantissa.len(),
            whole: whole.as_bytes(),
            fraction: fraction.as_bytes(),
            exponent: exponent.parse().unwrap_or(0), // of a double: three digits at most
        }
    }

    /// Its digits from the first that is no zero, and how many of them stand before the point; None for zero.
    fn digits(self) -> Option<(i64, impl Iterator<Item = u8>)> {
        let all = self.whole.iter().chain(self.fraction).copied();
        let zeros = all.clone().take_while(|&digit| digit == b'0').count();
        let before_point = self.whole.len() as i64 + self.exponent - zeros as i64;
        (zeros < self.whole.len() + self.fraction.len()).then(|| (before_point, all.skip(zeros)))
    }
}

/// How two numbers compare, exactly: decimals, or numbers as RFC 8785 spells them. Cost: O(digits).
pub fn compare_numbers(one: &str, other: &str) -> Ordering {
    let (one, other) = (Decimal::of(one), Decimal::of(other));
    let sign = |negative: bool| if negative { Ordering::Less } else { Ordering::Greater };
    match (one.digits(), other.digits()) {
        (None, None) => Ordering::Equal,
        (Some(_), None) => sign(one.is_negative),
        (None, Some(_)) => sign(!other.is_negative),
        (Some(_), Some(_)) if one.is_negative != other.is_negative => sign(one.is_negative),
        (Some((point, digits)), Some((other_point, other_digits))) => {
            let magnitude = point.cmp(&other_point).then_with(|| compare_digits(digits, other_digits));
            if one.is_negative { magnitude.reverse() } else { magnitude }
        }
    }
}

/// As fractions: what one of them lacks at its end is zeros.
fn compare_digits(mut one: impl Iterator<Item = u8>, mut other: impl Iterator<Item = u8>) -> Ordering {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => match a.unwrap_or(b'0').cmp(&b.unwrap_or(b'0')) {
                Ordering::Equal => {}
                differ => return differ,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_compare_as_doubles_do_where_those_are_exact(
            one in -1_000_000i32..1_000_000, other in -1_000_000i32..1_000_000, shift in 0i32..8,
        ) {
            // Eighths have an exact text of at most three places.
            let text = |number: i32| (f64::from(number) / 8.0).to_string();
            prop_assert_eq!(compare_numbers(&text(one), &text(other)), one.cmp(&other));
            let shifted = format!("{one}e{shift}");
            let zeros = format!("{one}{}.0", "0".repeat(shift as usize));
            prop_assert_eq!(compare_numbers(&shifted, &zeros), Ordering::Equal);
        }
    }
}
