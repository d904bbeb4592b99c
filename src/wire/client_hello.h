/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name that a visitor asks for in its first TLS message (ClientHello, RFC 8446 4.1.2; server_name, RFC 6066 3), read
 * without taking part in the handshake. The message may be spread over records, and records over packets. Pure.
 */
#ifndef WIRE_CLIENT_HELLO_H
#define WIRE_CLIENT_HELLO_H

#include <stddef.h>

#define SERVER_NAME_MAX 253

struct client_hello {
    char name[SERVER_NAME_MAX + 1]; /* a host name as it came, without a trailing dot; "": none was said */
};

enum hello_parse {
    HELLO_PARSE_MORE, /* the message goes on behind `len` */
    HELLO_PARSE_DONE,
    HELLO_PARSE_BAD, /* not TLS, or malformed, or over CLIENT_HELLO_MAX */
};

/* `data`: from the connection's first byte on. `out` is set when DONE. */
enum hello_parse client_hello_parse(struct client_hello *out, const void *data, size_t len);

#endif
