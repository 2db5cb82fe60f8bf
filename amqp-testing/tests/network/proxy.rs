//! Each fault, seen from both sides of the proxy.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use amqp_testing::Proxy;

/// Long enough for anything that happens at all.
const LONG: Duration = Duration::from_secs(60);
/// Long enough to believe that nothing happens.
const SHORT: Duration = Duration::from_millis(100);
/// How often something that cannot be waited for is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A client and a broker with the proxy between them, connected.
struct Line {
    proxy: Proxy,
    client: TcpStream,
    broker: TcpStream,
    listener: TcpListener,
}

impl Line {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap()).unwrap();
        let (client, broker) = connect(&proxy, &listener);
        Self {
            proxy,
            client,
            broker,
            listener,
        }
    }
}

fn connect(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.address()).unwrap();
    let (broker, _) = listener.accept().unwrap();
    for socket in [&client, &broker] {
        socket.set_read_timeout(Some(LONG)).unwrap();
    }
    (client, broker)
}

fn receive(socket: &mut TcpStream, n_octets: usize) -> Vec<u8> {
    let mut octets = vec![0; n_octets];
    socket.read_exact(&mut octets).unwrap();
    octets
}

#[track_caller]
fn assert_silent(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(SHORT)).unwrap();
    let error = socket.read(&mut [0]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    socket.set_read_timeout(Some(LONG)).unwrap();
}

