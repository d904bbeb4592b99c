/* SPDX-License-Identifier: Apache-2.0 */
/* A socket that somebody else made: found, measured, probed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/socket.h"
#include "tap.h"

struct pair {
    int listener, ours, theirs; /* ours: connected as a library would do it, without close-on-exec */
    struct sockaddr_in address;
};

static bool pair_open(struct pair *p, int flags)
{
    socklen_t len = sizeof(p->address);
    memset(&p->address, 0, sizeof(p->address));
    p->address.sin_family = AF_INET;
    p->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->ours = socket(AF_INET, SOCK_STREAM | flags, 0);
    return bind(p->listener, (struct sockaddr *)&p->address, len) == 0 && listen(p->listener, 8) == 0 &&
           getsockname(p->listener, (struct sockaddr *)&p->address, &len) == 0 &&
           connect(p->ours, (struct sockaddr *)&p->address, len) == 0 &&
           (p->theirs = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;
}

static void pair_close(struct pair *p)
{
    close(p->listener);
    close(p->ours);
    close(p->theirs);
}

static ino_t inode(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

static void finds_the_library_s(void)
{
    struct pair p;
    if (!OK(pair_open(&p, 0)))
        return;
    /* Another of our own to the same address, close-on-exec as all of ours. */
    int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    OK(connect(own, (struct sockaddr *)&p.address, sizeof(p.address)) == 0);
    int fd = socket_find((struct sockaddr *)&p.address, sizeof(p.address));
    OK(fd >= 0 && fd != p.ours);
    OK(inode(fd) == inode(p.ours));
    OK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    close(own);
    pair_close(&p);
}

static void finds_nothing_else(void)
{
    struct pair p;
    if (!OK(pair_open(&p, SOCK_CLOEXEC)))
        return;
    OK_INT(socket_find((struct sockaddr *)&p.address, sizeof(p.address)), -1);
    struct sockaddr_in other = p.address;
    other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    OK_INT(socket_find((struct sockaddr *)&other, sizeof(other)), -1);
    struct sockaddr_storage unknown = {.ss_family = AF_UNIX};
    OK_INT(socket_find((struct sockaddr *)&unknown, sizeof(unknown)), -1);
    OK_INT(socket_find((struct sockaddr *)&unknown, sizeof(unknown) + 1), -1);
    pair_close(&p);
}

/* Never more room than a writer that must not wait has: messages of any size, until there is none left. */
static void room_is_never_too_much(size_t message)
{
    struct pair p;
    if (!OK(pair_open(&p, 0)))
        return;
    socket_tune(p.ours, 10 * US_PER_S, 0);
    fcntl(p.ours, F_SETFL, O_NONBLOCK);
    char *bytes = calloc(1, message);
    size_t first = socket_room(p.ours, 0), sent = 0, partial = 0, room;
    while ((room = socket_room(p.ours, 0)) >= message + SOCKET_MESSAGE_COST) {
        ssize_t n = write(p.ours, bytes, message);
        partial += n != (ssize_t)message;
        sent += message;
        if (partial > 0)
            break;
    }
    OK(first > 4096);
    OK(sent > 0);
    OK_INT(partial, 0);
    free(bytes);
    pair_close(&p);
}

static void room_for_small_messages(void) { room_is_never_too_much(64); }
static void room_for_large_messages(void) { room_is_never_too_much(24 * 1024); }

static void no_room_without_a_socket(void)
{
    OK_INT(socket_room(-1, 9), 0);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    OK_INT(socket_room(fd, 9), 0);
    close(fd);
}

/* A message that was made when the buffer was large is sent again over a new connection, whose buffer is small. */
static void room_for_one_in_any_case(void)
{
    struct pair p;
    int small = 2304, size = 0, lock = -1;
    socklen_t len = sizeof(size);
    if (!OK(pair_open(&p, 0)))
        return;
    OK(setsockopt(p.ours, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    OK(socket_room(p.ours, 0) < 3000);
    OK_INT(socket_room(p.ours, 100000), 100000);
    OK(write(p.ours, "x", 1) == 1);
    socket_tune(p.ours, 10 * US_PER_S, 50000);
    OK(getsockopt(p.ours, SOL_SOCKET, SO_SNDBUF, &size, &len) == 0);
#ifdef SO_BUF_LOCK
    OK(size >= 150000);
    OK(getsockopt(p.ours, SOL_SOCKET, SO_BUF_LOCK, &lock, &len) == 0);
    OK_INT(lock, 0);
    OK(socket_room(p.ours, 0) >= 50000);
#endif
    pair_close(&p);
}

static void tunes(void)
{
    struct pair p;
    if (!OK(pair_open(&p, 0)))
        return;
    int on = 0;
    unsigned ms = 0;
    socklen_t len = sizeof(on);
    socket_tune(p.ours, 40 * US_PER_S, 0);
    OK(getsockopt(p.ours, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on != 0);
    OK(getsockopt(p.ours, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &len) == 0);
    OK_INT(ms, 40000);
    pair_close(&p);
}

static void dials(void)
{
    struct pair p;
    if (!OK(pair_open(&p, 0)))
        return;
    int fd = socket_dial((struct sockaddr *)&p.address, sizeof(p.address), 1000);
    OK(fd >= 0);
    close(fd);
    pair_close(&p);
    OK_INT(socket_dial((struct sockaddr *)&p.address, sizeof(p.address), 1000), -1);
    OK_INT(errno, ECONNREFUSED);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"finds the library's socket among ours", finds_the_library_s},
        {"finds nothing else", finds_nothing_else},
        {"room for small messages is never too much", room_for_small_messages},
        {"room for large messages is never too much", room_for_large_messages},
        {"no room without a socket", no_room_without_a_socket},
        {"room for one message in any case", room_for_one_in_any_case},
        {"tunes", tunes},
        {"probes", dials},
    };
    return TAP_RUN(cases);
}
