//! What a probe works with: clients that say what they are told to, and keep what they hear.
//!
//! What is heard is kept for each channel of each client, in order. Between channels there is no
//! order: each is a process of its own at the broker. A wait looks only behind what the wait before
//! it on the same channel has found, so that a probe never depends on what came in one segment.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use amqp_spec::wire::{FieldTable, Reply, Request, TypedMethod};
use amqp_spec::{channel, confirm, connection, frame};
use amqp_testing::frames;

use crate::normal;
use crate::say::{open, start_ok, start_ok_with, tune_ok};
use crate::side::{Heard, Id, Login, Side};
use crate::words::{Ear, Event};

/// How long a probe waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(40);

/// After a round trip, how long a probe listens for what should not come.
const QUIET: Duration = Duration::from_millis(200);

/// The channel of the last round trip, which no probe uses.
const LAST_CHANNEL: u16 = 2000;

/// A probe's broker.
pub(crate) struct Lab {
    bench: Rc<RefCell<Bench>>,
    probe: String,
}

/// A connection to it.
pub(crate) struct Client {
    bench: Rc<RefCell<Bench>>,
    id: Id,
}

struct Bench {
    side: Box<dyn Side>,
    clients: Vec<State>,
    freedoms: Freedoms,
}

/// What of the transcript is left to chance.
#[derive(Default)]
struct Freedoms {
    is_in_any_order: bool,
    /// Methods that come or do not.
    perhaps: Vec<&'static str>,
}

#[derive(Default)]
struct State {
    ear: Ear,
    channels: BTreeMap<u16, Line>,
    has_ended: bool,
    /// The client has closed the connection without a word.
    has_hung_up: bool,
    /// It has left the connection in the middle of something.
    is_left: bool,
}

/// What came on a channel, and how much of it waits have seen.
#[derive(Default)]
struct Line {
    events: Vec<Event>,
    seen: usize,
    /// One of the two has closed the channel.
    is_closed: bool,
}

impl Lab {
    pub(crate) fn new(side: Box<dyn Side>, probe: &str) -> Self {
        let bench = Bench {
            side,
            clients: Vec::new(),
            freedoms: Freedoms::default(),
        };
        Self {
            bench: Rc::new(RefCell::new(bench)),
            probe: probe.to_owned(),
        }
    }

    /// A name that no other probe uses.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.probe)
    }

    /// What comes on a channel comes in any order: RabbitMQ hands `basic.consume` and `basic.cancel`
    /// to the queue, and their replies may be overtaken by others or not.
    pub(crate) fn in_any_order(&self) {
        self.bench.borrow_mut().freedoms.is_in_any_order = true;
    }

    /// This method comes or does not: its channel may be closed before the queue has answered.
    pub(crate) fn perhaps(&self, name: &'static str) {
        self.bench.borrow_mut().freedoms.perhaps.push(name);
    }

    pub(crate) fn vhost(&self) -> String {
        self.bench.borrow().side.vhost().to_owned()
    }

    pub(crate) fn add_user(&self, login: &Login<'_>) {
        self.bench.borrow_mut().side.add_user(login);
    }

    /// Changes what a user may do.
    pub(crate) fn permit(&self, login: &Login<'_>) {
        self.bench.borrow_mut().side.permit(login);
    }

    pub(crate) fn add_vhost(&self, name: &str) {
        self.bench.borrow_mut().side.add_vhost(name);
    }

    pub(crate) fn delete_vhost(&self, name: &str) {
        self.bench.borrow_mut().side.delete_vhost(name);
    }

    /// Raises an alarm of memory.
    pub(crate) fn block(&self) {
        self.bench.borrow_mut().side.block();
    }

    /// Ends the alarm.
    pub(crate) fn unblock(&self) {
        self.bench.borrow_mut().side.unblock();
    }

    /// Makes a user who may not enter the virtual host.
    pub(crate) fn add_stranger(&self, name: &str, password: &str) {
        self.bench.borrow_mut().side.add_stranger(name, password);
    }

    /// A connection on which nothing has been said.
    pub(crate) fn connect(&self) -> Client {
        let mut bench = self.bench.borrow_mut();
        let id = bench.side.connect();
        bench.clients.push(State::default());
        let bench = Rc::clone(&self.bench);
        Client { bench, id }
    }

    /// An open connection. What is said until then is not kept.
    pub(crate) fn open(&self) -> Client {
        self.open_as("guest", "guest")
    }

    /// An open connection of this user.
    pub(crate) fn open_as(&self, user: &str, password: &str) -> Client {
        self.open_with(user, password, &tune_ok())
    }

    /// An open connection with these limits.
    pub(crate) fn open_with(
        &self,
        user: &str,
        password: &str,
        tune: &connection::TuneOk,
    ) -> Client {
        let client = self.connect();
        client.raw(&[
            frame::PROTOCOL_HEADER.to_vec(),
            start_ok(user, password),
            frames::method(0, tune),
            open(&self.vhost()),
        ]);
        client.wait(0, "connection.open-ok");
        client.forget();
        client
    }

    /// An open connection that has announced no capabilities.
    pub(crate) fn open_plainly(&self) -> Client {
        let client = self.connect();
        let start_ok = start_ok_with("PLAIN", b"\0guest\0guest", &FieldTable::new());
        client.raw(&[
            frame::PROTOCOL_HEADER.to_vec(),
            start_ok,
            frames::method(0, &tune_ok()),
            open(&self.vhost()),
        ]);
        client.wait(0, "connection.open-ok");
        client.forget();
        client
    }

    /// An open connection with channel 1.
    pub(crate) fn channel(&self) -> Client {
        let client = self.open();
        client.open_channel(1);
        client
    }

    /// An open connection with channel 1 in confirm mode.
    pub(crate) fn confirming(&self) -> Client {
        let client = self.channel();
        client.call(1, &confirm::Select::default());
        client.forget();
        client
    }

    /// The transcript, after a last round trip on each connection.
    pub(crate) fn finish(self) -> Vec<String> {
        let n_clients = self.bench.borrow().clients.len();
        let clients: Vec<_> = (0..n_clients)
            .map(|id| Client {
                bench: Rc::clone(&self.bench),
                id,
            })
            .collect();
        for client in &clients {
            client.last_round_trip();
        }
        for client in &clients {
            client.listen(QUIET);
        }
        clients.iter().flat_map(Client::transcript).collect()
    }
}

