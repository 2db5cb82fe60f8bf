//! The life of brokers that are left running: one test, since each start costs seconds.

use std::{net::TcpStream, path::Path};

use crate::support::{Place, evaluated};

/// The folder's name has a space in it.
#[test]
fn brokers_are_started_found_told_apart_and_stopped() {
    let Some(place) = Place::with_rabbitmq("broker") else {
        return;
    };
    place
        .run("broker status")
        .fails_with(1, "no broker is running");
    let stopped = place.run("broker stop").ok();
    assert!(
        stopped.stderr.contains("no broker was running"),
        "{stopped:?}"
    );

    // Two at once give one broker.
    let line = "broker start --tls --plugin rabbitmq_stream --config heartbeat=7 --env";
    let both = [line, line].map(|line| place.start(line));
    let [one, two] = both.map(|child| crate::support::Ended::of(child).ok());
    assert_eq!(one.stdout, two.stdout);
    assert_eq!(place.folders().len(), 1);
    let is_second = |ended: &crate::support::Ended| ended.stderr.contains("running already");
    assert!(is_second(&one) ^ is_second(&two), "{one:?} {two:?}");

    // The shell gets what examples and tests read, and nothing stays that would disturb it.
    for name in read_from_the_environment() {
        let (set, unset) = (format!("export {name}="), format!("unset {name}\n"));
        let is_told = one.stdout.contains(&set) || one.stdout.contains(&unset);
        assert!(is_told, "{name}: {one:?}");
    }
    let variables = evaluated(&one.stdout);
    let variable = |name: &str| variables.get(name).map(String::as_str);
    for name in ["AMQP_CACERTFILE", "AMQP_CERTFILE", "AMQP_KEYFILE"] {
        assert!(Path::new(&variables[name]).is_file(), "{name}");
    }
    assert_eq!(variable("AMQP_CACERTFILE"), variable("AMQP_TEST_CA"));
    assert_eq!(
        variable("AMQP_CERTFILE"),
        variable("AMQP_TEST_CLIENT_CERTIFICATE")
    );
    assert_eq!(variable("AMQP_KEYFILE"), variable("AMQP_TEST_CLIENT_KEY"));
    let url = variable("AMQP_URL").unwrap();
    assert!(url.starts_with("amqps://"), "{url}");
    assert_eq!(variable("AMQP_TEST_TLS_URL"), Some(url));
    assert!(variables.contains_key("AMQP_TEST_MANAGEMENT_URL"));
    assert_eq!(
        (variable("AMQP_USER"), variable("AMQP_PASSWORD")),
        (None, None)
    );
    let plain = variable("AMQP_TEST_URL").unwrap();
    let reached = TcpStream::connect(plain.rsplit('@').next().unwrap());
    assert!(reached.is_ok(), "{plain}");

    // A further start returns it, asked for less or the same.
    for line in ["broker start --env", "broker start --nodes 1 --tls --env"] {
        assert_eq!(place.run(line).ok().stdout, one.stdout);
    }
    // Asked for more, it is refused.
    for (line, own) in [
        ("--nodes 2", "`--nodes 1`"),
        ("--plugin rabbitmq_shovel", "`--plugin rabbitmq_stream`"),
        ("--config heartbeat=8", "`--config \"heartbeat=7\"`"),
        ("--release sid --name system", "`--release system`"),
    ] {
        let ended = place.run(&format!("broker start {line} --env"));
        ended.fails_with(1, own);
        assert!(ended.stderr.contains("stop --name system"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }

    // Another one beside it, and each is what is named.
    let plugin = "broker start --name other --plugin rabbitmq_shovle";
    place.run(plugin).fails_with(1, "\"rabbitmq_shovle\"");
    assert_eq!(place.folders().len(), 1);
    let other = place.run("broker start --name other").ok();
    let status = place.run("broker status").ok().stdout;
    for part in [
        "broker `system`: RabbitMQ ",
        "broker `other`: RabbitMQ ",
        plain,
        "stream  ",
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(other.stdout.contains("broker `other`"), "{other:?}");
    let status = place.run("broker status --name other").ok().stdout;
    assert!(!status.contains("`system`"), "{status}");
    let environment = place.run("broker status --name other --env").ok().stdout;
    let variables = evaluated(&environment);
    assert!(
        variables["AMQP_URL"].starts_with("amqp://"),
        "{variables:?}"
    );
    assert!(!variables.contains_key("AMQP_CACERTFILE"), "{variables:?}");
    place
        .run("broker status --env")
        .fails_with(1, "say which one with --name");
    place
        .run("broker stop")
        .fails_with(1, "`other`, `system` are running");
    place
        .run("broker stop --name third")
        .fails_with(1, "no broker `third` is running");
    place
        .run("broker stop --release trixie")
        .fails_with(1, "no broker `trixie`");
    assert_eq!(place.folders().len(), 2);

    let stopped = place.run("broker stop --release system").ok();
    assert!(
        stopped.stderr.contains("stopped the broker `system`"),
        "{stopped:?}"
    );
    assert_eq!(place.folders().len(), 1);
    place
        .run("broker status --name system")
        .fails_with(1, "running: `other`");
    place.run("broker stop --all").ok();
    place.wait_until_nothing_is_left("stop");
    assert!(!place.target.join("xtask/broker").exists());
}

/// The variables that `ConnectionOptions::from_env` documents, which the examples call.
fn read_from_the_environment() -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../amqp-client/src/uri");
    let text = std::fs::read_to_string(source.join("environment.rs")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("    /// | `AMQP_"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert!(names.len() >= 7, "{names:?}");
    names
}

/// What the parser says of each is in its own tests.
#[test]
fn bad_command_lines_start_nothing() {
    let place = Place::new("bad");
    for line in [
        "broker restart",
        "broker start --nodes 0",
        "broker start --nodes",
        "broker start --name a/b",
        "broker start --config x",
        "broker stop --tls",
        "broker --tls",
        "demo --url localhost",
        "demo --url amqp://h --install",
        "test --broker ../x",
    ] {
        place.run(line).fails_with(2, "");
    }
    assert!(!place.target.join("xtask").exists());
}
