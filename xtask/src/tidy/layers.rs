//! The layers of the client: each file uses its own layer and those below it, and none above.
//!
//! A path is judged by the module that it names first, in `use` and in code alike. Tests may use
//! everything: they are inside of what they test, and look at it from above.

use super::file::{Fault, File};

/// The client's sources.
const CLIENT: &str = "amqp-client/src/";

/// The layers, the lowest first, with the modules of each.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "values and errors",
        &[
            "error", "message", "nearest", "rounding", "sasl", "settings", "text",
        ],
    ),
    ("the core", &["proto"]),
    ("options and declarations", &["declare", "options"]),
    ("URIs and TLS", &["tls", "uri"]),
    ("what handles share", &["handle"]),
    ("channels", &["channel"]),
    ("publishing and consuming", &["consume", "publish"]),
    ("connections", &["connection"]),
    ("RPC", &["rpc"]),
    ("adapters", &["adapter"]),
    ("all errors as one", &["any_error"]),
];

/// Of no layer: the root exports from all of them, the guide is documentation alone, and the macro is
/// written into programs, which name what the root exports.
const OUTSIDE: &[&str] = &["from_errors", "guide", "lib"];

/// What has been seen of the client's sources.
#[derive(Default)]
pub(super) struct Layers {
    faults: Vec<Fault>,
    /// How the paths of modules begin that are there for tests only.
    tests: Vec<String>,
}

impl Layers {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        let Some(path) = file.path.strip_prefix(CLIENT) else {
            return;
        };
        let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let modules: Vec<_> = path.split('/').collect();
        let own = modules.first().copied().unwrap_or_default();
        self.look_for_tests(file, path);
        if OUTSIDE.contains(&own) {
            return;
        }
        let Some(layer) = layer_of(own) else {
            let message = format!("`{own}` is in no layer: give it one in `tidy/layers.rs`");
            self.faults.push(file.fault(0, message));
            return;
        };
        for (line, used) in references(&code(file), modules.len()) {
            let fault = match layer_of(&used) {
                Some(other) if other <= layer => continue,
                Some(_) => format!(
                    "`{own}` uses `{used}`, which is above it: it may use {}",
                    up_to(layer)
                ),
                None => {
                    format!("`crate::{used}` does not say which layer it is of: name its module")
                }
            };
            self.faults.push(file.fault(line, fault));
        }
    }

    /// Notes the modules that are declared for tests only.
    fn look_for_tests(&mut self, file: &File<'_>, path: &str) {
        let folder = match path {
            "lib" => String::new(),
            _ => format!("{path}/"),
        };
        let mut is_test = false;
        for (_, line) in file.lines() {
            let line = line.trim();
            let name = line.strip_suffix(';').and_then(|line| {
                let (_, name) = line.rsplit_once("mod ")?;
                Some(name)
            });
            if let (true, Some(name)) = (is_test, name) {
                self.tests.push(format!("{CLIENT}{folder}{name}.rs"));
                self.tests.push(format!("{CLIENT}{folder}{name}/"));
            }
            is_test = is_for_tests(line);
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let tests = self.tests;
        let mut faults = self.faults;
        faults.retain(|fault| !tests.iter().any(|test| fault.path.starts_with(test)));
        faults
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS
        .iter()
        .position(|(_, modules)| modules.contains(&module))
}

/// The layers up to this one, in words.
fn up_to(layer: usize) -> String {
    let names: Vec<_> = LAYERS
        .iter()
        .take(layer + 1)
        .map(|(name, _)| *name)
        .collect();
    names.join(", ")
}

/// Whether the line is an attribute of what is there for tests only.
fn is_for_tests(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test, ")
}

/// The lines without comments and without what is there for tests only; the numbers stay the same.
fn code(file: &File<'_>) -> String {
    let mut code = String::new();
    let mut lines = file.text.lines();
    while let Some(line) = lines.next() {
        if is_for_tests(line) {
            for _ in skip_item(&mut lines) {
                code.push('\n');
            }
        } else {
            code.push_str(line.split("//").next().unwrap_or_default());
        }
        code.push('\n');
    }
    code
}

/// Passes over the item that follows; as rustfmt leaves it, it ends where its indentation comes
/// back.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut skipped = Vec::new();
    let mut indentation = None;
    for line in lines {
        skipped.push(line);
        let text = line.trim_start();
        if indentation.is_none() && (text.starts_with("#[") || text.starts_with("//")) {
            continue;
        }
        let depth = line.len() - text.len();
        if *indentation.get_or_insert(depth) == depth && text.ends_with([';', ',', '}']) {
            break;
        }
    }
    skipped
}

/// The modules that paths from the crate's root name first, with the lines; `depth` is how many
/// times `super` leads there.
fn references(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            let (before, rest) = code.split_at(at);
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            if before.ends_with(is_part) {
                continue;
            }
            let line = before.matches('\n').count() + 1;
            let rest = rest.strip_prefix(&root).unwrap_or_default();
            let names = first_names(rest);
            found.extend(names.into_iter().map(|(n, name)| (line + n, name)));
        }
    }
    found.sort();
    found
}

