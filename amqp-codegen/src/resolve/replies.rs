//! Whether a method asks, answers, or does neither.

use super::draft::{Class, Method};
use crate::model::{Replies, Role};
use crate::report::Faults;

/// The role of a method of this class.
pub(super) fn role(method: &Method, class: &Class, faults: &mut Faults) -> Option<Role> {
    let mut ids = Vec::new();
    for reply in &method.replies {
        let Some(target) = class
            .methods
            .iter()
            .find(|other| other.name.value == reply.value)
        else {
            faults.push(
                reply.span,
                format!("response `{}` that does not exist", reply.value),
                format!("a method of class `{}`", class.name.value),
            );
            continue;
        };
        ids.push(target.id.as_ref()?.value);
    }
    let complete = ids.len() == method.replies.len();
    match ids.split_first() {
        Some((first, rest)) if complete => Some(Role::Request(Replies::new(*first, rest.to_vec()))),
        _ if !complete => None,
        _ => Some(answer(method, class)),
    }
}

fn answer(method: &Method, class: &Class) -> Role {
    let asks = |other: &&Method| {
        other
            .replies
            .iter()
            .any(|reply| reply.value == method.name.value)
    };
    let requests = class.methods.iter().filter(asks);
    let mut ids: Vec<u16> = requests
        .filter_map(|other| Some(other.id.as_ref()?.value))
        .collect();
    ids.sort_unstable();
    if ids.is_empty() {
        Role::OneWay
    } else {
        Role::Reply(ids)
    }
}
