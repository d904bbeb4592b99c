/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT as something that the main thread waits for; SIGPIPE is ignored. */
#ifndef SERVER_SIGNALS_H
#define SERVER_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

struct signals {
    int fd;
};

/* Blocks them in this thread and in those that it starts from now on. 0 or an errno. */
int signals_open(struct signals *s);
/* Waits for a signal (true), until `wake_fd` is readable, or for `limit_us` (CLOCK_NEVER: no limit). */
bool signals_wait(struct signals *s, int wake_fd, uint64_t limit_us);
void signals_close(struct signals *s);

#endif
