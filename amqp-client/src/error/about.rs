//! What a request is about, and what an error is about.
//!
//! That is known from the request that the broker answers, whatever the text says. The text decides
//! where a request names two things (a binding) or several requests may be meant, and is all there
//! is where nothing waits for an answer (a publish). Then only what the method can be about is
//! looked for in it, as RabbitMQ and LavinMQ word it; where that does not tell, nothing is said.

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, connection, exchange, queue};

use super::Entity;

/// What a request is about: the names in it, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct About {
    kind: EntityKind,
    /// One name behind the other.
    names: Box<str>,
    /// Where the second begins.
    split: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum EntityKind {
    /// Nothing that has a name.
    #[default]
    Nothing,
    Queue,
    Exchange,
    VirtualHost,
    /// A queue and an exchange.
    Binding,
    /// The exchange bound, and the one it is bound to.
    Exchanges,
}

impl About {
    fn one(kind: EntityKind, name: &str) -> Self {
        Self {
            kind,
            names: name.into(),
            split: name.len(),
        }
    }

    fn two(kind: EntityKind, first: &str, second: &str) -> Self {
        Self {
            kind,
            names: [first, second].concat().into_boxed_str(),
            split: first.len(),
        }
    }

    pub(crate) fn queue(name: &str) -> Self {
        Self::one(EntityKind::Queue, name)
    }

    pub(crate) fn exchange(name: &str) -> Self {
        Self::one(EntityKind::Exchange, name)
    }

    pub(crate) fn virtual_host(name: &str) -> Self {
        Self::one(EntityKind::VirtualHost, name)
    }

    pub(crate) fn binding(queue: &str, exchange: &str) -> Self {
        Self::two(EntityKind::Binding, queue, exchange)
    }

    pub(crate) fn exchanges(destination: &str, source: &str) -> Self {
        Self::two(EntityKind::Exchanges, destination, source)
    }

    /// The name that comes first.
    pub(crate) fn first(&self) -> &str {
        self.names.get(..self.split).unwrap_or_default()
    }

    /// The things named, the most important first.
    fn entities(&self) -> Vec<Entity> {
        let name = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let first = name(self.names.get(..self.split));
        let second = name(self.names.get(self.split..));
        match self.kind {
            EntityKind::Nothing => Vec::new(),
            EntityKind::Queue => vec![Entity::Queue(first)],
            EntityKind::Exchange => vec![Entity::Exchange(first)],
            EntityKind::VirtualHost => vec![Entity::VirtualHost(first)],
            EntityKind::Binding => vec![Entity::Queue(first), Entity::Exchange(second)],
            EntityKind::Exchanges => vec![Entity::Exchange(first), Entity::Exchange(second)],
        }
    }
}

/// What is known of the request that the broker answers with a close.
#[derive(Debug, Default)]
pub(crate) struct Provoker {
    /// What the requests that it may be are about. More than one only if all but the last have no
    /// reply, or they are on several channels.
    requests: Vec<Vec<Entity>>,
    /// It may be one of which nothing is known any more.
    or_another: bool,
}

/// Which of the requests it is, and what the broker objects to.
#[derive(Debug, Default)]
pub(crate) struct Provoked {
    /// Its place among those that were added, if that is certain.
    pub(crate) request: Option<usize>,
    pub(crate) entity: Option<Entity>,
}

impl Provoker {
    /// It is this one.
    pub(crate) fn of(about: &About) -> Self {
        let mut provoker = Self::default();
        provoker.add(about);
        provoker
    }

    /// It may be this one.
    pub(crate) fn add(&mut self, about: &About) {
        self.requests.push(about.entities());
    }

    /// It may be another one, of which nothing is known any more.
    pub(crate) fn add_unknown(&mut self) {
        self.or_another = true;
    }

