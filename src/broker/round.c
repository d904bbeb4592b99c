/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds through all shards. */
#include "broker/round.h"

#include <stdlib.h>

#include "broker/shard.h"

struct round_mail {
    struct mail mail;
    struct round *round;
    struct broker_shard *at;
};

static struct round_mail *round_mail(struct mail *m) { return CONTAINER_OF(m, struct round_mail, mail); }

bool round_fits(const struct broker_shard *home, size_t weight)
{
    const struct broker *b = home->broker;
    for (unsigned i = 0; i < b->shard_count; i++)
        if (b->shards[i] != home &&
            atomic_load_explicit(&b->shards[i]->inbound, memory_order_relaxed) + weight > MQTT_FORWARD_MAX)
            return false;
    return true;
}

bool round_init(struct round *r, const struct round_kind *kind, struct broker_shard *home, size_t weight)
{
    unsigned others = home->broker->shard_count - 1;
    r->kind = kind;
    r->home = home;
    r->weight = weight;
    r->mails = calloc(others > 0 ? others : 1, sizeof(*r->mails));
    atomic_init(&r->out, others);
    atomic_init(&r->broken, false);
    return r->mails != NULL;
}

void round_done(struct round *r) { free(r->mails); }

static void round_finish(struct round *r)
{
    if (!atomic_load(&r->broken))
        r->kind->done(r);
    r->kind->release(r);
}

static void mail_finish(struct round *r)
{
    if (atomic_fetch_sub(&r->out, 1) == 1)
        round_finish(r);
}

static void mail_lost(struct mail *m)
{
    atomic_store(&round_mail(m)->round->broken, true);
    mail_finish(round_mail(m)->round);
}

static void mail_returned(struct worker *self, struct mail *m)
{
    (void)self;
    mail_finish(round_mail(m)->round);
}

static void mail_arrived(struct worker *self, struct mail *m)
{
    (void)self;
    struct round_mail *rm = round_mail(m);
    atomic_fetch_sub_explicit(&rm->at->inbound, rm->round->weight, memory_order_relaxed);
    rm->round->kind->apply(rm->at, rm->round);
    m->deliver = mail_returned;
    worker_post(rm->round->home->worker, m);
}

void round_start(struct round *r)
{
    const struct broker_shard *home = r->home; /* `r` is gone when the last mail finds its worker stopped */
    const struct broker *b = home->broker;
    unsigned count = b->shard_count, next = 0;
    if (count == 1) {
        round_finish(r);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (b->shards[i] == home)
            continue;
        struct round_mail *rm = &r->mails[next++];
        *rm = (struct round_mail){
            .mail = {.deliver = mail_arrived, .discard = mail_lost}, .round = r, .at = b->shards[i]};
        atomic_fetch_add_explicit(&b->shards[i]->inbound, r->weight, memory_order_relaxed);
        worker_post(b->shards[i]->worker, &rm->mail);
    }
}
