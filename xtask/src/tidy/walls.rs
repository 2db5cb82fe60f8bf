//! In the core, a type is one file, and its fields stay in its folder.
//!
//! What a type promises about its fields is kept by its methods. Where those are spread over files,
//! or other folders reach for the fields, the promise is kept by each caller, and forgotten by one.
//! Plain data, a struct whose fields are all open and which has no methods, promises nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Fault, File};

/// Where this holds.
const CORE: &str = "amqp-client/src/proto/";

/// Types with methods in several files, and why.
const SPREAD: &[(&str, &str)] = &[];

const SHARED: &str = "handles and core meet here; what is open has a lock or a type of its own";

/// Types with methods and fields that other folders see, and why.
const OPEN: &[(&str, &str)] = &[
    (
        "Answer",
        "the core looks whether a caller waits before it settles",
    ),
    ("ChannelShared", SHARED),
    ("ConnectionShared", SHARED),
    ("ConsumerQueue", SHARED),
    ("Loss", "a value: what ended, and what of it is known"),
    ("Noted", "a value: what has failed unheard"),
    ("QueuedFrame", "a value: where a frame lies"),
    (
        "ShutdownReport",
        "a value: what was left, which the program looks at",
    ),
    (
        "Slot",
        "a value: one request, which the outbox keeps until its reply has come",
    ),
];

/// What has been seen of the core.
#[derive(Default)]
pub(super) struct Walls {
    /// By type, where it has methods: the first place in each file.
    methods: BTreeMap<String, Vec<Fault>>,
    /// Types with open fields, and whether others are not.
    open: Vec<(String, bool, Fault)>,
}

impl Walls {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if !file.path.starts_with(CORE) || !file.has_extension("rs") {
            return;
        }
        let mut seen = BTreeSet::new();
        let mut fields: Option<Fields> = None;
        // The tests of a file come last.
        for (number, line) in file.lines().take_while(|(_, line)| *line != "mod tests {") {
            if let Some(of) = methods_of(line) {
                let message = format!("methods of `{of}`, which has some in another file");
                if seen.insert(of.to_owned()) {
                    let places = self.methods.entry(of.to_owned()).or_default();
                    places.push(file.fault(number, message));
                }
            }
            if let Some(name) = struct_of(line) {
                fields = Some(Fields::of(name, file, number));
            }
            let Some(of) = &mut fields else { continue };
            of.look_at(line);
            if line == "}" {
                self.open.extend(fields.take().and_then(Fields::if_open));
            }
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let (mut faults, mut met) = (Vec::new(), BTreeSet::new());
        for (of, is_mixed, fault) in self.open {
            // Another folder may have a type of the same name.
            let places = self.methods.get(&of);
            let is_here = |place: &Fault| folder(&place.path) == folder(&fault.path);
            if !is_mixed && !places.is_some_and(|places| places.iter().any(is_here)) {
                continue;
            }
            match OPEN.iter().find(|(name, _)| *name == of) {
                Some((name, _)) => drop(met.insert(("OPEN", *name))),
                None => faults.push(fault),
            }
        }
        for (of, places) in self
            .methods
            .into_iter()
            .filter(|(_, places)| places.len() > 1)
        {
            match SPREAD.iter().find(|(name, _)| *name == of) {
                Some((name, _)) => drop(met.insert(("SPREAD", *name))),
                None => faults.extend(places),
            }
        }
        for (table, entries) in [("OPEN", OPEN), ("SPREAD", SPREAD)] {
            let left = entries
                .iter()
                .filter(|(name, _)| !met.contains(&(table, *name)));
            faults.extend(left.map(|(name, _)| Fault {
                path: file!().to_owned(),
                line: 0,
                message: format!("`{name}` needs no place in {table} any more"),
            }));
        }
        faults
    }
}

/// The fields of a struct.
struct Fields {
    name: String,
    n_open: usize,
    n_closed: usize,
    fault: Fault,
}

impl Fields {
    fn of(name: &str, file: &File<'_>, number: usize) -> Self {
        let message =
            format!("fields of `{name}`, which has methods, can be seen in other folders");
        Self {
            name: name.to_owned(),
            n_open: 0,
            n_closed: 0,
            fault: file.fault(number, message),
        }
    }

    fn look_at(&mut self, line: &str) {
        let is_comment = line.trim_start().starts_with(['/', '#']);
        if is_comment || !line.starts_with("    ") || !line.contains(": ") {
            return;
        }
        let open = ["    pub ", "    pub(crate) ", "    pub(in "];
        match open.iter().any(|open| line.starts_with(open)) {
            true => self.n_open += 1,
            false => self.n_closed += 1,
        }
    }

    fn if_open(self) -> Option<(String, bool, Fault)> {
        (self.n_open > 0).then_some((self.name, self.n_closed > 0, self.fault))
    }
}

/// The type whose own methods begin in this line.
fn methods_of(line: &str) -> Option<&str> {
    let header = line.strip_prefix("impl")?;
    let header = match header.strip_prefix('<') {
        Some(generics) => generics.split_once("> ")?.1,
        None => header.strip_prefix(' ')?,
    };
    (!header.contains(" for ")).then(|| name(header))
}

/// The struct with named fields that begins in this line.
fn struct_of(line: &str) -> Option<&str> {
    let is_whole = line.ends_with('{') && !line.starts_with(' ');
    let (visibility, rest) = line.split_once("struct ")?;
    (is_whole && (visibility.is_empty() || visibility.starts_with("pub"))).then(|| name(rest))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let mut walls = Walls::default();
        for (name, text) in files {
            let path = &format!("{CORE}{name}");
            walls.look_at(&File { path, text });
        }
        let faults = walls.faults().into_iter();
        // Without those for what was not met.
        let faults = faults.filter(|fault| fault.line > 0);
        faults.map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn methods_of_one_type_stand_in_one_file() {
        let one = "impl Lane {\n}\nimpl Drop for Lane {\n}\nimpl Lane {\n}\n";
        assert_eq!(
            faults(&[("a.rs", one), ("b.rs", "impl Clone for Lane {\n}\n")]),
            [""; 0]
        );
        let more = "impl<T> Lane<T> {\n}\n";
        assert_eq!(faults(&[("a.rs", one), ("b.rs", more)]).len(), 2);
        let tests = "mod tests {\nimpl Lane {\n}\n";
        assert_eq!(faults(&[("a.rs", one), ("b.rs", tests)]), [""; 0]);
    }

    #[test]
    fn open_fields_beside_closed_ones_or_methods_are_found() {
        let plain = "pub(crate) struct Rule {\n    /// a: b\n    pub(crate) a: u8,\n}\n";
        assert_eq!(faults(&[("a.rs", plain)]), [""; 0]);
        let with_methods = format!("{plain}\nimpl Rule {{\n}}\n");
        assert_eq!(faults(&[("a.rs", &with_methods)]).len(), 1);
        let mixed = "struct Rule {\n    pub(crate) a: u8,\n    b: u8,\n}\n";
        assert_eq!(faults(&[("a.rs", mixed)]).len(), 1);
        let inner = "struct Rule {\n    pub(super) a: u8,\n    b: u8,\n}\nimpl Rule {\n}\n";
        assert_eq!(faults(&[("a.rs", inner)]), [""; 0]);
    }
}
