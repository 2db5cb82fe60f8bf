//! Specifications made up by a generator: right, but as odd as the format lets them be.
//!
//! Each seed gives the text of an XML file and of an overlay, so that everything from reading to
//! compiling is tested. The same seed always gives the same texts. `RANDOM_MODELS=200` tries that
//! many instead of the usual few, `RANDOM_SEED=1000` begins with another seed.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;

use crate::words::{TEXTS, WORDS};

/// How many are tried if nothing else is asked for.
const N_MODELS: u64 = 20;

/// The seeds to try.
pub(crate) fn seeds() -> impl Iterator<Item = u64> {
    let number = |name, otherwise| match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}")),
        Err(_) => otherwise,
    };
    let first = number("RANDOM_SEED", 1);
    first..first + number("RANDOM_MODELS", N_MODELS)
}

/// The XML file and the overlay of a seed.
pub(crate) fn texts(seed: u64) -> (String, String) {
    let mut author = Author {
        random: Random(seed),
        xml: String::new(),
        documents: String::new(),
        corrections: String::new(),
        domains: Vec::new(),
        codes: Vec::new(),
        variants: BTreeSet::new(),
    };
    author.specification();
    (author.xml, author.documents + &author.corrections)
}

const TYPES: [&str; 9] = [
    "bit",
    "octet",
    "short",
    "long",
    "longlong",
    "shortstr",
    "longstr",
    "timestamp",
    "table",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Whether something happens that does so once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A name that Rust tells apart from those in `taken`.
    fn name(&mut self, taken: &mut BTreeSet<String>) -> String {
        loop {
            let mut name = match self.below(4) {
                0 => self.made_up(),
                _ => self.choose(WORDS).to_owned(),
            };
            while self.once_in(4) && name.len() < 40 {
                let (words, digits) = (self.choose(WORDS), self.below(100));
                name = match self.below(3) {
                    0 => format!("{name}-{digits}"),
                    1 => format!("{words}-{name}"),
                    _ => format!("{name}-{words}"),
                };
            }
            // A field may be called `reserved-1` only if it is.
            let is_mark = name.starts_with("reserved-");
            if !is_mark && taken.insert(camel(&name)) {
                return name;
            }
        }
    }

    fn made_up(&mut self) -> String {
        let letters = "abcdefghijklmnopqrstuvwxyz";
        let length = self.choose(&[1, 2, 3, 8, 30]);
        let mut letter = || {
            let at = self.below(letters.len());
            &letters[at..=at]
        };
        (0..length).map(|_| letter()).collect()
    }

    /// Distinct numbers from 1 and below `end`, sorted or not.
    fn ids(&mut self, n: usize, end: usize) -> Vec<usize> {
        let mut ids = Vec::new();
        while ids.len() < n {
            let id = match self.below(4) {
                0 => self.choose(&[1, end - 1]),
                _ => 1 + self.below(end - 1),
            };
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// What a name becomes as a type, but for keywords.
fn camel(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(word).collect()
}

/// A name with its type in the end, and what a file calls the type.
struct Typed {
    name: String,
    wire: &'static str,
}

struct Author {
    random: Random,
    xml: String,
    /// The tables of the overlay that document.
    documents: String,
    /// Those that correct.
    corrections: String,
    domains: Vec<Typed>,
    /// Values of reply codes.
    codes: Vec<usize>,
    /// Class and method in one word.
    variants: BTreeSet<String>,
}

impl Author {
    fn specification(&mut self) {
        let revision = self
            .random
            .choose(&["", " revision=\"1\"", " revision=\"255\""]);
        writeln!(
            self.xml,
            "<amqp major=\"0\" minor=\"9\"{revision} port=\"5672\">"
        )
        .unwrap();
        self.constants();
        self.domains();
        // The generated files need names of their own.
        let reserved = amqp_codegen::emit::RESERVED_MODULES.iter();
        let mut taken: BTreeSet<_> = reserved.map(|name| camel(name)).collect();
        taken.extend(["AmqpSpec".to_owned()]);
        let n_classes = 1 + self.random.below(4);
        for id in self.random.ids(n_classes, 1 << 16) {
            let name = self.random.name(&mut taken);
            self.class(&name, id);
        }
        self.xml.push_str("</amqp>\n");
    }

    fn constants(&mut self) {
        let mut taken = BTreeSet::from(["Port".to_owned()]);
        for _ in 0..self.random.below(6) {
            let name = self.random.name(&mut taken);
            let value = self
                .random
                .choose(&[0, 1, 206, 255, 256, 65_535, 65_536, u32::MAX]);
            writeln!(self.xml, "  <constant name=\"{name}\" value=\"{value}\"/>").unwrap();
            self.document(&format!("[constant]\n{name:?}"));
        }
        let n_codes = self.random.below(6);
        for value in self.random.ids(n_codes, 1 << 16) {
            let name = self.random.name(&mut taken).to_uppercase();
            let class = self
                .random
                .choose(&["soft-error", "hard-error", "hard error"]);
            writeln!(
                self.xml,
                "  <constant name=\"{name}\" value=\"{value}\" class=\"{class}\"/>"
            )
            .unwrap();
            if self.random.once_in(3) {
                let target = format!("constant {}", name.to_lowercase());
                self.correct(&target, "kind = \"reply-code\"");
            }
            self.codes.push(value);
        }
    }

    fn domains(&mut self) {
        let mut taken: BTreeSet<_> = TYPES.iter().map(|name| camel(name)).collect();
        for _ in 0..self.random.below(10) {
            let name = self.random.name(&mut taken);
            let (word, wire) = self.type_word();
            write!(self.xml, "  <domain name=\"{name}\" type=\"{word}\">").unwrap();
            self.assert();
            self.xml.push_str("</domain>\n");
            self.document(&format!("[domain]\n{name:?}"));
            self.domains.push(Typed { name, wire });
        }
    }

    fn assert(&mut self) {
        let checks = [
            "notnull\" ",
            "length\" value=\"127\"",
            "regexp\" value=\"^[a|b]`*$\"",
        ];
        if self.random.once_in(3) {
            let check = self.random.choose(&checks);
            write!(self.xml, "<assert check=\"{check}/>").unwrap();
        }
    }

    /// A wire type or a domain, and the wire type that it is.
    fn type_word(&mut self) -> (String, &'static str) {
        let n_domains = self.domains.len();
        if n_domains > 0 && self.random.once_in(2) {
            let domain = &self.domains[self.random.below(n_domains)];
            return (domain.name.clone(), domain.wire);
        }
        let wire = self.random.choose(&TYPES);
        (wire.to_owned(), wire)
    }

    /// One entry of documentation under `key`, or none.
    fn document(&mut self, key: &str) {
        let text = self.random.choose(TEXTS);
        // A table of the overlay may be opened once: only the first entry of each is kept.
        let (table, _) = key.split_once('\n').unwrap();
        if self.random.once_in(2) && !self.documents.contains(table) {
            writeln!(self.documents, "{key} = '''\n{text}'''").unwrap();
        }
    }

    fn correct(&mut self, target: &str, change: &str) {
        let entry = format!("[[correct]]\ntarget = {target:?}\n{change}\nreason = \"A test.\"\n");
        self.corrections.push_str(&entry);
    }

    fn class(&mut self, name: &str, id: usize) {
        writeln!(self.xml, "  <class name=\"{name}\" index=\"{id}\">").unwrap();
        self.document(&format!("[class.{name:?}]\ndoc"));
        let n_methods = self.random.choose(&[0, 1, 3, 6, 10]);
        let mut taken = BTreeSet::new();
        let mut names = Vec::new();
        while names.len() < n_methods {
            let method = self.random.name(&mut taken);
            if self.variants.insert(camel(&format!("{name}-{method}"))) {
                names.push(method);
            }
        }
        // The last ones answer the first ones, some of them more than one.
        let n_requests = self.random.below(n_methods.div_ceil(2) + 1);
        let n_replies = if n_requests == 0 {
            0
        } else {
            (n_methods - n_requests).min(3)
        };
        let replies: Vec<_> = names.iter().rev().take(n_replies).cloned().collect();
        let asks_server = self.random.once_in(2);
        let mut answered = BTreeSet::new();
        let start = self.xml.len();
        for (index, id) in self.random.ids(n_methods, 1 << 16).into_iter().enumerate() {
            let mut chosen = Vec::new();
            let is_request = index < n_requests && n_replies > 0;
            if is_request {
                let (first, n_chosen) = (
                    self.random.below(n_replies),
                    1 + self.random.below(n_replies),
                );
                chosen.extend((0..n_chosen).map(|n| replies[(first + n) % n_replies].clone()));
                answered.extend(chosen.iter().cloned());
            }
            let method = names[index].clone();
            let server = if replies.contains(&method) {
                !asks_server
            } else {
                asks_server
            };
            self.method(name, &method, id, server, &chosen);
        }
        // Properties travel with the content of a method.
        let has_content = n_methods == 0 || self.xml[start..].contains("\" content=\"1\"");
        let mut n_properties = self.random.choose(&[0, 0, 1, 3, 14, 15, 16, 30, 31, 46]);
        if !has_content {
            n_properties = 0;
        }
        let mut taken = BTreeSet::new();
        for _ in 0..n_properties {
            let property = self.random.name(&mut taken);
            let (word, _) = self.type_word();
            let reserved = if self.random.once_in(8) {
                " reserved=\"1\""
            } else {
                ""
            };
            writeln!(
                self.xml,
                "    <field name=\"{property}\" domain=\"{word}\"{reserved}/>"
            )
            .unwrap();
            self.document(&format!("[property.{name:?}]\n{property:?}"));
        }
        self.xml.push_str("  </class>\n");
    }

    fn method(&mut self, class: &str, name: &str, id: usize, server: bool, replies: &[String]) {
        let mut marks = String::new();
        for mark in ["content", "deprecated"] {
            if self.random.once_in(5) {
                write!(marks, " {mark}=\"1\"").unwrap();
            }
        }
        if !replies.is_empty() {
            marks.push_str(" synchronous=\"1\"");
        }
        let receiver = if server { "server" } else { "client" };
        writeln!(
            self.xml,
            "    <method name=\"{name}\" index=\"{id}\"{marks}>\n      \
             <chassis name=\"{receiver}\" implement=\"MUST\"/>"
        )
        .unwrap();
        for reply in replies {
            writeln!(self.xml, "      <response name=\"{reply}\"/>").unwrap();
        }
        let path = format!("{class}.{name}");
        self.document(&format!("[method.{path:?}]\ndoc"));
        if !self.codes.is_empty() && self.documents.ends_with("'''\n") && self.random.once_in(2) {
            let is_method = self.documents.contains(&format!("[method.{path:?}]"));
            let code = self.random.choose(&self.codes.clone());
            if is_method {
                writeln!(self.documents, "errors = {{ {code} = \"`a` | b\" }}").unwrap();
            }
        }
        let all_reserved = self.random.once_in(8);
        let mut taken = BTreeSet::new();
        for _ in 0..self.random.choose(&[0, 1, 1, 2, 4, 7]) {
            let (word, wire) = self.type_word();
            let n_fields = if wire == "bit" {
                self.random.choose(&[1, 2, 7, 8, 9, 16, 17])
            } else {
                1
            };
            for _ in 0..n_fields {
                let field = self.random.name(&mut taken);
                let reserved = all_reserved || self.random.once_in(5);
                self.field(&path, &field, (&word, wire), reserved);
            }
        }
        self.xml.push_str("    </method>\n");
    }

    fn field(&mut self, path: &str, name: &str, (word, wire): (&str, &str), reserved: bool) {
        let mark = if reserved { " reserved=\"1\"" } else { "" };
        write!(
            self.xml,
            "      <field name=\"{name}\" type=\"{word}\"{mark}>"
        )
        .unwrap();
        self.assert();
        self.xml.push_str("</field>\n");
        self.document(&format!("[field.{path:?}]\n{name:?}"));
        if reserved {
            return;
        }
        let target = format!("field {path}.{name}");
        if self.random.once_in(3) {
            let texts: [&str; 5] = [
                "'x'",
                "'`*/ \" | \\ <b> [c]'",
                "\"\\u0000 \\n \"",
                "'é'",
                "' '",
            ];
            let default = match wire {
                "bit" => Some("true"),
                "octet" => Some("255"),
                "short" => Some("65535"),
                "long" => Some("4294967295"),
                "longlong" | "timestamp" => Some("9223372036854775807"),
                "shortstr" | "longstr" => Some(self.random.choose(&texts)),
                _ => None,
            };
            if let Some(default) = default {
                self.correct(&target, &format!("default = {default}"));
            }
        }
        if wire.ends_with("str") && self.random.once_in(4) {
            self.correct(&target, "secret = true");
        }
    }
}
