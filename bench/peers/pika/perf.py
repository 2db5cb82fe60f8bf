"""The bench program of pika. The rules are those of bench/harness.

`--variant blocking` (the default) uses BlockingConnection, `--variant select` the callbacks of
SelectConnection, which its documentation recommends where speed matters.
"""

import argparse
import json
import resource
import sys
import time
from collections import deque

import pika

PROPERTIES = pika.BasicProperties(delivery_mode=1)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("--url", required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--queue", default="bench-perf")
    parser.add_argument("--prefetch", type=int, default=0)
    parser.add_argument("--inflight", type=int, default=1000)
    parser.add_argument("--runtime")
    parser.add_argument("--slow-us", type=int, default=0)
    parser.add_argument("--variant", default="blocking")
    return parser.parse_args()


def status(name):
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def measure():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), usage.ru_utime, usage.ru_stime


class Section:
    """A timed section and its report."""

    def __init__(self, args):
        self.args = args
        self.latencies = []
        self.extra = {}
        self.rss = status("VmRSS")
        self.before = measure()

    def wait(self, seconds):
        self.latencies.append(seconds * 1e6)

    def end(self):
        wall, user, system = (b - a for a, b in zip(self.before, measure()))
        n = self.args.messages
        line = {
            "client": "pika-" + self.args.variant,
            "version": pika.__version__,
            "mode": self.args.mode,
            "n": n,
            "size": self.args.size,
            "wall_s": wall,
            "msgs_per_s": n / wall,
            "user_s": user,
            "sys_s": system,
            "cpu_us_per_msg": (user + system) * 1e6 / n,
            "max_rss_kb": status("VmHWM"),
            "rss_before_kb": self.rss,
            "rss_kb": status("VmRSS"),
            "threads": status("Threads"),
            **self.extra,
        }
        if self.latencies:
            self.latencies.sort()
            line["p50_us"] = self.latencies[len(self.latencies) // 2]
            line["p99_us"] = self.latencies[len(self.latencies) * 99 // 100]
        print(json.dumps(line), flush=True)


def blocking(args):
    parameters = pika.URLParameters(args.url)
    if args.mode == "conns":
        section = Section(args)
        _open = [pika.BlockingConnection(parameters) for _ in range(args.messages)]
        section.end()
        return
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    body = b"x" * args.size
    if args.mode == "publish":
        section = Section(args)
        for _ in range(args.messages):
            channel.basic_publish("", args.queue, body, PROPERTIES)
        declared = channel.queue_declare(args.queue, passive=True)
        section.extra["at_broker"] = declared.method.message_count
        section.end()
    elif args.mode in ("confirm", "confirm1"):
        # A blocking channel in confirm mode waits for every confirmation by itself.
        channel.confirm_delivery()
        section = Section(args)
        for _ in range(args.messages):
            start = time.monotonic()
            channel.basic_publish("", args.queue, body, PROPERTIES)
            if args.mode == "confirm1":
                section.wait(time.monotonic() - start)
        section.end()
    elif args.mode in ("consume-noack", "consume-ack"):
        if args.prefetch:
            channel.basic_qos(prefetch_count=args.prefetch)
        no_ack = args.mode == "consume-noack"
        count = size = 0
        section = Section(args)

        def on_message(channel, method, _properties, body):
            nonlocal count, size
            count += 1
            size += len(body)
            if not no_ack:
                channel.basic_ack(method.delivery_tag)
            if args.slow_us:
                time.sleep(args.slow_us / 1e6)
            if count == args.messages:
                section.end()
                channel.stop_consuming()

        channel.basic_consume(args.queue, on_message, auto_ack=no_ack, consumer_tag="bench")
        channel.start_consuming()
        if size != args.messages * args.size:
            sys.exit("not all bytes were delivered")
    elif args.mode == "declare":
        section = Section(args)
        for _ in range(args.messages):
            start = time.monotonic()
            channel.queue_declare(args.queue, passive=True)
            section.wait(time.monotonic() - start)
        section.end()
    elif args.mode == "channels":
        section = Section(args)
        _open = [connection.channel() for _ in range(args.messages)]
        section.end()
    else:
        sys.exit("there is no mode " + args.mode)
    connection.close()


class Select:
    """All modes but `conns` over SelectConnection."""

    def __init__(self, args):
        self.args = args
        self.body = b"x" * args.size
        self.count = self.bytes = self.confirmed = self.sent = 0
        self.section = None
        self.start = 0.0
        self.open = deque()
        self.connection = pika.SelectConnection(
            pika.URLParameters(args.url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.opened),
            on_open_error_callback=lambda _, error: sys.exit(f"connect: {error}"),
            on_close_callback=lambda connection, _: connection.ioloop.stop(),
        )

    def run(self):
        self.connection.ioloop.start()

    def done(self):
        self.section.end()
        self.connection.close()

    def opened(self, channel):
        self.channel = channel
        mode = self.args.mode
        if mode == "publish":
            self.section = Section(self.args)
            self.publish_batch()
        elif mode in ("confirm", "confirm1"):
            channel.confirm_delivery(self.on_confirm, callback=lambda _: self.begin_confirms())
        elif mode in ("consume-noack", "consume-ack"):
            if self.args.prefetch:
                channel.basic_qos(
                    prefetch_count=self.args.prefetch, callback=lambda _: self.consume()
                )
            else:
                self.consume()
        elif mode == "declare":
            self.section = Section(self.args)
            self.declare()
        elif mode == "channels":
            self.section = Section(self.args)
            self.open_channel(None)
        else:
            sys.exit("there is no mode " + mode + " with SelectConnection")

    def publish_batch(self):
        """Publishes so much that the loop has something to write, and no more."""
        for _ in range(min(1000, self.args.messages - self.sent)):
            self.channel.basic_publish("", self.args.queue, self.body, PROPERTIES)
            self.sent += 1
        if self.sent < self.args.messages:
            self.connection.ioloop.add_callback_threadsafe(self.publish_batch)
        else:
            self.channel.queue_declare(self.args.queue, passive=True, callback=self.on_flushed)

    def on_flushed(self, frame):
        self.section.extra["at_broker"] = frame.method.message_count
        self.done()

    def begin_confirms(self):
        self.section = Section(self.args)
        self.fill_window()

    def fill_window(self):
        window = 1 if self.args.mode == "confirm1" else self.args.inflight
        self.start = time.monotonic()
        while self.sent < self.args.messages and self.sent - self.confirmed < window:
            self.channel.basic_publish("", self.args.queue, self.body, PROPERTIES)
            self.sent += 1

    def on_confirm(self, frame):
        if not isinstance(frame.method, pika.spec.Basic.Ack):
            sys.exit("a publish was not acknowledged")
        if self.args.mode == "confirm1":
            self.section.wait(time.monotonic() - self.start)
        self.confirmed = max(self.confirmed, frame.method.delivery_tag)
        if self.confirmed == self.args.messages:
            self.done()
        else:
            self.fill_window()

    def consume(self):
        self.no_ack = self.args.mode == "consume-noack"
        self.section = Section(self.args)
        self.channel.basic_consume(
            self.args.queue, self.on_message, auto_ack=self.no_ack, consumer_tag="bench"
        )

    def on_message(self, channel, method, _properties, body):
        self.count += 1
        self.bytes += len(body)
        if not self.no_ack:
            channel.basic_ack(method.delivery_tag)
        if self.args.slow_us:
            time.sleep(self.args.slow_us / 1e6)
        if self.count == self.args.messages:
            if self.bytes != self.args.messages * self.args.size:
                sys.exit("not all bytes were delivered")
            self.done()

    def declare(self):
        self.start = time.monotonic()
        self.channel.queue_declare(self.args.queue, passive=True, callback=self.on_declared)

    def on_declared(self, _frame):
        self.section.wait(time.monotonic() - self.start)
        self.count += 1
        if self.count == self.args.messages:
            self.done()
        else:
            self.declare()

    def open_channel(self, channel):
        self.open.append(channel)
        if len(self.open) > self.args.messages:
            self.done()
        else:
            self.connection.channel(on_open_callback=self.open_channel)


def main():
    args = parse()
    if args.variant == "select" and args.mode != "conns":
        Select(args).run()
    else:
        blocking(args)


main()
