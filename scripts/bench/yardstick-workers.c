/*
 * The yardstick with the hub's promises. It makes the hub's system calls for an image, in the same
 * order and from as many threads. No image is visible before it is whole, and a disk that stalls
 * delays only the requests that wait for it. It uses REP workers behind a ROUTER and a DEALER, as
 * libzmq's guide shares work between threads. With `synced`, images are durable too.
 *
 *     yardstick-workers ENDPOINT IMAGES_FOLDER EVENTS_FILE THREADS stored|synced
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zmq.h>

static const char INNER[] = "inproc://workers";
static void *context;
static const char *folder;
static int synced;
static atomic_long count;
static const char *log_path;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

/* Writes a file without a name, links it to its name, and with `synced` flushes both to disk. Users
   other than root need the way over /proc before Linux 6.10. */
static int store(const void *bytes, size_t size) {
  char link_path[64], path[4096];
  int file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) return 0;
  snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", file);
  snprintf(path, sizeof path, "%s/yardstick-%ld.jpg", folder, atomic_fetch_add(&count, 1));
  int stored = write(file, bytes, size) == (ssize_t)size && (!synced || fsync(file) == 0) &&
               (linkat(file, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0 ||
                linkat(AT_FDCWD, link_path, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0);
  close(file);
  if (!synced) return stored;
  int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  stored = stored && directory >= 0 && fsync(directory) == 0;
  if (directory >= 0) close(directory);
  return stored;
}

/* Appends one line at a time. The file is opened for each, so none goes into a rotated one. */
static int append(const void *text, size_t size) {
  struct iovec line[2] = {{(void *)text, size}, {"\n", 1}};
  pthread_mutex_lock(&log_lock);
  int file = open(log_path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  int stored = file >= 0 && lseek(file, 0, SEEK_END) >= 0 && writev(file, line, 2) == (ssize_t)size + 1;
  if (file >= 0 && close(file) != 0) stored = 0;
  pthread_mutex_unlock(&log_lock);
  return stored;
}

static void *work(void *unused) {
  (void)unused;
  void *socket = zmq_socket(context, ZMQ_REP);
  zmq_connect(socket, INNER);
  zmq_msg_t head, body;
  zmq_msg_init(&head);
  zmq_msg_init(&body);
  while (zmq_msg_recv(&head, socket, 0) >= 0 && zmq_msg_recv(&body, socket, 0) >= 0) {
    void *text = zmq_msg_data(&head);
    size_t size = zmq_msg_size(&head);
    int stored = memmem(text, size, "|jpg|", 5) ? store(zmq_msg_data(&body), zmq_msg_size(&body)) : append(text, size);
    zmq_send(socket, stored ? "OK" : "ERROR", stored ? 2 : 5, 0);
  }
  return NULL;
}

int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  context = zmq_ctx_new();
  void *outer = zmq_socket(context, ZMQ_ROUTER), *inner = zmq_socket(context, ZMQ_DEALER);
  if (argc != 6 || zmq_bind(outer, argv[1]) != 0) return fprintf(stderr, "Cannot bind %s\n", argc > 1 ? argv[1] : ""), 69;
  folder = argv[2];
  log_path = argv[3];
  synced = strcmp(argv[5], "synced") == 0;
  zmq_bind(inner, INNER);
  for (int left = atoi(argv[4]); left > 0; left--) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) != 0) return 1;
  }
  zmq_proxy(outer, inner, NULL);
  return 1;
}
