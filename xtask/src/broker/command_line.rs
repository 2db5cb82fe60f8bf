//! What `cargo xtask broker` is asked for, checked before anything is done.

use crate::failure::Failure;

/// The release that is meant where none is named: the RabbitMQ that is installed.
pub(crate) const SYSTEM: &str = "system";

/// How many nodes may be asked for: each takes 130 MB of memory, and a cluster of more is started
/// by a typing error only.
const MAX_NODES: usize = 9;

/// What `start`, `status` or `stop` was asked for.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Request {
    pub(super) name: Option<String>,
    pub(super) release: Option<String>,
    pub(super) n_nodes: Option<usize>,
    pub(super) tls: bool,
    pub(super) plugins: Vec<String>,
    pub(super) config: Vec<String>,
    pub(super) install: bool,
    pub(super) env: bool,
    pub(super) all: bool,
}

impl Request {
    /// The broker that is meant: the one with that name, or else the one of that release.
    pub(super) fn chosen(&self) -> Option<&str> {
        self.name.as_deref().or(self.release.as_deref())
    }

    /// The release, unless it is the system's own.
    pub(super) fn debian_release(&self) -> Option<&str> {
        self.release.as_deref().filter(|name| *name != SYSTEM)
    }
}

/// Which options a command has.
const OPTIONS: &[(&str, &[&str])] = &[
    (
        "start",
        &[
            "name", "release", "nodes", "tls", "plugin", "config", "install", "env",
        ],
    ),
    ("status", &["name", "release", "env"]),
    ("stop", &["name", "release", "all"]),
];

/// `None` if help is asked for.
pub(super) fn parse(
    command: &str,
    arguments: &mut lexopt::Parser,
) -> Result<Option<Request>, Failure> {
    use lexopt::prelude::*;
    let options = OPTIONS.iter().find(|(name, _)| *name == command);
    let options = options.map_or(&[][..], |(_, options)| *options);
    let mut request = Request::default();
    while let Some(argument) = arguments.next()? {
        let option = match argument {
            Short('h') | Long("help") => return Ok(None),
            Long(option) if options.contains(&option) => option.to_owned(),
            Long(option) if OPTIONS.iter().any(|(_, all)| all.contains(&option)) => {
                let message = format!("`broker {command}` has no --{option}");
                return Err(Failure::Usage(message));
            }
            other => {
                let message = format!("{}; see `cargo xtask broker --help`", other.unexpected());
                return Err(Failure::Usage(message));
            }
        };
        match option.as_str() {
            "name" => once(&mut request.name, "--name", name(&value(arguments)?)?)?,
            "release" => {
                let release = release("--release", &value(arguments)?)?;
                once(&mut request.release, "--release", release)?;
            }
            "nodes" => once(&mut request.n_nodes, "--nodes", nodes(&value(arguments)?)?)?,
            "plugin" => request.plugins.push(plugin(&value(arguments)?)?),
            "config" => request.config.push(config(&value(arguments)?)?),
            "tls" => request.tls = true,
            "install" => request.install = true,
            "env" => request.env = true,
            _ => request.all = true,
        }
    }
    if request.all && request.chosen().is_some() {
        let message = "--all stops all brokers: leave out --name and --release, or --all";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(Some(request))
}

fn value(arguments: &mut lexopt::Parser) -> Result<String, Failure> {
    use lexopt::ValueExt as _;
    Ok(arguments.value()?.string()?)
}

fn once<T: PartialEq>(slot: &mut Option<T>, option: &str, value: T) -> Result<(), Failure> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Failure::Usage(format!("{option} is there twice"))),
    }
}

fn name(text: &str) -> Result<String, Failure> {
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    if text.is_empty() || text.starts_with(['-', '.']) || !text.bytes().all(is_good) {
        return Err(Failure::Usage(format!(
            "--name {text:?}: a name has letters, digits and hyphens"
        )));
    }
    Ok(text.to_owned())
}

/// The name of a Debian release, or of the system's own RabbitMQ.
pub(crate) fn release(option: &str, text: &str) -> Result<String, Failure> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_lowercase()) {
        return Err(Failure::Usage(format!(
            "{option} {text:?}: not the name of a Debian release, such as trixie or sid, \
             nor `{SYSTEM}`"
        )));
    }
    Ok(text.to_owned())
}

