/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to a socket of this machine (unix(7)): the system's log, the journal, the manager of services. */
#ifndef BASE_LOCAL_SOCKET_H
#define BASE_LOCAL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

struct local_socket {
    int fd; /* -1: none */
    struct sockaddr_un address;
    socklen_t len;
};

/* `path`: absolute, or with a leading '@' an abstract name. 0 or an errno; *s is closed then. */
int local_socket_open(struct local_socket *s, const char *path);
/* One datagram of `count` parts; never blocks. False with errno: it is lost. Any thread; a receiver that comes back is found again. */
bool local_socket_send(const struct local_socket *s, const struct iovec *parts, size_t count);
void local_socket_close(struct local_socket *s);

#endif
