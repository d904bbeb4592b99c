/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client shows, and what its server has to prove: our pre-shared key where we have one; else, with authorities, a
 * certificate with the server's name; else one of the keys of --server-key; else one of those in the file known_servers in
 * the state directory; else the first one that is shown, which is added to the file. The file is read at every handshake, so
 * an edit counts at once.
 */
#ifndef CLIENT_TRUST_H
#define CLIENT_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "config/credentials.h"
#include "config/error.h"
#include "seal/context.h"
#include "wire/error.h"

#define CLIENT_KEY_FILE "client-key.pem"
#define KNOWN_SERVERS_FILE "known_servers"
#define SERVER_KEYS_MAX 16

struct trust;

struct trust_config {
    const char *state_dir; /* NULL: the default one */
    const char *host;
    uint16_t port;
    const char *server_keys; /* fingerprints with ',' between them; NULL: none */
    const char *server_name; /* in its certificate; NULL: the host */
    const struct credential_settings *credentials;
};

/* Makes the key on the first start. NULL and *err. */
struct trust *trust_create(const struct trust_config *config, struct config_error *err);
void trust_free(struct trust **t);
const struct seal_context *trust_seal(const struct trust *t);
/* Whether `text` is a value for --server-key. */
bool trust_keys_valid(const char *text);

/* What the server has proven. NULL: it is enough; *first: a key seen for the first time. Or why not, and *why. */
const struct error *trust_ask(struct trust *t, const struct seal_peer *peer, bool *first, struct config_error *why);

#endif
