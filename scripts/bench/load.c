/*
 * The load: many imagezmq senders in one process. Each is a REQ socket that sends a text and a
 * payload, waits for the reply, and then sends again, at once or at a fixed rate. It is written in
 * C to leave the processor to the hub.
 *
 * Options without a default are required:
 *
 *     --endpoint tcp://127.0.0.1:PORT   loopback addresses only
 *     --senders N --talking N           senders that connect, and that send; default all
 *     --text TEXT                       the first frame; each # becomes the sender's number
 *     --payload FILE                    the second frame
 *     --warmup S --seconds S            time that is not measured, and that is
 *     --count N                         maximum requests of all senders together
 *     --rate R                          requests per second of each sender; default 0: as fast as
 *                                       the replies come
 *     --threads N                       default 1; each has its own libzmq context
 *     --greet 0                         for a hub that is starting: does not wait for all
 *                                       connections, and reconnects quickly
 *
 * Prints `measuring` when the measured time begins, `measured` when it ends, and then one line of
 * JSON. Ends by itself: after the time or the count, or after ANSWER_US_MAX without an answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
  SENDERS_MAX = 10000,
  THREADS_MAX = 64,
  SECONDS_MAX = 3600,
  TEXT_BYTES_MAX = 512,
  /* Maximum answer times kept per thread. Unused ones take no memory. */
  LATENCIES_MAX = 1 << 23,
  /* How long to wait for connections, and for answers after the end. */
  ANSWER_US_MAX = 10 * 1000 * 1000,
  /* How often to check all sockets, even if epoll reports nothing. */
  LOOK_MS = 100,
};

static const char *endpoint = "", *text = "", *payload_file = "";
static long senders = 1, talking = -1, threads = 1, greet = 1;
static double warmup_s = 0, seconds = 0, rate = 0;
static long long count_max = 0;

static char *payload;
static size_t payload_bytes;
static atomic_llong count_sent;
/* When to send requests and to measure answers, in microseconds of the monotonic clock. */
static uint64_t start_us, measure_us, end_us;
static pthread_barrier_t greeted;
static sem_t stopped;

struct sender {
  void *socket;
  uint64_t sent_us, due_us;
  int number, waits;
};

struct worker {
  pthread_t thread;
  void *context;
  struct sender *senders;
  int count, talking, waiting, epoll;
  uint32_t *latencies;
  size_t latency_count;
  long long ok, other, measured;
  uint64_t last_us, first_ok_epoch_us;
  int idle_senders;
};

