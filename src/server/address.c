/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of visitors. */
#include "server/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "wire/proxy_head.h"

void address_read(const struct sockaddr *from, struct address *out)
{
    *out = (struct address){.ip = ""};
    cidr_address(from, out->bytes);
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const void *)from;
        inet_ntop(AF_INET, &a->sin_addr, out->ip, sizeof(out->ip));
        out->port = ntohs(a->sin_port);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const void *)from;
        out->v6 = !IN6_IS_ADDR_V4MAPPED(&a->sin6_addr);
        if (out->v6)
            inet_ntop(AF_INET6, &a->sin6_addr, out->ip, sizeof(out->ip));
        else
            inet_ntop(AF_INET, &a->sin6_addr.s6_addr[12], out->ip, sizeof(out->ip));
        out->port = ntohs(a->sin6_port);
    }
}

void address_text(const struct address *a, char out[static 64])
{
    snprintf(out, 64, a->v6 ? "[%s]:%u" : "%s:%u", a->ip, a->port);
}

socklen_t address_of_proxy(const struct proxy_address *from, struct sockaddr_storage *out)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(from->port)};

    memcpy(a.sin6_addr.s6_addr, from->ip, sizeof(from->ip));
    memset(out, 0, sizeof(*out));
    memcpy(out, &a, sizeof(a));
    return sizeof(a);
}
