//! Globs: `*` is anything within a segment of a path, `**` whole segments, `?` one character but `/`.
//!
//! A glob becomes an automaton without memory of how it came where it is: the states that are possible after a character are
//! bits, and there is nothing to go back to, whatever the pattern and the value. `arguments/glob.py` says how places are made.
//! Law: a match costs one step for each character of the value and each 64 places of the pattern.

use std::collections::BTreeMap;

/// Characters of a pattern at most.
pub const LENGTH_MAX: usize = 1_024;

/// One bit for each place, the first the lowest of the first word.
type Places = Vec<u64>;

/// The automaton. A bit of a state says that what stands before its place has been matched.
#[derive(Clone, Debug)]
pub struct Glob {
    words: usize,
    ascii: Box<[u16; 128]>, // where in `passed` the places stand that a character passes
    others: Vec<(char, u16)>,
    passed: Places, // `words` for each character of the pattern; the first are of those that are not in it
    any_but_slash: Places, // places that any character passes but `/`
    stays_on_any: Places, // places that are stayed at, whatever character comes
    stays_but_slash: Places, // the same but for `/`
    skipped: Places, // places that may be passed without a character
    end: usize,
}

/// The places of one kind, while they are gathered.
#[derive(Default)]
struct Gathered(Vec<usize>);

impl Gathered {
    fn places(&self, words: usize) -> Places {
        let mut places = vec![0; words];
        self.0.iter().for_each(|place| places[place / 64] |= 1 << (place % 64));
        places
    }
}

impl Glob {
    /// The automaton of a pattern that `document` has found to be one.
    ///
    /// A `**/` is one place: it is passed by at once, or stayed at until some `/`. A `*` or a `**` is a place that is stayed
    /// at by the character that it stands for, once one has come where it is the whole segment, since no segment is empty.
    pub fn compile(pattern: &str) -> Glob {
        let mut literals: BTreeMap<char, Gathered> = BTreeMap::new();
        let [mut any_character, mut any_but_slash, mut stays_on_any, mut stays_but_slash, mut skipped] =
            <[Gathered; 5]>::default();
        let mut place = 0;
        let mut segments = pattern.split('/').peekable();
        let mut previous = "";
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if segment == "**" && !is_last {
                if previous != "**" {
                    stays_on_any.0.push(place);
                    skipped.0.push(place);
                    literals.entry('/').or_default().0.push(place);
                    place += 1;
                }
            } else if segment == "**" {
                any_character.0.push(place);
                stays_on_any.0.push(place + 1);
                place += 1;
            } else {
                if segment == "*" {
                    any_but_slash.0.push(place);
                    place += 1;
                }
                for character in segment.chars() {
                    match character {
                        '*' => stays_but_slash.0.push(place),
                        '?' => {
                            any_but_slash.0.push(place);
                            place += 1;
                        }
                        _ => {
                            literals.entry(character).or_default().0.push(place);
                            place += 1;
                        }
                    }
                }
                if !is_last {
                    literals.entry('/').or_default().0.push(place);
                    place += 1;
                }
            }
            previous = segment;
        }
        let words = place / 64 + 1;
        let any_character = any_character.places(words);
        let mut glob = Glob {
            words,
            ascii: Box::new([0; 128]),
            others: Vec::new(),
            passed: any_character.clone(),
            any_but_slash: any_but_slash.places(words),
            stays_on_any: stays_on_any.places(words),
            stays_but_slash: stays_but_slash.places(words),
            skipped: skipped.places(words),
            end: place,
        };
        for (number, (character, places)) in (1..).zip(literals) {
            let passed = places.places(words).into_iter().zip(&any_character).map(|(own, any)| own | any);
            glob.passed.extend(passed);
            match glob.ascii.get_mut(character as usize) {
                Some(entry) => *entry = number,
                None => glob.others.push((character, number)),
            }
        }
        glob
    }

    /// Whether the glob is of the whole text.
    pub fn matches(&self, text: &str) -> bool {
        if self.words == 1 { self.matches_in_a_word(text) } else { self.matches_in_words(text) }
    }

    /// Where the places begin that the character passes.
    fn passed_by(&self, character: char) -> usize {
        let number = match self.ascii.get(character as usize) {
            Some(&number) => number,
            None => {
                let found = self.others.binary_search_by_key(&character, |(each, _)| *each);
                found.map_or(0, |at| self.others[at].1)
            }
        };
        usize::from(number) * self.words
    }

    fn matches_in_a_word(&self, text: &str) -> bool {
        let entered = |states: u64| states | (states & self.skipped[0]) << 1;
        let mut states = entered(1);
        for character in text.chars() {
            let (mut passed, mut stays) = (self.passed[self.passed_by(character)], self.stays_on_any[0]);
            if character != '/' {
                passed |= self.any_but_slash[0];
                stays |= self.stays_but_slash[0];
            }
            states = entered((states & passed) << 1) | (states & stays);
            if states == 0 {
                return false;
            }
        }
        states >> self.end & 1 == 1
    }

    fn matches_in_words(&self, text: &str) -> bool {
        let mut states = vec![0; self.words];
        states[0] = 1 | (self.skipped[0] & 1) << 1;
        for character in text.chars() {
            let passed = &self.passed[self.passed_by(character)..];
            let but_slash = if character == '/' { 0 } else { u64::MAX };
            let (mut carried, mut skipping, mut any) = (0, 0, 0); // what goes over from one word to the next
            for word in 0..self.words {
                let state = states[word];
                let moved = state & (passed[word] | self.any_but_slash[word] & but_slash);
                let entered = moved << 1 | carried;
                let skipped = entered & self.skipped[word];
                let stays = state & (self.stays_on_any[word] | self.stays_but_slash[word] & but_slash);
                states[word] = entered | skipped << 1 | skipping | stays;
                (carried, skipping) = (moved >> 63, skipped >> 63);
                any |= states[word];
            }
            if any == 0 {
                return false;
            }
        }
        states[self.end / 64] >> (self.end % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition, with going back: for short ones.
    fn matches_plainly(pattern: &[&str], text: &[&str]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ["**"] => !text.is_empty() && text != [""],
            ["**", rest @ ..] => (0..=text.len()).any(|taken| matches_plainly(rest, &text[taken..])),
            ["*", rest @ ..] => {
                text.first().is_some_and(|segment| !segment.is_empty()) && matches_plainly(rest, &text[1..])
            }
            [segment, rest @ ..] => {
                let of = |text: &str| {
                    segment_matches(&segment.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
                };
                text.first().is_some_and(|first| of(first)) && matches_plainly(rest, &text[1..])
            }
        }
    }

    fn segment_matches(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|taken| segment_matches(rest, &text[taken..])),
            ['?', rest @ ..] => !text.is_empty() && segment_matches(rest, &text[1..]),
            [first, rest @ ..] => text.first() == Some(first) && segment_matches(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_its_definition_says(
            pattern in prop::collection::vec("\\*\\*|[ab?]{0,2}\\*?[ab?é]{0,2}", 1..5),
            text in "[ab/é]{0,10}",
            padding in 0usize..80,
        ) {
            // A long segment before the rest, so that places of one word and of two are met.
            let pad = "c".repeat(padding);
            let pattern = format!("{pad}/{}", pattern.join("/"));
            let text = format!("{pad}/{text}");
            let plainly = matches_plainly(&pattern.split('/').collect::<Vec<_>>(), &text.split('/').collect::<Vec<_>>());
            prop_assert_eq!(Glob::compile(&pattern).matches(&text), plainly, "{} of {}", pattern, text);
        }
    }
}