/// The first names of a path or of all paths in braces, with how many lines further on they stand.
fn first_names(path: &str) -> Vec<(usize, String)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = |text: &str| -> String { text.chars().take_while(|c| is_name(*c)).collect() };
    if !path.starts_with('{') {
        return vec![(0, name(path))];
    }
    let mut names = Vec::new();
    let (mut depth, mut line, mut begins) = (0_usize, 0, false);
    for (at, c) in path.char_indices() {
        match c {
            '{' => {
                depth += 1;
                begins = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => begins = depth == 1,
            '\n' => line += 1,
            _ if begins && is_name(c) => {
                names.push((line, name(path.get(at..).unwrap_or_default())));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with files of the client.
    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let mut layers = Layers::default();
        for (path, text) in files {
            let path = format!("{CLIENT}{path}");
            layers.look_at(&File { path: &path, text });
        }
        let faults = layers.faults();
        faults
            .iter()
            .map(|fault| fault.to_string().replace(CLIENT, ""))
            .collect()
    }

    #[track_caller]
    fn lines(path: &str, text: &str, expected: &[usize]) {
        let faults = faults(&[(path, text)]);
        let lines: Vec<_> = faults
            .iter()
            .map(|fault| fault.split(':').nth(1).unwrap_or_default().to_owned())
            .collect();
        let expected: Vec<_> = expected.iter().map(usize::to_string).collect();
        assert_eq!(lines, expected, "{faults:?}");
    }

    #[test]
    fn use_of_a_layer_above_is_told_with_what_may_be_used() {
        let text = "//! This.\nuse crate::error::A;\nuse crate::options::B;\n";
        let expected = "proto/a.rs:3: `proto` uses `options`, which is above it: \
                        it may use values and errors, the core";
        assert_eq!(faults(&[("proto/a.rs", text)]), [expected]);
    }

    #[test]
    fn own_layer_and_those_below_may_be_used() {
        let text = "use crate::proto::Core;\nuse crate::{error::A, message, sasl};\n";
        for path in [
            "proto/a.rs",
            "options/mod.rs",
            "uri/a.rs",
            "channel/a.rs",
            "adapter/a.rs",
        ] {
            lines(path, text, &[]);
        }
        lines("message/a.rs", "use crate::error::A;\nuse super::B;\n", &[]);
        lines("message/a.rs", text, &[1]);
    }

    #[test]
    fn each_layer_is_held_to_what_is_below_it() {
        let all: Vec<_> = LAYERS.iter().map(|(_, modules)| modules[0]).collect();
        for (n, module) in all.iter().enumerate() {
            for (above, other) in all.iter().enumerate() {
                let expected: &[usize] = if above > n { &[1] } else { &[] };
                lines(
                    &format!("{module}.rs"),
                    &format!("use crate::{other}::A;\n"),
                    expected,
                );
            }
        }
    }

    #[test]
    fn lists_of_paths_are_taken_apart() {
        let text = "use crate::{\n    error::{A, B},\n    options::{\n        C, D,\n    },\n    channel,\n};\n";
        lines("proto/a.rs", text, &[3, 6]);
        lines("proto/a.rs", "use crate::{error::{A}, rpc};\n", &[1]);
    }

    #[test]
    fn paths_in_code_and_by_way_of_super_count() {
        lines("proto/a.rs", "fn a() {\n    crate::call::b();\n}\n", &[2]);
        lines("proto/a.rs", "use super::super::channel::Channel;\n", &[1]);
        lines("proto/mod.rs", "use super::channel::Channel;\n", &[1]);
        lines("proto/a.rs", "use super::channel::Channel;\n", &[]);
        lines("proto/b/a.rs", "use super::super::channel::Channel;\n", &[]);
        lines("text.rs", "use super::proto::Core;\n", &[1]);
    }

    #[test]
    fn what_comes_by_way_of_the_root_is_told() {
        let expected =
            "uri/a.rs:1: `crate::TlsOptions` does not say which layer it is of: name its module";
        assert_eq!(
            faults(&[("uri/a.rs", "use crate::TlsOptions;\n")]),
            [expected]
        );
    }

    #[test]
    fn documentation_and_comments_may_refer_to_everything() {
        let text =
            "//! See [`Core`](crate::adapter).\n/// [a](crate::Channel)\nfn a() {} // crate::rpc\n";
        lines("proto/a.rs", text, &[]);
    }

    #[test]
    fn tests_may_use_everything() {
        let module = "use crate::rpc::A;\n#[cfg(test)]\nmod tests {\n    use crate::Channel;\n}\n";
        lines("proto/a.rs", module, &[1]);
        let items = "#[cfg(test)]\nuse crate::rpc::{\n    A,\n};\nimpl B {\n    #[cfg(test)]\n    \
            #[inline]\n    fn a(\n    ) -> u8 {\n        crate::rpc::a()\n    }\n}\nuse crate::rpc;\n";
        lines("proto/a.rs", items, &[13]);
        let parent = "mod a;\n#[cfg(all(test, unix))]\npub(crate) mod b;\n";
        let user = "use crate::rpc::A;\n";
        let files = [
            ("proto/mod.rs", parent),
            ("proto/a.rs", user),
            ("proto/b.rs", user),
            ("proto/b/c.rs", user),
        ];
        let faults = faults(&files);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("proto/a.rs:1: "), "{faults:?}");
    }

    #[test]
    fn module_of_no_layer_is_told() {
        let expected = "news.rs: `news` is in no layer: give it one in `tidy/layers.rs`";
        assert_eq!(faults(&[("news.rs", "//! This.\n")]), [expected]);
        assert_eq!(
            faults(&[
                ("lib.rs", "pub use self::rpc::A;\n"),
                ("guide/a.rs", "//! This.\n")
            ]),
            [""; 0]
        );
    }
}
