//! The reply that a format leaves unsaid.
//!
//! JSON marks a request as synchronous and leaves its reply to a convention of names: `x-ok` of the
//! same class answers `x`. Whatever else answers a request is for an overlay to say. Whether the
//! mark agrees with the replies in the end is [`super::replies`]'s question. The files of 2008 know
//! no such mark: there the names alone tell.

use super::draft::name;
use crate::input::Spanned;
use crate::naming::normalise;
use crate::report::Faults;
use crate::source::document::{Class, Document, Method, Responses};

/// The names of the replies to a method of this class.
pub(super) fn replies(method: &Method, class: &Class, has_marks: bool) -> Vec<Spanned<String>> {
    match &method.responses {
        Responses::Named(replies) => replies.iter().map(name).collect(),
        Responses::Unnamed(None) if has_marks => Vec::new(),
        Responses::Unnamed(_) => {
            let reply = conventional(&normalise(&method.name.value));
            let mut names = class
                .methods
                .iter()
                .map(|other| normalise(&other.name.value));
            let exists = names.any(|name| name == reply);
            let reply = Spanned::new(reply, method.name.span);
            exists.then_some(reply).into_iter().collect()
        }
    }
}

/// Whether a file marks what is synchronous at all.
pub(super) fn has_marks(document: &Document) -> bool {
    let mut methods = document.classes.iter().flat_map(|class| &class.methods);
    methods.any(|method| method.synchronous.is_some())
}

/// What the file says of whether a method has a reply, if it names none. No mark means no, unless
/// there is none in the whole file.
pub(super) fn synchronous(method: &Method, has_marks: bool) -> Option<Spanned<bool>> {
    match method.responses {
        Responses::Named(_) => None,
        Responses::Unnamed(_) if !has_marks => None,
        Responses::Unnamed(_) => Some(
            method
                .synchronous
                .clone()
                .unwrap_or_else(|| Spanned::new(false, method.name.span)),
        ),
    }
}

/// What the reply to a request is called.
pub(super) fn conventional(request: &str) -> String {
    format!("{request}-ok")
}

/// Reports methods of an extension in XML that are synchronous, and neither name a response nor are
/// one. Published specifications forget some; in an extension it is a slip.
pub(super) fn check_extension(document: &Document, faults: &mut Faults) {
    for class in &document.classes {
        let answers = |name: &str| {
            class.methods.iter().any(|other| match &other.responses {
                Responses::Named(list) => list
                    .iter()
                    .any(|reply| normalise(&reply.value) == normalise(name)),
                Responses::Unnamed(_) => false,
            })
        };
        for method in &class.methods {
            let is_silent = matches!(&method.responses, Responses::Named(list) if list.is_empty());
            let is_synchronous = method.synchronous.as_ref().is_some_and(|mark| mark.value);
            let (name, span) = (&method.name.value, method.name.span);
            if is_synchronous && is_silent && !answers(name) {
                let reply = conventional(name);
                faults.push(
                    span,
                    format!(
                        "synchronous method `{}.{name}` without a `response`",
                        class.name.value
                    ),
                    format!("a `response`, such as `{reply}`, or no `synchronous`"),
                );
            }
        }
    }
}
