/*
 * The yardstick: the least that a hub on libzmq can do. A REP loop in one thread writes each image
 * to its own file and each event as a line, and answers. The difference to a hub's speed is what
 * the hub itself adds to libzmq.
 *
 *     yardstick ENDPOINT IMAGES_FOLDER EVENTS_FILE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zmq.h>

int main(int argc, char **argv) {
  void *socket = zmq_socket(zmq_ctx_new(), ZMQ_REP);
  if (argc != 4 || zmq_bind(socket, argv[1]) != 0) return fprintf(stderr, "Cannot bind %s\n", argc > 1 ? argv[1] : ""), 69;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int events = open(argv[3], O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  zmq_msg_t head, body;
  zmq_msg_init(&head);
  zmq_msg_init(&body);
  for (long count = 0; zmq_msg_recv(&head, socket, 0) >= 0 && zmq_msg_recv(&body, socket, 0) >= 0; count++) {
    char *text = zmq_msg_data(&head);
    size_t text_bytes = zmq_msg_size(&head), bytes = zmq_msg_size(&body);
    int stored;
    if (memmem(text, text_bytes, "|jpg|", 5) || memmem(text, text_bytes, "|image|", 7)) {
      char path[4096];
      snprintf(path, sizeof path, "%s/yardstick-%ld.jpg", argv[2], count);
      int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
      stored = file >= 0 && write(file, zmq_msg_data(&body), bytes) == (ssize_t)bytes && close(file) == 0;
    } else {
      struct iovec line[2] = {{text, text_bytes}, {"\n", 1}};
      stored = writev(events, line, 2) == (ssize_t)text_bytes + 1;
    }
    zmq_send(socket, stored ? "OK" : "ERROR", stored ? 2 : 5, 0);
  }
  return 1;
}
