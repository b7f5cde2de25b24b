//! What is asked for on the command line, and the files it names. Law: what is not understood is an error.

use std::time::Duration;

pub const USAGE: &str = "remit-load --address HOST:PORT --path /service/Method --requests FILE [--expected FILE]
  --requests FILE       requests, each its length in 4 bytes (big-endian) and its bytes; asked in turn
  --expected FILE       for each request the byte its answer has at `--verdict-at`; 0: any
  --verdict-at N        which byte of an answer is its verdict (default 1: the first field of a CheckResponse)
  --authorization TEXT  the value of that header
  --connections N       (default 1)
  --in-flight N         calls under way on each connection (default 64)
  --rate N              calls a second in all, whether or not answers come; 0: as they come (default 0)
  --warm-up-s N         not counted (default 1)
  --duration-s N        (default 5)";

pub struct Options {
    pub address: String,
    pub path: String,
    pub requests: Vec<Vec<u8>>,
    pub expected: Vec<u8>,
    pub verdict_at: usize,
    pub authorization: Option<String>,
    pub connections: usize,
    pub in_flight: usize,
    pub rate: f64,
    pub warm_up: Duration,
    pub duration: Duration,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            address: String::new(),
            path: String::new(),
            requests: Vec::new(),
            expected: Vec::new(),
            verdict_at: 1,
            authorization: None,
            connections: 1,
            in_flight: 64,
            rate: 0.0,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(5),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("`{name}` has no value"))?;
            match name.as_str() {
                "--address" => options.address = value,
                "--path" => options.path = value,
                "--requests" => options.requests = split(&read(&value)?).ok_or(format!("`{value}` is cut short"))?,
                "--expected" => options.expected = read(&value)?,
                "--verdict-at" => options.verdict_at = number(&name, &value)?,
                "--authorization" => options.authorization = Some(value),
                "--connections" => options.connections = number(&name, &value)?,
                "--in-flight" => options.in_flight = number(&name, &value)?,
                "--rate" => options.rate = number(&name, &value)?,
                "--warm-up-s" => options.warm_up = seconds(&name, &value)?,
                "--duration-s" => options.duration = seconds(&name, &value)?,
                _ => return Err(format!("`{name}` is not an option")),
            }
        }
        options.checked()
    }

    fn checked(mut self) -> Result<Self, String> {
        if self.address.is_empty() || !self.path.starts_with('/') || self.requests.is_empty() {
            return Err("--address, --path and --requests are needed".to_owned());
        }
        if self.connections == 0 || self.in_flight == 0 || self.rate < 0.0 {
            return Err("--connections and --in-flight are at least 1, --rate at least 0".to_owned());
        }
        if self.expected.is_empty() {
            self.expected = vec![0; self.requests.len()];
        }
        if self.expected.len() != self.requests.len() {
            return Err(format!("{} requests and {} expected verdicts", self.requests.len(), self.expected.len()));
        }
        if self.path.len() > 120 || self.authorization.as_ref().is_some_and(|text| text.len() > 120) {
            return Err("--path and --authorization have 120 bytes at most".to_owned());
        }
        Ok(self)
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("`{path}` cannot be read: {error}"))
}

fn split(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (request, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        requests.push(request.to_vec());
        bytes = rest;
    }
    Some(requests)
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{name}` is a number, and `{value}` is none"))
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number(name, value)?).map_err(|error| format!("`{name}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_split_by_their_lengths() {
        assert_eq!(split(&[0, 0, 0, 1, 9, 0, 0, 0, 0]), Some(vec![vec![9], vec![]]));
        assert_eq!(split(&[0, 0, 0, 2, 9]), None);
        assert_eq!(split(&[0, 0]), None);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in [&["--nothing", "1"][..], &["--rate"], &["--in-flight", "many"], &["--address", "a:1"]] {
            assert!(Options::parse(bad.iter().map(|each| (*each).to_owned())).is_err(), "{bad:?}");
        }
    }
}
