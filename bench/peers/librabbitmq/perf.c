/* The bench program of librabbitmq (rabbitmq-c), a blocking client that does everything on the
 * calling thread. The rules are those of bench/harness; the build is
 *
 *     cc -O2 -o peer-librabbitmq perf.c -lrabbitmq
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

enum { FRAME_MAX = 131072, HEARTBEAT = 60, CHANNEL = 1 };

struct args {
  const char *mode, *queue;
  char host[256], user[128], password[128];
  int port, prefetch, inflight;
  uint64_t messages;
  size_t size;
  long slow_us;
};

struct taken {
  double wall, user, sys;
};

static void fail(const char *what) {
  fprintf(stderr, "librabbitmq: %s\n", what);
  exit(1);
}

static void check(int status, const char *what) {
  if (status != AMQP_STATUS_OK) {
    fprintf(stderr, "librabbitmq: %s: %s\n", what, amqp_error_string2(status));
    exit(1);
  }
}

static void check_reply(amqp_rpc_reply_t reply, const char *what) {
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
    check(reply.library_error, what);
    fail(what);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct taken measure(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  struct taken t = {
      .wall = now(),
      .user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6,
      .sys = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6,
  };
  return t;
}

static long status_field(const char *name) {
  char line[256];
  long value = -1;
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL) fail("no /proc/self/status");
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, strlen(name)) == 0) value = strtol(line + strlen(name), NULL, 10);
  }
  fclose(file);
  return value;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void report(const struct args *args, struct taken before, long rss_before, double *latencies,
                   long at_broker) {
  struct taken after = measure();
  double n = (double)args->messages, wall = after.wall - before.wall;
  double user = after.user - before.user, sys = after.sys - before.sys;
  printf("{\"client\":\"librabbitmq\",\"version\":\"%s\",\"mode\":\"%s\",\"n\":%llu,\"size\":%zu,"
         "\"wall_s\":%.6f,\"msgs_per_s\":%.1f,\"user_s\":%.6f,\"sys_s\":%.6f,"
         "\"cpu_us_per_msg\":%.5f,\"max_rss_kb\":%ld,\"rss_before_kb\":%ld,\"rss_kb\":%ld,"
         "\"threads\":%ld",
         amqp_version(), args->mode, (unsigned long long)args->messages, args->size, wall, n / wall,
         user, sys, (user + sys) * 1e6 / n, status_field("VmHWM:"), rss_before,
         status_field("VmRSS:"), status_field("Threads:"));
  if (latencies != NULL && args->messages > 0) {
    qsort(latencies, args->messages, sizeof *latencies, by_value);
    printf(",\"p50_us\":%.2f,\"p99_us\":%.2f", latencies[args->messages / 2] * 1e6,
           latencies[args->messages * 99 / 100] * 1e6);
  }
  if (at_broker >= 0) printf(",\"at_broker\":%ld", at_broker);
  printf("}\n");
}

static void parse_url(struct args *args, const char *url) {
  struct amqp_connection_info info;
  char *copy = strdup(url);
  check(amqp_parse_url(copy, &info), "URL");
  snprintf(args->host, sizeof args->host, "%s", info.host);
  snprintf(args->user, sizeof args->user, "%s", info.user);
  snprintf(args->password, sizeof args->password, "%s", info.password);
  args->port = info.port;
  free(copy);
}

static struct args parse(int argc, char **argv) {
  struct args args = {.mode = argc > 1 ? argv[1] : "", .queue = "bench-perf", .size = 16,
                      .inflight = 1000};
  for (int i = 2; i + 1 < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (strcmp(name, "--url") == 0) parse_url(&args, value);
    else if (strcmp(name, "--messages") == 0) args.messages = strtoull(value, NULL, 10);
    else if (strcmp(name, "--size") == 0) args.size = strtoull(value, NULL, 10);
    else if (strcmp(name, "--queue") == 0) args.queue = value;
    else if (strcmp(name, "--prefetch") == 0) args.prefetch = atoi(value);
    else if (strcmp(name, "--inflight") == 0) args.inflight = atoi(value);
    else if (strcmp(name, "--slow-us") == 0) args.slow_us = atol(value);
    else if (strcmp(name, "--runtime") != 0 && strcmp(name, "--variant") != 0) fail("unknown option");
  }
  if (args.port == 0) fail("--url is missing");
  return args;
}

static amqp_connection_state_t open_connection(const struct args *args) {
  amqp_connection_state_t conn = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(conn);
  if (socket == NULL) fail("no socket");
  check(amqp_socket_open(socket, args->host, args->port), "connect");
  check_reply(amqp_login(conn, "/", 0, FRAME_MAX, HEARTBEAT, AMQP_SASL_METHOD_PLAIN, args->user,
                         args->password),
              "login");
  amqp_channel_open(conn, CHANNEL);
  check_reply(amqp_get_rpc_reply(conn), "channel.open");
  return conn;
}

static void publish_one(amqp_connection_state_t conn, amqp_bytes_t key, amqp_bytes_t body,
                        const amqp_basic_properties_t *properties) {
  check(amqp_basic_publish(conn, CHANNEL, amqp_empty_bytes, key, 0, 0, properties, body), "publish");
}

static long passive_declare(amqp_connection_state_t conn, amqp_bytes_t queue) {
  amqp_queue_declare_ok_t *ok =
      amqp_queue_declare(conn, CHANNEL, queue, 1, 0, 0, 0, amqp_empty_table);
  check_reply(amqp_get_rpc_reply(conn), "queue.declare");
  long count = ok->message_count;
  amqp_maybe_release_buffers(conn);
  return count;
}

/* Waits for one confirmation and returns its tag. */
static uint64_t wait_confirmation(amqp_connection_state_t conn) {
  amqp_frame_t frame;
  for (;;) {
    check(amqp_simple_wait_frame(conn, &frame), "confirmation");
    if (frame.frame_type != AMQP_FRAME_METHOD) continue;
    if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD) fail("a publish was not acknowledged");
    uint64_t tag = ((amqp_basic_ack_t *)frame.payload.method.decoded)->delivery_tag;
    amqp_maybe_release_buffers(conn);
    return tag;
  }
}

