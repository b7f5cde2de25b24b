//! The regular expressions of a schema, read as ECMA 262 has them and written out, so that engines agree about them: the twin
//! of `arguments/patterns.py`, which says why.
//!
//! Law: what is written out finds in every engine what the pattern finds by ECMA 262 with the flag `u`.

const CHARACTERS_MAX: usize = 512;
const DEPTH_MAX: usize = 16;
const SIZE_MAX: usize = 512;

const SPACE: &str = "\\t-\\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";
const LINE_ENDS: &str = "\\n\\r\u{2028}\u{2029}";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Z_a-z";

/// The pattern in characters and classes alone, or why it is not read. Cost: O(characters).
pub fn written_out(pattern: &str) -> Result<Pattern, String> {
    let characters: Vec<char> = pattern.chars().collect();
    if characters.len() > CHARACTERS_MAX {
        return Err(format!("has {} characters, and may have {CHARACTERS_MAX}", characters.len()));
    }
    let mut reader = Reader { pattern: characters, at: 0 };
    let read = reader.alternatives(0)?;
    match reader.next() {
        Some(_) => Err(format!("has a `)` at {} that nothing opened", reader.at)),
        None => Ok(read),
    }
}

/// What was read, written out, and how many characters and classes there are, each as often as it is repeated.
pub struct Pattern {
    pub text: String,
    pub size: usize,
}

impl Pattern {
    fn one(text: impl Into<String>) -> Pattern {
        Pattern { text: text.into(), size: 1 }
    }
}

/// What stands in a class: a character, or what stands for several.
enum Item {
    Character(char),
    Several(&'static str),
}

struct Reader {
    pattern: Vec<char>,
    at: usize,
}

impl Reader {
    fn next(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.pattern[from.min(self.pattern.len())..to.min(self.pattern.len())].iter().collect()
    }

    /// Whether this stands next, which is passed over then.
    fn takes(&mut self, c: char) -> bool {
        let is_next = self.next() == Some(c);
        self.at += usize::from(is_next);
        is_next
    }

    fn alternatives(&mut self, depth: usize) -> Result<Pattern, String> {
        let mut whole = self.sequence(depth)?;
        while self.takes('|') {
            let other = self.sequence(depth)?;
            whole.text.push('|');
            whole.text.push_str(&other.text);
            whole.size += other.size;
        }
        Ok(whole)
    }

    fn sequence(&mut self, depth: usize) -> Result<Pattern, String> {
        let mut whole = Pattern { text: String::new(), size: 0 };
        while let Some(c) = self.next().filter(|c| !matches!(c, '|' | ')')) {
            if matches!(c, '^' | '$') {
                self.at += 1;
                whole.text.push(c);
                continue;
            }
            let atom = self.atom(depth)?;
            let part = self.repeated(atom)?;
            whole.text.push_str(&part.text);
            whole.size += part.size;
            if whole.size > SIZE_MAX {
                return Err(format!("stands for more than {SIZE_MAX} characters; say `maxLength` beside it"));
            }
        }
        Ok(whole)
    }

    fn atom(&mut self, depth: usize) -> Result<Pattern, String> {
        let start = self.at;
        let c = self.next().expect("a sequence ends before there is none");
        self.at += 1;
        match c {
            '.' => Ok(Pattern::one(format!("[^{LINE_ENDS}]"))),
            '(' => self.group(depth + 1),
            '[' => self.a_class(),
            '\\' => {
                let class = match self.next() {
                    Some('d') => format!("[{DIGIT}]"),
                    Some('D') => format!("[^{DIGIT}]"),
                    Some('w') => format!("[{WORD}]"),
                    Some('W') => format!("[^{WORD}]"),
                    Some('s') => format!("[{SPACE}]"),
                    Some('S') => format!("[^{SPACE}]"),
                    _ => return Ok(Pattern::one(plain(self.escaped()?))),
                };
                self.at += 1;
                Ok(Pattern::one(class))
            }
            '*' | '+' | '?' => Err(format!("has a `{c}` at {start} that repeats nothing")),
            ']' | '{' | '}' => Err(format!("has a `{c}` at {start}; write `\\{c}`")),
            _ => Ok(Pattern::one(plain(c))),
        }
    }

    fn group(&mut self, depth: usize) -> Result<Pattern, String> {
        let start = self.at - 1;
        if depth > DEPTH_MAX {
            return Err(format!("has groups more than {DEPTH_MAX} deep"));
        }
        if self.next() == Some('?') {
            if self.pattern.get(self.at + 1) != Some(&':') {
                let kind = self.slice(start, start + 4);
                return Err(format!("has a group `{kind}` at {start}, which not every engine has; use `(` and `(?:`"));
            }
            self.at += 2;
        }
        let inside = self.alternatives(depth)?;
        if !self.takes(')') {
            return Err(format!("has a `(` at {start} that nothing closes"));
        }
        Ok(Pattern { text: format!("(?:{})", inside.text), size: inside.size.max(1) })
    }