fn nodes(text: &str) -> Result<usize, Failure> {
    let number = text.parse().ok();
    number
        .filter(|n| (1..=MAX_NODES).contains(n))
        .ok_or_else(|| {
            Failure::Usage(format!(
                "--nodes {text:?}: a broker has 1 to {MAX_NODES} nodes"
            ))
        })
}

fn plugin(text: &str) -> Result<String, Failure> {
    let is_good = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
    if text.is_empty() || !text.bytes().all(is_good) {
        return Err(Failure::Usage(format!(
            "--plugin {text:?}: not the name of a plugin, such as rabbitmq_shovel"
        )));
    }
    Ok(text.to_owned())
}

fn config(text: &str) -> Result<String, Failure> {
    let is_setting = text
        .split_once('=')
        .is_some_and(|(key, _)| !key.trim().is_empty() && !key.trim_start().starts_with('#'));
    if !is_setting || text.contains(['\n', '\r']) {
        return Err(Failure::Usage(format!(
            "--config {text:?}: not one line of the form KEY = VALUE, such as \
             \"heartbeat = 10\""
        )));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Request>, String> {
        let mut words = line.split(' ');
        let command = words.next().unwrap().to_owned();
        let words = words.filter(|word| !word.is_empty());
        let mut arguments = lexopt::Parser::from_args(words.map(|word| word.replace('~', " ")));
        parse(&command, &mut arguments).map_err(|failure| match failure {
            Failure::Usage(message) => message,
            Failure::Failed(message) => panic!("{message}"),
        })
    }

    #[test]
    fn good_command_lines_are_understood() {
        let request = parsed(
            "start --name a-1 --release trixie --nodes 3 --tls --plugin rabbitmq_stream \
             --config heartbeat~=~7 --install --env",
        );
        let expected = Request {
            name: Some("a-1".to_owned()),
            release: Some("trixie".to_owned()),
            n_nodes: Some(3),
            tls: true,
            plugins: vec!["rabbitmq_stream".to_owned()],
            config: vec!["heartbeat = 7".to_owned()],
            install: true,
            env: true,
            all: false,
        };
        assert_eq!(request, Ok(Some(expected)));
        for help in ["start --help", "stop -h", "status --env --help"] {
            assert_eq!(parsed(help), Ok(None));
        }
        let request = parsed("stop --release system").unwrap().unwrap();
        assert_eq!(request.chosen(), Some("system"));
        assert_eq!(request.debian_release(), None);
        assert!(parsed("stop --all").unwrap().unwrap().all);
    }

    #[test]
    fn bad_command_lines_are_refused_with_what_is_wrong() {
        let refused = [
            (
                "start --nodes 0",
                "--nodes \"0\": a broker has 1 to 9 nodes",
            ),
            ("start --nodes -1", "1 to 9"),
            ("start --nodes 10", "1 to 9"),
            ("start --nodes two", "1 to 9"),
            ("start --nodes", "missing argument for option '--nodes'"),
            ("start --nodes 1 --nodes 2", "--nodes is there twice"),
            ("start --name a --name a", "--name is there twice"),
            ("start --release=", "--release \"\""),
            ("start --release ../x", "--release \"../x\""),
            ("start --release Sid", "--release \"Sid\""),
            ("start --name=", "--name \"\""),
            ("start --name a/b", "--name \"a/b\""),
            ("start --name ..", "--name \"..\""),
            ("start --plugin=", "--plugin \"\""),
            ("start --plugin a,b", "--plugin \"a,b\""),
            ("start --plugin rabbitmq~shovel", "--plugin"),
            ("start --config heartbeat", "KEY = VALUE"),
            ("start --config =7", "KEY = VALUE"),
            ("start --config #a=7", "KEY = VALUE"),
            ("start --config a=7\nb=8", "KEY = VALUE"),
            ("start --tls=yes", "unexpected argument"),
            ("start --all", "`broker start` has no --all"),
            ("start now", "unexpected argument \"now\""),
            ("start --tsl", "--tsl"),
            ("start -x", "invalid option '-x'"),
            ("status --all", "`broker status` has no --all"),
            ("status --tls", "`broker status` has no --tls"),
            ("stop --nodes 3", "`broker stop` has no --nodes"),
            ("stop --env", "`broker stop` has no --env"),
            ("stop trixie", "unexpected argument \"trixie\""),
            ("stop --all --name a", "--all stops all brokers"),
            ("stop --release sid --all", "--all stops all brokers"),
        ];
        for (line, expected) in refused {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(expected), "{line}: {message}");
        }
    }
}
