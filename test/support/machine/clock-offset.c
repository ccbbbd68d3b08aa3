/*
 * A clock of the machine that a test sets, for one process: what is preloaded in a program adds the
 * seconds in the file CLOCK_OFFSET to CLOCK_REALTIME, whenever the program asks. The hub takes its
 * functions out of the C library itself, so dlsym is in it, too.
 *
 * With CLOCK_PASSES in the environment they are added to CLOCK_BOOTTIME as well: time has passed,
 * and the clock was not set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

static volatile int64_t *offset;
static int passes;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CLOCK_OFFSET");
  int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void *found = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
  if (found != MAP_FAILED) offset = found;
  close(fd);
  passes = getenv("CLOCK_PASSES") != NULL;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = (int)syscall(SYS_clock_gettime, clock, time);
  int is_shifted = clock == CLOCK_REALTIME || (passes && clock == CLOCK_BOOTTIME);
  if (is_shifted && offset != NULL) time->tv_sec += *offset;
  return result;
}

void *dlsym(void *handle, const char *name) {
  static void *(*next)(void *, const char *);
  if (next == NULL) {
    next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (next == NULL) next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (next == NULL) next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.17");
  }
  if (strcmp(name, "clock_gettime") == 0) return (void *)clock_gettime;
  return next(handle, name);
}
