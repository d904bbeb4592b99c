/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP callback share. */
#ifndef HOOK_CALLBACK_INNER_H
#define HOOK_CALLBACK_INNER_H

#include <pthread.h>

#include "base/list.h"
#include "base/table.h"
#include "base/text.h"
#include "hook/callback.h"
#include "hook/internal.h"

#define CALLBACK_KEY_BYTES 32

/* What is asked; the parts of the event that it is not are NULL. */
struct callback_question {
    const struct mdm_session *session;
    const struct mdm_connect *connect;
    const struct mdm_publish *publish;
    const struct mdm_subscribe *subscribe;
};

/* -- callback_text.c: pure */
/* The question in JSON; `failed` of the text: too long, or no memory. */
void callback_question_write(struct text *t, const struct callback_question *q);
/* What makes two questions the same: all but payload, the session's number and the address's port. Not for reading. */
void callback_key_write(struct text *t, const struct callback_question *q);
/* The text may have held a password. */
void callback_text_done(struct text *t);

/* -- callback_known.c: answers that are kept, under a keyed hash, oldest first out; any thread */
struct callback_known;
struct callback_known *callback_known_create(uint64_t keep_us);
void callback_known_free(struct callback_known **k);
/* False: no memory. */
bool callback_known_key(const struct callback_known *k, const struct callback_question *q, uint8_t key[static CALLBACK_KEY_BYTES]);
/* MDM_LATER: nothing is known. */
enum mdm_verdict callback_known_find(struct callback_known *k, const uint8_t key[static CALLBACK_KEY_BYTES], unsigned *reason);
/* `reason` of a denial; 0: none. Without memory it is not kept. */
void callback_known_add(struct callback_known *k, const uint8_t key[static CALLBACK_KEY_BYTES], enum mdm_verdict verdict, unsigned reason);

/* -- callback_thread.c */
struct callback_caller;

/* A question under way: heap, the caller's from the moment it is taken until `answered` is called. */
struct callback_ask {
    struct list node;
    struct mdm_question *question;
    struct text body;
    uint64_t deadline_us;
    bool connects;  /* it is about a CONNECT */
    bool has_key;
    uint8_t key[CALLBACK_KEY_BYTES];
};

/* On the caller's thread, or on the one that stops it. `text` NULL: there is no answer, for `why`. The ask goes back. */
typedef void callback_answered_fn(void *ctx, struct callback_ask *a, const char *text, size_t len, const char *why);

/* Starts the thread. NULL and *err. */
struct callback_caller *callback_caller_create(const struct callback_config *config, callback_answered_fn *answered, void *ctx,
                                               struct config_error *err);
/* Any worker, never blocks. False: too much waits, or it is stopped; the ask stays the caller's. */
bool callback_caller_ask(struct callback_caller *c, struct callback_ask *a);
/* Ends the thread; all that waits goes back without an answer. Idempotent. */
void callback_caller_stop(struct callback_caller *c);
void callback_caller_free(struct callback_caller **c);

#endif
