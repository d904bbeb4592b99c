/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of certificates that a server shows, with everything that its TLS needs: which certificate is for which name
 * (SNI, RFC 6066 3), whose certificates clients may show, the keys of session tickets. Read from files once, constant
 * from then on, reference-counted; any thread. TLS 1.2 and 1.3, ciphers with forward secrecy only, no compression, no
 * renegotiation, no early data.
 */
#ifndef TLS_SET_H
#define TLS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_set;
struct tls_tickets;

/* PEM files; the certificates that lead to an authority follow the server's own. */
struct tls_pair {
    const char *cert_file;
    const char *key_file; /* NULL: in the certificate's file */
};

/* What a client has to show. */
enum tls_clients {
    TLS_CLIENTS_ANY,      /* nothing; it is not asked */
    TLS_CLIENTS_OPTIONAL, /* nothing, or a certificate that holds */
    TLS_CLIENTS_REQUIRED, /* a certificate that holds */
};

struct tls_config {
    const struct tls_pair *pairs; /* the first is also for names that no certificate has */
    unsigned pair_count;          /* 1 .. TLS_PAIRS_MAX */
    enum tls_clients clients;
    const char *client_ca_file; /* PEM: the authorities of clients' certificates; NULL with TLS_CLIENTS_ANY */
};

struct tls_report {
    char error[512];    /* why nothing was loaded: "FILE: reason" */
    char warning[1024]; /* what is odd but usable (expired, readable by everybody); lines; "" when nothing */
};

/*
 * Reads the files (blocks as long as that takes). `tickets`: two keys of random bytes, copied; sessions are taken up
 * again where the same are in use. One reference for the caller; NULL with report->error.
 */
struct tls_set *tls_set_load(const struct tls_config *config, const struct tls_tickets *tickets,
                             struct tls_report *report);
struct tls_set *tls_set_ref(struct tls_set *s);
void tls_set_unref(struct tls_set *s); /* NULL is allowed */

/* The index of the pair for a name (exact before wildcard, valid before expired, earlier before later); 0 otherwise. */
unsigned tls_set_choose(const struct tls_set *s, const char *name);

/* Two keys that seal session tickets (RFC 5077 4): the first for new ones, both for old ones. */
struct tls_tickets {
    struct tls_ticket_key {
        uint8_t name[16], cipher[32], mac[32];
    } keys[2];
};

/* A new key takes the first place, the former first one the second. False without random numbers. */
bool tls_tickets_turn(struct tls_tickets *t);

#endif
