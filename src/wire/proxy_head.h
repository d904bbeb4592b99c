/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head that a proxy puts in front of a connection to say whose it is: the PROXY protocol, versions 1 (text) and 2
 * (binary), as haproxy's proxy-protocol.txt has it. Pure: no allocation, nothing kept.
 */
#ifndef WIRE_PROXY_HEAD_H
#define WIRE_PROXY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A version 1 line at its longest, its end included. */
#define PROXY_LINE_MAX 107
/* What proxy_head_write() may need. */
#define PROXY_HEAD_WRITE_MAX PROXY_LINE_MAX

struct proxy_address {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;
};

struct proxy_head {
    bool proxied; /* false: the connection is the proxy's own (a health check), or the visitor has no IP address */
    struct proxy_address source, destination; /* zero unless proxied */
};

enum proxy_parse {
    PROXY_PARSE_MORE, /* the head goes on behind `len` */
    PROXY_PARSE_DONE,
    PROXY_PARSE_BAD, /* no head, or a malformed one, or one for datagrams, or over PROXY_HEAD_MAX */
};

/* `out` and *used (the head's bytes) are set when DONE. Options of version 2 are skipped. */
enum proxy_parse proxy_head_parse(struct proxy_head *out, const void *data, size_t len, size_t *used);

/* Bytes written. `version` is 1 or 2. */
size_t proxy_head_write(const struct proxy_head *h, unsigned version, uint8_t out[static PROXY_HEAD_WRITE_MAX]);

/* "192.0.2.1:4711" or "[2001:db8::1]:4711". False: something else; `out` is untouched then. */
bool proxy_address_parse(const char *text, struct proxy_address *out);
bool proxy_address_is_v4(const struct proxy_address *a);

#endif