static uint64_t clock_us(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static uint64_t now_us(void) { return clock_us(CLOCK_MONOTONIC); }

static void die(int status, const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(status);
}

static void leave(void *data, void *hint) { (void)data, (void)hint; }

/* Sends two frames; the payload is not copied. */
static void send_request(struct worker *worker, struct sender *sender, const char *head, size_t bytes) {
  zmq_msg_t body;
  zmq_msg_init_data(&body, payload, bytes, leave, NULL);
  if (zmq_send(sender->socket, head, strlen(head), ZMQ_SNDMORE) < 0 || zmq_msg_send(&body, sender->socket, 0) < 0)
    die(1, zmq_strerror(errno));
  sender->sent_us = now_us();
  sender->waits = 1;
  worker->waiting++;
}

/* The text with the sender's number in it. */
static void fill_text(char *to, int number) {
  size_t length = 0;
  for (const char *from = text; *from && length < TEXT_BYTES_MAX - 12; from++) {
    if (*from == '#') length += (size_t)sprintf(to + length, "%d", number);
    else to[length++] = *from;
  }
  to[length] = 0;
}

static int may_send(uint64_t at_us) {
  if (seconds > 0 && at_us >= end_us) return 0;
  return atomic_fetch_add(&count_sent, 1) < count_max;
}

static void send_next(struct worker *worker, struct sender *sender) {
  char head[TEXT_BYTES_MAX];
  uint64_t at_us = now_us();
  if (!may_send(at_us)) {
    worker->idle_senders++;
    sender->due_us = UINT64_MAX;
    return;
  }
  fill_text(head, sender->number);
  send_request(worker, sender, head, payload_bytes);
  if (rate > 0) {
    uint64_t step_us = (uint64_t)(1e6 / rate);
    sender->due_us += step_us;
    /* After a delay, do not send faster to catch up. */
    if (sender->due_us + step_us < at_us) sender->due_us = at_us;
  }
}

/* Takes an answer if there is one. Returns whether there was. */
static int receive(struct worker *worker, struct sender *sender, int counts) {
  zmq_msg_t reply;
  zmq_msg_init(&reply);
  int bytes = zmq_msg_recv(&reply, sender->socket, ZMQ_DONTWAIT);
  if (bytes < 0) {
    if (errno != EAGAIN && errno != EINTR) die(1, zmq_strerror(errno));
    return 0;
  }
  int ok = bytes == 2 && memcmp(zmq_msg_data(&reply), "OK", 2) == 0;
  while (zmq_msg_more(&reply)) zmq_msg_recv(&reply, sender->socket, 0);
  zmq_msg_close(&reply);
  uint64_t at_us = now_us();
  sender->waits = 0;
  worker->waiting--;
  if (!counts) return 1;
  if (ok && worker->ok++ == 0) worker->first_ok_epoch_us = clock_us(CLOCK_REALTIME);
  if (!ok) worker->other++;
  worker->last_us = at_us;
  if (at_us >= measure_us && (seconds <= 0 || at_us < end_us)) {
    worker->measured += ok;
    if (worker->latency_count < LATENCIES_MAX)
      worker->latencies[worker->latency_count++] = (uint32_t)(at_us - sender->sent_us);
  }
  return 1;
}

/* Waits until something arrives, and calls `take` for each sender that may have an answer. */
static void turn(struct worker *worker, int wait_ms, void (*take)(struct worker *, struct sender *)) {
  struct epoll_event ready[256];
  int found = epoll_wait(worker->epoll, ready, 256, wait_ms);
  for (int i = 0; i < found; i++) take(worker, ready[i].data.ptr);
  /* libzmq's descriptors report only changes. This finds a missed one. */
  if (found <= 0 && wait_ms >= LOOK_MS)
    for (int i = 0; i < worker->count; i++)
      if (worker->senders[i].waits) take(worker, &worker->senders[i]);
}

static void take_greeting(struct worker *worker, struct sender *sender) {
  if (sender->waits) receive(worker, sender, 0);
}

static void take_answer(struct worker *worker, struct sender *sender) {
  /* Also read sockets that wait for nothing: otherwise their descriptors stay ready. */
  uint32_t events;
  size_t size = sizeof events;
  if (!sender->waits) zmq_getsockopt(sender->socket, ZMQ_EVENTS, &events, &size);
  else if (receive(worker, sender, 1) && rate <= 0) send_next(worker, sender);
}

/* Waits for an answer to a heartbeat of each sender: then all are connected and known. */
static void greet_all(struct worker *worker) {
  char head[64];
  uint64_t until_us = now_us() + ANSWER_US_MAX;
  for (int i = 0; i < worker->count; i++) {
    sprintf(head, "{\"msg\": \"node-%d|Heartbeat\"}", worker->senders[i].number);
    send_request(worker, &worker->senders[i], head, 1);
  }
  while (worker->waiting > 0) {
    turn(worker, LOOK_MS, take_greeting);
    if (now_us() > until_us) die(75, "some senders got no answer to their first heartbeat within 10 s");
  }
}

/* Sends what is due. Returns the milliseconds until more is due. */
static int send_due(struct worker *worker) {
  uint64_t at_us = now_us(), next_us = at_us + LOOK_MS * 1000;
  for (int i = 0; i < worker->talking; i++) {
    struct sender *sender = &worker->senders[i];
    if (!sender->waits && sender->due_us <= at_us) send_next(worker, sender);
    if (!sender->waits && sender->due_us < next_us) next_us = sender->due_us;
  }
  return next_us <= at_us ? 0 : (int)((next_us - at_us + 999) / 1000);
}

static void *run(void *argument) {
  struct worker *worker = argument;
  if (greet) greet_all(worker);
  pthread_barrier_wait(&greeted);
  /* Between the two barriers, the main thread sets the times. */
  pthread_barrier_wait(&greeted);
  for (int i = 0; i < worker->talking; i++)
    worker->senders[i].due_us = start_us + (rate > 0 ? (uint64_t)(1e6 / rate * worker->senders[i].number / (double)talking) : 0);
  send_due(worker);
  while (worker->idle_senders < worker->talking && (seconds <= 0 || now_us() < end_us)) {
    int wait_ms = rate > 0 ? send_due(worker) : LOOK_MS;
    if (seconds > 0) {
      int64_t left_us = (int64_t)end_us - (int64_t)now_us();
      if (left_us < (int64_t)wait_ms * 1000) wait_ms = left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
    } else if (worker->waiting > 0 && now_us() > worker->last_us + ANSWER_US_MAX) break;
    turn(worker, wait_ms, take_answer);
  }
  sem_post(&stopped);
  uint64_t until_us = now_us() + ANSWER_US_MAX;
  while (worker->waiting > 0 && now_us() < until_us) turn(worker, LOOK_MS, take_answer);
  return NULL;
}

static void open_senders(struct worker *worker, int first, int step) {
  worker->context = zmq_ctx_new();
  zmq_ctx_set(worker->context, ZMQ_MAX_SOCKETS, (int)senders + 16);
  worker->epoll = epoll_create1(EPOLL_CLOEXEC);
  worker->senders = calloc((size_t)senders, sizeof *worker->senders);
  worker->latencies = malloc(LATENCIES_MAX * sizeof *worker->latencies);
  for (int number = first; number < senders; number += step) {
    struct sender *sender = &worker->senders[worker->count++];
    if (number < talking) worker->talking++;
    int none = 0, quick_ms = 1, fd;
    size_t size = sizeof fd;
    sender->number = number;
    sender->socket = zmq_socket(worker->context, ZMQ_REQ);
    if (sender->socket == NULL) die(1, zmq_strerror(errno));
    zmq_setsockopt(sender->socket, ZMQ_LINGER, &none, sizeof none);
    if (!greet) zmq_setsockopt(sender->socket, ZMQ_RECONNECT_IVL, &quick_ms, sizeof quick_ms);
    if (zmq_connect(sender->socket, endpoint) != 0) die(64, zmq_strerror(errno));
    zmq_getsockopt(sender->socket, ZMQ_FD, &fd, &size);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = sender};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) != 0) die(1, strerror(errno));
  }
}

