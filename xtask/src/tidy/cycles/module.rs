//! What a file says of other files: the modules it declares, what it imports, and the paths that
//! its code names.

use super::tokens::Token;

/// A path, by its segments, with the line on which it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// A name that is imported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Import {
    pub(super) path: Path,
    /// What it is called here; `*` is all that is in the module.
    pub(super) name: String,
    /// Whether it is there for others to import it from here.
    pub(super) is_export: bool,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The modules that have a file of their own.
    pub(super) children: Vec<String>,
    /// The names that are defined here.
    pub(super) definitions: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// The paths in code. Of one segment are those that name a type or call a function.
    pub(super) paths: Vec<Path>,
}

impl Module {
    pub(super) fn read(tokens: &[Token<'_>]) -> Self {
        let mut parser = Parser {
            tokens,
            at: 0,
            depth: 0,
            inline: Vec::new(),
            module: Self::default(),
        };
        while parser.at < tokens.len() {
            parser.item();
        }
        parser.module
    }
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    depth: usize,
    /// The depths at which the modules begin that are open here and have no file of their own.
    inline: Vec<usize>,
    module: Module,
}

impl<'a> Parser<'_, 'a> {
    /// The token `ahead` places further on; empty behind the end.
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn is_word(&self, ahead: usize) -> bool {
        let token = self.tokens.get(self.at + ahead);
        token.is_some_and(Token::is_word)
    }

