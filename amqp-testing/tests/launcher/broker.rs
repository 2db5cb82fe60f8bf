//! One broker is taken through its life, since each start costs seconds; what needs a broker of its
//! own has a test of its own.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use amqp_testing::{Broker, BrokerError};

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
    broker.ctl(&["await_online_nodes", "3"]).unwrap();
}

#[test]
fn a_dropped_broker_leaves_nothing_behind() {
    let Some(options) = options() else { return };
    let broker = options.start().unwrap();
    let directory = broker.directory().to_owned();
    let identity = identity_of(&directory);
    assert!(n_processes(&identity) >= 2);
    drop(broker);
    // The helpers of the Erlang machine notice its end by themselves.
    wait_until(|| n_processes(&identity) == 0);
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

    let broker = Broker::attach(&file).unwrap().take_over();
    broker.kill().unwrap();
    broker.start_again().unwrap();
    drop(broker);
    wait_until(|| n_processes(&identity_of(&directory)) == 0);
    assert!(Greeting::send(&url).is_err());
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
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("victim");
    let _ = fs::remove_dir_all(&directory);
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
    assert!(n_processes(&identity) >= 2);
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(|| n_processes(&identity) == 0);
    fs::remove_dir_all(directory).unwrap();
}

fn identity_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap().to_str().unwrap();
    name.strip_prefix("broker-").unwrap().to_owned()
}

/// The number of living processes of a broker, of which the shell that watches is none.
fn n_processes(identity: &str) -> usize {
    let mark = format!("AMQP_TESTING_BROKER={identity}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let environments = processes.filter_map(|entry| fs::read(entry.path().join("environ")).ok());
    environments
        .filter(|environment| environment.split(|&o| o == 0).any(|v| v == mark.as_bytes()))
        .count()
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        thread::sleep(Duration::from_millis(20));
    }
}
