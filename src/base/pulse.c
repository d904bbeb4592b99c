/* SPDX-License-Identifier: Apache-2.0 */
/* A mail to each worker, and whether it came. */
#include "base/pulse.h"

#include "base/clock.h"
#include "base/notify.h"

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
    p->due_us = 0;
    for (unsigned i = 0; i < count; i++) {
        p->beat[i].mail = (struct mail){.deliver = beat_deliver, .discard = beat_discard};
        list_init(&p->beat[i].mail.node);
        atomic_init(&p->beat[i].waits, false);
    }
}

/* False where one of them has not answered the last time. */
static bool pulse_ask(struct pulse *p)
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

uint64_t pulse_feel(struct pulse *p, uint64_t now_us)
{
    uint64_t every_us = notify_alive_us();
    if (every_us == CLOCK_NEVER)
        return CLOCK_NEVER;
    if (now_us >= p->due_us) {
        if (pulse_ask(p))
            notify_alive();
        p->due_us = now_us + every_us;
    }
    return p->due_us - now_us;
}