    fn before(&self) -> &'a str {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.map_or("", |token| token.text)
    }

    /// Takes what begins here: a declaration, an import, a path, or a single token.
    fn item(&mut self) {
        match self.text(0) {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.inline.retain(|depth| *depth < self.depth);
            }
            "use" if self.before() != "<" => return self.import(),
            "pub" if self.text(1) == "(" => return self.pass_visibility(),
            "mod" if self.is_word(1) => self.declare_module(),
            "macro_rules" if self.depth == 0 => self.define(2),
            "quote" if self.text(1) == "!" => return self.pass_quoted(),
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static"
                if self.is_word(1) =>
            {
                self.define(1);
                if self.text(0) == "fn" {
                    self.at += 1;
                }
            }
            _ if self.is_word(0) && self.before() != "." => return self.path(),
            _ => {}
        }
        self.at += 1;
    }

    fn define(&mut self, ahead: usize) {
        // `const fn`, `static mut` and their like are no names.
        let is_name = !["fn", "unsafe", "mut", "async", "extern"].contains(&self.text(ahead));
        if self.depth == 0 && is_name {
            self.module.definitions.push(self.text(ahead).to_owned());
        }
    }

    fn declare_module(&mut self) {
        let name = self.text(1).to_owned();
        if self.text(2) == "{" {
            self.module.definitions.push(name);
            self.inline.push(self.depth);
        } else {
            self.module.children.push(name);
        }
        self.at += 1;
    }

    /// Passes over `pub(crate)`, `pub(in a::b)` and the like, unless an import follows.
    fn pass_visibility(&mut self) {
        while !["", ")"].contains(&self.text(0)) {
            self.at += 1;
        }
        self.at += 1;
    }

    /// Passes over code that is data here.
    fn pass_quoted(&mut self) {
        self.at += 2;
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn path(&mut self) {
        let (line, before) = (self.line(), self.before());
        let mut segments = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && self.is_word(1) {
            segments.push(self.text(1).to_owned());
            self.at += 2;
        }
        let is_type = |name: &String| name.starts_with(|c: char| c.is_ascii_uppercase());
        let counts = segments.len() > 1 || self.text(0) == "(" || segments.iter().any(is_type);
        if counts && before != "::" {
            let path = self.as_of_file(Path { segments, line });
            self.module.paths.push(path);
        }
    }

    /// The path as the file's own module would say it: out of an inline module one leads less far
    /// up.
    fn as_of_file(&self, mut path: Path) -> Path {
        for _ in &self.inline {
            let is_up = path.segments.first().is_some_and(|first| first == "super");
            if is_up && path.segments.len() > 1 {
                path.segments.remove(0);
            }
        }
        path
    }

    fn import(&mut self) {
        let is_export = ["pub", ")"].contains(&self.before());
        self.at += 1;
        let mut found = Vec::new();
        self.tree(&[], &mut found);
        let imports = found.into_iter().map(|(path, name)| Import {
            path: self.as_of_file(path),
            name,
            is_export,
        });
        let imports: Vec<_> = imports.collect();
        self.module.imports.extend(imports);
    }

    /// Takes one path of an import, or all of them in braces.
    fn tree(&mut self, before: &[String], found: &mut Vec<(Path, String)>) {
        let line = self.line();
        let mut segments = before.to_vec();
        loop {
            match self.text(0) {
                "{" => return self.branches(&segments, found),
                "*" => {
                    self.at += 1;
                    found.push((Path { segments, line }, "*".to_owned()));
                    return;
                }
                "self" if !segments.is_empty() => self.at += 1,
                "::" => self.at += 1,
                text if self.is_word(0) && text != "as" => {
                    segments.push(text.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        let mut name = segments.last().cloned().unwrap_or_default();
        if self.text(0) == "as" {
            self.text(1).clone_into(&mut name);
            self.at += 2;
        }
        found.push((Path { segments, line }, name));
    }

    fn branches(&mut self, segments: &[String], found: &mut Vec<(Path, String)>) {
        self.at += 1;
        while !["}", ""].contains(&self.text(0)) {
            let at = self.at;
            self.tree(segments, found);
            if self.text(0) == "," || self.at == at {
                self.at += 1;
            }
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::cycles::tokens::tokens;

    fn read(text: &str) -> Module {
        Module::read(&tokens(text))
    }

    fn shown(path: &Path) -> String {
        format!("{} {}", path.line, path.segments.join("::"))
    }

    #[track_caller]
    fn imports(text: &str, expected: &[&str]) {
        let module = read(text);
        let found: Vec<_> = module
            .imports
            .iter()
            .map(|import| {
                let export = if import.is_export { " for others" } else { "" };
                format!("{} as {}{export}", shown(&import.path), import.name)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn paths(text: &str, expected: &[&str]) {
        let found: Vec<_> = read(text).paths.iter().map(shown).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn imports_are_taken_apart() {
        imports("use a::B;", &["1 a::B as B"]);
        imports(
            "use crate::{\n    a::{self, B as C, d::*},\n    E,\n};",
            &[
                "2 crate::a as a",
                "2 crate::a::B as C",
                "2 crate::a::d as *",
                "3 crate::E as E",
            ],
        );
        imports(
            "use super::A as _; use ::b::c;",
            &["1 super::A as _", "1 b::c as c"],
        );
    }

    #[test]
    fn exports_are_told_from_imports() {
        imports(
            "pub use a::B;\npub(super) use c::D;\npub(crate) mod e;\nuse f;",
            &[
                "1 a::B as B for others",
                "2 c::D as D for others",
                "4 f as f",
            ],
        );
    }

    #[test]
    fn modules_and_definitions_are_noted() {
        let module = read(
            "pub mod a; mod b { struct C; } pub const fn d() { fn e() {} const F: u8 = 1; }
             macro_rules! g { () => {} } static H: u8 = 1; impl I { fn j() {} }",
        );
        assert_eq!(module.children, ["a"]);
        assert_eq!(module.definitions, ["b", "d", "g", "H"]);
    }

    #[test]
    fn paths_of_code_are_noted() {
        paths(
            "fn a() { b::c::<D>(e.f::<G>()); }",
            &["1 b::c", "1 D", "1 G"],
        );
        paths(
            "let a: super::B<c::D> = <E as f::G>::h(i);",
            &["1 super::B", "1 c::D", "1 E", "1 f::G"],
        );
        paths("pub(in super::super) fn a(b: c) { d(self.e, f) }", &["1 d"]);
    }

    #[test]
    fn quoted_code_is_not_code_of_the_file() {
        paths(
            "fn a() { quote!(use b::C; fn d() { e() }); quote! { f::g } h() }",
            &["1 h"],
        );
    }

    #[test]
    fn paths_out_of_a_module_in_the_same_file_are_those_of_the_file() {
        paths(
            "mod a { fn b() { super::c(); super::super::d(); } } fn e() { super::f() }",
            &["1 c", "1 super::d", "1 super::f"],
        );
    }
}
