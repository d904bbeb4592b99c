/* SPDX-License-Identifier: Apache-2.0 */
/* Signals through a descriptor: no handler, nothing to get wrong in it. */
#include "base/signals.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

int signals_open(struct signals *s, int more)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    if (more != 0)
        sigaddset(&set, more);
    signal(SIGPIPE, SIG_IGN);
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0)
        return failure;
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->fd < 0 ? errno : 0;
}

int signals_wait(struct signals *s, int wake_fd, uint64_t limit_us)
{
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t ms = limit_us == CLOCK_NEVER ? UINT64_MAX : limit_us / US_PER_MS + 1;

    if (poll(fds, 2, ms > INT_MAX ? -1 : (int)ms) <= 0 || (fds[0].revents & POLLIN) == 0)
        return 0;
    return read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

void signals_close(struct signals *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
