/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges ("10.0.0.0/8, ::1"): whose forwarding fields are believed. Pure; IPv4 stands as ::ffff:a.b.c.d. */
#ifndef SERVER_CIDR_H
#define SERVER_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CIDR_MAX 64

struct cidr {
    uint8_t address[16];
    unsigned bits; /* of 128 */
};

struct cidr_list {
    size_t count;
    struct cidr range[CIDR_MAX];
};

/* A comma list, NULL is empty. False at an element that is no range (*bad points at it) or when there are too many. */
bool cidr_list_parse(const char *text, struct cidr_list *out, const char **bad);
bool cidr_list_has(const struct cidr_list *l, const struct sockaddr *address);

#endif
