//! The brokers that `start` has left running.
//!
//! Their own descriptions, written by `amqp-testing`, and our labels beside them are the only state.
//! Processes are recognised by the identity in the descriptions, so that no broker which was not
//! started here is ever touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use amqp_testing::{Broker, Node};

use super::label::Label;
use crate::{failure::Failure, workspace};

/// A broker of which at least one node runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) broker: Broker,
    pub(super) label: Label,
}

/// The folder under which each broker has its own.
pub(super) fn folder() -> PathBuf {
    workspace::scratch().join("broker")
}

/// All that run, by name.
pub(super) fn all() -> Result<Vec<Running>, Failure> {
    let mut found = Vec::new();
    for folder in folders() {
        let (Some(label), Some(broker)) = (Label::read(&folder), attach(&folder)?) else {
            // Being started at this moment, or deleted.
            continue;
        };
        if broker.nodes().iter().any(Node::is_running) {
            found.push(Running { broker, label });
        }
    }
    found.sort_by(|a, b| a.label.name.cmp(&b.label.name));
    Ok(found)
}

pub(super) fn find(name: &str) -> Result<Option<Running>, Failure> {
    let mut all = all()?.into_iter();
    Ok(all.find(|running| running.label.name == name))
}

/// Deletes what is left of brokers that have ended without being stopped. Only who holds the lock
/// may do so: a folder without a description may be that of a broker which is being started.
pub(super) fn clean_up() -> Result<(), Failure> {
    for folder in folders() {
        match attach(&folder)? {
            Some(broker) if broker.nodes().iter().any(Node::is_running) => {}
            Some(broker) => drop(broker.take_over()),
            // What is left over is a nuisance, no more.
            None => drop(fs::remove_dir_all(&folder)),
        }
    }
    Ok(())
}

fn folders() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder()) else {
        return Vec::new();
    };
    let is_of_a_broker = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("broker-") && path.is_dir()
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(is_of_a_broker).collect()
}

/// `None` if there is no description.
fn attach(folder: &Path) -> Result<Option<Broker>, Failure> {
    let file = folder.join("broker.state");
    match Broker::attach(&file) {
        Ok(broker) => Ok(Some(broker)),
        Err(_) if !file.exists() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
