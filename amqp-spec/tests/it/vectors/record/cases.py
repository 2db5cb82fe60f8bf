"""Writes cases.json: what the recorders encode. One case a line.

    python3 cases.py > cases.json

A case is a vector as the README beside this file describes it, without its octets, and with the
recorders that can express it: amqplib can name the type of every table value, pamqp picks types
itself (the smallest integer that fits, `f` for floats) and sorts the names of a table.
"""

import json

BOTH = ["pamqp", "amqplib"]
AMQPLIB = ["amqplib"]
ALL = {
    "bool-0": {"t": False}, "bool-1": {"t": True},
    "b-max": {"b": 127}, "b-min": {"b": -128},
    "s-max": {"s": 32767}, "s-min": {"s": -32768}, "s-small": {"s": 128},
    "I-max": {"I": 2147483647}, "I-min": {"I": -2147483648},
    "l-max": {"l": 9007199254740991}, "l-min": {"l": -9007199254740991},
    "D": {"D": [2, 31415]}, "D-0": {"D": [0, 7]},
    "S": "text", "S-empty": "", "S-utf8": "schön 🐇",
    "T": {"T": 1700000000}, "T-0": {"T": 0},
    "V": {"V": None},
    "x": {"x": {"hex": "00ff80"}}, "x-empty": {"x": {"hex": ""}},
}
TYPED = {
    "B": {"B": 255}, "u": {"u": 65535}, "i": {"i": 4294967295}, "I-small": {"I": 1},
    "l-small": {"l": 1}, "f": {"f": 0.15625}, "d": {"d": 0.1}, "d-min": {"d": -1.5e300},
}
NESTED = [
    ["a", {"A": []}],
    ["b", {"A": [{"b": 1}, "two", {"A": [{"t": True}, {"V": None}]}, {"F": [["k", "v"]]}]}],
    ["c", {"F": []}],
    ["d", {"F": [["list", {"A": [{"F": [["deep", {"F": [["deeper", {"b": 5}]]}]]}]}], ["n", {"V": None}]]}],
]
CAPABILITIES = [
    [name, {"t": True}]
    for name in sorted([
        "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "authentication_failure_close", "per_consumer_qos",
    ])
]
SERVER = [
    ["capabilities", {"F": CAPABILITIES}], ["cluster_name", "rabbit@node"], ["copyright", "…"],
    ["platform", "Erlang/OTP 25.2.3"], ["product", "RabbitMQ"], ["version", "3.10.8"],
]

cases = []


def add(by, name, *fields, **extra):
    cases.append({"by": by, "name": name, "channel": extra.pop("channel", 5),
                  **extra, "fields": list(fields)})


def declare(by, arguments):
    add(by, "queue.declare", ["ticket", "short", 0], ["queue", "shortstr", "q"],
        ["passive", "bit", False], ["durable", "bit", True], ["exclusive", "bit", False],
        ["auto-delete", "bit", False], ["no-wait", "bit", False],
        ["arguments", "table", arguments])


# Every value type alone, then together.
for key, value in ALL.items():
    declare(BOTH, [[key, value]])
for key, value in TYPED.items():
    declare(AMQPLIB, [[key, value]])
declare(["pamqp"], [["f", {"f": 0.15625}]])
declare(["pamqp"], [["l-beyond-js", {"l": 9223372036854775807}]])
declare(["pamqp"], [["l-below-js", {"l": -9223372036854775808}]])
declare(["pamqp"], [["D-negative", {"D": [2, -31415]}]])
declare(BOTH, sorted([key, value] for key, value in ALL.items()))
declare(AMQPLIB, [[key, value] for key, value in {**TYPED, **ALL}.items()])
declare(BOTH, NESTED)
declare(BOTH, [])
declare(BOTH, [["", "empty name"]])
declare(AMQPLIB, [["n" * 255, "longest name"]])
declare(BOTH, [["x-dead-letter-exchange", "dlx"], ["x-max-length", {"s": 10000}],
               ["x-queue-type", "quorum"]])

add(BOTH, "connection.start", ["version-major", "octet", 0], ["version-minor", "octet", 9],
    ["server-properties", "table", SERVER], ["mechanisms", "longstr", "PLAIN AMQPLAIN"],
    ["locales", "longstr", "en_US"], channel=0)
add(BOTH, "connection.start-ok", ["client-properties", "table", SERVER],
    ["mechanism", "shortstr", "PLAIN"], ["response", "longstr", "\0guest\0guest"],
    ["locale", "shortstr", "en_US"], channel=0)
add(BOTH, "basic.consume", ["ticket", "short", 0], ["queue", "shortstr", "q"],
    ["consumer-tag", "shortstr", ""], ["no-local", "bit", False], ["no-ack", "bit", True],
    ["exclusive", "bit", False], ["no-wait", "bit", False],
    ["arguments", "table", [["x-priority", {"b": 10}]]])
add(BOTH, "exchange.bind", ["ticket", "short", 0], ["destination", "shortstr", "d"],
    ["source", "shortstr", "s"], ["routing-key", "shortstr", "k" * 255],
    ["no-wait", "bit", False], ["arguments", "table", NESTED], channel=65535)
add(["pamqp"], "basic.ack", ["delivery-tag", "longlong", 9223372036854775807],
    ["multiple", "bit", False])

# Content headers: each property alone, all, none; headers with all kinds of values.
PROPERTIES = [
    ["content-type", "shortstr", "application/json"], ["content-encoding", "shortstr", "gzip"],
    ["headers", "table", [["k", "v"], ["n", {"I": 100000}]]], ["delivery-mode", "octet", 2],
    ["priority", "octet", 9], ["correlation-id", "shortstr", "c-1"],
    ["reply-to", "shortstr", "amq.rabbitmq.reply-to"], ["expiration", "shortstr", "60000"],
    ["message-id", "shortstr", "m" * 255], ["timestamp", "timestamp", 1700000000],
    ["type", "shortstr", "order.created"], ["user-id", "shortstr", "guest"],
    ["app-id", "shortstr", "schön"],
]


def header(by, fields, size):
    cases.append({"by": by, "name": "basic.properties", "class": 60, "channel": 5,
                  "body-size": size, "fields": fields})


header(BOTH, [], 0)
for i, prop in enumerate(PROPERTIES):
    header(BOTH, [prop], i)
for i in range(len(PROPERTIES)):
    header(BOTH, PROPERTIES[:i] + PROPERTIES[i + 1:], 2**32 + i)
header(BOTH, PROPERTIES, 2**53 - 1)
header(BOTH, [["headers", "table", NESTED]], 16)
header(BOTH, [["headers", "table", []]], 16)
header(BOTH, [["headers", "table", sorted([k, v] for k, v in ALL.items())]], 16)
header(AMQPLIB, [["headers", "table", [[k, v] for k, v in TYPED.items()]]], 16)

for body in ["00", "ce", "616d7170" * 4, "ab" * 4088]:
    cases.append({"by": BOTH, "name": "body", "channel": 5, "body": body})
cases.append({"by": BOTH, "name": "heartbeat", "channel": 0})

print("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]")
