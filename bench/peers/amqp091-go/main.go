// The bench program of amqp091-go. The rules are those of bench/harness; the build, with the
// library where Debian puts it, is
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o peer-amqp091-go
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

type args struct {
	mode, url, queue                   string
	messages, size, prefetch, inflight int
	slow                               time.Duration
}

type taken struct {
	wall      time.Time
	user, sys time.Duration
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "amqp091-go:", err)
		os.Exit(1)
	}
}

func parse() args {
	a := args{queue: "bench-perf", size: 16, inflight: 1000}
	if len(os.Args) < 2 {
		check(fmt.Errorf("no mode"))
	}
	a.mode = os.Args[1]
	for i := 2; i+1 < len(os.Args); i += 2 {
		name, value := os.Args[i], os.Args[i+1]
		number := func() int {
			n, err := strconv.Atoi(value)
			check(err)
			return n
		}
		switch name {
		case "--url":
			a.url = value
		case "--queue":
			a.queue = value
		case "--messages":
			a.messages = number()
		case "--size":
			a.size = number()
		case "--prefetch":
			a.prefetch = number()
		case "--inflight":
			a.inflight = number()
		case "--slow-us":
			a.slow = time.Duration(number()) * time.Microsecond
		case "--runtime", "--variant":
		default:
			check(fmt.Errorf("%s is not an option", name))
		}
	}
	return a
}

func measure() taken {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return taken{time.Now(), time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())}
}

func statusField(name string) int {
	file, err := os.Open("/proc/self/status")
	check(err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == name {
			value, err := strconv.Atoi(fields[1])
			check(err)
			return value
		}
	}
	return -1
}

func report(a args, before taken, rssBefore int, latencies []time.Duration, atBroker int) {
	after := measure()
	n, wall := float64(a.messages), after.wall.Sub(before.wall).Seconds()
	user, sys := (after.user - before.user).Seconds(), (after.sys - before.sys).Seconds()
	line := map[string]interface{}{
		"client": "amqp091-go", "version": version(), "mode": a.mode, "n": a.messages, "size": a.size,
		"wall_s": wall, "msgs_per_s": n / wall, "user_s": user, "sys_s": sys,
		"cpu_us_per_msg": (user + sys) * 1e6 / n, "max_rss_kb": statusField("VmHWM:"),
		"rss_before_kb": rssBefore, "rss_kb": statusField("VmRSS:"), "threads": statusField("Threads:"),
	}
	if len(latencies) > 0 {
		sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
		line["p50_us"] = float64(latencies[len(latencies)/2].Nanoseconds()) / 1e3
		line["p99_us"] = float64(latencies[len(latencies)*99/100].Nanoseconds()) / 1e3
	}
	if atBroker >= 0 {
		line["at_broker"] = atBroker
	}
	text, err := json.Marshal(line)
	check(err)
	fmt.Println(string(text))
}

// The library tells its version only to brokers, and the build has no module information.
func version() string {
	if v := os.Getenv("PEER_VERSION"); v != "" {
		return v
	}
	return "unknown"
}

func passiveDeclare(a args, ch *amqp.Channel) int {
	queue, err := ch.QueueDeclarePassive(a.queue, false, false, false, false, nil)
	check(err)
	return queue.Messages
}

func message(body []byte) amqp.Publishing {
	return amqp.Publishing{DeliveryMode: amqp.Transient, Body: body}
}

func body(a args) []byte {
	return []byte(strings.Repeat("x", a.size))
}

func publish(a args, ch *amqp.Channel) {
	msg, ctx := message(body(a)), context.Background()
	rss, before := statusField("VmRSS:"), measure()
	for i := 0; i < a.messages; i++ {
		check(ch.PublishWithContext(ctx, "", a.queue, false, false, msg))
	}
	report(a, before, rss, nil, passiveDeclare(a, ch))
}

// Uses the listener rather than deferred confirmations: up to 1.5, those are registered after the
// publish was sent, so that a fast broker's confirmation finds nobody and is waited for in vain.
func confirm(a args, ch *amqp.Channel) {
	check(ch.Confirm(false))
	one := a.mode == "confirm1"
	window := a.inflight
	if one {
		window = 1
	}
	confirmations := ch.NotifyPublish(make(chan amqp.Confirmation, window))
	settled := func() {
		if c, ok := <-confirmations; !ok || !c.Ack {
			check(fmt.Errorf("a publish was not acknowledged"))
		}
	}
	msg, ctx := message(body(a)), context.Background()
	latencies := make([]time.Duration, 0, a.messages)
	pending := 0
	rss, before := statusField("VmRSS:"), measure()
	for i := 0; i < a.messages; i++ {
		start := time.Now()
		check(ch.PublishWithContext(ctx, "", a.queue, false, false, msg))
		for pending++; pending >= window; pending-- {
			settled()
		}
		if one {
			latencies = append(latencies, time.Since(start))
		}
	}
	for ; pending > 0; pending-- {
		settled()
	}
	report(a, before, rss, latencies, -1)
}

func consume(a args, ch *amqp.Channel) {
	noAck := a.mode == "consume-noack"
	if a.prefetch > 0 {
		check(ch.Qos(a.prefetch, 0, false))
	}
	rss, before := statusField("VmRSS:"), measure()
	deliveries, err := ch.Consume(a.queue, "bench", noAck, false, false, false, nil)
	check(err)
	bytes := 0
	for i := 0; i < a.messages; i++ {
		delivery, ok := <-deliveries
		if !ok {
			check(fmt.Errorf("the consumer ended"))
		}
		bytes += len(delivery.Body)
		if !noAck {
			check(delivery.Ack(false))
		}
		if a.slow > 0 {
			time.Sleep(a.slow)
		}
	}
	if bytes != a.messages*a.size {
		check(fmt.Errorf("not all bytes were delivered"))
	}
	report(a, before, rss, nil, -1)
}

func declare(a args, ch *amqp.Channel) {
	latencies := make([]time.Duration, 0, a.messages)
	rss, before := statusField("VmRSS:"), measure()
	for i := 0; i < a.messages; i++ {
		start := time.Now()
		passiveDeclare(a, ch)
		latencies = append(latencies, time.Since(start))
	}
	report(a, before, rss, latencies, -1)
}

func channels(a args, conn *amqp.Connection) {
	open := make([]*amqp.Channel, 0, a.messages)
	rss, before := statusField("VmRSS:"), measure()
	for i := 0; i < a.messages; i++ {
		ch, err := conn.Channel()
		check(err)
		open = append(open, ch)
	}
	report(a, before, rss, nil, -1)
}

func connections(a args) {
	open := make([]*amqp.Connection, 0, a.messages)
	rss, before := statusField("VmRSS:"), measure()
	for i := 0; i < a.messages; i++ {
		conn, err := amqp.Dial(a.url)
		check(err)
		open = append(open, conn)
	}
	report(a, before, rss, nil, -1)
}

func main() {
	a := parse()
	if a.mode == "conns" {
		connections(a)
		return
	}
	conn, err := amqp.Dial(a.url)
	check(err)
	ch, err := conn.Channel()
	check(err)
	switch a.mode {
	case "publish":
		publish(a, ch)
	case "confirm", "confirm1":
		confirm(a, ch)
	case "consume-noack", "consume-ack":
		consume(a, ch)
	case "declare":
		declare(a, ch)
	case "channels":
		channels(a, conn)
	default:
		check(fmt.Errorf("%s is not a mode", a.mode))
	}
	check(conn.Close())
}
