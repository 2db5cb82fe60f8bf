//! The reply that a format leaves unsaid.
//!
//! JSON marks a request as synchronous and leaves its reply to a convention of names: `x-ok` of the
//! same class answers `x`. Whatever else answers a request is for an overlay to say.

use super::draft::name;
use crate::naming::normalise;
use crate::report::Faults;
use crate::source::Spanned;
use crate::source::document::{Class, Method, Responses};

/// The names of the replies to a method of this class.
pub(super) fn replies(method: &Method, class: &Class, faults: &mut Faults) -> Vec<Spanned<String>> {
    match &method.responses {
        Responses::Named(replies) => replies.iter().map(name).collect(),
        Responses::Unnamed(None) => Vec::new(),
        Responses::Unnamed(Some(mark)) => {
            let reply = format!("{}-ok", method.name.value);
            if class.methods.iter().any(|other| other.name.value == reply) {
                return vec![Spanned::new(normalise(&reply), method.name.span)];
            }
            faults.push(
                mark.span,
                format!("synchronous method `{}` without a reply", method.name.value),
                format!("a method `{reply}` in class `{}`", class.name.value),
            );
            Vec::new()
        }
    }
}