#[track_caller]
fn assert_ended(socket: &mut TcpStream) {
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[track_caller]
fn assert_reset(socket: &mut TcpStream) {
    assert_eq!(
        socket.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn octets_and_ends_pass_in_both_directions() {
    let mut line = Line::new();
    line.client.write_all(b"there").unwrap();
    assert_eq!(receive(&mut line.broker, 5), b"there");
    line.broker.write_all(b"and back").unwrap();
    assert_eq!(receive(&mut line.client, 8), b"and back");
    assert_eq!(line.proxy.to_client().n_forwarded(), 8);

    line.client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_ended(&mut line.broker);
    // Half of the connection is still open.
    line.broker.write_all(b"late").unwrap();
    assert_eq!(receive(&mut line.client, 4), b"late");
    drop(line.broker);
    assert_ended(&mut line.client);
}

#[test]
fn large_transfers_arrive_whole() {
    let mut line = Line::new();
    let sent: Vec<u8> = (0..5_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| line.client.write_all(&sent).unwrap());
        assert!(receive(&mut line.broker, sent.len()) == sent);
    });
}

#[test]
fn cut_is_an_end_and_reset_a_reset() {
    let mut line = Line::new();
    line.proxy.cut();
    assert_ended(&mut line.client);
    assert_ended(&mut line.broker);

    let (mut client, mut broker) = connect(&line.proxy, &line.listener);
    line.proxy.reset();
    assert_reset(&mut client);
    assert_reset(&mut broker);
    assert_eq!(line.proxy.n_accepted(), 2);
}

#[test]
fn a_reset_of_one_side_is_passed_on() {
    let mut line = Line::new();
    // Closing a socket with unread octets resets the connection.
    line.client.write_all(b"unread").unwrap();
    line.broker.peek(&mut [0]).unwrap();
    drop(line.broker);
    assert_reset(&mut line.client);
}

#[test]
fn stalled_octets_come_later_and_lost_ones_never() {
    let mut line = Line::new();
    line.proxy.to_broker().stall();
    line.client.write_all(b"held").unwrap();
    assert_silent(&mut line.broker);
    // The other direction is not concerned.
    line.broker.write_all(b"free").unwrap();
    assert_eq!(receive(&mut line.client, 4), b"free");
    line.proxy.heal();
    assert_eq!(receive(&mut line.broker, 4), b"held");

    line.proxy.to_broker().lose();
    line.client.write_all(b"lost").unwrap();
    let deadline = Instant::now() + LONG;
    while line.proxy.to_broker().n_lost() < 4 {
        assert!(Instant::now() < deadline, "nothing is lost");
        thread::sleep(POLL);
    }
    assert_silent(&mut line.broker);
    line.proxy.heal();
    line.client.write_all(b"found").unwrap();
    assert_eq!(receive(&mut line.broker, 5), b"found");
    assert_eq!(line.proxy.to_broker().n_lost(), 4);
}

#[test]
fn a_stalled_direction_pushes_back() {
    let line = Line::new();
    line.proxy.to_broker().stall();
    let mut client = &line.client;
    client.set_write_timeout(Some(SHORT)).unwrap();
    let n_written = std::iter::from_fn(|| client.write(&[0; 65_536]).ok())
        .take(10_000)
        .count();
    assert!(
        n_written < 10_000,
        "655 MB disappeared in a stalled direction"
    );
    // And it can be ended although nothing moves.
    line.proxy.cut();
}

#[test]
fn delayed_octets_are_not_there_before_their_time() {
    let mut line = Line::new();
    line.proxy.to_broker().delay(Duration::from_secs(86_400));
    line.client.write_all(b"tomorrow").unwrap();
    assert_silent(&mut line.broker);
    // The other direction is not concerned.
    line.broker.write_all(b"today").unwrap();
    assert_eq!(receive(&mut line.client, 5), b"today");
    assert_eq!(line.proxy.to_broker().n_forwarded(), 0);
    // What is under way does not keep the connection from ending.
    line.proxy.cut();
    assert_ended(&mut line.broker);
}

#[test]
fn delayed_throttled_and_split_octets_all_arrive() {
    let mut line = Line::new();
    line.proxy.to_broker().delay(Duration::from_millis(20));
    line.proxy.to_client().throttle(10_000);
    line.proxy.to_client().split(7);
    let octets: Vec<u8> = (0..=u8::MAX).collect();
    for part in octets.chunks(10) {
        line.client.write_all(part).unwrap();
    }
    assert_eq!(receive(&mut line.broker, octets.len()), octets);
    line.broker.write_all(&octets).unwrap();
    assert_eq!(receive(&mut line.client, octets.len()), octets);
}

#[test]
fn one_bit_is_turned_over_at_its_offset() {
    let mut line = Line::new();
    line.proxy.to_broker().flip(5, 0x01);
    line.client.write_all(b"abc").unwrap();
    assert_eq!(receive(&mut line.broker, 3), b"abc");
    line.client.write_all(b"abc").unwrap();
    assert_eq!(receive(&mut line.broker, 3), b"abb");
}

#[test]
fn a_connection_ends_at_every_offset() {
    let line = Line::new();
    let message = b"a message";
    for offset in 0..=message.len() {
        line.proxy
            .to_broker()
            .cut_after(u64::try_from(offset).unwrap());
        let (mut client, mut broker) = connect(&line.proxy, &line.listener);
        client.write_all(message).unwrap();
        let mut received = Vec::new();
        broker.read_to_end(&mut received).unwrap();
        assert_eq!(received, message[..offset]);
    }
    line.proxy.to_broker().reset_after(2);
    let (mut client, _broker) = connect(&line.proxy, &line.listener);
    client.write_all(message).unwrap();
    assert_reset(&mut client);
}

#[test]
fn refused_connections_are_reset_until_healed() {
    let line = Line::new();
    line.proxy.refuse();
    let mut client = TcpStream::connect(line.proxy.address()).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    assert_reset(&mut client);
    line.proxy.heal();
    let (mut client, mut broker) = connect(&line.proxy, &line.listener);
    client.write_all(b"x").unwrap();
    assert_eq!(receive(&mut broker, 1), b"x");
}

#[test]
fn a_broker_that_is_down_looks_like_a_reset() {
    let Line {
        proxy,
        client,
        broker,
        listener,
    } = Line::new();
    drop((client, broker, listener));
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    assert_reset(&mut client);
}

#[test]
fn a_dropped_proxy_ends_everything() {
    let Line {
        proxy,
        mut client,
        mut broker,
        listener: _listener,
    } = Line::new();
    let address = proxy.address();
    proxy.to_client().stall();
    drop(proxy);
    assert_ended(&mut client);
    assert_ended(&mut broker);
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "something still listens");
        thread::sleep(POLL);
    }
}

#[test]
fn credentials_of_the_url_are_kept() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = Proxy::to_url(&format!("amqp://ann:secret@127.0.0.1:{port}/x?y=z")).unwrap();
    assert_eq!(
        proxy.url(),
        format!("amqp://ann:secret@{}", proxy.address())
    );
    assert!(Proxy::to_url("amqp://nowhere").is_err());
}