static void read_payload(void) {
  FILE *file = fopen(payload_file, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) die(64, "cannot read the payload");
  payload_bytes = (size_t)ftell(file);
  rewind(file);
  payload = malloc(payload_bytes + 1);
  if (fread(payload, 1, payload_bytes, file) != payload_bytes) die(64, "cannot read the payload");
  fclose(file);
}

static void read_options(int argc, char **argv) {
  static const char *const NAMES[] = {"endpoint", "text",  "payload", "senders", "talking", "threads",
                                      "greet",    "count", "warmup",  "seconds", "rate"};
  struct option options[12] = {{0}};
  for (int i = 0; i < 11; i++) options[i] = (struct option){NAMES[i], required_argument, NULL, i + 1};
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (option) {
      case 1: endpoint = optarg; break;
      case 2: text = optarg; break;
      case 3: payload_file = optarg; break;
      case 4: senders = atol(optarg); break;
      case 5: talking = atol(optarg); break;
      case 6: threads = atol(optarg); break;
      case 7: greet = atol(optarg); break;
      case 8: count_max = atoll(optarg); break;
      case 9: warmup_s = atof(optarg); break;
      case 10: seconds = atof(optarg); break;
      case 11: rate = atof(optarg); break;
      default: die(64, "unknown option");
    }
  }
  if (talking < 0) talking = senders;
  if (strncmp(endpoint, "tcp://127.", 10) != 0 && strncmp(endpoint, "tcp://[::1]:", 12) != 0)
    die(64, "--endpoint must be a loopback address, such as tcp://127.0.0.1:5555");
  if (senders < 1 || senders > SENDERS_MAX || talking > senders || threads < 1 || threads > THREADS_MAX)
    die(64, "--senders must be 1 to 10000, --talking no more than that, --threads 1 to 64");
  if (count_max < 1 || seconds < 0 || warmup_s < 0 || warmup_s + seconds > SECONDS_MAX)
    die(64, "--count is required, and --warmup plus --seconds must be at most an hour");
}

