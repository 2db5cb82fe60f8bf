//! Every type word, through domains, to a wire type.
//!
//! The nine wire types are known without being declared. Most files declare them as domains of
//! themselves, which says nothing, so these declarations are dropped; a declaration that makes one
//! of them mean something else is a fault. A domain may refer to another one.

use std::collections::HashMap;

use super::draft::{Domain, Wire, name};
use crate::input::Spanned;
use crate::model::{Docs, WireType};
use crate::report::Faults;
use crate::source::document::{self, Document};
use crate::source::list;

/// The longest way from a domain to its wire type. In the known files it is one step; a longer way
/// than this most likely goes round in circles.
const MAX_CHAIN: usize = 16;

/// The domains that a document declares, each with its wire type.
pub(super) fn domains(document: &Document, base: &[Domain], faults: &mut Faults) -> Vec<Domain> {
    let mut index = HashMap::new();
    for domain in &document.domains {
        index.entry(domain.name.value.as_str()).or_insert(domain);
    }
    let mut domains = Vec::new();
    for domain in &document.domains {
        let is_native = native(&domain.name.value).is_some();
        let wire = end_of_chain(domain, &index, base, faults);
        if !is_native {
            domains.push(Domain {
                written: domain.name.value.clone(),
                name: name(&domain.name),
                wire,
                asserts: domain.asserts.clone(),
                docs: Docs::default(),
            });
        }
    }
    domains
}

/// What a word means among these domains, whose names are spelled in one of two ways: files spell
/// them as they please, overlays as the model does.
pub(super) fn lookup<'d>(
    word: &Spanned<String>,
    mut scope: impl Iterator<Item = &'d Domain>,
    spelling: impl Fn(&Domain) -> &str,
) -> Wire {
    if let Some(wire) = native(&word.value) {
        return Wire::Known { wire, domain: None };
    }
    match scope.find(|domain| spelling(domain) == word.value) {
        Some(Domain {
            wire: Some(wire),
            name,
            ..
        }) => Wire::Known {
            wire: *wire,
            domain: Some(name.value.clone()),
        },
        Some(_) => Wire::Missing,
        None => Wire::Unknown(word.clone()),
    }
}

/// Reports a word that means nothing.
pub(super) fn report_unknown(word: &Spanned<String>, faults: &mut Faults) {
    let natives = WireType::ALL.map(WireType::as_str);
    faults.push(
        word.span,
        format!("unknown type `{}`", word.value),
        format!("a domain that is declared, or {}", list(&natives)),
    );
}

fn native(word: &str) -> Option<WireType> {
    WireType::ALL.into_iter().find(|wire| wire.as_str() == word)
}

/// Follows a domain to its wire type.
fn end_of_chain(
    domain: &document::Domain,
    index: &HashMap<&str, &document::Domain>,
    base: &[Domain],
    faults: &mut Faults,
) -> Option<WireType> {
    let declared = domain.type_word.as_ref()?;
    if let Some(wire) = native(&domain.name.value) {
        if native(&declared.value) != Some(wire) {
            let found = format!(
                "wire type `{}` declared as `{}`",
                wire.as_str(),
                declared.value
            );
            faults.push(declared.span, found, format!("`{}`", wire.as_str()));
        }
        return Some(wire);
    }
    let mut word = declared;
    for _ in 0..MAX_CHAIN {
        if let Some(wire) = native(&word.value) {
            return Some(wire);
        }
        if let Some(next) = index.get(word.value.as_str()) {
            word = next.type_word.as_ref()?;
            continue;
        }
        if let Some(other) = base.iter().find(|other| other.written == word.value) {
            return other.wire;
        }
        // The last domain of the chain reports it; those that lead to it need not.
        if word.span == declared.span {
            report_unknown(word, faults);
        }
        return None;
    }
    let found = format!(
        "domain `{}`, which does not arrive at a wire type within {MAX_CHAIN} steps",
        domain.name.value
    );
    faults.push(
        declared.span,
        found,
        "a wire type, or a domain that leads to one",
    );
    None
}
