//! The documentation of the core names every call that a driver makes.
//!
//! A driver is written by that page. A public method or field of what drivers use that the page
//! leaves out has no place in the order of calls.

use super::file::{Fault, File};

/// The page.
const PAGE: &str = "amqp-client/src/proto/mod.rs";

/// Where what drivers use is written.
const CORE: &str = "amqp-client/src/proto/";

/// What drivers use.
const USED: &[&str] = &["Core", "Interest", "Transmit"];

/// What has been seen of the core and of the page.
#[derive(Default)]
pub(super) struct Contract {
    page: String,
    /// `Core::turn`, and where it is.
    calls: Vec<(String, Fault)>,
}

impl Contract {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if file.path == PAGE {
            file.text.clone_into(&mut self.page);
        }
        if !file.path.starts_with(CORE) {
            return;
        }
        let mut subject = None;
        for (number, line) in file.lines() {
            if !line.is_empty() && !line.starts_with([' ', '#', '/']) {
                subject = opened(line);
            }
            if let (Some(of), Some(name)) = (subject, public(line)) {
                let call = format!("{of}::{name}");
                let fault = file.fault(number, format!("`{call}` is not in {PAGE}"));
                self.calls.push((call, fault));
            }
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let page = self.page;
        let is_missing = |call: &str| !page.contains(&format!("{call}`"));
        let is_missing = |call: &str| is_missing(call) && !page.contains(&format!("({call})"));
        let calls = self.calls.into_iter();
        let missing = calls.filter(|(call, _)| is_missing(call));
        missing.map(|(_, fault)| fault).collect()
    }
}

/// What a driver uses and this line begins to describe.
fn opened(line: &str) -> Option<&'static str> {
    let begins = line
        .strip_prefix("impl ")
        .or_else(|| line.strip_prefix("pub struct "))?;
    let name = begins.strip_suffix(" {")?;
    USED.iter().find(|used| **used == name).copied()
}

/// The name of the public method or field in this line.
fn public(line: &str) -> Option<&str> {
    let public = line.strip_prefix("    pub ")?;
    let item = public.strip_prefix("fn ").unwrap_or(public);
    item.split([':', '(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_that_the_page_leaves_out_is_a_fault() {
        let core = "pub struct Interest {\n    pub read: bool,\n    pub write: bool,\n}\n\nimpl Core {\n    \
            pub fn turn(&mut self) {\n    }\n\n    pub(crate) fn inner() {}\n    pub fn lost(&mut self) \
            {}\n}\n\nimpl Other {\n    pub fn free() {}\n}\n";
        let page = "//! [`turn`](Core::turn), [`Interest::read`]\n";
        let mut contract = Contract::default();
        let path = "amqp-client/src/proto/core.rs";
        contract.look_at(&File { path, text: core });
        contract.look_at(&File {
            path: PAGE,
            text: page,
        });
        let faults: Vec<_> = contract.faults().iter().map(Fault::to_string).collect();
        let expected = [(3, "Interest::write"), (11, "Core::lost")];
        let expected =
            expected.map(|(line, call)| format!("{path}:{line}: `{call}` is not in {PAGE}"));
        assert_eq!(faults, expected);
    }
}
