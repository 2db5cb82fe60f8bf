//! Which version of RabbitMQ a broker is, for what it does differently and does not announce.

use amqp_spec::wire::TableRef;

/// The first RabbitMQ that takes a limit of the whole channel for one of each consumer.
pub(crate) const LIMITS_PER_CONSUMER: (u32, u32) = (4, 3);

/// Major and minor version, read out of the broker's properties; `None` if it is not RabbitMQ. What
/// cannot be read counts as the oldest.
pub(crate) fn rabbitmq_version(properties: TableRef<'_>) -> Option<(u32, u32)> {
    let property = |name| properties.get(name).ok().flatten();
    property("product").filter(|product| product.as_str() == Some("RabbitMQ"))?;
    let version = property("version");
    let text = version.and_then(|version| version.as_str());
    let mut numbers = text
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    Some((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;

    use super::*;

    #[test]
    fn versions_are_those_of_rabbitmq_alone() {
        let version = |product, version| {
            let properties = field_table! { "product" => product, "version" => version };
            rabbitmq_version(properties.as_ref())
        };
        assert_eq!(version("RabbitMQ", "3.10.8"), Some((3, 10)));
        assert_eq!(version("RabbitMQ", "4.3.6+dev"), Some((4, 3)));
        assert_eq!(version("RabbitMQ", "10.0.0-rc.1"), Some((10, 0)));
        assert_eq!(version("RabbitMQ", "what"), Some((0, 0)));
        assert_eq!(version("RabbitMQ", "99999999999.1"), Some((0, 1)));
        assert_eq!(version("LavinMQ", "4.3.0"), None);
        assert_eq!(rabbitmq_version(field_table! {}.as_ref()), None);
    }
}
