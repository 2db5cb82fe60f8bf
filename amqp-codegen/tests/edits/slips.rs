//! The ways in which a hand slips.

/// The files that the project generates from.
pub(crate) const FILES: [&str; 3] = [
    "amqp0-9-1.stripped.extended.xml",
    "amqp-rabbitmq-0.9.1.json",
    "overlay.toml",
];

/// The texts of [`FILES`].
pub(crate) type Files = [String; 3];

/// One edit of one file.
pub(crate) struct Edit {
    file: usize,
    /// The first line that is replaced, from 0.
    line: usize,
    n_lines: usize,
    replacement: String,
    kind: &'static str,
    /// Which of several of this kind in the line, from 1.
    nth: usize,
}

impl Edit {
    /// The files with this edit.
    pub(crate) fn apply(&self, files: &Files) -> Files {
        let mut files = files.clone();
        let lines: Vec<&str> = files[self.file].split_inclusive('\n').collect();
        let (head, tail) = lines.split_at(self.line);
        files[self.file] = [
            &head.concat(),
            &*self.replacement,
            &tail[self.n_lines..].concat(),
        ]
        .concat();
        files
    }

    /// `overlay.toml:12 drop: the line`.
    pub(crate) fn name(&self, files: &Files) -> String {
        let Self {
            line, kind, nth, ..
        } = self;
        let text = files[self.file]
            .lines()
            .nth(*line)
            .unwrap_or_default()
            .trim();
        format!("{}:{} {kind} {nth}: {text}", FILES[self.file], line + 1)
    }
}

/// All edits of all files.
pub(crate) fn all(files: &Files) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (file, text) in files.iter().enumerate() {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for line in 0..lines.len() {
            let mut found = whole_lines(file, &lines, line);
            // Prose in a line of its own, as in a licence, changes no code whatever its words.
            if lines[line].contains(['"', '=', '[', '<', '{']) {
                let within = within(file, lines[line]).into_iter();
                found.extend(within.map(|(kind, edited)| (kind, 1, edited)));
            }
            let mut kinds: Vec<&str> = Vec::new();
            for (kind, n_lines, replacement) in found {
                kinds.push(kind);
                let nth = kinds.iter().filter(|other| **other == kind).count();
                if lines[line..line + n_lines].concat() != replacement {
                    edits.push(Edit {
                        file,
                        line,
                        n_lines,
                        replacement,
                        kind,
                        nth,
                    });
                }
            }
        }
    }
    edits
}

/// What happens to whole lines: how many are replaced, and by what.
fn whole_lines(file: usize, lines: &[&str], line: usize) -> Vec<(&'static str, usize, String)> {
    let here = lines[line];
    let comment = match file {
        0 => format!("<!-- {} -->\n", here.trim_end()),
        1 => format!("// {here}"),
        _ => format!("# {here}"),
    };
    let mut edits = vec![
        ("drop", 1, String::new()),
        ("double", 1, here.repeat(2)),
        ("comment out", 1, comment),
        (
            "comment in",
            1,
            here.replacen("<!--", "", 1).replacen("-->", "", 1),
        ),
        ("comment in", 1, here.replacen("# ", "", 1)),
    ];
    if let Some(next) = lines.get(line + 1) {
        edits.push(("swap", 2, [next, here].concat()));
    }
    // An element or an object with what is in it, an entry of the overlay with its keys.
    let indent = |line: &str| line.len() - line.trim_start().len();
    let closes = |other: &&str| match file {
        0 | 1 => indent(other) <= indent(here) || other.trim().is_empty(),
        _ => other.trim().is_empty(),
    };
    let opens = match file {
        0 => !here.contains("/>") && !here.contains("</"),
        1 => here.trim_end().ends_with(['{', '[', ',']),
        _ => here.starts_with('['),
    };
    if let Some(n_inside) = lines[line + 1..].iter().position(closes).filter(|_| opens) {
        let n_lines = if file == 0 {
            n_inside + 2
        } else {
            n_inside + 1
        };
        let n_lines = n_lines.min(lines.len() - line);
        edits.push(("drop the whole", n_lines, String::new()));
        edits.push((
            "double the whole",
            n_lines,
            lines[line..line + n_lines].concat().repeat(2),
        ));
    }
    edits
}

/// What happens within a line.
fn within(file: usize, line: &str) -> Vec<(&'static str, String)> {
    let mut edits = Vec::new();
    for (kind, lost) in [
        ("lose <", '<'),
        ("lose >", '>'),
        ("lose a quote", '"'),
        ("lose a slash", '/'),
        ("lose =", '='),
        ("lose a comma", ','),
        ("lose a bracket", '['),
        ("lose a bracket", ']'),
        ("lose a brace", '{'),
        ("lose a brace", '}'),
        ("lose a dot", '.'),
        ("lose a dash", '-'),
        ("lose a colon", ':'),
    ] {
        let places = line.match_indices(lost);
        edits.extend(places.map(|(at, _)| (kind, [&line[..at], &line[at + 1..]].concat())));
    }
    // The sentences of the overlay are comments in the end.
    let meaning = match line.split_once('"') {
        Some((head, _)) if file == 2 && line.contains(' ') && !line.starts_with("target") => head,
        _ => line,
    };
    edits.extend(words(meaning).map(|(start, word)| {
        let (kind, new) = misspell(word, start % 3);
        (
            kind,
            [&line[..start], &new, &line[start + word.len()..]].concat(),
        )
    }));
    edits
}

/// Numbers, and words of at least two letters, with their places.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    line.split_inclusive(|character: char| !character.is_ascii_alphanumeric())
        .filter_map(move |part| {
            let start = at;
            at += part.len();
            let word = part.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
            let is_number = word.parse::<u32>().is_ok();
            (is_number || word.len() > 1).then_some((start, word))
        })
}

/// A letter is lost, doubled, or changes places with its neighbour; a number becomes the next one.
fn misspell(word: &str, how: usize) -> (&'static str, String) {
    if let Ok(number) = word.parse::<u32>() {
        return ("number", number.saturating_add(1).to_string());
    }
    let middle = word.len() / 2;
    let (head, tail) = word.split_at(middle);
    let misspelt = match how {
        0 => [head, &tail[1..]].concat(),
        1 => [head, &word[middle - 1..]].concat(),
        _ => [
            &word[..middle - 1],
            &tail[..1],
            &head[middle - 1..],
            &tail[1..],
        ]
        .concat(),
    };
    ("misspell", misspelt)
}
