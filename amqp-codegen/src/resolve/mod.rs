//! From what the files say to what it means.
//!
//! The passes, in the order in which they run. Each notes what is wrong and leaves the draft such
//! that the next one can go on, so that one run finds all faults:
//!
//! 1. [`duplicates`]: within one file, names and ids are unique;
//! 2. [`read`]: each file becomes a draft: every type word goes through domains to a wire type
//!    ([`types`]), and the replies that its format leaves unsaid follow from names
//!    ([`convention`]);
//! 3. [`views`]: several files that tell the same protocol become one, and must agree, in what is
//!    [`missing`] too but for [`allowances`];
//! 4. [`extend`]: extensions add to it;
//! 5. [`correct`]: the overlay's corrections;
//! 6. [`document`]: the overlay's words;
//! 7. [`names`]: every name converts to Rust, and no two to the same;
//! 8. [`codes`]: no two reply codes have the same value;
//! 9. [`replies`]: requests and replies fit together;
//! 10. [`build`]: the model, with [`defaults`] and [`layout`] of each method.
//!
//! Knowledge of a particular class or method does not belong here, but in an overlay.

mod allowances;
mod build;
mod codes;
mod convention;
mod correct;
mod culprit;
mod defaults;
mod document;
mod draft;
mod duplicates;
mod extend;
mod layout;
mod missing;
mod names;
mod read;
mod replies;
mod types;
mod views;

use crate::ParseOptions;
use crate::input::Span;
use crate::model::Specification;
use crate::overlay::Overlay;
use crate::report::Faults;
use crate::source::Document;

/// Builds the model of all documents; `None` if there is a fault.
pub(crate) fn resolve(
    documents: &[Document],
    overlay: &Overlay,
    options: &ParseOptions,
    faults: &mut Faults,
) -> Option<Specification> {
    for document in documents {
        duplicates::check(document, faults);
    }
    let (extensions, views): (Vec<_>, Vec<_>) =
        documents.iter().partition(|document| document.is_extension);
    let mut views = views
        .into_iter()
        .map(|document| read::draft(document, &[], faults))
        .collect::<Vec<_>>()
        .into_iter();
    let Some(mut draft) = views.next() else {
        only_extensions(&extensions, faults);
        return None;
    };
    views::join(&mut draft, views, &overlay.allowances, faults);
    for document in extensions {
        convention::check_extension(document, faults);
        // Its types may be domains of the specification.
        let extension = read::draft(document, &draft.domains, faults);
        extend::add(&mut draft, extension, &document.name, faults);
    }
    correct::apply(&mut draft, &overlay.corrections, faults);
    document::attach(&mut draft, &overlay.docs, options.require_docs, faults);
    names::check(&draft, faults);
    codes::check(&draft, faults);
    replies::check(&draft, faults);
    build::build(&draft, faults)
}

fn only_extensions(extensions: &[&Document], faults: &mut Faults) {
    let file = extensions.first().map_or(0, |document| document.file);
    faults.push(
        Span::new(file, 0, 1),
        "no specification among the sources",
        "one that is not an extension",
    );
}
