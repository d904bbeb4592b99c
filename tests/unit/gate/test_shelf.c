/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that were open before: whose they are, and how workers share them. */
#include "gate/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/listener.h"
#include "tap.h"

static int open_at(uint16_t *port, bool first) { return listener_open("127.0.0.1", port, first); }

/* How many of the workers' descriptors are bound to `port`. */
static unsigned bound(const int *fds, unsigned count, uint16_t port)
{
    struct listener_place at;
    unsigned there = 0;

    for (unsigned i = 0; i < count; i++)
        there += listener_place(fds[i], &at) && at.port == port;
    return there;
}

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static void empty(void)
{
    struct shelf *s = shelf_create();
    struct shelf_wish w = {SHELF_HTTP, "127.0.0.1", 0};
    int fds[WORKERS_MAX];

    OK_INT(shelf_listen(s, &w, 3, true, fds), 3);
    OK(w.port != 0);
    OK_INT(bound(fds, 3, w.port), 3);
    struct shelf_wish same = {SHELF_HTTP, "127.0.0.1", w.port};
    int more[WORKERS_MAX];
    OK_INT(shelf_listen(NULL, &same, 2, true, more), 0);
    OK_INT(errno, EADDRINUSE);
    close_all(fds, 3);
    shelf_free(&s);
}

static void one_for_all(void)
{
    struct shelf *s = shelf_create();
    uint16_t port = 0;
    int fds[WORKERS_MAX];

    OK(shelf_put(s, "http", open_at(&port, true), true) == NULL);
    struct shelf_wish w = {SHELF_HTTP, NULL, 80}; /* the name counts */
    OK_INT(shelf_listen(s, &w, 4, true, fds), 4);
    OK_INT(w.port, port);
    OK_INT(bound(fds, 4, port), 4);
    OK(fcntl(fds[3], F_GETFD) & FD_CLOEXEC);
    OK(fcntl(fds[3], F_GETFL) & O_NONBLOCK);
    close_all(fds, 4);
    shelf_free(&s);
}

static void more_than_workers(void)
{
    struct shelf *s = shelf_create();
    uint16_t port = 0;
    int fds[WORKERS_MAX];

    for (unsigned i = 0; i < 3; i++)
        OK(shelf_put(s, "http", open_at(&port, i == 0), false) == NULL);
    struct shelf_wish w = {SHELF_HTTP, "127.0.0.1", port};
    OK_INT(shelf_listen(s, &w, 2, true, fds), 3);
    OK_INT(bound(fds, 3, port), 3);
    close_all(fds, 3);
    shelf_free(&s);
}

/* What came from a process with other settings is only what its name says where address and port are the same. */
static void other_settings(void)
{
    struct shelf *s = shelf_create();
    uint16_t a = 0, b = 0;
    char left[SHELF_NAME_MAX + 32], expected[SHELF_NAME_MAX + 32];

    OK(shelf_put(s, "http", open_at(&a, true), false) == NULL);
    OK(shelf_put(s, "https", open_at(&b, true), false) == NULL);
    OK_INT(shelf_take(s, &(struct shelf_wish){"http", "127.0.0.1", 1}), -1);
    OK_INT(shelf_take(s, &(struct shelf_wish){"http", NULL, 0}), -1);
    OK_INT(shelf_take(s, &(struct shelf_wish){"http", NULL, a}), -1);
    int swapped = shelf_take(s, &(struct shelf_wish){"http", "127.0.0.1", b});
    OK_INT(bound(&swapped, 1, b), 1);
    close(swapped);
    OK(shelf_left(s, left, sizeof(left)));
    snprintf(expected, sizeof(expected), "http (port %u)", a);
    OK_TEXT(left, expected);
    int any = shelf_take(s, &(struct shelf_wish){"http", "127.0.0.1", 0});
    OK_INT(bound(&any, 1, a), 1);
    close(any);
    OK(!shelf_left(s, left, sizeof(left)));
    shelf_free(&s);
}

static void what_is_none(void)
{
    struct shelf *s = shelf_create();
    int pair[2];

    OK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    OK_TEXT(shelf_put(s, "http", pair[0], true), "not a TCP socket that listens");
    OK_TEXT(shelf_put(s, "http", socket(AF_INET, SOCK_STREAM, 0), true), "not a TCP socket that listens");
    OK_TEXT(shelf_put(s, "http", socket(AF_INET, SOCK_DGRAM, 0), true), "not a TCP socket that listens");
    OK_TEXT(shelf_put(s, "http", 1000, true), strerror(EBADF));
    close(pair[1]);
    shelf_free(&s);
}

static void environment(void)
{
    struct shelf *s = shelf_create();
    char why[256] = "", pid[32];

    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("LISTEN_PID", "1", 1); /* somebody else's */
    setenv("LISTEN_FDS", "1", 1);
    OK(shelf_read_environment(s, why, sizeof(why)));
    OK(getenv("LISTEN_FDS") == NULL);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "http", 1);
    int before = dup(3); /* whatever the test's own third is */
    int pair[2];
    OK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    dup2(pair[0], 3);
    OK(!shelf_read_environment(s, why, sizeof(why)));
    OK_TEXT(why, "socket 1 (http): not a TCP socket that listens");
    if (before >= 0)
        dup2(before, 3);
    shelf_free(&s);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"nothing is there: they are opened", empty},
        {"one socket for several workers", one_for_all},
        {"more sockets than workers", more_than_workers},
        {"settings that have changed", other_settings},
        {"what is no listening socket", what_is_none},
        {"the environment", environment},
    };
    return TAP_RUN(cases);
}
