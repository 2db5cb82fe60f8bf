//! The faults.

use std::thread::sleep;
use std::time::{Duration, Instant};

use amqp_testing::Broker;

use crate::failure::Failure;
use crate::program::Program;

/// Where a fault takes place: one broker, and the programs of all clients.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) programs: &'a [Program],
}

/// When a fault was over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) over: Instant,
    /// What was sent before may be lost.
    pub(crate) excused_until: Option<Instant>,
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The word for it on the command line.
    pub(crate) id: &'static str,
    /// The name in the table.
    pub(crate) label: &'static str,
    /// Whether it happens to the network, which has to be one that fails on demand then.
    pub(crate) is_of_network: bool,
    pub(crate) happen: fn(&Stage<'_>) -> Result<Passed, Failure>,
}

/// All of them.
pub(crate) const ALL: [Fault; 9] = [
    Fault {
        id: "kill",
        label: "broker killed, started again at once",
        is_of_network: false,
        happen: |stage| killed(stage, Duration::ZERO),
    },
    Fault {
        id: "kill-20",
        label: "broker killed, started again after 20 s",
        is_of_network: false,
        happen: |stage| killed(stage, Duration::from_secs(20)),
    },
    Fault {
        id: "kill-20-balancer",
        label: "the same behind a balancer, which accepts and resets meanwhile",
        is_of_network: true,
        happen: |stage| killed(stage, Duration::from_secs(20)),
    },
    Fault {
        id: "stop",
        label: "broker stopped in good order and started again",
        is_of_network: false,
        happen: stopped,
    },
    Fault {
        id: "cut",
        label: "connection reset 20 times, once a second",
        is_of_network: true,
        happen: cut,
    },
    Fault {
        id: "blackhole",
        label: "network passes nothing for 30 s",
        is_of_network: true,
        happen: blackhole,
    },
    Fault {
        id: "close",
        label: "connections closed 10 times by the operator",
        is_of_network: false,
        happen: closed,
    },
    Fault {
        id: "delete",
        label: "queue deleted while the network is down for 3 s",
        is_of_network: true,
        happen: deleted,
    },
    Fault {
        id: "alarm",
        label: "memory alarm while it recovers, for 5 s",
        is_of_network: true,
        happen: alarm,
    },
];

impl Stage<'_> {
    /// Takes the network away.
    fn disconnect(&self) {
        for program in self.programs {
            program.proxy.refuse();
            program.proxy.reset();
        }
    }

    /// Gives it back.
    fn heal(&self) {
        for program in self.programs {
            program.proxy.heal();
        }
    }
}

/// A fault that is over now and excuses nothing.
fn passed() -> Passed {
    Passed {
        over: Instant::now(),
        excused_until: None,
    }
}

fn killed(stage: &Stage<'_>, down: Duration) -> Result<Passed, Failure> {
    stage.broker.kill()?;
    sleep(down);
    stage.broker.start_again()?;
    Ok(passed())
}

fn stopped(stage: &Stage<'_>) -> Result<Passed, Failure> {
    stage.broker.stop()?;
    stage.broker.start_again()?;
    Ok(passed())
}

fn cut(stage: &Stage<'_>) -> Result<Passed, Failure> {
    for n in 0..20 {
        if n > 0 {
            sleep(Duration::from_secs(1));
        }
        for program in stage.programs {
            program.proxy.reset();
        }
    }
    Ok(passed())
}

/// As where packets are dropped: what was sent arrives once they are not, if the connection is
/// still there.
fn blackhole(stage: &Stage<'_>) -> Result<Passed, Failure> {
    for program in stage.programs {
        program.proxy.to_broker().stall();
        program.proxy.to_client().stall();
    }
    sleep(Duration::from_secs(30));
    stage.heal();
    Ok(passed())
}

fn closed(stage: &Stage<'_>) -> Result<Passed, Failure> {
    for _ in 0..10 {
        let command = [
            "close_all_connections",
            "--global",
            "closed by the operator",
        ];
        stage.broker.ctl(&command)?;
    }
    Ok(passed())
}

fn deleted(stage: &Stage<'_>) -> Result<Passed, Failure> {
    stage.disconnect();
    sleep(Duration::from_secs(1));
    for program in stage.programs {
        program.delete_queue()?;
    }
    // What was in it is gone with it; what is sent from now on is not.
    let excused_until = Some(Instant::now());
    sleep(Duration::from_secs(2));
    stage.heal();
    Ok(Passed {
        over: Instant::now(),
        excused_until,
    })
}

fn alarm(stage: &Stage<'_>) -> Result<Passed, Failure> {
    stage.disconnect();
    stage.broker.first().raise_alarm()?;
    stage.heal();
    sleep(Duration::from_secs(5));
    stage.broker.first().clear_alarm()?;
    Ok(passed())
}
