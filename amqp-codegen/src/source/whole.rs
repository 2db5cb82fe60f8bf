//! What a file must have as a whole, in either format, unless it only adds to another one.

use super::document::{Document, Domain};
use super::nearest;
use crate::model::WireType;
use crate::report::Faults;

/// Reports what cannot be meant.
pub(super) fn check(document: &Document, faults: &mut Faults) {
    check_wire_types(&document.domains, faults);
}

/// Files declare all wire types as domains of themselves, or none. Where most of them are declared,
/// one that is not was misspelt, and would pass for a type of its own.
fn check_wire_types(domains: &[Domain], faults: &mut Faults) {
    let find = |name: &str| domains.iter().find(|domain| domain.name.value == name);
    let names = WireType::ALL.map(WireType::as_str);
    let declared: Vec<&Domain> = names.iter().filter_map(|name| find(name)).collect();
    let Some(first) = declared
        .first()
        .filter(|_| declared.len() > names.len() / 2)
    else {
        return;
    };
    for missing in names.into_iter().filter(|name| find(name).is_none()) {
        let misspelt = domains.iter().find(|domain| {
            let is_of_it = domain
                .type_word
                .as_ref()
                .is_some_and(|word| word.value == missing);
            is_of_it && nearest(&domain.name.value, &[missing]).is_some()
        });
        let expected =
            format!("a domain `{missing}` of type `{missing}`, as of the other wire types");
        let (place, found) = match misspelt {
            Some(domain) => {
                let found = format!("domain `{}`, but none `{missing}`", domain.name.value);
                (domain.name.span, found)
            }
            None => (first.name.span, format!("wire types without `{missing}`")),
        };
        faults.push(place, found, expected);
    }
}