static int by_size(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  read_options(argc, argv);
  read_payload();
  /* SIGALRM ends the process, whatever happens. */
  alarm((unsigned)(seconds > 0 ? warmup_s + seconds : SECONDS_MAX) + 4 * ANSWER_US_MAX / 1000000);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  pthread_barrier_init(&greeted, NULL, (unsigned)threads + 1);
  sem_init(&stopped, 0, 0);
  struct worker *workers = calloc((size_t)threads, sizeof *workers);
  for (int i = 0; i < threads; i++) {
    open_senders(&workers[i], i, (int)threads);
    if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0) die(1, "cannot start a thread");
  }
  if (!greet) puts("connecting"), fflush(stdout);
  pthread_barrier_wait(&greeted);
  start_us = now_us();
  measure_us = start_us + (uint64_t)(warmup_s * 1e6);
  end_us = measure_us + (uint64_t)(seconds * 1e6);
  for (int i = 0; i < threads; i++) workers[i].last_us = start_us;
  pthread_barrier_wait(&greeted);

  if (measure_us > start_us) usleep((useconds_t)(measure_us - start_us));
  uint64_t cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
  puts("measuring"), fflush(stdout);
  for (int i = 0; i < threads; i++)
    while (sem_wait(&stopped) != 0) continue;
  cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us;
  uint64_t stopped_us = now_us();
  puts("measured"), fflush(stdout);

  long long ok = 0, other = 0, measured = 0, waiting = 0;
  uint64_t last_us = 0, first_ok_epoch_us = 0;
  size_t latency_count = 0;
  uint32_t *latencies = malloc((size_t)threads * LATENCIES_MAX * sizeof *latencies);
  for (int i = 0; i < threads; i++) {
    struct worker *worker = &workers[i];
    pthread_join(worker->thread, NULL);
    ok += worker->ok, other += worker->other, measured += worker->measured, waiting += worker->waiting;
    if (worker->last_us > last_us) last_us = worker->last_us;
    if (worker->first_ok_epoch_us != 0 && (first_ok_epoch_us == 0 || worker->first_ok_epoch_us < first_ok_epoch_us))
      first_ok_epoch_us = worker->first_ok_epoch_us;
    memcpy(latencies + latency_count, worker->latencies, worker->latency_count * sizeof *latencies);
    latency_count += worker->latency_count;
  }
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  /* If the count was reached first, the measured time ends with the last answer. */
  uint64_t until_us = seconds > 0 && (atomic_load(&count_sent) <= count_max || last_us > end_us) ? end_us : last_us;
  double measured_s = until_us > measure_us ? (double)(until_us - measure_us) / 1e6 : 0;
#define AT(share) \
  (latency_count == 0 ? 0 : latencies[(size_t)((double)(latency_count - 1) * (share))])
  printf("{\"ok\": %lld, \"other\": %lld, \"unanswered\": %lld, \"measured\": %lld, \"seconds\": %.6f, "
         "\"p50Us\": %u, \"p99Us\": %u, \"maxUs\": %u, \"cpuPercent\": %.2f, \"firstOkEpochUs\": %llu}\n",
         ok, other, waiting, measured, measured_s, AT(0.5), AT(0.99), AT(1.0),
         stopped_us > measure_us ? 100.0 * (double)cpu_us / (double)(stopped_us - measure_us) : 0.0,
         (unsigned long long)first_ok_epoch_us);
  return 0;
}
