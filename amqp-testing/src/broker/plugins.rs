//! Plugins that listen: on a free port of the loopback interface, as everything of a private broker
//! does. Left alone, they would take their usual ports on every interface.

/// The settings of one plugin; `{}` stands for its port.
struct Listener {
    plugin: &'static str,
    /// The listening plugin that comes with it.
    brings: Option<&'static str>,
    /// Lines of `rabbitmq.conf`.
    lines: &'static [&'static str],
    /// A term of `advanced.config`, for what has no setting elsewhere.
    term: &'static str,
}

const LISTENERS: &[Listener] = &[
    Listener {
        plugin: "rabbitmq_mqtt",
        brings: None,
        lines: &["mqtt.listeners.tcp.1 = 127.0.0.1:{}"],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_prometheus",
        brings: None,
        lines: &["prometheus.tcp.ip = 127.0.0.1", "prometheus.tcp.port = {}"],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_stomp",
        brings: None,
        lines: &["stomp.listeners.tcp.1 = 127.0.0.1:{}"],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_stream",
        brings: None,
        lines: &[
            "stream.listeners.tcp.1 = 127.0.0.1:{}",
            // What clients are told to connect to.
            "stream.advertised_host = 127.0.0.1",
            "stream.advertised_port = {}",
        ],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_stream_management",
        brings: Some("rabbitmq_stream"),
        lines: &[],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_web_mqtt",
        brings: Some("rabbitmq_mqtt"),
        lines: &["web_mqtt.tcp.ip = 127.0.0.1", "web_mqtt.tcp.port = {}"],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_web_mqtt_examples",
        brings: Some("rabbitmq_web_mqtt"),
        lines: &[],
        term: "{rabbitmq_web_mqtt_examples, [{listener, [{ip, \"127.0.0.1\"}, {port, {}}]}]}",
    },
    Listener {
        plugin: "rabbitmq_web_stomp",
        brings: Some("rabbitmq_stomp"),
        lines: &["web_stomp.tcp.ip = 127.0.0.1", "web_stomp.tcp.port = {}"],
        term: "",
    },
    Listener {
        plugin: "rabbitmq_web_stomp_examples",
        brings: Some("rabbitmq_web_stomp"),
        lines: &[],
        term: "{rabbitmq_web_stomp_examples, [{listener, [{ip, \"127.0.0.1\"}, {port, {}}]}]}",
    },
];

impl Listener {
    fn of(plugin: &str) -> Option<&'static Self> {
        LISTENERS.iter().find(|listener| listener.plugin == plugin)
    }

    fn listens(&self) -> bool {
        !(self.lines.is_empty() && self.term.is_empty())
    }
}

/// Those that listen once these plugins are enabled, each once.
pub(super) fn listening(plugins: &[String]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for plugin in plugins {
        let mut next = Listener::of(plugin);
        while let Some(listener) = next {
            if listener.listens() && !found.contains(&listener.plugin) {
                found.push(listener.plugin);
            }
            next = listener.brings.and_then(Listener::of);
        }
    }
    found
}

/// What `rabbitmq.conf` says of one plugin's port.
pub(super) fn lines(plugin: &str, port: u16) -> impl Iterator<Item = String> {
    let lines = Listener::of(plugin).map_or(&[][..], |listener| listener.lines);
    lines
        .iter()
        .map(move |line| line.replace("{}", &port.to_string()))
}

/// The text of `advanced.config`.
pub(super) fn advanced(ports: &[(String, u16)]) -> String {
    let terms: Vec<_> = ports
        .iter()
        .filter_map(|(plugin, port)| {
            let term = Listener::of(plugin)?.term;
            (!term.is_empty()).then(|| term.replace("{}", &port.to_string()))
        })
        .collect();
    format!("[{}].\n", terms.join(",\n "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening_with(plugins: &[&str]) -> Vec<&'static str> {
        let plugins: Vec<_> = plugins.iter().map(|&plugin| plugin.to_owned()).collect();
        listening(&plugins)
    }

    #[test]
    fn what_a_plugin_brings_listens_too() {
        assert_eq!(listening_with(&["rabbitmq_shovel"]), [""; 0]);
        assert_eq!(
            listening_with(&["rabbitmq_stream_management"]),
            ["rabbitmq_stream"]
        );
        let both = listening_with(&["rabbitmq_web_stomp_examples", "rabbitmq_stomp"]);
        let expected = [
            "rabbitmq_web_stomp_examples",
            "rabbitmq_web_stomp",
            "rabbitmq_stomp",
        ];
        assert_eq!(both, expected);
    }

    #[test]
    fn every_setting_names_the_port_and_the_loopback_interface() {
        for listener in LISTENERS.iter().filter(|listener| listener.listens()) {
            let settings = listener.lines.join("\n") + listener.term;
            assert!(settings.contains("{}"), "{}", listener.plugin);
            assert!(settings.contains("127.0.0.1"), "{}", listener.plugin);
        }
        let ports = [("rabbitmq_web_mqtt_examples".to_owned(), 7)];
        let expected =
            "[{rabbitmq_web_mqtt_examples, [{listener, [{ip, \"127.0.0.1\"}, {port, 7}]}]}].\n";
        assert_eq!(advanced(&ports), expected);
        assert_eq!(advanced(&[]), "[].\n");
    }
}
