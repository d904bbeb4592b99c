/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof keeper: domains that clients want and the server's list does not give them. With --domain-proof a TXT record gives one to the
 * client whose key it names: the record is asked for, asked for again by the interval, and the fronts of all workers hear of what is
 * proven. Clients hear of what has become of each. One a program; worker 0's, but for what says otherwise.
 *
 * What was proven holds until the record is gone, the key is (admission.h), the client is there and does not want it any more, nobody
 * answers for PROOF_STALE_S, or the client was away for PROOF_AWAY_S. Nothing is remembered between runs.
 */
#ifndef SERVER_PROOF_KEEPER_H
#define SERVER_PROOF_KEEPER_H

#include "base/rates.h"
#include "base/worker.h"
#include "config/error.h"
#include "peer/hub.h"

struct admission;
struct front;
struct proof_keeper;

struct proof_keeper_config {
    struct worker *const *workers; /* not running yet */
    struct front *const *fronts;   /* of each worker; outlive it */
    unsigned count;
    struct hub_shard *shard;     /* of worker 0 */
    struct rates *rates;         /* the program's; outlive it */
    struct admission *admission; /* NULL: no encryption, nothing is proven */
    const char *resolvers;       /* txt_lookups_create() */
};

/* NULL and *err. */
struct proof_keeper *proof_keeper_create(const struct proof_keeper_config *config, struct config_error *err);
/* After the workers have stopped, before they are freed. NULL is allowed. */
void proof_keeper_free(struct proof_keeper **k);

/* hub_events.client_offers of worker 0. */
void proof_keeper_offers(struct proof_keeper *k, const char *id, const char *instance, const struct offering *o);
/* Whose keys are admitted has changed, or the settings have. */
void proof_keeper_review(struct proof_keeper *k);

#endif
