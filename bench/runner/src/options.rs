//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::places;

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Suite,
    Memory,
    Growth,
    Fairness,
    Tls,
    BuildCost,
    List,
}

/// The command line, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// Client ids; empty means all.
    pub(crate) only: Vec<String>,
    /// Mode names; empty means all.
    pub(crate) modes: Vec<String>,
    /// Body sizes; empty means all.
    pub(crate) sizes: Vec<usize>,
    pub(crate) out: PathBuf,
    /// Name and URL of a real broker to use instead of the null broker.
    pub(crate) against: Option<(String, String)>,
    /// Leaves it to the kernel which core runs what.
    pub(crate) free: bool,
    /// How long a single run may take.
    pub(crate) limit: Duration,
}

const USAGE: &str = "bench-runner [COMMAND] [OPTIONS]

commands:
  suite        compare all clients in all modes (the default)
  memory       a slow consumer that is offered 268 MB, idle connections, idle channels
  growth       cost per message with many publishing tasks and many channels, ours only
  fairness     small confirmed publishes beside 64 MiB bodies, ours only
  tls          cost per message over TLS beside raw TLS, ours only
  build-cost   time and number of crates of a release build, Rust clients only
  list         which clients there are, and which can run here

options:
  --quick                three short rounds instead of five
  --rounds N             so many rounds
  --only ID,ID           only these clients (see list); raw is always among them
  --modes MODE,MODE      only these modes
  --sizes BYTES,BYTES    only these body sizes
  --out FOLDER           where to write; docs/bench for the whole suite, and bench-results in the
                         target folder for anything less, so that it replaces nothing
  --against NAME         a real broker of that name, at --url
  --url URL              amqp://user:password@host:port/%2f
  --free                 do not pin the broker and the clients to different cores
  --limit SECONDS        how long a single run may take (60)";

impl Options {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut words = words.peekable();
        let command = match words.next_if(|word| !word.starts_with('-')).as_deref() {
            None | Some("suite") => Command::Suite,
            Some("memory") => Command::Memory,
            Some("growth") => Command::Growth,
            Some("fairness") => Command::Fairness,
            Some("tls") => Command::Tls,
            Some("build-cost") => Command::BuildCost,
            Some("list") => Command::List,
            Some(other) => return Err(format!("{other:?} is not a command\n\n{USAGE}")),
        };
        let (mut quick, mut free, mut rounds, mut limit) = (false, false, None, 60);
        let (mut only, mut modes, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut out, mut against, mut url) = (None, None, None);
        while let Some(name) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--quick" => quick = true,
                "--free" => free = true,
                "--rounds" => rounds = Some(number(&value()?)?),
                "--only" => only = list(&value()?),
                "--modes" => modes = list(&value()?),
                "--sizes" => {
                    sizes = list(&value()?)
                        .iter()
                        .map(|size| number(size))
                        .collect::<Result<_, _>>()?;
                }
                "--out" => out = Some(PathBuf::from(value()?)),
                "--against" => against = Some(value()?),
                "--url" => url = Some(value()?),
                "--limit" => limit = number(&value()?)?,
                "--help" => return Err(USAGE.to_owned()),
                _ => return Err(format!("{name:?} is not an option\n\n{USAGE}")),
            }
        }
        let against = match (against, url) {
            (Some(name), Some(url)) => Some((name, url)),
            (None, None) => None,
            _ => return Err("--against and --url belong together".to_owned()),
        };
        let whole = !quick && only.is_empty() && modes.is_empty() && sizes.is_empty();
        Ok(Self {
            command,
            quick,
            rounds: rounds.unwrap_or(if quick { 3 } else { 5 }).max(1),
            only,
            modes,
            sizes,
            out: out.unwrap_or_else(|| {
                places::default_out(whole, against.as_ref().map(|(name, _)| name.as_str()))
            }),
            against,
            free,
            limit: Duration::from_secs(limit as u64),
        })
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number"))
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn partial_run_does_not_write_into_the_documents() {
        let whole = parse("").unwrap();
        assert!(whole.out.ends_with("docs/bench"));
        assert!(!parse("--quick").unwrap().out.ends_with("docs/bench"));
        assert!(
            !parse("suite --modes publish")
                .unwrap()
                .out
                .ends_with("docs/bench")
        );
    }

    #[test]
    fn mistakes_are_refused() {
        assert!(parse("dance").is_err());
        assert!(parse("--sizes 16,many").is_err());
        assert!(parse("--against rabbitmq").is_err());
    }
}
