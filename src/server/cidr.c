/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges. */
#include "server/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool address_parse(const char *text, uint8_t out[static 16], unsigned *width)
{
    if (inet_pton(AF_INET6, text, out) == 1) {
        *width = 128;
        return true;
    }
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    *width = 32;
    return inet_pton(AF_INET, text, out + 12) == 1;
}

static bool cidr_parse(const char *text, size_t len, struct cidr *out)
{
    char copy[INET6_ADDRSTRLEN + 4];
    unsigned width;
    char *end;

    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    if (!address_parse(copy, out->address, &width))
        return false;
    out->bits = 128;
    if (slash == NULL)
        return true;
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > width)
        return false;
    out->bits = (unsigned)bits + 128 - width;
    return true;
}

bool cidr_list_parse(const char *text, struct cidr_list *out, const char **bad)
{
    out->count = 0;
    for (const char *at = text; at != NULL && *at != '\0';) {
        at += strspn(at, " \t,");
        size_t len = strcspn(at, " \t,");
        if (len == 0)
            break;
        if (out->count == CIDR_MAX || !cidr_parse(at, len, &out->range[out->count])) {
            *bad = at;
            return false;
        }
        out->count++;
        at += len;
    }
    return true;
}

static bool cidr_has(const struct cidr *c, const uint8_t address[static 16])
{
    size_t whole = c->bits / 8;
    unsigned rest = c->bits % 8;

    return memcmp(c->address, address, whole) == 0 &&
           (rest == 0 || ((c->address[whole] ^ address[whole]) & (0xff00u >> rest) & 0xffu) == 0);
}

bool cidr_list_has(const struct cidr_list *l, const struct sockaddr *address)
{
    uint8_t bytes[16];

    if (address->sa_family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    } else if (address->sa_family == AF_INET) {
        memcpy(bytes, mapped_prefix, sizeof(mapped_prefix));
        memcpy(bytes + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else {
        return false;
    }
    for (size_t i = 0; i < l->count; i++)
        if (cidr_has(&l->range[i], bytes))
            return true;
    return false;
}
