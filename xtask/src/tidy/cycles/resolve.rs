//! From a path to the file that defines what it names.

use std::collections::BTreeMap;

use super::module::{Import, Module};

/// How many imports one path may lead through, so that imports in circles come to an end.
const MAX_IMPORTS: usize = 16;

/// The modules of one crate by their paths, the root by the empty one.
#[derive(Debug, Default)]
pub(super) struct Modules {
    modules: BTreeMap<Vec<String>, File>,
}

#[derive(Debug)]
struct File {
    path: String,
    module: Module,
}

/// What a path leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Target {
    Module(Vec<String>),
    /// Something in the file of this module.
    Item(Vec<String>),
    /// Something of another crate.
    Foreign,
}

/// A file that uses another one: its path, that of the other one, and the line.
pub(super) type Use<'m> = (&'m str, &'m str, usize);

impl Modules {
    pub(super) fn insert(&mut self, name: Vec<String>, path: String, module: Module) {
        self.modules.insert(name, File { path, module });
    }

    /// Whether there is a way of declarations from the root to this module. There is none to those
    /// of tests: they are declared for tests only.
    fn is_declared(&self, name: &[String]) -> bool {
        let Some((last, parent)) = name.split_last() else {
            return true;
        };
        let parent_file = self.modules.get(parent);
        parent_file.is_some_and(|file| file.module.children.contains(last))
            && self.is_declared(parent)
    }

    /// All uses of one file by another.
    pub(super) fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Vec::new();
        let declared = self
            .modules
            .iter()
            .filter(|(name, _)| self.is_declared(name));
        for (name, file) in declared {
            let imports = file.module.imports.iter();
            let imports = imports
                .filter(|import| !import.is_export)
                .map(|import| (&import.path, self.import(name, import)));
            let paths = file.module.paths.iter();
            let paths = paths.map(|path| (path, self.path(name, &path.segments)));
            for (path, targets) in imports.chain(paths) {
                let others = targets.iter().filter_map(|target| match target {
                    Target::Item(of) => self.modules.get(of),
                    Target::Module(_) | Target::Foreign => None,
                });
                uses.extend(others.map(|other| (&*file.path, &*other.path, path.line)));
            }
        }
        uses
    }

    /// What an import brings: all that is in a module, if it ends so, or what its path leads to.
    fn import(&self, of: &[String], import: &Import) -> Vec<Target> {
        let mut targets = self.resolve(of, &import.path.segments, MAX_IMPORTS);
        for target in &mut targets {
            match target {
                Target::Module(module) if import.name == "*" => {
                    *target = Target::Item(module.clone());
                }
                _ => {}
            }
        }
        targets
    }

    /// What a path in code leads to. A name that is imported has been counted where it is imported,
    /// unless it is so only for others.
    fn path(&self, of: &[String], segments: &[String]) -> Vec<Target> {
        let imports = self.modules.get(of).map(|file| &file.module.imports);
        let mut imports = imports.into_iter().flatten();
        let import = imports.find(|import| {
            !import.is_export && segments.first().is_some_and(|first| import.name == *first)
        });
        if let Some(import) = import {
            let targets = self.resolve(of, &import.path.segments, MAX_IMPORTS);
            let is_module = |target: &Target| matches!(target, Target::Module(_));
            if !targets.iter().any(is_module) {
                return Vec::new();
            }
        }
        self.resolve(of, segments, MAX_IMPORTS)
    }

    /// What a path leads to, seen from a module. Features may decide among several.
    fn resolve(&self, of: &[String], segments: &[String], left: usize) -> Vec<Target> {
        let Some((first, behind)) = segments.split_first() else {
            return Vec::new();
        };
        let mut targets = match &**first {
            "crate" => vec![Target::Module(Vec::new())],
            "self" => vec![Target::Module(of.to_vec())],
            "super" => parent(of),
            name => self.named(of, name, behind.is_empty(), left),
        };
        for (n, name) in (1..).zip(behind) {
            let next = |target| self.next(target, name, n == behind.len(), left);
            targets = targets.into_iter().flat_map(next).collect();
        }
        targets
    }

    /// What the next segment of a path leads to.
    fn next(&self, target: Target, name: &str, is_last: bool, left: usize) -> Vec<Target> {
        match target {
            Target::Module(module) if name == "super" => parent(&module),
            Target::Module(module) => {
                let found = self.named(&module, name, is_last, left);
                // What is not found is made by a macro.
                let made = found.is_empty().then_some(Target::Item(module));
                found.into_iter().chain(made).collect()
            }
            item => vec![item],
        }
    }

    /// What the name stands for in a module. A last name is rather that of an item than of a
    /// module.
    fn named(&self, of: &[String], name: &str, is_last: bool, left: usize) -> Vec<Target> {
        let Some(left) = left.checked_sub(1) else {
            return vec![Target::Foreign];
        };
        let Some(File { module, .. }) = self.modules.get(of) else {
            return Vec::new();
        };
        let is_child = module.children.iter().any(|child| child == name);
        let child = is_child.then(|| Target::Module([of, &[name.to_owned()]].concat()));
        if is_child && !is_last {
            return child.into_iter().collect();
        }
        let is_defined = module.definitions.iter().any(|defined| defined == name);
        let mut found: Vec<_> = is_defined
            .then(|| Target::Item(of.to_vec()))
            .into_iter()
            .collect();
        for import in module.imports.iter().filter(|import| import.name == name) {
            let targets = self.resolve(of, &import.path.segments, left);
            let foreign = targets.is_empty().then_some(Target::Foreign);
            found.extend(targets.into_iter().chain(foreign));
        }
        if found.is_empty() {
            found.extend(child);
        }
        if found.is_empty() {
            found = self.among_all_of(module, of, name, left);
        }
        found
    }

    /// What the name stands for in the modules that are imported as a whole.
    fn among_all_of(&self, module: &Module, of: &[String], name: &str, left: usize) -> Vec<Target> {
        let all = module.imports.iter().filter(|import| import.name == "*");
        let sources = all.flat_map(|import| self.resolve(of, &import.path.segments, left));
        sources
            .flat_map(|source| match source {
                Target::Module(from) => self.named(&from, name, true, left),
                Target::Item(_) | Target::Foreign => Vec::new(),
            })
            .collect()
    }
}

