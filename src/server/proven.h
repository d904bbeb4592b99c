/* SPDX-License-Identifier: Apache-2.0 */
/* Proven: domains that TXT records give to clients, as one worker's front has them: a list that replaces the one before. */
#ifndef SERVER_PROVEN_H
#define SERVER_PROVEN_H

#include "base/worker.h"
#include "server/names.h"

struct front;

struct proven {
    struct mail mail; /* to the front's worker, which owns it then */
    struct front *front;
    struct names names;
    int64_t *credit; /* whose turn it is, of requests and then of TLS */
};

/* Room for `count` names, which the caller fills in. NULL without memory. */
struct proven *proven_create(struct front *front, size_t count);
void proven_free(struct proven **p); /* NULL is allowed */
/* `w` is the front's worker. Any thread. */
void proven_send(struct proven *p, struct worker *w);

#endif