    /// Of the requests, and of what they are about, those that the broker's text speaks of.
    pub(crate) fn choose(&self, method: MethodId, text: &str) -> Provoked {
        let said = Said::new(text);
        match self.requests.as_slice() {
            [] => Provoked {
                request: None,
                entity: said.what(kinds_of(method)),
            },
            [only] if !self.or_another => Provoked {
                request: Some(0),
                entity: said.which(only).or_else(|| {
                    let first = only.first()?;
                    // "The one declared last": the text may tell its name.
                    let unnamed = *first == Entity::Queue(String::new());
                    let named = said.what(&QUEUE).filter(|_| unnamed);
                    Some(named.unwrap_or_else(|| first.clone()))
                }),
            },
            several => {
                let spoken_of = |request: &Vec<Entity>| said.which(request);
                let mut found = several.iter().map(spoken_of).enumerate();
                let mut found = found
                    .by_ref()
                    .filter_map(|(at, entity)| Some((at, entity?)));
                let Some((at, entity)) = found.next() else {
                    return Provoked::default();
                };
                let others: Vec<_> = found.map(|(_, entity)| entity).collect();
                Provoked {
                    request: others.is_empty().then_some(at),
                    entity: others
                        .iter()
                        .all(|other| *other == entity)
                        .then_some(entity),
                }
            }
        }
    }
}

/// Words, and what they name.
type Named = (&'static str, fn(String) -> Entity);

/// How RabbitMQ and LavinMQ speak of them, in upper or lower case.
const QUEUE: [Named; 2] = [("queue '", Entity::Queue), ("queue name '", Entity::Queue)];
const EXCHANGE: [Named; 2] = [
    ("exchange '", Entity::Exchange),
    ("exchange name '", Entity::Exchange),
];
const OTHERS: [Named; 3] = [
    ("vhost '", Entity::VirtualHost),
    ("user '", Entity::User),
    ("queue '", Entity::Queue),
];

/// What the broker can object to where nothing is known but the method.
fn kinds_of(method: MethodId) -> &'static [Named] {
    match method {
        basic::Publish::ID => &EXCHANGE,
        basic::Consume::ID | basic::Get::ID => &QUEUE,
        _ if method.class_id() == queue::CLASS_ID => &QUEUE,
        _ if method.class_id() == exchange::CLASS_ID => &EXCHANGE,
        _ if method.to_u32() == 0 || method.class_id() == connection::CLASS_ID => &OTHERS,
        // A settlement names a number.
        _ => &[],
    }
}

/// The broker's text.
struct Said<'a> {
    text: &'a str,
    /// In lower case, octet for octet.
    lower: String,
}

impl<'a> Said<'a> {
    fn new(text: &'a str) -> Self {
        let lower = text.to_ascii_lowercase();
        Self { text, lower }
    }

    /// The one of these that it speaks of.
    fn which(&self, known: &[Entity]) -> Option<Entity> {
        known.iter().find(|entity| self.names(entity)).cloned()
    }