fn parent(of: &[String]) -> Vec<Target> {
    let parent = of.split_last().map(|(_, parent)| parent.to_vec());
    parent.map(Target::Module).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::cycles::tokens::tokens;

    /// Checks which files use which, on which lines.
    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[(&str, &str, usize)]) {
        let mut modules = Modules::default();
        for (name, text) in files {
            let module = Module::read(&tokens(text));
            let path = name.split("::").filter(|name| !name.is_empty());
            modules.insert(
                path.map(str::to_owned).collect(),
                (*name).to_owned(),
                module,
            );
        }
        let mut uses = modules.uses();
        uses.retain(|(from, to, _)| from != to);
        uses.sort_unstable();
        uses.dedup();
        assert_eq!(uses, expected);
    }

    const ROOT: (&str, &str) = ("", "mod a; mod b;");

    #[test]
    fn paths_lead_to_the_file_that_defines() {
        let b = (
            "b",
            "use crate::a::A;\nuse super::a;\nfn f() { a::g(A::new()) }",
        );
        check(
            &[ROOT, ("a", "struct A; fn g() {}"), b],
            &[("b", "a", 1), ("b", "a", 3)],
        );
    }

    #[test]
    fn facades_are_seen_through() {
        let facade = (
            "a",
            "mod c; pub use self::c::C; mod d; pub(crate) use d::*;",
        );
        let (c, d) = (("a::c", "pub struct C;"), ("a::d", "pub struct D;"));
        let b = ("b", "use crate::a::{C,\nD};\nuse crate::a::E;");
        check(
            &[ROOT, facade, c, d, b],
            &[("b", "a", 3), ("b", "a::c", 1), ("b", "a::d", 2)],
        );
    }

    #[test]
    fn what_is_exported_is_used_where_code_names_it() {
        let facade = "mod c;\npub use self::c::{C, D};\nstruct E(C);";
        let files = [("", facade), ("c", "pub struct C; struct D; use super::E;")];
        check(&files, &[("", "c", 3), ("c", "", 1)]);
    }

    #[test]
    fn module_by_itself_is_no_use_of_its_file() {
        let files = [
            ROOT,
            ("a", "fn f() {}"),
            ("b", "use crate::a;\nuse super::a::*;"),
        ];
        check(&files, &[("b", "a", 2)]);
    }

    #[test]
    fn each_of_two_that_a_feature_decides_between_counts() {
        let facade = (
            "a",
            "#[cfg(b)] pub use self::c::E; #[cfg(not(b))] pub use self::d::E; mod c; mod d;",
        );
        let (c, d) = (("a::c", "pub struct E;"), ("a::d", "pub struct E;"));
        let b = ("b", "use crate::a::E;");
        check(
            &[ROOT, facade, c, d, b],
            &[("b", "a::c", 1), ("b", "a::d", 1)],
        );
    }

    #[test]
    fn item_counts_before_a_module_of_the_same_name() {
        let facade = ("a", "mod c; pub use self::c::c;");
        let files = [
            ROOT,
            facade,
            ("a::c", "pub fn c() {}"),
            ("b", "fn f() { crate::a::c() }"),
        ];
        check(&files, &[("b", "a::c", 1)]);
    }

    #[test]
    fn other_crates_and_what_is_there_for_tests_do_not_count() {
        let a = ("a", "pub use other::A; #[cfg(test)] mod tests;");
        let tests = ("a::tests", "use crate::b::B;");
        check(
            &[
                ROOT,
                a,
                tests,
                ("b", "use crate::a::A; use std::fmt; struct B;"),
            ],
            &[],
        );
    }

    #[test]
    fn imports_in_circles_come_to_an_end() {
        let files = [
            ROOT,
            ("a", "pub use crate::b::*;"),
            ("b", "pub use crate::a::*; use crate::a::X;"),
        ];
        check(&files, &[]);
    }
}
