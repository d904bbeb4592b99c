/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's own key, and which keys its server may have: those of --server-key, else those in the file known_servers
 * in the state directory, else the first one that is shown, which is added to the file. The file is read at every
 * handshake, so an edit counts at once.
 */
#ifndef CLIENT_TRUST_H
#define CLIENT_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fingerprint.h"
#include "config/error.h"
#include "seal/context.h"
#include "wire/error.h"

#define CLIENT_KEY_FILE "client-key.pem"
#define KNOWN_SERVERS_FILE "known_servers"
#define SERVER_KEYS_MAX 16

struct trust;

/* Makes the key on the first start. `server_keys`: fingerprints with ',' between them, NULL: none. NULL and *err. */
struct trust *trust_create(const char *state_dir, const char *host, uint16_t port, const char *server_keys,
                           struct config_error *err);
void trust_free(struct trust **t);
const struct seal_context *trust_seal(const struct trust *t);
/* Whether `text` is a value for --server-key. */
bool trust_keys_valid(const char *text);

/* The server has proven `key`. NULL: it is the right one; *first: seen for the first time. Or why not, and *why. */
const struct error *trust_ask(struct trust *t, const struct fingerprint *key, bool *first, struct config_error *why);

#endif
