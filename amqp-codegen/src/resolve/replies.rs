//! Whether a method asks, answers, or does neither.
//!
//! What the files say of it must fit together: a mark that a request is synchronous needs a reply
//! and the other way round, a reply is sent by the receiver of the request, and no method answers
//! itself, directly or through others. A reply may be a request in turn, as `file.open-ok` of AMQP
//! 0-8 is.

use std::collections::HashMap;

use super::convention;
use super::culprit::culprit;
use super::draft::{Class, Draft, Method};
use crate::input::{Span, Spanned};
use crate::model::{Direction, Replies, Role};
use crate::report::Faults;

/// Checks that requests and replies fit together.
pub(super) fn check(draft: &Draft, faults: &mut Faults) {
    for class in &draft.classes {
        let mut index = HashMap::new();
        for (at, method) in class.methods.iter().enumerate() {
            index.entry(method.name.value.as_str()).or_insert(at);
        }
        let index = Index { class, index };
        for method in &class.methods {
            check_mark(&index, method, faults);
        }
        check_senders(&index, faults);
        check_circles(&index, faults);
    }
}

/// The methods of a class by their names.
struct Index<'d> {
    class: &'d Class,
    index: HashMap<&'d str, usize>,
}

impl<'d> Index<'d> {
    fn method(&self, name: &str) -> Option<&'d Method> {
        let at = *self.index.get(name)?;
        self.class.methods.get(at)
    }

    /// The replies to a method that exist, each with the place that names it.
    fn replies(&self, method: &'d Method) -> impl Iterator<Item = (&'d Method, Span)> {
        let replies = method.replies.iter();
        replies.filter_map(|name| Some((self.method(&name.value)?, name.span)))
    }

    fn path(&self, method: &Method) -> String {
        format!("`{}.{}`", self.class.name.value, method.name.value)
    }
}

/// Reports a mark that does not fit the replies, unless an overlay settles what they are.
fn check_mark(index: &Index<'_>, method: &Method, faults: &mut Faults) {
    if method.replies_corrected {
        return;
    }
    let reply = convention::conventional(&method.name.value);
    for mark in &method.synchronous {
        let path = index.path(method);
        match (mark.value, method.replies.first()) {
            (true, None) if method.replies_named => faults.push_beside(
                mark.span,
                format!("method {path} is synchronous, and the other source names no reply"),
                "a response in the other source, or a correction of `replies` in an overlay",
                ("the other source has the method", method.name.span),
            ),
            (true, None) => faults.push(
                mark.span,
                format!("synchronous method {path} without a reply"),
                format!("a method `{reply}` in the same class, or a correction of `replies` in an overlay"),
            ),
            (false, Some(other)) => faults.push_beside(
                mark.span,
                format!("method {path} is not synchronous, and the other source names a reply"),
                "a mark that it is synchronous",
                ("the reply is named", other.span),
            ),
            (false, None) if !method.replies_named => {
                if let Some(other) = index.method(&reply) {
                    faults.push_beside(
                        mark.span,
                        format!("method {path} is not synchronous, and there is a method `{reply}`"),
                        "a mark that it is synchronous, or a correction of `replies` in an overlay",
                        ("the reply is", other.name.span),
                    );
                }
            }
            (true, Some(_)) if method.replies_named => check_named(index, method, mark, faults),
            (true, Some(_)) | (false, None) => {}
        }
    }
}

/// Reports methods that are named after a request with replies, as `get-empty` after `get`, come
/// from whom it goes to, and answer nothing: a file has lost them as replies.
fn check_named(index: &Index<'_>, request: &Method, mark: &Spanned<bool>, faults: &mut Faults) {
    let Some(sender) = &request.direction else {
        return;
    };
    let wanted = mirrored(sender.value);
    for method in &index.class.methods {
        let tail = method.name.value.strip_prefix(&*request.name.value);
        let is_named_after = tail.is_some_and(|tail| tail.starts_with('-'));
        let is_sent_back = method
            .direction
            .as_ref()
            .is_some_and(|own| own.value == wanted);
        let answers = |other: &&Method| {
            let mut replies = other.replies.iter();
            replies.any(|reply| reply.value == method.name.value)
        };
        let is_request = !method.replies.is_empty();
        if is_named_after
            && is_sent_back
            && !is_request
            && !index.class.methods.iter().any(|other| answers(&other))
        {
            faults.push_beside(
                method.name.span,
                format!("method {} answers nothing", index.path(method)),
                format!(
                    "a reply to {}, or a correction of its `replies` in an overlay",
                    index.path(request)
                ),
                ("the other source says that there are replies", mark.span),
            );
        }
    }
}

