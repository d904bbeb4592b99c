/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a library's socket, its room, and why there is none. */
#include "link/socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/tcp.h"

#define SEND_BUFFER_MAX_USUAL (4u << 20)

static bool address_same(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
    return a->sa_family == AF_INET6 && x->sin6_port == y->sin6_port &&
           memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

static bool socket_is(int fd, const struct sockaddr *peer)
{
    struct sockaddr_storage got;
    socklen_t len = sizeof(got);
    memset(&got, 0, sizeof(got));
    return getpeername(fd, (struct sockaddr *)&got, &len) == 0 && address_same((struct sockaddr *)&got, peer);
}

/* The descriptor may be closed, and its number used anew, by another thread at any time: what was duplicated is looked
 * at again. */
static int socket_take(int fd, const struct sockaddr *peer)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0 || !socket_is(fd, peer))
        return -1;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0 && !socket_is(copy, peer)) {
        close(copy);
        return -1;
    }
    return copy;
}

int socket_find(const struct sockaddr *peer, socklen_t len)
{
    struct sockaddr_storage want;
    if (len > sizeof(want))
        return -1;
    memset(&want, 0, sizeof(want));
    memcpy(&want, peer, len);
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return -1;
    int found = -1;
    for (struct dirent *e = readdir(dir); e != NULL && found < 0; e = readdir(dir)) {
        char *end;
        long fd = strtol(e->d_name, &end, 10);
        if (end != e->d_name && *end == '\0' && fd != dirfd(dir))
            found = socket_take((int)fd, (struct sockaddr *)&want);
    }
    closedir(dir);
    return found;
}

/* A connection begins with a send buffer of 85 KiB, and one that is locked at a size would never grow. */
static void send_buffer_fit(int fd, size_t message)
{
#ifdef SO_BUF_LOCK /* Linux 5.16 */
    int size = 0, wanted = (int)(message + SOCKET_MESSAGE_COST) * 3, unlocked = 0; /* see socket_room() */
    socklen_t len = sizeof(size);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) != 0 || size >= wanted ||
        getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, &len) != 0)
        return;
    unlocked = 0;
    wanted /= 2; /* the kernel doubles it */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
    setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked));
#else
    (void)fd;
    (void)message;
#endif
}

void socket_tune(int fd, uint64_t dead_us, size_t message)
{
    int one = 1;
    unsigned dead_ms = dead_us / US_PER_MS < UINT32_MAX / 2 ? (unsigned)(dead_us / US_PER_MS) : UINT32_MAX / 2;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
    send_buffer_fit(fd, message);
    tcp_suit_way(fd);
}

/* The kernel lets a send buffer grow to this (tcp(7), tcp_wmem). */
static uint32_t send_buffer_max(void)
{
    static _Atomic uint32_t known; /* the same for all sockets */
    uint32_t max = atomic_load(&known);
    if (max != 0)
        return max;
    unsigned long wmem[3] = {0, 0, SEND_BUFFER_MAX_USUAL};
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_wmem", "re");
    if (f != NULL) {
        if (fscanf(f, "%lu %lu %lu", &wmem[0], &wmem[1], &wmem[2]) != 3)
            wmem[2] = SEND_BUFFER_MAX_USUAL;
        fclose(f);
    }
    max = wmem[2] < UINT32_MAX ? (uint32_t)wmem[2] : UINT32_MAX;
    atomic_store(&known, max);
    return max;
}

/* Whether TCP could use a larger buffer, and would get it: the kernel lets it grow when it finds it full. */
static bool send_buffer_should_grow(int fd, uint32_t size)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    return size < send_buffer_max() && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           size / 3 < (uint64_t)info.tcpi_snd_cwnd * info.tcpi_snd_mss;
}

size_t socket_room(int fd, size_t message)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t len = sizeof(info);
    memset(info, 0, sizeof(info));
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
        return 0;
    uint32_t size = info[SK_MEMINFO_SNDBUF], used = info[SK_MEMINFO_WMEM_QUEUED];
    uint32_t limit = size - size / 3;
    if (used >= size / 2 && send_buffer_should_grow(fd, size))
        limit = size;
    size_t room = limit > used ? (limit - used) / 2 : 0;
    return used == 0 && room < message ? message : room;
}

uint64_t socket_silent_us(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_last_data_recv * US_PER_MS : 0;
}

static int socket_wait_connected(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);
    int ready = poll(&p, 1, timeout_ms);
    if (ready == 0)
        return ETIMEDOUT;
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    return error;
}

int socket_dial(const struct sockaddr *peer, socklen_t len, int timeout_ms)
{
    int fd = socket(peer->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int error = connect(fd, peer, len) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = socket_wait_connected(fd, timeout_ms);
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}