static void publish(const struct args *args, amqp_connection_state_t conn) {
  int confirms = strcmp(args->mode, "publish") != 0, one = strcmp(args->mode, "confirm1") == 0;
  uint64_t window = one ? 1 : (uint64_t)args->inflight;
  amqp_bytes_t key = amqp_cstring_bytes(args->queue), body = amqp_bytes_malloc(args->size);
  memset(body.bytes, 'x', body.len);
  amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 1};
  double *latencies = one ? malloc(args->messages * sizeof *latencies) : NULL;
  long at_broker = -1;
  if (confirms) {
    amqp_confirm_select(conn, CHANNEL);
    check_reply(amqp_get_rpc_reply(conn), "confirm.select");
  }
  long rss = status_field("VmRSS:");
  struct taken before = measure();
  uint64_t confirmed = 0;
  for (uint64_t tag = 1; tag <= args->messages; tag++) {
    double start = one ? now() : 0;
    publish_one(conn, key, body, &properties);
    while (confirms && tag - confirmed >= window) {
      uint64_t upto = wait_confirmation(conn);
      if (upto > confirmed) confirmed = upto;
    }
    if (one) latencies[tag - 1] = now() - start;
  }
  while (confirms && confirmed < args->messages) confirmed = wait_confirmation(conn);
  if (!confirms) at_broker = passive_declare(conn, key);
  report(args, before, rss, latencies, at_broker);
  free(latencies);
  amqp_bytes_free(body);
}

static void consume(const struct args *args, amqp_connection_state_t conn) {
  int no_ack = strcmp(args->mode, "consume-noack") == 0;
  uint64_t bytes = 0;
  if (args->prefetch > 0) {
    amqp_basic_qos(conn, CHANNEL, 0, (uint16_t)args->prefetch, 0);
    check_reply(amqp_get_rpc_reply(conn), "basic.qos");
  }
  long rss = status_field("VmRSS:");
  struct taken before = measure();
  amqp_basic_consume(conn, CHANNEL, amqp_cstring_bytes(args->queue), amqp_cstring_bytes("bench"), 0,
                     no_ack, 0, amqp_empty_table);
  check_reply(amqp_get_rpc_reply(conn), "basic.consume");
  for (uint64_t i = 0; i < args->messages; i++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(conn);
    check_reply(amqp_consume_message(conn, &envelope, NULL, 0), "delivery");
    bytes += envelope.message.body.len;
    if (!no_ack) check(amqp_basic_ack(conn, CHANNEL, envelope.delivery_tag, 0), "basic.ack");
    amqp_destroy_envelope(&envelope);
    if (args->slow_us > 0) usleep((useconds_t)args->slow_us);
  }
  if (bytes != args->messages * args->size) fail("not all bytes were delivered");
  report(args, before, rss, NULL, -1);
}

static void declare(const struct args *args, amqp_connection_state_t conn) {
  double *latencies = malloc(args->messages * sizeof *latencies);
  amqp_bytes_t queue = amqp_cstring_bytes(args->queue);
  long rss = status_field("VmRSS:");
  struct taken before = measure();
  for (uint64_t i = 0; i < args->messages; i++) {
    double start = now();
    passive_declare(conn, queue);
    latencies[i] = now() - start;
  }
  report(args, before, rss, latencies, -1);
  free(latencies);
}

static void channels(const struct args *args, amqp_connection_state_t conn) {
  long rss = status_field("VmRSS:");
  struct taken before = measure();
  for (uint64_t i = 0; i < args->messages; i++) {
    amqp_channel_open(conn, (amqp_channel_t)(i + 2));
    check_reply(amqp_get_rpc_reply(conn), "channel.open");
  }
  report(args, before, rss, NULL, -1);
}

static void connections(const struct args *args) {
  long rss = status_field("VmRSS:");
  struct taken before = measure();
  for (uint64_t i = 0; i < args->messages; i++) open_connection(args);
  report(args, before, rss, NULL, -1);
}

int main(int argc, char **argv) {
  struct args args = parse(argc, argv);
  if (strcmp(args.mode, "conns") == 0) {
    connections(&args);
    return 0;
  }
  amqp_connection_state_t conn = open_connection(&args);
  if (strcmp(args.mode, "publish") == 0 || strcmp(args.mode, "confirm") == 0 ||
      strcmp(args.mode, "confirm1") == 0)
    publish(&args, conn);
  else if (strcmp(args.mode, "consume-noack") == 0 || strcmp(args.mode, "consume-ack") == 0)
    consume(&args, conn);
  else if (strcmp(args.mode, "declare") == 0) declare(&args, conn);
  else if (strcmp(args.mode, "channels") == 0) channels(&args, conn);
  else fail("unknown mode");
  amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(conn);
  return 0;
}
