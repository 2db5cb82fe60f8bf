//! The names that queues had before a recovery.
//!
//! A queue that the broker has named is declared again after a loss and gets another name, while
//! the program still holds the one it was told. Here the former names lead to the present one.
//! Bounded by the number of queues that are recorded: each keeps at most [`KEPT`] former names.

use std::collections::{BTreeMap, HashMap};

/// How the names begin that the broker gives.
const GIVEN: &str = "amq.gen-";

/// How many former names of one queue are kept: the first, which most programs hold, and the
/// latest.
const KEPT: usize = 16;

/// The present names of queues by their former ones.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Renames {
    present: HashMap<String, String>,
    /// The former names of each queue that has some, the oldest first; by its present name.
    former: BTreeMap<String, Vec<String>>,
}

impl Renames {
    /// Whether a queue of this name can have been renamed.
    #[inline]
    pub(crate) fn may_concern(name: &str) -> bool {
        name.starts_with(GIVEN)
    }

    /// The present name of the queue that had this one.
    pub(crate) fn present(&self, name: &str) -> Option<&str> {
        self.present.get(name).map(String::as_str)
    }

    /// The queue has a new name.
    pub(crate) fn renamed(&mut self, from: &str, to: &str) {
        let mut former = self.former.remove(from).unwrap_or_default();
        former.push(from.to_owned());
        // A broker may give a name that it has given before.
        self.forget(to);
        self.forget_former(to);
        former.retain(|name| name != to);
        if former.len() > KEPT {
            let dropped = former.remove(1);
            self.present.remove(&dropped);
        }
        for name in &former {
            self.present.insert(name.clone(), to.to_owned());
        }
        if !former.is_empty() {
            self.former.insert(to.to_owned(), former);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.present.len()
    }

    /// The queue of this present name is gone. True if it had former names.
    pub(crate) fn forget(&mut self, name: &str) -> bool {
        let Some(former) = self.former.remove(name) else {
            return false;
        };
        for name in former {
            self.present.remove(&name);
        }
        true
    }

    /// This name leads nowhere any more.
    fn forget_former(&mut self, name: &str) {
        let Some(present) = self.present.remove(name) else {
            return;
        };
        if let Some(former) = self.former.get_mut(&present) {
            former.retain(|former| former != name);
            if former.is_empty() {
                self.former.remove(&present);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_former_name_leads_to_the_present_one() {
        let mut renames = Renames::default();
        assert_eq!(renames.present("a"), None);
        renames.renamed("a", "b");
        renames.renamed("b", "c");
        renames.renamed("c", "d");
        renames.renamed("x", "y");
        for former in ["a", "b", "c"] {
            assert_eq!(renames.present(former), Some("d"), "{former}");
        }
        assert_eq!(renames.present("d"), None);
        assert_eq!(renames.present("x"), Some("y"));
    }

    #[test]
    fn names_of_a_deleted_queue_go() {
        let mut renames = Renames::default();
        renames.renamed("a", "b");
        renames.renamed("x", "y");
        assert!(renames.forget("b"));
        assert!(!renames.forget("b"));
        assert_eq!(renames.present("a"), None);
        assert_eq!(renames.present("x"), Some("y"));
        assert!(renames.forget("y"));
        assert_eq!(renames, Renames::default());
    }

    #[test]
    fn first_name_and_the_latest_are_kept_of_many() {
        let mut renames = Renames::default();
        for n in 0..1000 {
            renames.renamed(&n.to_string(), &(n + 1).to_string());
        }
        assert_eq!(renames.present.len(), KEPT);
        for former in ["0", "999", "998", "985"] {
            assert_eq!(renames.present(former), Some("1000"), "{former}");
        }
        assert_eq!(renames.present("500"), None);
        assert!(renames.forget("1000"));
        assert_eq!(renames, Renames::default());
    }

    #[test]
    fn name_that_is_given_again_is_a_present_one() {
        let mut renames = Renames::default();
        renames.renamed("a", "b");
        renames.renamed("b", "a");
        assert_eq!(renames.present("a"), None);
        assert_eq!(renames.present("b"), Some("a"));
        renames.renamed("x", "a");
        assert_eq!(renames.present("b"), None);
        assert_eq!(renames.present("x"), Some("a"));
        renames.renamed("a", "a");
        assert_eq!(renames.present("a"), None);
        assert_eq!(renames.present("x"), Some("a"), "it is the same queue");
    }
}
