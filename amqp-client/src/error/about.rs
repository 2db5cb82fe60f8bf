//! What a request is about, and what an error is about.
//!
//! That is known from the request that the broker answers, whatever the text says. The text decides
//! where a request names two things (a binding), and is all there is where nothing waits for an
//! answer (a publish); it is read in RabbitMQ's wording, as far as that goes.

use super::Entity;

/// What a request is about: the names in it, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct About {
    kind: Kind,
    /// One name behind the other.
    names: Box<str>,
    /// Where the second begins.
    split: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Kind {
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
    fn one(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            names: name.into(),
            split: name.len(),
        }
    }

    fn two(kind: Kind, first: &str, second: &str) -> Self {
        Self {
            kind,
            names: [first, second].concat().into_boxed_str(),
            split: first.len(),
        }
    }

    pub(crate) fn queue(name: &str) -> Self {
        Self::one(Kind::Queue, name)
    }

    pub(crate) fn exchange(name: &str) -> Self {
        Self::one(Kind::Exchange, name)
    }

    pub(crate) fn virtual_host(name: &str) -> Self {
        Self::one(Kind::VirtualHost, name)
    }

    pub(crate) fn binding(queue: &str, exchange: &str) -> Self {
        Self::two(Kind::Binding, queue, exchange)
    }

    pub(crate) fn exchanges(destination: &str, source: &str) -> Self {
        Self::two(Kind::Exchanges, destination, source)
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
            Kind::Nothing => Vec::new(),
            Kind::Queue => vec![Entity::Queue(first)],
            Kind::Exchange => vec![Entity::Exchange(first)],
            Kind::VirtualHost => vec![Entity::VirtualHost(first)],
            Kind::Binding => vec![Entity::Queue(first), Entity::Exchange(second)],
            Kind::Exchanges => vec![Entity::Exchange(first), Entity::Exchange(second)],
        }
    }
}

/// What is known of the request that the broker answers with a close.
#[derive(Debug, Default)]
pub(crate) struct Provoker {
    /// What the requests that it may be are about.
    entities: Vec<Entity>,
    /// How many those are. More than one only if all but the last have no reply.
    n_requests: usize,
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
        self.entities.extend(about.entities());
        self.n_requests += 1;
    }

    /// Of what the request is about, that which the broker's text speaks of.
    pub(super) fn choose(&self, text: &str) -> Option<Entity> {
        let spoken_of = |entity: &&Entity| {
            let words = format!("{} '{}'", entity.kind(), entity.name());
            !entity.name().is_empty() && text.contains(&words)
        };
        if let Some(entity) = self.entities.iter().find(spoken_of) {
            return Some(entity.clone());
        }
        let Some(said) = parse(text) else {
            let is_certain = self.n_requests == 1;
            return self.entities.first().filter(|_| is_certain).cloned();
        };
        // The text may be cut. But a request about one thing may also fail over another (a dead
        // letter exchange), or have left the choice to the broker (the queue declared last).
        let is_cut = text.ends_with("...");
        let mut known = self.entities.iter();
        let known = known.find(|known| {
            known.kind() == said.kind() && is_cut && known.name().starts_with(said.name())
        });
        Some(known.cloned().unwrap_or(said))
    }
}

/// The first thing that a text of RabbitMQ's names, as in `no queue 'q' in vhost '/'`.
fn parse(text: &str) -> Option<Entity> {
    type Make = fn(String) -> Entity;
    const KINDS: [(&str, Make); 6] = [
        ("queue '", Entity::Queue),
        ("queue name '", Entity::Queue),
        ("exchange '", Entity::Exchange),
        ("exchange name '", Entity::Exchange),
        ("vhost '", Entity::VirtualHost),
        ("user '", Entity::User),
    ];
    let found = KINDS.iter().filter_map(|(word, make)| {
        let at = text.find(word)?;
        Some((at, text.get(at + word.len()..)?, make))
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

#[cfg(test)]
mod tests {
    use super::{About, Entity, Provoker};

    fn queue(name: &str) -> Entity {
        Entity::Queue(name.to_owned())
    }

    fn exchange(name: &str) -> Entity {
        Entity::Exchange(name.to_owned())
    }

    #[track_caller]
    fn check(text: &str, about: &About, expected: impl Into<Option<Entity>>) {
        let (found, expected) = (Provoker::of(about).choose(text), expected.into());
        assert_eq!(found, expected, "{text}");
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
    fn entity_is_that_of_the_text_if_the_request_does_not_name_it() {
        let last = About::queue("");
        let text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost";
        check(text, &last, Some(queue("q")));
        check(
            "NOT_FOUND - no previously declared queue",
            &last,
            Some(queue("")),
        );
        let text = "access to exchange 'dlx' in vhost '/' refused for user 'u'";
        check(text, &About::queue("q"), Some(exchange("dlx")));
        let text = "NOT_ALLOWED - access to vhost 'other' refused for user 'guest'";
        let nothing = About::default();
        check(
            text,
            &nothing,
            Some(Entity::VirtualHost("other".to_owned())),
        );
        let text = "CONNECTION_FORCED - user 'u' is deleted";
        check(text, &nothing, Some(Entity::User("u".to_owned())));
        let text = "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'";
        check(text, &nothing, Some(queue("amq.x")));
        let text = "NOT_ALLOWED - vhost nosuch not found";
        let about = About::virtual_host("nosuch");
        check(text, &about, Some(Entity::VirtualHost("nosuch".to_owned())));
    }

    #[test]
    fn entity_is_not_guessed_if_several_requests_may_have_provoked_the_close() {
        let mut provoker = Provoker::of(&About::queue("a"));
        provoker.add(&About::queue("b"));
        let found = provoker.choose("no queue 'b' in vhost '/'");
        assert_eq!(found, Some(queue("b")));
        assert_eq!(provoker.choose("not there"), None);
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
        let nothing = About::default();
        check(
            "no queue 'it's' in vhost '/'",
            &nothing,
            Some(queue("it's")),
        );
        check("no queue 'abc...", &nothing, Some(queue("abc")));
    }
}