    fn names(&self, entity: &Entity) -> bool {
        let (name, words) = (entity.name(), format!("{} '", entity.kind()));
        !name.is_empty()
            && self.after(&words).any(|rest| {
                let is_whole = rest
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('\''));
                // RabbitMQ cuts its texts.
                let cut = rest.strip_suffix("...");
                let cut = cut.map(|rest| rest.trim_end_matches('\u{fffd}'));
                is_whole || cut.is_some_and(|rest| !rest.is_empty() && name.starts_with(rest))
            })
    }

    /// What follows each time these words are said.
    fn after<'s>(&'s self, words: &'s str) -> impl Iterator<Item = &'a str> + 's {
        let found = self.lower.match_indices(words);
        found.filter_map(|(at, words)| self.text.get(at + words.len()..))
    }

    /// The first thing that it names, of these kinds.
    fn what(&self, kinds: &[Named]) -> Option<Entity> {
        let found = kinds.iter().filter_map(|(words, make)| {
            let at = self.lower.find(words)?;
            Some((at, self.text.get(at + words.len()..)?, make))
        });
        let (_, rest, make) = found.min_by_key(|&(at, ..)| at)?;
        // A name may contain quotes; what follows it mostly does not.
        let end = ["' in vhost '", "' "]
            .iter()
            .find_map(|end| rest.find(end))
            .or_else(|| rest.rfind('\''))
            .unwrap_or_else(|| rest.trim_end_matches(['.', '\u{fffd}']).len());
        let name = rest.get(..end)?;
        (!name.is_empty()).then(|| make(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::wire::{MethodId, TypedMethod};
    use amqp_spec::{basic, queue};

    use super::{About, Entity, Provoker};

    const NONE: MethodId = MethodId::new(0, 0);

    fn queue(name: &str) -> Entity {
        Entity::Queue(name.to_owned())
    }

    fn exchange(name: &str) -> Entity {
        Entity::Exchange(name.to_owned())
    }

    #[track_caller]
    fn check(text: &str, about: &About, expected: impl Into<Option<Entity>>) {
        let found = Provoker::of(about).choose(NONE, text).entity;
        assert_eq!(found, expected.into(), "{text}");
    }

    #[test]
    fn entity_is_that_of_the_request_which_the_text_speaks_of() {
        let about = About::binding("q", "x");
        let (x, q) = (exchange("x"), queue("q"));
        check(
            "NOT_FOUND - no exchange 'x' in vhost '/'",
            &about,
            Some(x.clone()),
        );
        check(
            "NOT_FOUND - no queue 'q' in vhost '/'",
            &about,
            Some(q.clone()),
        );
        // Another broker's words, or none.
        check("nothing there", &about, Some(q));
        check("", &About::default(), None);
        // Both are called the same.
        let about = About::binding("x", "x");
        check("NOT_FOUND - no exchange 'x' in vhost '/'", &about, Some(x));
        let about = About::exchanges("a", "b");
        check(
            "NOT_FOUND - no exchange 'b' in vhost '/'",
            &about,
            Some(exchange("b")),
        );
    }

    #[test]
    fn entity_is_that_of_the_request_whatever_else_the_text_names() {
        let last = About::queue("");
        let text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost";
        check(text, &last, Some(queue("q")));
        check(
            "NOT_FOUND - no previously declared queue",
            &last,
            Some(queue("")),
        );
        let about = About::queue("q");
        for text in [
            "access to exchange 'dlx' in vhost '/' refused for user 'u'",
            // LavinMQ's.
            "Queue 'q' in vhost 'v' in exclusive use",
            "vhost 'v' refused for user 'u'",
        ] {
            check(text, &about, Some(queue("q")));
        }
        let text = "Exchange 'x' of Queue 'q' not found";
        check(text, &About::binding("p", "x"), Some(exchange("x")));
        let text = "NOT_ALLOWED - vhost nosuch not found";
        let about = About::virtual_host("nosuch");
        check(text, &about, Some(Entity::VirtualHost("nosuch".to_owned())));
    }

    #[test]
    fn entity_is_that_of_the_text_if_no_request_is_known() {
        let table = [
            (
                NONE,
                "NOT_ALLOWED - access to vhost 'other' refused for user 'guest'",
                Some(Entity::VirtualHost("other".to_owned())),
            ),
            (
                NONE,
                "CONNECTION_FORCED - user 'u' is deleted",
                Some(Entity::User("u".to_owned())),
            ),
            (
                queue::Declare::ID,
                "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'",
                Some(queue("amq.x")),
            ),
            (
                basic::Publish::ID,
                "NOT_FOUND - no exchange 'x' in vhost '/'",
                Some(exchange("x")),
            ),
            // Not what a publish can be about, nor a settlement.
            (basic::Publish::ID, "user 'u' in vhost '/' refused", None),
            (basic::Ack::ID, "no exchange 'x' in vhost '/'", None),
            (NONE, "no queue 'it's' in vhost '/'", Some(queue("it's"))),
            (
                basic::Consume::ID,
                "no queue 'it's' in vhost '/'",
                Some(queue("it's")),
            ),
            (basic::Get::ID, "no queue 'abc...", Some(queue("abc"))),
        ];
        for (method, text, expected) in table {
            let found = Provoker::default().choose(method, text);
            assert_eq!((found.entity, found.request), (expected, None), "{text}");
        }
    }

    #[test]
    fn no_request_is_accused_if_several_may_have_provoked_the_close() {
        let mut provoker = Provoker::of(&About::queue("a"));
        provoker.add(&About::queue("b"));
        let found = provoker.choose(NONE, "no queue 'b' in vhost '/'");
        assert_eq!((found.entity, found.request), (Some(queue("b")), Some(1)));
        let found = provoker.choose(NONE, "not there");
        assert_eq!((found.entity, found.request), (None, None));
        // What, but not which.
        provoker.add(&About::queue("b"));
        let found = provoker.choose(NONE, "no queue 'b' in vhost '/'");
        assert_eq!((found.entity, found.request), (Some(queue("b")), None));
    }

    #[test]
    fn entity_has_its_whole_name_although_the_text_is_cut() {
        let name = "é'".repeat(60);
        let text = format!("NOT_FOUND - no queue '{name}");
        let text: String = text.chars().take(90).collect();
        check(
            &format!("{text}..."),
            &About::queue(&name),
            Some(queue(&name)),
        );
    }
}
