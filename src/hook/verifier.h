/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifier: compares passwords with hashes that are slow on purpose, on threads of its own. What was found is kept for a
 * while under a keyed hash, and who asks the same while it is being found waits for the same answer: a browser's hundred
 * requests cost one. Bounded in all and for each client, so that nobody's guesses keep others' visitors waiting.
 */
#ifndef HOOK_VERIFIER_H
#define HOOK_VERIFIER_H

#include <stdbool.h>

#include "base/worker.h"

struct verifier;

/* A question under way: heap, the verifier's from the moment it is asked until `mail` is delivered or discarded. */
struct verification {
    struct mail mail; /* set by the caller; its node is free for use by the verifier */
    struct worker *worker;
    bool yes; /* the answer, valid when the mail is delivered */
};

enum verdict {
    VERDICT_YES,
    VERDICT_NO,
    VERDICT_NEW,   /* not known: ask again with a question */
    VERDICT_LATER, /* `question` will be answered by mail */
    VERDICT_BUSY,  /* too many are waiting */
};

/* Starts its threads. NULL without memory or threads. */
struct verifier *verifier_create(void);
/* Ends the threads; questions under way are discarded. Before the workers stop. */
void verifier_stop(struct verifier *v);
void verifier_free(struct verifier **v);
/*
 * Does `password` have this hash? `client`: whose visitor asks. `question`: NULL looks at what is known only. Any worker;
 * never blocks. The texts are copied.
 */
enum verdict verifier_ask(struct verifier *v, const char *client, const char *hash, const char *password,
                          struct verification *question);

#endif
