//! What a running broker was started with: a file of ours in its folder.

use std::{fs, path::Path};

use super::command_line::{Request, SYSTEM};
use crate::failure::Failure;

/// The file's name within the broker's folder.
const FILE: &str = "xtask.label";

/// The plugin that every broker has.
const ALWAYS: &str = "rabbitmq_management";

/// The name of a broker, and what `start` was asked for when it was started.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Label {
    pub(super) name: String,
    pub(super) release: String,
    /// RabbitMQ's version.
    pub(super) version: String,
    n_nodes: usize,
    tls: bool,
    plugins: Vec<String>,
    config: Vec<String>,
}

impl Label {
    /// The label of a broker that is started for this request.
    pub(super) fn new(request: &Request, version: String) -> Self {
        Self {
            name: request.chosen().unwrap_or(SYSTEM).to_owned(),
            release: request.release.as_deref().unwrap_or(SYSTEM).to_owned(),
            version,
            n_nodes: request.n_nodes.unwrap_or(1),
            tls: request.tls,
            plugins: request.plugins.clone(),
            config: request.config.clone(),
        }
    }

    /// The first thing that is asked for and that the running broker does not have: the option as
    /// it is asked for, and as the broker has it. What is not asked for is as it is.
    fn difference(&self, request: &Request) -> Option<(String, String)> {
        if let Some(release) = request.release.as_ref().filter(|it| **it != self.release) {
            let own = format!("`--release {}`", self.release);
            return Some((format!("--release {release}"), own));
        }
        if let Some(n_nodes) = request.n_nodes.filter(|n| *n != self.n_nodes) {
            let own = format!("`--nodes {}`", self.n_nodes);
            return Some((format!("--nodes {n_nodes}"), own));
        }
        if request.tls && !self.tls {
            return Some(("--tls".to_owned(), "no `--tls`".to_owned()));
        }
        let missing = request.plugins.iter().find(|plugin| {
            let plugin = *plugin;
            plugin != ALWAYS && !self.plugins.contains(plugin)
        });
        if let Some(plugin) = missing {
            let asked = format!("--plugin {plugin}");
            return Some((asked, listed("--plugin", &self.plugins)));
        }
        let missing = request.config.iter().find(|it| !self.config.contains(it))?;
        let asked = format!("--config {missing:?}");
        let own: Vec<_> = self.config.iter().map(|line| format!("{line:?}")).collect();
        Some((asked, listed("--config", &own)))
    }

    /// Refuses a request for something that the running broker does not have.
    pub(super) fn check(&self, request: &Request) -> Result<(), Failure> {
        let Some((asked, own)) = self.difference(request) else {
            return Ok(());
        };
        let name = &self.name;
        Err(Failure::new(format!(
            "`{asked}` is asked for, and the broker `{name}`, which is running, has {own};\n\
             stop it first, with `cargo xtask broker stop --name {name}`, or start another one \
             beside it, with `--name` and a name of its own"
        )))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let file = folder.join(FILE);
        fs::write(&file, self.to_text()).map_err(Failure::file("write", &file))
    }

    /// `None` if there is no label, as in the folder of a broker that is being started or deleted.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(folder.join(FILE)).ok()?)
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "name {}\nrelease {}\nversion {}\nnodes {}\ntls {}\n",
            self.name, self.release, self.version, self.n_nodes, self.tls
        );
        for plugin in &self.plugins {
            text += &format!("plugin {plugin}\n");
        }
        for line in &self.config {
            text += &format!("config {line}\n");
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut label = Self::default();
        for line in text.lines() {
            let (key, value) = line.split_once(' ')?;
            let text = value.to_owned();
            match key {
                "name" => label.name = text,
                "release" => label.release = text,
                "version" => label.version = text,
                "nodes" => label.n_nodes = value.parse().ok()?,
                "tls" => label.tls = value.parse().ok()?,
                "plugin" => label.plugins.push(text),
                "config" => label.config.push(text),
                _ => return None,
            }
        }
        (!label.name.is_empty()).then_some(label)
    }
}

fn listed(option: &str, values: &[String]) -> String {
    if values.is_empty() {
        return format!("no `{option}`");
    }
    let values: Vec<_> = values
        .iter()
        .map(|value| format!("`{option} {value}`"))
        .collect();
    values.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            n_nodes: Some(2),
            tls: true,
            plugins: vec!["a".to_owned(), "b".to_owned()],
            config: vec!["heartbeat = 7".to_owned()],
            ..Request::default()
        }
    }

    #[test]
    fn a_label_is_read_back() {
        let label = Label::new(&request(), "4.0.5".to_owned());
        assert_eq!(Label::parse(&label.to_text()), Some(label));
        for broken in ["", "name", "name a\nnodes x\n", "name a\ncolour red\n"] {
            assert_eq!(Label::parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn what_a_broker_has_may_be_asked_for_again_and_nothing_need_be() {
        let label = Label::new(&request(), String::new());
        let less = Request {
            plugins: vec!["b".to_owned(), ALWAYS.to_owned()],
            release: Some(SYSTEM.to_owned()),
            ..Request::default()
        };
        for request in [request(), less, Request::default()] {
            assert_eq!(label.difference(&request), None);
        }
    }

    #[test]
    fn a_difference_names_the_option_both_values_and_what_to_do() {
        let label = Label::new(&request(), String::new());
        let plain = Label::new(&Request::default(), String::new());
        let text = |label: &Label, request: Request| {
            label.check(&request).unwrap_err().message().to_owned()
        };
        let nodes = Request {
            n_nodes: Some(3),
            ..Request::default()
        };
        assert_eq!(
            text(&label, nodes),
            "`--nodes 3` is asked for, and the broker `system`, which is running, has `--nodes 2`;\n\
             stop it first, with `cargo xtask broker stop --name system`, or start another one \
             beside it, with `--name` and a name of its own"
        );
        let release = Request {
            name: Some(SYSTEM.to_owned()),
            release: Some("sid".to_owned()),
            ..Request::default()
        };
        let message = text(&label, release);
        assert!(message.contains("`--release sid` is"), "{message}");
        assert!(message.contains("has `--release system`;"), "{message}");
        let tls = Request {
            tls: true,
            ..Request::default()
        };
        let message = text(&plain, tls);
        assert!(message.contains("`--tls` is"), "{message}");
        assert!(message.contains("has no `--tls`;"), "{message}");
        let plugin = || Request {
            plugins: vec!["a".to_owned(), "c".to_owned()],
            ..Request::default()
        };
        let message = text(&label, plugin());
        assert!(message.contains("`--plugin c` is"), "{message}");
        assert!(
            message.contains("has `--plugin a` `--plugin b`;"),
            "{message}"
        );
        let message = text(&plain, plugin());
        assert!(message.contains("`--plugin a` is"), "{message}");
        assert!(message.contains("has no `--plugin`;"), "{message}");
        let config = Request {
            config: vec!["heartbeat = 8".to_owned()],
            ..Request::default()
        };
        let message = text(&label, config);
        assert!(
            message.contains("`--config \"heartbeat = 8\"` is"),
            "{message}"
        );
        assert!(
            message.contains("has `--config \"heartbeat = 7\"`;"),
            "{message}"
        );
    }
}