impl Client {
    /// Sends octets in one segment.
    pub(crate) fn raw(&self, parts: &[Vec<u8>]) {
        let octets = parts.concat();
        self.bench.borrow_mut().side.send(self.id, &octets);
    }

    pub(crate) fn send<'a>(&self, channel: u16, method: &impl TypedMethod<'a>) {
        self.raw(&[frames::method(channel, method)]);
    }

    /// Sends a request and waits for its reply, or for the end of the channel.
    pub(crate) fn call<'a, M: TypedMethod<'a> + Request>(&self, channel: u16, request: &M) {
        if M::ID.class_id() == channel::CLASS_ID {
            // The reply may come on a channel that was closed.
            self.bench.borrow_mut().clients[self.id]
                .line(channel)
                .is_closed = false;
        }
        self.send(channel, request);
        let ids = <M::Reply<'static> as Reply<'static>>::IDS;
        self.wait_for(channel, 1, |event| {
            event.id.is_some_and(|id| ids.contains(&id))
        });
    }

    /// Waits for the next method of this name on the channel, or the end of the channel.
    pub(crate) fn wait(&self, channel: u16, name: &str) {
        self.wait_n(channel, name, 1);
    }

    /// Waits for as many methods of this name, or the end of the channel.
    pub(crate) fn wait_n(&self, channel: u16, name: &str, n: usize) {
        self.wait_for(channel, n, |event| event.name == name);
    }

    /// Waits for whatever comes next on the channel, or for the end of the connection.
    pub(crate) fn wait_any(&self, channel: u16) {
        let deadline = self.in_time(PATIENCE);
        loop {
            {
                let mut bench = self.bench.borrow_mut();
                let state = &mut bench.clients[self.id];
                let has_ended = state.has_ended;
                let line = state.line(channel);
                if has_ended || line.seen < line.events.len() {
                    line.seen = (line.seen + 1).min(line.events.len());
                    return;
                }
            }
            if !self.hear(deadline) {
                self.note(channel, "waited for anything in vain");
                return;
            }
        }
    }

    /// Waits for a method of each of these names, in any order, or the end of the channel.
    pub(crate) fn wait_each(&self, channel: u16, names: &[&str]) {
        let found = RefCell::new(BTreeSet::new());
        self.wait_for(channel, 1, |event| {
            found.borrow_mut().insert(event.name);
            names.iter().all(|name| found.borrow().contains(name))
        });
    }

    /// Waits for the next method of one of these names, or the end of the channel.
    pub(crate) fn wait_either(&self, channel: u16, names: &[&str]) {
        self.wait_for(channel, 1, |event| names.contains(&event.name));
    }

    /// Waits until the broker has confirmed or refused the first publishes of the channel, or has
    /// closed it.
    pub(crate) fn wait_settled(&self, channel: u16, n: u64) {
        let deadline = self.in_time(PATIENCE);
        while !self.is_settled(channel, n) {
            if !self.hear(deadline) {
                self.note(channel, "waited for confirms in vain");
                return;
            }
        }
    }

    fn is_settled(&self, channel: u16, n: u64) -> bool {
        let bench = self.bench.borrow();
        let state = &bench.clients[self.id];
        let line = state.channels.get(&channel);
        let events = line.map_or(&[][..], |line| &line.events);
        let settled: BTreeSet<_> = events.iter().flat_map(normal::confirmed).collect();
        (1..=n).all(|number| settled.contains(&number))
            || events.iter().any(|event| event.name == "channel.close")
            || state.has_ended
            || state.is_closing()
    }

    fn wait_for(&self, channel: u16, n: usize, is_it: impl Fn(&Event) -> bool) {
        let deadline = self.in_time(PATIENCE);
        let mut n_found = 0;
        loop {
            {
                let mut bench = self.bench.borrow_mut();
                let state = &mut bench.clients[self.id];
                let is_over = state.has_ended || state.is_closing();
                let line = state.line(channel);
                while let Some(event) = line.events.get(line.seen) {
                    line.seen += 1;
                    n_found += usize::from(is_it(event));
                    if n_found == n || event.name == "channel.close" {
                        return;
                    }
                }
                if is_over || line.is_closed {
                    return;
                }
            }
            if !self.hear(deadline) {
                self.note(channel, "waited in vain");
                return;
            }
        }
    }

    /// Lets time pass, and marks on all channels what came before.
    pub(crate) fn pass(&self, time: Duration) {
        self.listen(time);
        let mark = format!("--- {time:?} ---");
        let mut channels: Vec<u16> = {
            let bench = self.bench.borrow();
            let lines = bench.clients[self.id].channels.iter();
            let heard = lines.filter(|(_, line)| !line.events.is_empty());
            heard.map(|(channel, _)| *channel).collect()
        };
        if channels.is_empty() {
            channels.push(0);
        }
        for channel in channels {
            self.note(channel, &mark);
        }
    }

    /// Lets time pass, and does not mark it.
    pub(crate) fn pause(&self, time: Duration) {
        self.listen(time);
    }

    /// Lets a short time pass in which nothing is expected.
    pub(crate) fn quiet(&self) {
        self.pass(QUIET);
    }

    /// Waits until the broker ends the connection.
    pub(crate) fn wait_end(&self) {
        let deadline = self.in_time(PATIENCE);
        while !self.has_ended() {
            if !self.hear(deadline) {
                self.note(0, "waited for the end in vain");
                return;
            }
        }
    }

    /// Closes the connection without a word.
    pub(crate) fn hang_up(&self) {
        let mut bench = self.bench.borrow_mut();
        bench.side.hang_up(self.id);
        bench.clients[self.id].has_hung_up = true;
        bench.clients[self.id].has_ended = true;
    }

    /// There is no last round trip: the connection is left in the middle of something.
    pub(crate) fn leave(&self) {
        self.bench.borrow_mut().clients[self.id].is_left = true;
    }

    /// Answers the broker's `connection.close`, which ends the connection.
    pub(crate) fn close_ok(&self) {
        self.send(0, &connection::CloseOk {});
        self.wait_end();
    }

    /// Closes the connection as one should.
    pub(crate) fn close(&self) {
        self.call(0, &connection::Close::default());
    }

    /// Drops what came so far from the transcript.
    pub(crate) fn forget(&self) {
        let mut bench = self.bench.borrow_mut();
        let state = &mut bench.clients[self.id];
        for line in state.channels.values_mut() {
            // What ends something stays, or a probe that never begins would look like one that
            // passes.
            let is_end = |event: &Event| event.name.ends_with(".close") || event.name == "note";
            line.events.retain(is_end);
            line.seen = line.events.len();
        }
    }

    /// Opens a channel; that this works is not kept.
    pub(crate) fn open_channel(&self, channel: u16) {
        self.call(channel, &channel::Open {});
        self.forget_last(channel, "channel.open-ok");
    }

    /// The text of the last event of this name, for what a probe takes from it.
    pub(crate) fn last(&self, channel: u16, name: &str) -> String {
        let bench = self.bench.borrow();
        let line = bench.clients[self.id].channels.get(&channel);
        let mut events = line.map_or(&[][..], |line| &line.events).iter().rev();
        let event = events.find(|event| event.name == name);
        event.map_or_else(String::new, |event| event.text.clone())
    }

    /// How many methods of this name have come.
    pub(crate) fn count(&self, channel: u16, name: &str) -> usize {
        let bench = self.bench.borrow();
        let line = bench.clients[self.id].channels.get(&channel);
        let events = line.map_or(&[][..], |line| &line.events);
        events.iter().filter(|event| event.name == name).count()
    }

    /// Whether one of the two has closed the channel.
    pub(crate) fn is_closed(&self, channel: u16) -> bool {
        self.bench.borrow_mut().clients[self.id]
            .line(channel)
            .is_closed
    }

    /// Whether a consumer has been started on the channel, and neither end has cancelled it.
    pub(crate) fn has_consumer(&self, channel: u16) -> bool {
        let bench = self.bench.borrow();
        let line = bench.clients[self.id].channels.get(&channel);
        let mut events = line.map_or(&[][..], |line| &line.events).iter().rev();
        let last = events.find_map(|event| match event.name {
            "basic.consume-ok" => Some(true),
            "basic.cancel" | "basic.cancel-ok" | "channel.close" => Some(false),
            _ => None,
        });
        last == Some(true)
    }

    /// Waits until the broker has cancelled the channel's consumer, if there is one.
    pub(crate) fn wait_consumer_gone(&self, channel: u16) {
        if self.has_consumer(channel) {
            self.wait(channel, "basic.cancel");
        }
    }

    fn forget_last(&self, channel: u16, name: &str) {
        let mut bench = self.bench.borrow_mut();
        let line = bench.clients[self.id].line(channel);
        if line.events.last().is_some_and(|event| event.name == name) {
            line.events.pop();
            line.seen = line.events.len();
        }
    }

    fn has_ended(&self) -> bool {
        self.bench.borrow().clients[self.id].has_ended
    }

    fn last_round_trip(&self) {
        let is_over = {
            let bench = self.bench.borrow();
            let state = &bench.clients[self.id];
            state.has_ended || state.is_left || state.is_closing()
        };
        if !is_over {
            self.open_channel(LAST_CHANNEL);
        }
    }

    fn listen(&self, time: Duration) {
        let deadline = self.in_time(time);
        while !self.has_ended() && self.hear(deadline) {}
    }

    /// The time of the side when this will have passed.
    fn in_time(&self, time: Duration) -> Instant {
        self.bench.borrow().side.now() + time
    }

    /// Hears something, unless the time is up.
    fn hear(&self, deadline: Instant) -> bool {
        let mut bench = self.bench.borrow_mut();
        let Bench { side, clients, .. } = &mut *bench;
        let state = &mut clients[self.id];
        if side.now() >= deadline {
            return false;
        }
        match side.hear(self.id, deadline) {
            Heard::Nothing => return false,
            Heard::End => state.has_ended = true,
            Heard::Octets(octets) => {
                for (channel, event) in state.ear.hear(&octets) {
                    state.line(channel).push(event);
                }
            }
        }
        true
    }

    fn note(&self, channel: u16, text: &str) {
        let mut bench = self.bench.borrow_mut();
        let line = bench.clients[self.id].line(channel);
        line.events.push(Event::new("note", text.to_owned()));
    }

    fn transcript(&self) -> Vec<String> {
        let bench = self.bench.borrow();
        let state = &bench.clients[self.id];
        // Readers know clients by letters.
        let client = char::from(b'A' + u8::try_from(self.id).unwrap());
        let mut lines = Vec::new();
        let freedoms = &bench.freedoms;
        for (channel, line) in &state.channels {
            let mut events = line.events.clone();
            events.retain(|event| !freedoms.perhaps.contains(&event.name));
            let mut texts = normal::events(&events);
            if freedoms.is_in_any_order {
                texts.sort();
            }
            lines.extend(texts.iter().map(|text| format!("{client}{channel} {text}")));
        }
        for (channel, event) in state.ear.leftovers() {
            lines.push(format!("{client}{channel} {}", event.text));
        }
        let end = match (state.has_hung_up, state.has_ended) {
            (true, _) => "ended by the client",
            (false, true) => "ended by the broker",
            (false, false) => "open",
        };
        lines.push(format!("{client} {end}"));
        lines
    }
}

impl State {
    fn line(&mut self, channel: u16) -> &mut Line {
        self.channels.entry(channel).or_default()
    }

    /// Whether one of the two has ended the connection, as far as methods go.
    fn is_closing(&self) -> bool {
        let line = self.channels.get(&0);
        let mut events = line.into_iter().flat_map(|line| &line.events);
        events.any(|event| matches!(event.name, "connection.close" | "connection.close-ok"))
    }
}

impl Line {
    fn push(&mut self, event: Event) {
        self.is_closed = match event.name {
            "channel.close" | "channel.close-ok" => true,
            "channel.open-ok" => false,
            _ => self.is_closed,
        };
        self.events.push(event);
    }
}