    fn repeated(&mut self, mut atom: Pattern) -> Result<Pattern, String> {
        let start = self.at;
        let mut times = 1;
        if let Some(sign @ ('*' | '+' | '?')) = self.next() {
            atom.text.push(sign);
            self.at += 1;
        } else if self.takes('{') {
            let least = self.number()?;
            let (mut most, mut has_end) = (least, true);
            if self.takes(',') {
                has_end = self.next() != Some('}');
                most = if has_end { self.number()? } else { least };
            }
            if !self.takes('}') || most < least {
                return Err(format!("has a `{{` at {start} that is no repetition; write `\\{{`"));
            }
            atom.text.push_str(&match (has_end, most == least) {
                (true, true) => format!("{{{least}}}"),
                (true, false) => format!("{{{least},{most}}}"),
                (false, _) => format!("{{{least},}}"),
            });
            times = (most + usize::from(!has_end)).max(1);
        } else {
            return Ok(atom);
        }
        self.takes('?'); // as little of it as will do: the same is found
        if let Some(sign @ ('*' | '+' | '?' | '{')) = self.next() {
            return Err(format!("has a `{sign}` at {} that repeats a repetition; put it into a group", self.at));
        }
        Ok(Pattern { text: atom.text, size: atom.size * times })
    }

    fn number(&mut self) -> Result<usize, String> {
        let start = self.at;
        while self.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.slice(start, self.at);
        if !(1..=4).contains(&digits.len()) {
            return Err(format!("has a `{{` before {start} that is no repetition of at most {SIZE_MAX}; write `\\{{`"));
        }
        Ok(digits.parse().expect("a few digits"))
    }

    fn a_class(&mut self) -> Result<Pattern, String> {
        let start = self.at - 1;
        let mut text = String::from(if self.takes('^') { "[^" } else { "[" });
        if self.next() == Some(']') {
            return Err(format!("has a class at {start} of no characters"));
        }
        while !self.takes(']') {
            let first = self.of_a_class(start)?;
            let follows = self.pattern.get(self.at + 1);
            if self.next() != Some('-') || follows.is_none_or(|c| *c == ']') {
                match first {
                    Item::Character(c) => push_within_class(c, &mut text),
                    Item::Several(several) => text.push_str(several),
                }
                continue;
            }
            self.at += 1;
            match (first, self.of_a_class(start)?) {
                (Item::Character(first), Item::Character(last)) if first <= last => {
                    push_within_class(first, &mut text);
                    text.push('-');
                    push_within_class(last, &mut text);
                }
                _ => return Err(format!("has a class at {start} with a `-` that is no range; write `\\-`")),
            }
        }
        text.push(']');
        Ok(Pattern::one(text))
    }

    fn of_a_class(&mut self, start: usize) -> Result<Item, String> {
        let Some(c) = self.next() else {
            return Err(format!("has a `[` at {start} that nothing closes"));
        };
        self.at += 1;
        if c == '[' {
            return Err(format!("has a `[` at {} in a class; write `\\[`", self.at - 1));
        }
        if c != '\\' {
            return Ok(Item::Character(c));
        }
        let several = match self.next() {
            Some('d') => DIGIT,
            Some('w') => WORD,
            Some('s') => SPACE,
            _ => return self.escaped().map(Item::Character),
        };
        self.at += 1;
        Ok(Item::Several(several))
    }

    /// The character that what follows a backslash stands for.
    fn escaped(&mut self) -> Result<char, String> {
        let start = self.at - 1;
        let Some(letter) = self.next() else {
            return Err("ends with a backslash".into());
        };
        self.at += 1;
        match letter {
            '^' | '$' | '\\' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '/' | '-' => {
                return Ok(letter);
            }
            't' => return Ok('\t'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            'f' => return Ok('\u{c}'),
            'v' => return Ok('\u{b}'),
            'x' | 'u' => {
                let count = if letter == 'x' { 2 } else { 4 };
                let digits = self.slice(self.at, self.at + count);
                let are_hex = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let point = if are_hex { u32::from_str_radix(&digits, 16).expect("hexadecimal digits") } else { 0 };
                if let Some(c) = char::from_u32(point).filter(|c| *c != '\0') {
                    self.at += count;
                    return Ok(c);
                }
            }
            _ => {}
        }
        let escape = self.slice(start, start + 2);
        Err(format!(
            "has `{escape}` at {start}, which not every engine reads alike; write the characters that are meant"
        ))
    }
}

fn plain(c: char) -> String {
    match c {
        '^' | '$' | '\\' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => format!("\\{c}"),
        _ => control(c).map_or_else(|| c.into(), String::from),
    }
}

fn push_within_class(c: char, text: &mut String) {
    if matches!(c, '^' | '\\' | '[' | ']' | '-' | '&' | '~') {
        text.push('\\');
    }
    match control(c) {
        Some(escape) => text.push_str(escape),
        None => text.push(c),
    }
}

fn control(c: char) -> Option<&'static str> {
    match c {
        '\t' => Some("\\t"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        _ => None,
    }
}
