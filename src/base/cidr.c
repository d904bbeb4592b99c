/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges. */
#include "base/cidr.h"

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

bool cidr_parse(const char *text, size_t len, struct cidr *out)
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

bool cidr_has(const struct cidr *c, const uint8_t address[static CIDR_ADDRESS_BYTES])
{
    size_t whole = c->bits / 8;
    unsigned rest = c->bits % 8;

    return memcmp(c->address, address, whole) == 0 &&
           (rest == 0 || ((c->address[whole] ^ address[whole]) & (0xff00u >> rest) & 0xffu) == 0);
}

bool cidr_list_has(const struct cidr_list *l, const uint8_t address[static CIDR_ADDRESS_BYTES])
{
    for (size_t i = 0; i < l->count; i++)
        if (cidr_has(&l->range[i], address))
            return true;
    return false;
}

bool cidr_address(const struct sockaddr *from, uint8_t out[static CIDR_ADDRESS_BYTES])
{
    memset(out, 0, CIDR_ADDRESS_BYTES);
    if (from->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, CIDR_ADDRESS_BYTES);
        return true;
    }
    if (from->sa_family != AF_INET)
        return false;
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    memcpy(out + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    return true;
}
