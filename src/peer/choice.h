/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choice: which of an id's instances gets the next stream. Pure; part of the directory's entries, private to this layer.
 *
 * Smooth weighted turns: at each choice every candidate gains its weight, the richest is chosen and pays the sum of all.
 * So weights 3 and 1 give a a b a, not a a a b, and a choice from others in between does no harm.
 */
#ifndef PEER_CHOICE_H
#define PEER_CHOICE_H

#include "base/list.h"
#include "peer/directory.h"

struct choice {
    unsigned weight;
    int64_t credit;
    bool leaving;
    uint64_t silent_until_us;
    struct list refusals; /* oldest first, REFUSALS_PER_INSTANCE_MAX at most */
    unsigned refusal_count;
    struct list node; /* among the candidates of its id */
};

void choice_init(struct choice *c);
void choice_done(struct choice *c);
/* `service` NULL: any. Forgets refusals whose time is over. */
enum directory_fitness choice_fitness(struct choice *c, const char *service, uint64_t now_us);
/* One of `candidates` (struct choice.node), NULL when there is none. */
struct choice *choice_pick(struct list *candidates, const char *service, uint64_t now_us,
                           enum directory_fitness *fitness);
void choice_refuse(struct choice *c, const char *service, uint64_t until_us);
void choice_forget_refusals(struct choice *c);

#endif
