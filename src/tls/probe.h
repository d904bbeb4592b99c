/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's handshake for the sake of its outcome: why TLS with some server does not come about, where a library that
 * should speak it only says that it failed. Blocks; any thread.
 */
#ifndef TLS_PROBE_H
#define TLS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_probe {
    const char *host; /* whom the certificate must name: a host name or an address */
    const char *ca_file; /* PEM; NULL: the system's authorities */
    const char *cert_file, *key_file; /* PEM, ours; NULL: none, and the key in the same file */
    const char *alpn; /* NULL: none */
};

/* What the handshake has shown. */
struct tls_probe_seen {
    char version[16];  /* "TLSv1.3"; "": there was no handshake */
    int64_t expires_s; /* the certificate, since 1970; 0: not known */
};

/*
 * On a connected socket with timeouts (SO_RCVTIMEO, SO_SNDTIMEO), which stays the caller's: false and *why when there is no
 * TLS. Else `say` (NULL: nothing) is sent, and what comes first is in `heard` ("" when nothing does). A refusal of our
 * certificate comes only then (RFC 8446 4.4.2.4). `seen`: NULL: not wanted.
 */
bool tls_probe(int fd, const struct tls_probe *p, const char *say, char *heard, size_t heard_size, struct tls_probe_seen *seen, char *why,
               size_t why_size);

#endif
