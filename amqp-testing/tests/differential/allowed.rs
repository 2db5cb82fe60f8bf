//! The probes that are allowed to differ, by the reason.

use amqp_testing::memory::Like::{self, RabbitMq3_10, RabbitMq4_0};

/// Probes whose transcripts differ, and why that is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) reason: &'static str,
    /// Where they differ.
    pub(crate) likes: &'static [Like],
    pub(crate) probes: &'static [&'static str],
}

const BOTH: &[Like] = &[RabbitMq3_10, RabbitMq4_0];

/// All of them. A probe that does not differ any more fails the test.
pub(crate) const ALLOWED: &[Allowed] = &[
    Allowed {
        reason: "AMQP 1.0 is not modelled, whose SASL layer 4.0 begins here",
        likes: &[RabbitMq4_0],
        probes: &["header_1_0_with_sasl"],
    },
    Allowed {
        reason: "3.10 leaves messages lying when another consumer becomes the active one",
        likes: &[RabbitMq3_10],
        probes: &["single_active_cancelled"],
    },
    Allowed {
        reason: "quorum queues are not modelled",
        likes: BOTH,
        probes: &["arguments_quorum"],
    },
    Allowed {
        reason: "times to live are not modelled, of messages or queues",
        likes: BOTH,
        probes: &[
            "arguments_several_differ",
            "arguments_ttl_of_long_long",
            "arguments_ttl_zero",
            "consume_from_an_expired_message",
            "expire_at_once",
            "expire_at_once_is_delivered",
            "expire_at_the_head_only",
            "expire_by_message",
            "expire_by_queue",
            "expire_by_the_shorter",
            "expire_not_while_unacked",
            "publish_all_properties",
            "publish_expiration_of_ten_years",
            "queue_expires",
            "queue_expires_not_while_consumed",
        ],
    },
    Allowed {
        reason: "dead letters are not modelled",
        likes: BOTH,
        probes: &[
            "arguments_dead_letter_exchange_missing",
            "arguments_text_differs",
            "dead_by_two_queues",
            "dead_dropped_from_the_head",
            "dead_exchange_missing",
            "dead_expired",
            "dead_expired_by_message",
            "dead_in_a_circle",
            "dead_in_a_circle_by_rejects",
            "dead_keeps_cc",
            "dead_key_of_its_own",
            "dead_nacked",
            "dead_of_a_deleted_queue",
            "dead_of_a_purged_queue",
            "dead_properties_kept",
            "dead_rejected",
            "dead_rejected_as_published",
            "dead_requeued_not",
            "dead_to_the_default_exchange",
            "dead_twice",
            "may_not_dead_letter",
        ],
    },
];

/// Why a probe may differ, if it may.
pub(crate) fn reason(probe: &str, like: Like) -> Option<&'static str> {
    let mut allowed = ALLOWED.iter().filter(|it| it.likes.contains(&like));
    let entry = allowed.find(|it| it.probes.contains(&probe))?;
    Some(entry.reason)
}
