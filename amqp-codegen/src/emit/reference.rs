//! `protocol.md`: the reference for humans.
//!
//! The same documentation as that of the Rust types, with the names of the specification, for
//! readers of any language.

use super::layout::FieldView;
use super::{Options, docs, format, layout};
use crate::model::{
    Class, Constant, ConstantKind, Docs, Domain, Method, Name, Property, Role, Specification,
};

/// The text of the reference.
pub(super) fn file(specification: &Specification, options: &Options) -> String {
    let protocol = specification.protocol;
    let mut text = Text::default();
    let version = format!(
        "{}-{}-{}",
        protocol.major, protocol.minor, protocol.revision
    );
    text.paragraph(&format!("# AMQP {version}"));
    text.paragraph(&format!(
        "<!-- {} -->",
        format::generated_by(specification, options)
    ));
    text.paragraph(&format!(
        "Servers listen on port {}. Every class, method, field, property, domain and constant of \
         the protocol follows, each with its place on the wire.",
        protocol.port
    ));

    contents(&mut text, specification);
    for class in &specification.classes {
        class_section(&mut text, specification, class);
    }
    if !specification.domains.is_empty() {
        text.paragraph("## Domains");
        text.paragraph("Names that the specification gives to wire types.");
        let rows = specification
            .domains
            .iter()
            .map(|domain| domain_row(specification, domain));
        text.table(&["Domain", "Type", "Meaning"], rows);
    }
    constants(&mut text, specification);
    text.0
}

/// Markdown, block by block.
#[derive(Default)]
struct Text(String);

impl Text {
    fn paragraph(&mut self, paragraph: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(paragraph);
        self.0.push('\n');
    }

    fn table<const N: usize>(&mut self, head: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
        let mut table = format!("| {} |\n|{}", head.join(" | "), "---|".repeat(N));
        for row in rows {
            let cells = row.map(|text| in_cell(&text));
            table.push_str(&format!("\n| {} |", cells.join(" | ")));
        }
        self.paragraph(&table);
    }

    fn documentation(&mut self, specification: &Specification, docs: &Docs) {
        for paragraph in &docs.paragraphs {
            self.paragraph(paragraph);
        }
        if !docs.errors.is_empty() {
            self.paragraph("Errors:");
            self.paragraph(&docs::errors(specification, docs).join("\n"));
        }
    }
}

