/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM, SIGINT, SIGHUP and SIGUSR1 as something that the main thread waits for; SIGPIPE is ignored. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stdint.h>

struct signals {
    int fd;
};

/* Blocks them, and `more` (0: none), in this thread and in those that it starts from now on. 0 or an errno. */
int signals_open(struct signals *s, int more);
/* Waits for a signal (its number), until `wake_fd` is readable (0), or for `limit_us` (0; CLOCK_NEVER: no limit). */
int signals_wait(struct signals *s, int wake_fd, uint64_t limit_us);
void signals_close(struct signals *s);

#endif
