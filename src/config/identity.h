/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's identity: an Ed25519 key (RFC 8032) with a self-signed certificate, made on the first start and kept in the
 * state directory. Nobody signs it: who trusts it, knows its fingerprint.
 */
#ifndef CONFIG_IDENTITY_H
#define CONFIG_IDENTITY_H

#include "base/fingerprint.h"
#include "config/state.h"

struct identity {
    char *pem; /* heap: private key and certificate */
    struct fingerprint fingerprint;
};

/* Reads file `name`, or makes it (0600) when there is none. 0, or -1 and *err; then *out is untouched. */
int identity_load(struct state *s, const char *name, struct identity *out, struct config_error *err);
/* A fresh one, in no file. False without memory or random numbers. */
bool identity_create(struct identity *out);
/* Takes the text over on success only; false when it is not a key with its certificate. */
bool identity_parse(char *pem, struct identity *out);
/* Clears the key's bytes. */
void identity_done(struct identity *i);

#endif
