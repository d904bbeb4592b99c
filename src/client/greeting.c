/* SPDX-License-Identifier: Apache-2.0 */
/* A visitor's address, for a service. */
#include "client/greeting.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/proxy_head.h"

/* Where the connection leads; stays unspecified, in the visitor's family, for a Unix-domain socket. */
static void greeting_destination(int fd, const struct proxy_address *source, struct proxy_address *out)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    char text[INET6_ADDRSTRLEN + 8], ip[INET6_ADDRSTRLEN];

    memset(out, 0, sizeof(*out));
    if (proxy_address_is_v4(source))
        out->ip[10] = out->ip[11] = 0xff;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
        return;
    const struct sockaddr_in *v4 = (const void *)&peer;
    const struct sockaddr_in6 *v6 = (const void *)&peer;
    if (peer.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip)) != NULL)
        snprintf(text, sizeof(text), "%s:%u", ip, ntohs(v4->sin_port));
    else if (peer.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip)) != NULL)
        snprintf(text, sizeof(text), "[%s]:%u", ip, ntohs(v6->sin6_port));
    else
        return;
    proxy_address_parse(text, out);
}

bool greeting_send(int fd, unsigned version, const char *visitor)
{
    struct proxy_head head = {.proxied = false};
    uint8_t bytes[PROXY_HEAD_WRITE_MAX];

    head.proxied = proxy_address_parse(visitor, &head.source);
    if (head.proxied)
        greeting_destination(fd, &head.source, &head.destination);
    size_t len = proxy_head_write(&head, version, bytes);
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}
