/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds which client id. Each id has one shard that decides (by its hash). A claim travels there and comes back
 * granted after the former holder has gone (its will published everywhere), or refused when a newer claim came
 * meanwhile. For every granted claim the holder releases exactly once.
 */
#ifndef BROKER_REGISTRY_H
#define BROKER_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/worker.h"
#include "base/table.h"

struct broker_shard;

struct claim {
    struct mail mail;
    struct broker_shard *home; /* of the connection */
    uint64_t handle;           /* the connection there */
    bool granted;
    char id[];
};

struct registry {
    struct table holders;
};

bool registry_init(struct registry *r);
void registry_done(struct registry *r);

/* Asks for a client id; conn_claimed() brings the answer. False without memory. */
bool registry_claim(struct broker_shard *home, uint64_t handle, const char *id);
/* Gives a granted claim back; takes it over. */
void registry_release(struct claim *c);

#endif
