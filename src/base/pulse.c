/* SPDX-License-Identifier: Apache-2.0 */
/* A mail to each worker, and whether it came. */
#include "base/pulse.h"

static void beat_deliver(struct worker *self, struct mail *m)
{
    (void)self;
    atomic_store_explicit(&CONTAINER_OF(m, struct beat, mail)->waits, false, memory_order_release);
}

static void beat_discard(struct mail *m) { (void)m; }

void pulse_init(struct pulse *p, struct worker *const *workers, unsigned count)
{
    p->workers = workers;
    p->count = count;
    for (unsigned i = 0; i < count; i++) {
        p->beat[i].mail = (struct mail){.deliver = beat_deliver, .discard = beat_discard};
        list_init(&p->beat[i].mail.node);
        atomic_init(&p->beat[i].waits, false);
    }
}

bool pulse_ask(struct pulse *p)
{
    bool all = true;
    for (unsigned i = 0; i < p->count; i++) {
        if (atomic_load_explicit(&p->beat[i].waits, memory_order_acquire)) {
            all = false;
            continue;
        }
        atomic_store_explicit(&p->beat[i].waits, true, memory_order_relaxed);
        worker_post(p->workers[i], &p->beat[i].mail);
    }
    return all;
}
