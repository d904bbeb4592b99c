/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program shows, and what those that it looks for (a client: its server; a workstation: devices) have to prove: our
 * pre-shared key where we have one; else, with authorities, a certificate with their name; else one of the keys that were
 * given; else one of those in a file in the state directory; else the first one that is shown, which is added to the file.
 * The file is read at every handshake, so an edit counts at once.
 */
#ifndef RELAY_TRUST_H
#define RELAY_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "config/credentials.h"
#include "config/error.h"
#include "seal/context.h"
#include "wire/error.h"

#define TRUST_KEYS_MAX 16

struct trust;

/* Who is looked for. */
struct trust_kind {
    const char *key_file;   /* our own key's name in the state directory */
    const char *known_file; /* that of the file of known keys (known_servers.h) */
    const char *whose;      /* theirs, for messages: "server" */
    const char *option;     /* that gives their keys: "--server-key" */
    const char *name_hint;  /* what to do when a certificate has another name; "": nothing */
    const struct error *wrong; /* when it is another key */
};

struct trust_config {
    const struct trust_kind *kind; /* outlives it */
    const char *state_dir;         /* NULL: the default one */
    const char *keys;              /* fingerprints with ',' between them; "none": no key is right; NULL: the file says */
    const struct credential_settings *credentials;
};

/* Makes the key on the first start. NULL and *err. */
struct trust *trust_create(const struct trust_config *config, struct config_error *err);
void trust_free(struct trust **t);
const struct seal_context *trust_seal(const struct trust *t);
/* Whether `text` is a value for trust_config.keys. */
bool trust_keys_valid(const char *text);

/* Whom we take the peer for. */
struct trust_whom {
    const char *address; /* what its key stands under in the file; no spaces */
    const char *name;    /* what its certificate has to say */
};

/* "host:port" as it stands in the file: heap; NULL without memory. */
char *trust_address(const char *host, uint16_t port);
/* The file of known keys as it stands, heap; NULL when there is none. */
char *trust_known(struct trust *t);
/* What the peer has proven. NULL: it is enough; *first: a key seen for the first time. Or why not, and *why. */
const struct error *trust_ask(struct trust *t, const struct trust_whom *whom, const struct seal_peer *peer, bool *first,
                              struct config_error *why);

#endif
