/* SPDX-License-Identifier: Apache-2.0 */
/* Whose connection it is, in words. Pure. */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/cidr.h"

struct proxy_address;

struct address {
    char ip[INET6_ADDRSTRLEN]; /* without port and brackets; "" for a unix socket */
    uint16_t port;
    bool v6;
    uint8_t bytes[CIDR_ADDRESS_BYTES]; /* IPv4 mapped; all zero for a unix socket */
};

/* An IPv4 address in IPv6's clothes (::ffff:a.b.c.d) counts as IPv4. */
void address_read(const struct sockaddr *from, struct address *out);
/* "192.0.2.1:4711", "[2001:db8::1]:4711" */
void address_text(const struct address *a, char out[static 64]);
/* What a front proxy says, as a socket would. */
socklen_t address_of_proxy(const struct proxy_address *from, struct sockaddr_storage *out);

#endif
