//! The clients.

/// What has to be built or found for a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    /// The example `perf` of the client that this repository is about.
    Ours,
    /// A package of this workspace.
    Package(&'static str),
    /// The C program, which needs librabbitmq.
    Librabbitmq,
    /// The Go program, which needs Go and the library.
    Go,
    /// The Python program, which needs pika.
    Pika,
}

/// One client in one way of using it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// The word for it on the command line and in the results.
    pub(crate) id: &'static str,
    /// The name in tables and plots.
    pub(crate) label: &'static str,
    pub(crate) program: Program,
    /// Arguments that choose the way of using it.
    pub(crate) arguments: &'static [&'static str],
    /// What its program calls the mode `publish`.
    publish: &'static str,
    /// The modes in which it takes part, because in the others it would do the same as another
    /// entry; empty means all.
    modes: &'static [&'static str],
}

impl Client {
    pub(crate) fn takes_part_in(&self, mode: &str) -> bool {
        self.modes.is_empty() || self.modes.contains(&mode)
    }

    /// What its program calls a mode.
    pub(crate) fn mode_word<'a>(&self, mode: &'a str) -> &'a str {
        if mode == "publish" {
            self.publish
        } else {
            mode
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.program == Program::Ours
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.id == RAW
    }
}

/// The id of the physical limit.
pub(crate) const RAW: &str = "raw";

const fn client(
    id: &'static str,
    label: &'static str,
    program: Program,
    arguments: &'static [&'static str],
) -> Client {
    Client {
        id,
        label,
        program,
        arguments,
        publish: "publish",
        modes: &[],
    }
}

/// All of them: the limit, ours, the Rust peers, the others.
pub(crate) const ALL: &[Client] = &[
    client(RAW, "raw socket", Program::Package("bench-raw"), &[]),
    client("ours", "ours", Program::Ours, &["--runtime", "multi"]),
    client(
        "ours-current",
        "ours, current-thread",
        Program::Ours,
        &["--runtime", "current"],
    ),
    Client {
        publish: "publish-prepared",
        modes: &["publish"],
        ..client(
            "ours-prepared",
            "ours, prepared",
            Program::Ours,
            &["--runtime", "multi"],
        )
    },
    Client {
        publish: "publish-prepared",
        modes: &["publish"],
        ..client(
            "ours-prepared-current",
            "ours, prepared, current-thread",
            Program::Ours,
            &["--runtime", "current"],
        )
    },
    client(
        "amqp-client-0.1",
        "amqp-client 0.1.0",
        Program::Package("peer-amqp-client"),
        &[],
    ),
    client(
        "amqp-client-0.1-current",
        "amqp-client 0.1.0, current-thread",
        Program::Package("peer-amqp-client"),
        &["--runtime", "current"],
    ),
    client("lapin", "lapin", Program::Package("peer-lapin"), &[]),
    Client {
        modes: &["publish", "confirm", "consume-ack"],
        ..client(
            "lapin-pipelined",
            "lapin, 512 in flight",
            Program::Package("peer-lapin"),
            &["--variant", "pipelined"],
        )
    },
    client("amqprs", "amqprs", Program::Package("peer-amqprs"), &[]),
    client("amiquip", "amiquip", Program::Package("peer-amiquip"), &[]),
    client("librabbitmq", "librabbitmq (C)", Program::Librabbitmq, &[]),
    client("amqp091-go", "amqp091-go", Program::Go, &[]),
    client(
        "pika-blocking",
        "pika, blocking",
        Program::Pika,
        &["--variant", "blocking"],
    ),
    client(
        "pika-select",
        "pika, select",
        Program::Pika,
        &["--variant", "select"],
    ),
];

/// The clients that the command line asks for.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<Client>, String> {
    if let Some(unknown) = only
        .iter()
        .find(|id| !ALL.iter().any(|client| client.id == **id))
    {
        let ids: Vec<_> = ALL.iter().map(|client| client.id).collect();
        return Err(format!(
            "there is no client {unknown:?}; there are {}",
            ids.join(", ")
        ));
    }
    let wanted = |client: &&Client| {
        only.is_empty() || client.is_raw() || only.iter().any(|id| id == client.id)
    };
    Ok(ALL.iter().filter(wanted).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_is_always_among_the_chosen() {
        let ids: Vec<_> = chosen(&["lapin".to_owned()])
            .unwrap()
            .iter()
            .map(|c| c.id)
            .collect();
        assert_eq!(ids, ["raw", "lapin"]);
        assert!(chosen(&["nobody".to_owned()]).is_err());
    }
}
