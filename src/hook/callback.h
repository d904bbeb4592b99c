/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that asks a program of the operator's by HTTP: JSON there, JSON back (mdm-tunnel-proxy(8), config/hook_answer.h). One
 * thread asks, with libcurl; connections are kept. What is not answered with yes in time is denied.
 */
#ifndef HOOK_CALLBACK_H
#define HOOK_CALLBACK_H

#include <stdint.h>

#include "config/error.h"
#include "hook/chain.h"

struct callback;

struct callback_config {
    const char *url;     /* http or https; copied */
    const char *ca_cert; /* a file: whom the certificate of https must come from; NULL: the system's authorities; copied */
    const char *events;  /* which questions: "connect,publish,subscribe"; NULL: all */
    uint64_t timeout_us; /* from question to answer, waiting included */
    uint64_t cache_us;   /* how long an answer that changes nothing is kept; 0: not */
};

/* Adds the hook, which lives until callback_free(), and starts the thread. NULL and *err. */
struct callback *callback_create(struct hook_chain *c, const struct callback_config *config, struct config_error *err);
/* Before the workers stop: what waits is denied, and so is what is asked later; no answer follows. Idempotent. */
void callback_stop(struct callback *cb);
/* After the workers have stopped, and before they are freed. NULL in *cb is allowed. */
void callback_free(struct callback **cb);

#endif
