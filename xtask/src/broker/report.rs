//! What is said of a running broker: to people, and to a shell.

use std::{ffi::OsString, path::Path};

use amqp_testing::{Broker, Endpoint, Node, broker::Installation};

use super::running::Running;

/// The broker as people want to see it.
pub(super) fn text(running: &Running, took: Option<f32>) -> String {
    let Running { broker, label } = running;
    let took = took.map_or_else(String::new, |seconds| {
        format!(", started in {seconds:.1} s")
    });
    let mut text = format!(
        "broker `{}`: RabbitMQ {} ({}{took})\n",
        label.name, label.version, label.release
    );
    let mut line = |key: &str, value: &str| text += &format!("  {key:<12} {value}\n");
    for node in broker {
        let state = if node.is_running() { "running" } else { "down" };
        line("node", &format!("{} ({state})", node.name()));
        line("amqp", &node.url());
        if let Some(url) = node.tls_url() {
            line("amqps", &url);
        }
        line("management", &node.endpoint().management().url());
        for (plugin, port) in node.plugin_ports() {
            let plugin = plugin.trim_start_matches("rabbitmq_");
            line(plugin, &format!("127.0.0.1:{port}"));
        }
    }
    if let Some(certificates) = broker.certificates() {
        line("authority", &shown(&certificates.authority()));
        line("certificate", &shown(&certificates.client()));
        line("its key", &shown(&certificates.client_key()));
    }
    line("folder", &shown(broker.directory()));
    text
}

/// A variable of the environment, and its value; without one it must not be set.
type Variable = (&'static str, Option<OsString>);

/// What the tests of this repository read.
pub(crate) fn test_variables(broker: &Broker) -> Vec<Variable> {
    let node = serving(broker);
    let certificates = broker.certificates();
    let file = |path: Option<std::path::PathBuf>| path.map(OsString::from);
    vec![
        (Endpoint::URL_VARIABLE, Some(node.url().into())),
        (
            Endpoint::MANAGEMENT_VARIABLE,
            Some(node.endpoint().management().url().into()),
        ),
        (
            Installation::ROOT_VARIABLE,
            broker.installation().root().map(OsString::from),
        ),
        ("AMQP_TEST_TLS_URL", node.tls_url().map(OsString::from)),
        ("AMQP_TEST_CA", file(certificates.map(|it| it.authority()))),
        (
            "AMQP_TEST_CLIENT_CERTIFICATE",
            file(certificates.map(|it| it.client())),
        ),
        (
            "AMQP_TEST_CLIENT_KEY",
            file(certificates.map(|it| it.client_key())),
        ),
    ]
}

/// What the examples read, and every program that uses `ConnectionOptions::from_env`: with TLS if
/// the broker has it. Those without a value would take precedence over the URL, or be about another
/// broker.
pub(crate) fn program_variables(broker: &Broker) -> Vec<Variable> {
    let node = serving(broker);
    let certificates = broker.certificates();
    let file = |path: Option<std::path::PathBuf>| path.map(OsString::from);
    vec![
        (
            "AMQP_URL",
            Some(node.tls_url().unwrap_or_else(|| node.url()).into()),
        ),
        (
            "AMQP_CACERTFILE",
            file(certificates.map(|it| it.authority())),
        ),
        ("AMQP_CERTFILE", file(certificates.map(|it| it.client()))),
        ("AMQP_KEYFILE", file(certificates.map(|it| it.client_key()))),
        ("AMQP_KEY_PASSWORD", None),
        ("AMQP_USER", None),
        ("AMQP_PASSWORD", None),
        ("AMQP_CONNECTION_NAME", None),
    ]
}

/// Commands for a shell that sets both.
pub(super) fn shell(broker: &Broker) -> String {
    let variables = program_variables(broker).into_iter();
    commands(variables.chain(test_variables(broker)))
}

fn commands(variables: impl Iterator<Item = Variable>) -> String {
    let command = |(name, value): Variable| match value {
        Some(value) => format!("export {name}={}\n", quoted(&value.to_string_lossy())),
        None => format!("unset {name}\n"),
    };
    variables.map(command).collect()
}

/// As one word of the shell's, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The first node that runs.
fn serving(broker: &Broker) -> &Node {
    let mut nodes = broker.nodes().iter();
    nodes
        .find(|node| node.is_running())
        .unwrap_or_else(|| broker.first())
}

/// A path as short as it can be written from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_commands_as_they_are_meant() {
        let nasty = "a b'c\"d$HOME`id`\\e;f\n*~#";
        let variables = [("ONE", Some(nasty.into())), ("TWO", None)];
        let commands = commands(variables.into_iter());
        let output = Command::new("sh")
            .env("TWO", "set before")
            .args(["-c", "eval \"$1\"; printf %s \"$ONE${TWO-unset}\"", "sh"])
            .arg(&commands)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, format!("{nasty}unset"));
    }
}
