/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges ("10.0.0.0/8, ::1"). Pure; IPv4 stands as ::ffff:a.b.c.d, so it does not matter how a visitor came. */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CIDR_MAX 64
#define CIDR_ADDRESS_BYTES 16

struct cidr {
    uint8_t address[CIDR_ADDRESS_BYTES];
    unsigned bits; /* of 128 */
};

struct cidr_list {
    size_t count;
    struct cidr range[CIDR_MAX];
};

/* "ADDRESS" or "ADDRESS/BITS", `len` bytes of text; *out is worth nothing on failure. */
bool cidr_parse(const char *text, size_t len, struct cidr *out);
bool cidr_has(const struct cidr *c, const uint8_t address[static CIDR_ADDRESS_BYTES]);
/* A comma list, NULL is empty. False at an element that is no range (*bad points at it) or when there are too many. */
bool cidr_list_parse(const char *text, struct cidr_list *out, const char **bad);
bool cidr_list_has(const struct cidr_list *l, const uint8_t address[static CIDR_ADDRESS_BYTES]);

/* False (and all zero) when it is neither IPv4 nor IPv6. */
bool cidr_address(const struct sockaddr *from, uint8_t out[static CIDR_ADDRESS_BYTES]);

#endif
