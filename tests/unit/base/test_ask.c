/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to workers: answered by all, by one too late, by one that has stopped. */
#include "base/ask.h"

#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/worker.h"
#include "tap.h"

#define COUNT 3

static struct worker *workers[COUNT];
static atomic_uint done_count;
static sem_t hold;

struct part {
    unsigned index, worker, question;
};

static void run(void *host, const void *question, unsigned index, void *part)
{
    struct part *p = part;

    if (host == NULL)
        sem_wait(&hold);
    *p = (struct part){index, worker_index(worker_self()), *(const unsigned *)question};
}

static void done(void *part)
{
    (void)part;
    atomic_fetch_add(&done_count, 1);
}

static struct ask *ask(void *host, uint64_t limit_us)
{
    const unsigned question = 7;
    const struct ask_config config = {.workers = workers, .count = COUNT, .question = &question, .question_size = sizeof(question),
                                      .part_size = sizeof(struct part), .run = run, .done = done, .host = host};

    return ask_workers(&config, limit_us);
}

static void start(void)
{
    atomic_store(&done_count, 0);
    sem_init(&hold, 0, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        workers[i] = worker_create("test", i);
        OK_INT(worker_start(workers[i]), 0);
    }
}

static void stop(void)
{
    for (unsigned i = 0; i < COUNT; i++)
        worker_stop(workers[i]);
    for (unsigned i = 0; i < COUNT; i++)
        worker_free(&workers[i]);
}

static void answered(void)
{
    start();
    struct ask *a = ask(workers, 60 * US_PER_S);
    if (OK(a != NULL)) {
        for (unsigned i = 0; i < COUNT; i++) {
            const struct part *p = ask_part(a, i);
            OK_INT(p->index, i);
            OK_INT(p->worker, i);
            OK_INT(p->question, 7);
        }
        OK_INT(atomic_load(&done_count), 0);
        ask_free(&a);
        OK(a == NULL);
    }
    stop();
    OK_INT(atomic_load(&done_count), COUNT);
}

static void too_late(void)
{
    start();
    OK(ask(NULL, 1000) == NULL); /* none can answer before it is let go */
    for (unsigned i = 0; i < COUNT; i++)
        sem_post(&hold);
    stop();
    OK_INT(atomic_load(&done_count), COUNT); /* the last one cleaned up */
}

static void stopped(void)
{
    start();
    worker_stop(workers[1]);
    OK(ask(workers, 60 * US_PER_S) == NULL);
    stop();
    OK(atomic_load(&done_count) < COUNT);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"all answer", answered},
        {"an answer that comes too late", too_late},
        {"a worker that has stopped", stopped},
    };
    return TAP_RUN(cases);
}
