//! How often a channel is opened in the place of one that the broker has closed.

use std::time::Duration;

use crate::proto::time::pace::{FIRST_PAUSE, Pace, YOUNG};
use crate::tests::support::pair::now;

#[test]
fn channels_that_die_young_are_opened_further_and_further_apart() {
    let mut at = now();
    let mut pace = Pace::new(at);
    let pauses = [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis);
    for pause in pauses {
        let wanted = pace.wanted(at);
        assert_eq!(wanted, at + pause);
        at = wanted;
        pace.opened(at);
    }
    // What has passed since counts.
    let later = at + Duration::from_secs(6);
    assert!(pace.wanted(later) <= later);
    pace.opened(later);
    // One that has lived makes up for all before.
    at = later + YOUNG;
    assert_eq!(pace.wanted(at), at);
    pace.opened(at);
    assert_eq!(pace.wanted(at), at, "the first that dies young");
    pace.opened(at);
    assert_eq!(pace.wanted(at), at + FIRST_PAUSE);
}