/// Reports replies that others send than those who receive the requests.
fn check_senders(index: &Index<'_>, faults: &mut Faults) {
    // Of each reply: its requests, each with the place that names the reply.
    let mut requests: HashMap<&str, Vec<(&Method, Span)>> = HashMap::new();
    for request in &index.class.methods {
        for (reply, place) in index.replies(request) {
            let list = requests.entry(&reply.name.value).or_default();
            list.push((request, place));
        }
    }
    for reply in &index.class.methods {
        let Some(requests) = requests.get(reply.name.value.as_str()) else {
            continue;
        };
        let receivers: Option<Vec<Direction>> = requests
            .iter()
            .map(|(request, _)| Some(mirrored(request.direction.as_ref()?.value)))
            .collect();
        let (Some(own), Some(receivers)) = (&reply.direction, receivers) else {
            continue;
        };
        let Some(wanted) = receivers.into_iter().reduce(joined) else {
            continue;
        };
        if own.value != wanted {
            report_sender(index, reply, own, wanted, requests, faults);
        }
    }
}

fn report_sender(
    index: &Index<'_>,
    reply: &Method,
    own: &Spanned<Direction>,
    wanted: Direction,
    requests: &[(&Method, Span)],
    faults: &mut Faults,
) {
    let names: Vec<String> = requests
        .iter()
        .map(|(request, _)| index.path(request))
        .collect();
    // The latest word is to blame: a correction of the request, of its replies, or of the reply.
    let words = requests.iter().flat_map(|(request, named)| {
        let sender = request.direction.as_ref().map(|direction| direction.span);
        sender.into_iter().chain([*named])
    });
    let request = words.max_by_key(|place| (place.file(), std::cmp::Reverse(place.start())));
    let (place, note) = culprit(
        (own.span, "the reply is"),
        (request.unwrap_or(own.span), "the request is"),
    );
    faults.push_beside(
        place,
        format!(
            "reply {} is sent by {}",
            index.path(reply),
            senders(own.value)
        ),
        format!(
            "a reply that {} sends, as the other side sends {}",
            senders(wanted),
            names.join(", ")
        ),
        note,
    );
}

/// Who sends methods of this direction.
pub(super) fn senders(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "the client",
        Direction::ServerToClient => "the server",
        Direction::Both => "either side",
    }
}

fn mirrored(direction: Direction) -> Direction {
    match direction {
        Direction::ClientToServer => Direction::ServerToClient,
        Direction::ServerToClient => Direction::ClientToServer,
        Direction::Both => Direction::Both,
    }
}

fn joined(first: Direction, second: Direction) -> Direction {
    if first == second {
        first
    } else {
        Direction::Both
    }
}

/// Reports methods that answer themselves, directly or through others.
fn check_circles(index: &Index<'_>, faults: &mut Faults) {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        /// Leads to the method at hand.
        Open,
        Done,
    }
    let methods = &index.class.methods;
    let mut states = vec![State::New; methods.len()];
    // Each with the place that leads to it, and with how many of its replies were followed.
    let mut way: Vec<(usize, Option<Span>, usize)> = Vec::new();
    for start in 0..methods.len() {
        way.push((start, None, 0));
        while let Some((at, _, followed)) = way.last_mut() {
            let (at, next) = (*at, *followed);
            *followed += 1;
            let (Some(method), Some(state)) = (methods.get(at), states.get_mut(at)) else {
                break;
            };
            if next == 0 && *state == State::Done {
                way.pop();
                continue;
            }
            *state = State::Open;
            let Some(reply) = method.replies.get(next) else {
                *state = State::Done;
                way.pop();
                continue;
            };
            let Some(&target) = index.index.get(reply.value.as_str()) else {
                continue;
            };
            match states.get(target) {
                Some(State::New) => way.push((target, Some(reply.span), 0)),
                Some(State::Open) => {
                    let from = way.iter().position(|(step, ..)| *step == target);
                    let circle = way.get(from.unwrap_or_default()..).unwrap_or_default();
                    let steps: Vec<(&Method, Option<Span>)> = circle
                        .iter()
                        .filter_map(|(step, place, _)| Some((methods.get(*step)?, *place)))
                        .collect();
                    report_circle(index, &steps, reply.span, faults);
                }
                Some(State::Done) | None => {}
            }
        }
    }
}

/// Reports a circle, whose last step leads back to the first by the reply at this place.
fn report_circle(
    index: &Index<'_>,
    steps: &[(&Method, Option<Span>)],
    back: Span,
    faults: &mut Faults,
) {
    let expected = "replies that lead to an end";
    let Some((_, [.., (last, _)])) = steps.split_first() else {
        let name = steps.first().map(|(method, _)| index.path(method));
        let found = format!("method {}, which answers itself", name.unwrap_or_default());
        faults.push(back, found, "another method, or none");
        return;
    };
    let way = steps.get(1).and_then(|(_, place)| *place);
    let names: Vec<String> = steps.iter().map(|(method, _)| index.path(method)).collect();
    let (place, note) = culprit(
        (back, "the circle ends"),
        (way.unwrap_or(last.name.span), "the circle begins"),
    );
    let found = format!("methods that answer each other: {}", names.join(", "));
    faults.push_beside(place, found, expected, note);
}

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
