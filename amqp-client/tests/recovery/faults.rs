//! What the workload is taken through.

use std::time::Duration;

use tokio::time::sleep;

use crate::oracles::Excuses;
use crate::stage::{Setting, run};
use crate::workload::Kind;

/// What the oracles are measured by.
#[test]
fn a_healthy_broker_satisfies_all_oracles() {
    let excuses = Excuses {
        stays_connected: true,
        ..Excuses::default()
    };
    for kind in [Kind::Classic, Kind::Quorum] {
        let setting = Setting {
            excuses,
            kind,
            ..Setting::new("none")
        };
        run(setting, async |_, _| sleep(Duration::from_secs(1)).await);
    }
}