/// A text in one cell: a bar that is not escaped would end it, a line break the row.
fn in_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut is_escaped = false;
    for character in text.chars() {
        match character {
            '|' if !is_escaped => cell.push_str("\\|"),
            '\n' | '\r' => cell.push(' '),
            other => cell.push(other),
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    cell
}

/// The paragraphs in one cell of a table, or what is known without them.
fn cell(docs: &Docs, otherwise: &str) -> String {
    if docs.paragraphs.is_empty() {
        otherwise.to_owned()
    } else {
        docs.paragraphs.join(" ")
    }
}

fn contents(text: &mut Text, specification: &Specification) {
    text.paragraph("## Classes");
    let rows = specification.classes.iter().map(|class| {
        let link = format!("[`{0}`](#class-{0})", class.name);
        let methods = class
            .methods
            .iter()
            .map(|method| format!("[`{}`](#{}{})", method.name, class.name, method.name));
        [
            class.id.to_string(),
            link,
            methods.collect::<Vec<_>>().join(", "),
        ]
    });
    text.table(&["Id", "Class", "Methods"], rows);
}

fn class_section(text: &mut Text, specification: &Specification, class: &Class) {
    text.paragraph(&format!("## Class `{}`", class.name));
    text.paragraph(&format!("Class id {}.", class.id));
    text.documentation(specification, &class.docs);
    for method in &class.methods {
        method_section(text, specification, class, method);
    }
    if !class.properties.is_empty() {
        text.paragraph(&format!("### Properties of `{}`", class.name));
        text.paragraph(
            "Flag words come first, then the values of the properties whose flag is set, in this \
             order. The lowest bit of a word says that another word follows.",
        );
        let rows = class.properties.iter().enumerate();
        let rows = rows.map(|(index, property)| property_row(index, property));
        text.table(&["Word", "Flag", "Property", "Type", "Meaning"], rows);
    }
}

fn method_section(text: &mut Text, specification: &Specification, class: &Class, method: &Method) {
    text.paragraph(&format!("### `{}.{}`", class.name, method.name));
    text.paragraph(&facts(class, method));
    text.documentation(specification, &method.docs);
    let fields = layout::fields(method);
    if !fields.is_empty() {
        text.table(
            &["Field", "Type", "Default", "Meaning"],
            fields.iter().map(field_row),
        );
    }
}

/// Ids, direction, and the other methods of the exchange.
fn facts(class: &Class, method: &Method) -> String {
    let link = |id: u16| {
        layout::find(class, id)
            .map(|method| format!("[`{0}.{1}`](#{0}{1})", class.name, method.name))
    };
    let links = |ids: &[u16]| -> Vec<String> { ids.iter().copied().filter_map(link).collect() };
    let mut facts = format!("Method id {}.", method.id);
    facts.push_str(&format!(" Sent by {}.", docs::sender(method.direction)));
    match &method.role {
        Role::Request(_) => {
            let replies = links(&layout::replies(method));
            facts.push_str(&format!(" Answered by {}.", docs::either(&replies)));
        }
        Role::Reply(requests) => {
            facts.push_str(&format!(" Answers {}.", docs::either(&links(requests))));
        }
        Role::OneWay => facts.push_str(" Not answered."),
    }
    if method.content {
        facts.push_str(" Followed by content.");
    }
    if method.deprecated {
        facts.push_str(" Deprecated.");
    }
    facts
}

fn field_row(field: &FieldView<'_>) -> [String; 4] {
    let reserved = "Reserved: sent as zero or empty, ignored when received.";
    let mut meaning = cell(field.docs, if field.reserved { reserved } else { "" });
    if !field.asserts.is_empty() {
        let asserts: Vec<_> = field
            .asserts
            .iter()
            .map(|check| docs::code(check))
            .collect();
        meaning.push_str(&format!(" Asserted: {}.", asserts.join(", ")));
    }
    if field.secret {
        meaning.push_str(" Secret: not to be shown or logged.");
    }
    let default = field.default.as_deref().map(docs::code);
    [
        format!("`{}`", field.name),
        wire(field),
        default.unwrap_or_default(),
        meaning.trim().to_owned(),
    ]
}

fn wire(field: &FieldView<'_>) -> String {
    match field.domain {
        Some(domain) => format!("`{}` ({domain})", field.wire.as_str()),
        None => format!("`{}`", field.wire.as_str()),
    }
}

fn property_row(index: usize, property: &Property) -> [String; 5] {
    let reserved = if property.reserved {
        "Reserved: not sent, kept when received."
    } else {
        ""
    };
    [
        (index / 15).to_string(),
        format!("`0x{:04X}`", 0x8000_u16 >> (index % 15)),
        format!("`{}`", property.name),
        wire(&property.into()),
        cell(&property.docs, reserved),
    ]
}

fn domain_row(specification: &Specification, domain: &Domain) -> [String; 3] {
    let mut meaning = docs::paragraphs(specification, &domain.docs).join(" ");
    if !domain.asserts.is_empty() {
        let asserts: Vec<_> = domain
            .asserts
            .iter()
            .map(|check| docs::code(check))
            .collect();
        meaning.push_str(&format!(" Asserted: {}.", asserts.join(", ")));
    }
    let name = format!("`{}`", domain.name);
    [
        name,
        format!("`{}`", domain.wire.as_str()),
        meaning.trim().to_owned(),
    ]
}

fn constants(text: &mut Text, specification: &Specification) {
    let (plain, codes): (Vec<_>, Vec<_>) = specification
        .constants
        .iter()
        .partition(|constant| constant.kind == ConstantKind::Plain);
    let row = |constant: &&Constant| {
        [
            constant.value.to_string(),
            code(&constant.name),
            cell(&constant.docs, ""),
        ]
    };
    if !plain.is_empty() {
        text.paragraph("## Constants");
        text.table(&["Value", "Name", "Meaning"], plain.iter().map(row));
    }
    if !codes.is_empty() {
        text.paragraph("## Reply codes");
        let rows = codes.iter().map(|constant| {
            let closes = match constant.kind {
                ConstantKind::SoftError => "the channel",
                ConstantKind::HardError => "the connection",
                ConstantKind::Plain | ConstantKind::ReplyCode => "",
            };
            let [value, name, meaning] = row(constant);
            [value, name, closes.to_owned(), meaning]
        });
        text.table(&["Code", "Name", "Closes", "Meaning"], rows);
    }
}

fn code(name: &Name) -> String {
    format!("`{name}`")
}
