/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may be which client: what the server shows and believes, and the file authorized_clients in the state directory. The
 * file is read again whenever it changes; names that a key claims first are added to it. In this order: an id that the file
 * denies is nobody's; one that a pre-shared key is for, its holders'; with authorities, whoever has a certificate with the
 * id in it; else the file and the mode say whose key it needs.
 */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <stdbool.h>

#include "base/worker.h"
#include "config/client_grant.h"
#include "config/credentials.h"
#include "config/state.h"
#include "seal/context.h"
#include "wire/error.h"

#define AUTHORIZED_FILE "authorized_clients"
#define SERVER_KEY_FILE "server-key.pem"

struct admission;

enum admission_mode {
    ADMISSION_FIRST_USE, /* an id that no line is about belongs to the first key that claims it */
    ADMISSION_LISTED,    /* only who is in the file */
    ADMISSION_OPEN,      /* any key may be any client */
};

struct admission_events {
    /* admission_write() has something to write. Any thread. */
    void (*due)(void *ctx);
    /* The file says something else: all have to be asked for again. On the worker that watches. */
    void (*changed)(void *ctx);
};

/* "first-use", "listed", "open"; false for anything else. */
bool admission_mode_parse(const char *text, enum admission_mode *out);

/* Makes the key on the first start. `state` and `events` outlive it. NULL and *err, also when the file is wrong. */
struct admission *admission_create(struct state *state, enum admission_mode mode,
                                   const struct credential_settings *settings, const struct admission_events *events,
                                   void *ctx, struct config_error *err);
/* Before the worker starts. False with errno. */
bool admission_watch(struct admission *a, struct worker *w);
/* After the workers have stopped. */
void admission_free(struct admission **a);
const struct seal_context *admission_seal(const struct admission *a);

/* hub_config.admit; any thread. */
const struct error *admission_ask(struct admission *a, const char *id, const struct seal_peer *peer, bool again);
/* What the options of the client's line allow it, `a` and `key` NULL: everything. Any thread. */
void admission_grant(struct admission *a, const char *id, const struct fingerprint *key, struct client_grant *out);
/* Whether the id belongs to this key (or to any), or anybody's authority says so; false: denied, forgotten, another's. Any thread. */
bool admission_knows(struct admission *a, const char *id, const struct fingerprint *key);
/* Whether first uses are not in the file yet. Any thread. */
bool admission_is_due(struct admission *a);
/* Writes them; on the main thread, since it waits for the disk. False: it cannot be, which is logged. */
bool admission_write(struct admission *a);

#endif
