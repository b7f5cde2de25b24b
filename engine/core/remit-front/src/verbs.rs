//! The table of verbs, row by row as `verbs.py` passes it: the only place that says which right a verb needs, where its
//! calls wait, and whether it is answered here. Streams have rows too, for it is asked of them who calls before they are
//! carried on.
//!
//! Law: a path that is not in the table is nobody's to answer here; a row that cannot be kept is refused at the start.

use hashbrown::HashMap;

use crate::hot_path::methods::Method;

/// A row: a method's path, the label under which `metrics.py` counts it, the number of its work queue (a stream
/// waits in none), and the right it needs.
#[derive(Debug)]
pub struct Verb {
    pub path: String,
    pub label: String,
    pub queue: Option<usize>,
    /// `None`: any key that counts may call it.
    pub right: Option<String>,
    /// How it is answered here; `None` where Python always does.
    pub hot: Option<Method>,
}

impl Verb {
    /// The error says in words what cannot be.
    pub fn new(
        path: String,
        label: String,
        queue: Option<usize>,
        right: Option<String>,
        is_hot: bool,
    ) -> Result<Self, String> {
        let hot = Method::of(&path).filter(|_| is_hot);
        if is_hot && hot.is_none() {
            return Err(format!("`{path}` is not answered by the core"));
        }
        Ok(Self { path, label, queue, right, hot })
    }
}

#[derive(Debug)]
pub struct VerbTable {
    numbers: HashMap<String, usize>,
    verbs: Vec<Verb>,
}

impl VerbTable {
    /// Of verbs whose calls wait in so many queues. The error says in words what cannot be.
    pub fn new(verbs: Vec<Verb>, queues: usize) -> Result<Self, String> {
        let mut numbers = HashMap::with_capacity(verbs.len());
        for (number, Verb { path, queue, .. }) in verbs.iter().enumerate() {
            if let Some(queue) = queue.filter(|queue| *queue >= queues) {
                return Err(format!("`{path}` waits in queue `{queue}`, of {queues}"));
            }
            if numbers.insert(path.clone(), number).is_some() {
                return Err(format!("`{path}` is in the table twice"));
            }
        }
        Ok(Self { numbers, verbs })
    }

    /// The number of a path's verb. Cost: O(1).
    pub fn number(&self, path: &str) -> Option<usize> {
        self.numbers.get(path).copied()
    }

    pub fn verb(&self, number: usize) -> &Verb {
        &self.verbs[number]
    }

    /// By their numbers.
    pub fn all(&self) -> &[Verb] {
        &self.verbs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &str = "/remit.v1.Permissions/Check";
    const WRITE: &str = "/remit.v1.Relationships/Write";

    fn verb(path: &str, queue: usize, is_hot: bool) -> Result<Verb, String> {
        Verb::new(path.to_owned(), "label".to_owned(), Some(queue), Some("check".to_owned()), is_hot)
    }

    #[test]
    fn a_verb_is_answered_here_where_its_row_says_so() {
        let verbs = vec![verb(CHECK, 0, true).unwrap(), verb(WRITE, 1, false).unwrap()];
        let table = VerbTable::new(verbs, 2).unwrap();
        let hot = |path| table.number(path).map(|number| table.verb(number).hot);
        assert_eq!((hot(CHECK), hot(WRITE), hot("/another")), (Some(Some(Method::Check)), Some(None), None));
        assert_eq!(verb(CHECK, 0, false).unwrap().hot, None, "the core could, and is not asked to");
    }

    #[test]
    fn a_row_that_cannot_be_kept_is_refused() {
        assert_eq!(verb(WRITE, 0, true).unwrap_err(), format!("`{WRITE}` is not answered by the core"));
        let one = || verb(CHECK, 0, true).unwrap();
        assert!(VerbTable::new(vec![one()], 0).unwrap_err().contains("queue `0`, of 0"));
        assert!(VerbTable::new(vec![one(), one()], 1).unwrap_err().contains("twice"));
    }
}
