//! One broker is taken through its life, since each start costs seconds; what needs a broker of its
//! own has a test of its own.

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use amqp_testing::{Broker, BrokerError, BrokerOptions, broker::Node};

use crate::support::{Greeting, LONG, options, serves};

#[test]
fn one_node_serves_and_gives_out_virtual_hosts() {
    let Some(options) = options() else { return };
    let broker = options.start().unwrap();
    assert!(serves(&broker.url()));

    let names = |broker: &Broker| -> HashSet<String> {
        broker
            .ctl(&["list_vhosts"])
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let (one, two) = (broker.vhost().unwrap(), broker.vhost().unwrap());
    let [first, second] = [&one, &two].map(|vhost| vhost.name().to_owned());
    assert_eq!(one.url(), format!("{}/{first}", broker.url()));
    let listed = names(&broker);
    assert!(
        listed.contains(&first) && listed.contains(&second),
        "{listed:?}"
    );
    let permissions = broker.ctl(&["list_permissions", "-p", &first]).unwrap();
    assert!(permissions.contains("guest\t.*\t.*\t.*"), "{permissions}");

    let node = broker.first();
    let listed = || broker.ctl(&["list_permissions", "-p", &first]).unwrap();
    node.set_permissions("guest", &first, [".*", "", "^q$"])
        .unwrap();
    assert!(listed().contains("guest\t.*\t\t^q$"), "{}", listed());
    node.clear_permissions("guest", &first).unwrap();
    assert!(!listed().contains("guest"), "{}", listed());
    node.close_connections(&first, "there are none").unwrap();

    let alarms = || broker.ctl(&["eval", "rabbit_alarm:get_alarms()."]).unwrap();
    node.raise_alarm().unwrap();
    assert!(alarms().contains("memory"), "{}", alarms());
    node.clear_alarm().unwrap();
    assert_eq!(alarms().trim(), "[]");

    one.delete().unwrap();
    drop(two);
    assert!(names(&broker).is_disjoint(&[first, second].into()));

    let _forgotten = broker.vhost().unwrap();
    assert_eq!(broker.management().delete_test_vhosts().unwrap(), 1);

    let version = broker.management().version().unwrap();
    assert!(
        broker.ctl(&["version"]).unwrap().contains(&version),
        "{version}"
    );
}

#[test]
fn a_node_can_be_killed_stopped_paused_and_started_again() {
    let Some(options) = options() else { return };
    let broker = options.start().unwrap();
    let url = broker.url();
    let vhost = broker.vhost().unwrap();

    broker.kill().unwrap();
    assert!(!broker.first().is_running());
    assert!(
        Greeting::send(&url).is_err(),
        "something listens although the broker was killed"
    );
    assert!(matches!(broker.kill(), Err(BrokerError::WrongState { .. })));
    broker.start_again().unwrap();
    assert_eq!(broker.url(), url);
    assert!(serves(&url));
    declare(broker.first(), "kept", r#"{"durable":true}"#);

    broker.stop().unwrap();
    assert!(Greeting::send(&url).is_err());
    broker.first().start().unwrap();
    assert!(serves(&url));
    assert!(matches!(
        broker.first().start(),
        Err(BrokerError::WrongState { .. })
    ));
    let vhosts = broker.ctl(&["list_vhosts"]).unwrap();
    assert!(vhosts.contains(vhost.name()), "the data is gone: {vhosts}");
    assert_eq!(broker.first().queues("/").unwrap()[0].name, "kept");

    broker.pause().unwrap();
    assert!(broker.first().is_running());
    // The kernel still accepts; the node says nothing until it goes on.
    let mut greeting = Greeting::send(&url).unwrap();
    assert!(!greeting.is_answered_within(Duration::from_millis(300)));
    broker.resume().unwrap();
    assert!(greeting.is_answered_within(LONG));
}

#[test]
fn options_reach_rabbitmq() {
    let Some(options) = options() else { return };
    let broker = options
        .plugin("rabbitmq_consistent_hash_exchange")
        .config("heartbeat = 7")
        .keep_directory()
        .start()
        .unwrap();
    let plugins = broker.ctl(&["eval", "rabbit_plugins:active()."]).unwrap();
    assert!(
        plugins.contains("rabbitmq_consistent_hash_exchange"),
        "{plugins}"
    );
    let answer = broker
        .first()
        .run("rabbitmq-diagnostics", &["ping"])
        .unwrap();
    assert!(answer.contains("succeeded"), "{answer}");
    let heartbeat = broker.ctl(&[
        "eval",
        "element(2, application:get_env(rabbit, heartbeat)).",
    ]);
    assert_eq!(heartbeat.unwrap().trim(), "7");

    let failure = broker.ctl(&["no_such_command"]).unwrap_err();
    assert!(failure.to_string().contains("no_such_command"), "{failure}");

    let directory = broker.directory().to_owned();
    drop(broker);
    assert!(fs::read_dir(&directory).unwrap().count() > 0);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_refused_configuration_is_reported_with_what_rabbitmq_says() {
    let Some(options) = options() else { return };
    let error = options.config("no.such.setting = 1").start().unwrap_err();
    assert!(matches!(error, BrokerError::StartFailed { .. }), "{error}");
    assert!(error.to_string().contains("no.such.setting"), "{error}");
}

#[test]
fn a_plugin_that_rabbitmq_does_not_have_is_refused() {
    let Some(options) = options() else { return };
    let options = options
        .plugin("rabbitmq_management")
        .plugin("rabbitmq_shovle");
    let error = options.start().unwrap_err();
    assert!(
        matches!(&error, BrokerError::Invalid { found, .. } if found == "rabbitmq_shovle"),
        "{error}"
    );
}

#[test]
fn a_folder_in_which_rabbitmq_does_not_start_is_refused() {
    let Some(options) = options() else { return };
    let folder = own_folder("ann's");
    let error = options.directory(&folder).start().unwrap_err();
    assert!(error.to_string().contains("apostrophe"), "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::remove_dir(folder).unwrap();
}

#[test]
fn three_nodes_form_a_cluster() {
    let Some(options) = options() else { return };
    let broker = options.nodes(3).start().unwrap();
    let overview = broker
        .management()
        .get("/api/nodes?columns=name,running")
        .unwrap();
    assert_eq!(
        overview.matches("\"running\":true").count(),
        3,
        "{overview}"
    );
    for node in &broker {
        assert!(serves(&node.url()));
        assert!(overview.contains(&node.name()), "{overview}");
    }
    broker.nodes()[2].kill().unwrap();
    broker.nodes()[2].start().unwrap();
    broker.wait_until_joined().unwrap();
}

/// Takes half a minute and is a step of `cargo xtask ci-extra`.
#[test]
fn queues_of_a_cluster_change_their_home_and_come_back() {
    if std::env::var_os("CLUSTER_TESTS").is_none() {
        return;
    }
    let Some(options) = options() else { return };
    let broker = options.nodes(3).start().unwrap();
    // A queue of each kind on the third node, which is lost, comes back, and has them again.
    let third = &broker.nodes()[2];
    let name = third.name();
    declare(third, "classic", r#"{"durable":true}"#);
    let quorum = r#"{"durable":true,"arguments":{"x-queue-type":"quorum"}}"#;
    declare(third, "quorum", quorum);
    let home = |queue: &str| {
        let queues = broker.first().queues("/").unwrap();
        let mut queues = queues.into_iter();
        queues.find(|listed| listed.name == queue).unwrap().home
    };
    assert_eq!(home("classic").as_deref(), Some(name.as_str()));
    assert_eq!(home("quorum").as_deref(), Some(name.as_str()));
    assert!(!third.is_quorum_critical().unwrap());
    third.kill().unwrap();
    wait_until(|| home("quorum").is_some_and(|leader| leader != name));
    wait_until(|| broker.first().is_quorum_critical().unwrap());
    third.start().unwrap();
    broker.wait_until_joined().unwrap();
    wait_until(|| !broker.first().is_quorum_critical().unwrap());
    assert_eq!(home("classic").as_deref(), Some(name.as_str()));
    assert_eq!(third.queues("/").unwrap().len(), 2);
    assert_eq!(third.consumers("/").unwrap(), []);

    // In good order, one that others are told of.
    third.stop().unwrap();
    broker.wait_until_joined().unwrap();
    third.start().unwrap();
    broker.wait_until_joined().unwrap();
}

fn declare(node: &Node, name: &str, json: &str) {
    let management = node.endpoint().management();
    let path = format!("/api/queues/%2f/{name}");
    management.put(&path, json).unwrap();
}

#[test]
fn a_dropped_broker_leaves_nothing_behind() {
    let Some(options) = options() else { return };
    let broker = options.start().unwrap();
    let directory = broker.directory().to_owned();
    let identity = identity_of(&directory);
    assert!(processes(&identity).len() >= 2);
    drop(broker);
    // The helpers of the Erlang machine notice its end by themselves.
    wait_until(|| processes(&identity).is_empty());
    assert!(!directory.exists());
}

#[test]
fn a_detached_broker_is_found_again() {
    let Some(options) = options() else { return };
    let broker = options.start().unwrap();
    let (url, directory) = (broker.url(), broker.directory().to_owned());
    let file = broker.detach().unwrap();
    assert!(serves(&url));

    let broker = Broker::attach(&file).unwrap();
    assert_eq!(broker.url(), url);
    assert!(broker.first().is_running());
    broker.ctl(&["status"]).unwrap();
    drop(broker);
    assert!(serves(&url));

    let broker = Broker::attach(&file).unwrap();
    broker.kill().unwrap();
    broker.start_again().unwrap();
    drop(broker);
    // The node of before is gone, and the one in its place is known.
    let broker = Broker::attach(&file).unwrap();
    assert!(broker.first().is_running());
    assert!(serves(&url));
    broker.kill().unwrap();
    broker.start_again().unwrap();
    drop(broker.take_over());
    wait_until(|| processes(&identity_of(&directory)).is_empty());
    assert!(!directory.exists());
    assert!(Greeting::send(&url).is_err());
}

/// Every plugin of RabbitMQ's that listens, of which some bring others along.
const LISTENING: &[&str] = &[
    "rabbitmq_mqtt",
    "rabbitmq_prometheus",
    "rabbitmq_stomp",
    "rabbitmq_stream",
    "rabbitmq_web_mqtt",
    "rabbitmq_web_mqtt_examples",
    "rabbitmq_web_stomp",
    "rabbitmq_web_stomp_examples",
];

#[test]
fn nothing_listens_on_other_interfaces_or_at_usual_ports() {
    let Some(options) = options() else { return };
    let options = [
        "rabbitmq_prometheus",
        "rabbitmq_stream_management",
        "rabbitmq_web_mqtt_examples",
        "rabbitmq_web_stomp_examples",
    ]
    .into_iter()
    .fold(options, BrokerOptions::plugin);
    #[cfg(feature = "tls")]
    let options = options.tls();
    let broker = options.start().unwrap();
    let chosen: HashMap<_, _> = broker.first().plugin_ports().collect();
    assert_eq!(
        chosen.keys().copied().collect::<HashSet<_>>(),
        LISTENING.iter().copied().collect()
    );
    let listening = listening(&processes(&identity_of(broker.directory())));
    for address in &listening {
        assert!(address.ip().is_loopback(), "{listening:?}");
        assert!(address.port() >= 10_000, "{listening:?}");
    }
    for (plugin, port) in chosen {
        assert_eq!(broker.first().plugin_port(plugin), Some(port));
        let is_there = listening.iter().any(|address| address.port() == port);
        assert!(is_there, "{plugin} at {port}: {listening:?}");
    }
    assert_eq!(broker.first().plugin_port("rabbitmq_shovel"), None);
    let node = broker.first();
    let urls = [
        Some(node.url()),
        node.tls_url(),
        Some(broker.management().url()),
    ];
    let mut known: Vec<u16> = urls
        .iter()
        .flatten()
        .map(|url| url.rsplit(':').next().unwrap().parse().unwrap())
        .collect();
    known.extend(node.plugin_ports().map(|(_, port)| port));
    let others = listening
        .iter()
        .filter(|address| !known.contains(&address.port()));
    // The port mapper's, with and without IPv6, and the one for other nodes.
    assert!(others.count() <= 3, "{known:?} {listening:?}");
}

/// The addresses on which processes listen.
fn listening(pids: &[u32]) -> Vec<SocketAddr> {
    let links = pids
        .iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    let sockets: HashSet<_> = links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables = tables.map(Result::unwrap_or_default);
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        // State 0A is that of a listener; the tenth word is the socket's number.
        .filter(|words| words[3] == "0A" && sockets.contains(words[9]))
        .map(|words| address(words[1]))
        .collect()
}

/// Reads an address as the kernel writes it: words of four octets in the machine's order.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let octets: Vec<u8> = (0..ip.len() / 8)
        .map(|n| u32::from_str_radix(&ip[8 * n..8 * n + 8], 16).unwrap())
        .flat_map(u32::to_ne_bytes)
        .collect();
    let ip = match <[u8; 4]>::try_from(octets.as_slice()) {
        Ok(octets) => IpAddr::from(octets),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets).unwrap()).to_canonical(),
    };
    (ip, u16::from_str_radix(port, 16).unwrap()).into()
}

/// A test that is killed cannot clean up. This one starts itself again as another process, which
/// holds a broker until it is killed.
#[test]
fn a_killed_program_takes_its_broker_with_it() {
    let Some(options) = options() else { return };
    const DIRECTORY: &str = "AMQP_TESTING_VICTIM";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let broker = options.directory(directory).start().unwrap();
        fs::write(broker.directory().join("ready"), "").unwrap();
        loop {
            thread::park();
        }
    }
    let directory = own_folder("victim");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "broker::a_killed_program_takes_its_broker_with_it",
        ])
        .env(DIRECTORY, &directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = || Some(fs::read_dir(&directory).ok()?.next()?.ok()?.path());
    wait_until(|| folder().is_some_and(|folder| folder.join("ready").exists()));
    let identity = identity_of(&folder().unwrap());
    assert!(processes(&identity).len() >= 2);
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(|| processes(&identity).is_empty() && folder().is_none());
    fs::remove_dir_all(directory).unwrap();
}

/// A folder that this run of the tests has for itself: those of another release run beside it.
fn own_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    folder.join(format!("{name}-{}", std::process::id()))
}

fn identity_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap().to_str().unwrap();
    name.strip_prefix("broker-").unwrap().to_owned()
}

/// The living processes of a broker, of which the shell that watches is none.
fn processes(identity: &str) -> Vec<u32> {
    let mark = format!("AMQP_TESTING_BROKER={identity}");
    let is_ours = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&o| o == 0).any(|v| v == mark.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_ours).collect()
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        thread::sleep(Duration::from_millis(20));
    }
}
