/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams on this machine. */
#include "base/local_socket.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

int local_socket_open(struct local_socket *s, const char *path)
{
    size_t len = strlen(path);
    *s = (struct local_socket){.fd = -1, .address = {.sun_family = AF_UNIX}};
    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(s->address.sun_path))
        return EINVAL;
    memcpy(s->address.sun_path, path, len);
    if (path[0] == '@')
        s->address.sun_path[0] = '\0';
    s->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return s->fd < 0 ? errno : 0;
}

bool local_socket_send(const struct local_socket *s, const struct iovec *parts, size_t count)
{
    struct sockaddr_un to = s->address;
    struct msghdr m = {.msg_name = &to, .msg_namelen = s->len, .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    return sendmsg(s->fd, &m, MSG_NOSIGNAL) >= 0; /* a datagram goes as a whole */
}

void local_socket_close(struct local_socket *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
