/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: mail, its order and bounds, turns, and what is left at the end. */
#include "base/worker.h"

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

struct letter {
    struct mail mail;
    unsigned number;
};

/* What the workers under test write down; each field has one writer, and is read after sem_wait() or worker_stop(). */
static struct {
    unsigned delivered, wrong_order, wrong_worker, next;
    atomic_uint discarded;
    struct worker *at;
    sem_t done;
} seen;

static void seen_reset(struct worker *at)
{
    memset(&seen, 0, sizeof(seen));
    sem_init(&seen.done, 0, 0);
    seen.at = at;
}

static void letter_discard(struct mail *m)
{
    atomic_fetch_add(&seen.discarded, 1);
    free(m);
}

static void letter_deliver(struct worker *self, struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    seen.wrong_worker += self != seen.at || worker_self() != self;
    seen.wrong_order += l->number != seen.next;
    seen.next = l->number + 1;
    seen.delivered++;
    free(l);
}

static struct mail *letter(unsigned number, void (*deliver)(struct worker *, struct mail *))
{
    struct letter *l = calloc(1, sizeof(*l));
    l->mail = (struct mail){.deliver = deliver, .discard = letter_discard};
    l->number = number;
    return &l->mail;
}

static void signal_deliver(struct worker *self, struct mail *m)
{
    (void)self;
    free(m);
    sem_post(&seen.done);
}

static void mail_before_start_and_close_is_delivered(void)
{
    struct worker *w = worker_create("test", 3);
    seen_reset(w);
    OK_INT(worker_index(w), 3);
    OK(worker_self() == NULL);
    for (unsigned i = 0; i < 100; i++)
        worker_post(w, letter(i, letter_deliver));
    OK_INT(worker_start(w), 0);
    for (unsigned i = 100; i < 5000; i++)
        worker_post(w, letter(i, letter_deliver));
    worker_close(w);
    worker_close(w);
    worker_stop(w);
    worker_stop(w);
    OK_INT(seen.delivered, 5000);
    OK_INT(seen.wrong_order, 0);
    OK_INT(seen.wrong_worker, 0);
    OK_INT(seen.discarded, 0);
    worker_post(w, letter(0, letter_deliver));
    OK_INT(seen.discarded, 1);
    worker_free(&w);
    OK(w == NULL);
}

static void mail_of_a_worker_that_never_started_is_discarded(void)
{
    struct worker *w = worker_create("a name of more than fifteen bytes", 0);
    seen_reset(w);
    worker_post(w, letter(0, letter_deliver));
    worker_post(w, letter(1, letter_deliver));
    worker_free(&w);
    OK_INT(seen.delivered, 0);
    OK_INT(seen.discarded, 2);
    worker_free(&w);
}

/* -- the bound ----------------------------------------------------------------------------------------------------- */

static void refused_beyond_the_maximum(void)
{
    struct worker *w = worker_create("test", 0);
    seen_reset(w);
    unsigned taken = 0;
    struct mail *m = letter(0, letter_deliver);
    while (worker_post_new(w, m))
        m = letter(++taken, letter_deliver);
    OK_INT(taken, WORKER_MAIL_MAX);
    worker_post(w, m);
    m = letter(taken + 1, letter_deliver);
    OK(!worker_post_new(w, m));
    OK_INT(worker_start(w), 0);
    worker_post(w, letter(taken + 1, letter_deliver));
    worker_post(w, letter(0, signal_deliver));
    sem_wait(&seen.done);
    OK_INT(seen.delivered, WORKER_MAIL_MAX + 2);
    OK_INT(seen.wrong_order, 0);
    free(m);

    /* There is room again once the batch is done, and it is done when the next one arrives. */
    worker_post(w, letter(0, signal_deliver));
    sem_wait(&seen.done);
    m = letter(taken + 2, letter_deliver);
    OK(worker_post_new(w, m));
    worker_close(w);
    worker_stop(w);
    OK_INT(seen.delivered, WORKER_MAIL_MAX + 3);
    worker_free(&w);
}

static void flood_self(struct worker *self, struct mail *m)
{
    unsigned taken = 0;
    struct mail *next = letter(0, letter_deliver);
    while (worker_post_new(self, next))
        next = letter(++taken, letter_deliver);
    free(next);
    seen.delivered = 0;
    signal_deliver(self, m);
}

static void self_mail_is_bounded_too(void)
{
    struct worker *w = worker_create("test", 0);
    seen_reset(w);
    OK_INT(worker_start(w), 0);
    worker_post(w, letter(0, flood_self));
    sem_wait(&seen.done);
    worker_close(w);
    worker_stop(w);
    /* The flooding mail itself still counts while it is delivered. */
    OK_INT(seen.delivered, WORKER_MAIL_MAX - 1);
    OK_INT(seen.wrong_order, 0);
    OK_INT(seen.discarded, 0);
    worker_free(&w);
}

/* -- between workers ----------------------------------------------------------------------------------------------- */

#define RELAYED 20000

struct relay {
    struct mail mail;
    struct worker *to;
    unsigned count;
    unsigned stage; /* 0: to the sender, 1: at the sender */
};

static void relay_deliver(struct worker *self, struct mail *m)
{
    struct relay *r = CONTAINER_OF(m, struct relay, mail);
    for (unsigned i = 0; i < 10 && r->count < RELAYED; i++)
        worker_post(r->to, letter(r->count++, letter_deliver));
    if (r->count < RELAYED) {
        worker_post(self, m);
    } else {
        worker_post(r->to, letter(0, signal_deliver));
        free(r);
    }
}

static void relay_discard(struct mail *m)
{
    free(m);
}

static void relay_start(struct worker *from, struct worker *to)
{
    struct relay *r = calloc(1, sizeof(*r));
    r->mail = (struct mail){.deliver = relay_deliver, .discard = relay_discard};
    r->to = to;
    worker_post(from, &r->mail);
}

static void order_between_workers_is_kept(void)
{
    struct worker *a = worker_create("a", 0), *b = worker_create("b", 1);
    seen_reset(b);
    OK_INT(worker_start(a), 0);
    OK_INT(worker_start(b), 0);
    relay_start(a, b);
    sem_wait(&seen.done);
    OK_INT(seen.delivered, RELAYED);
    OK_INT(seen.wrong_order, 0);
    OK_INT(seen.wrong_worker, 0);
    worker_stop(a);
    worker_stop(b);
    worker_free(&a);
    worker_free(&b);
}

/* Two receivers with the same index share an outbox of the sender. */
static void ping_both(struct worker *self, struct mail *m);
static struct worker *both[2];
static atomic_uint both_seen[2];

static void both_deliver(struct worker *self, struct mail *m)
{
    atomic_fetch_add(&both_seen[self == both[1]], 1);
    free(m);
}

static void ping_both(struct worker *self, struct mail *m)
{
    for (unsigned i = 0; i < 100; i++)
        worker_post(both[i & 1], letter(i, both_deliver));
    for (unsigned i = 0; i < 2; i++)
        worker_post(both[i], letter(i, signal_deliver));
    (void)self;
    free(m);
}

static void receivers_with_one_index_are_told_apart(void)
{
    struct worker *from = worker_create("from", 1);
    seen_reset(NULL);
    for (unsigned i = 0; i < 2; i++) {
        both[i] = worker_create("both", 5);
        OK_INT(worker_start(both[i]), 0);
    }
    OK_INT(worker_start(from), 0);
    worker_post(from, letter(0, ping_both));
    sem_wait(&seen.done);
    sem_wait(&seen.done);
    OK_INT(both_seen[0], 50);
    OK_INT(both_seen[1], 50);
    worker_stop(from);
    for (unsigned i = 0; i < 2; i++)
        worker_free(&both[i]);
    worker_free(&from);
}

#define PINGS 5000

struct ping {
    struct mail mail;
    struct worker *other;
    unsigned left;
};

static void ping_deliver(struct worker *self, struct mail *m)
{
    struct ping *p = CONTAINER_OF(m, struct ping, mail);
    struct worker *to = p->other;
    p->other = self;
    if (--p->left > 0) {
        worker_post(to, m);
    } else {
        free(p);
        sem_post(&seen.done);
    }
}

/* Each ping finds the other worker asleep or falling asleep: a lost wake-up would hang here. */
static void no_wake_is_lost(void)
{
    struct worker *a = worker_create("a", 0), *b = worker_create("b", 1);
    seen_reset(NULL);
    worker_start(a);
    worker_start(b);
    struct ping *p = calloc(1, sizeof(*p));
    *p = (struct ping){.mail = {.deliver = ping_deliver, .discard = letter_discard}, .other = b, .left = PINGS};
    worker_post(a, &p->mail);
    OK_INT(sem_wait(&seen.done), 0);
    worker_stop(a);
    worker_stop(b);
    worker_free(&a);
    worker_free(&b);
}

/* -- foreign threads ----------------------------------------------------------------------------------------------- */

#define THREADS 4
#define EACH    5000

static unsigned last_of[THREADS], many_wrong;

static void many_deliver(struct worker *self, struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    unsigned thread = l->number / EACH, number = l->number % EACH;
    many_wrong += number != last_of[thread]++;
    (void)self;
    free(l);
}

struct poster {
    pthread_t thread;
    struct worker *to;
    unsigned number;
};

static void *poster_run(void *arg)
{
    struct poster *p = arg;
    for (unsigned i = 0; i < EACH; i++)
        worker_post(p->to, letter(p->number * EACH + i, many_deliver));
    return NULL;
}

static void many_threads_post(void)
{
    struct worker *w = worker_create("test", 0);
    struct poster posters[THREADS];
    worker_start(w);
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.to = w, .number = i};
        pthread_create(&posters[i].thread, NULL, poster_run, &posters[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(posters[i].thread, NULL);
    worker_close(w);
    worker_stop(w);
    OK_INT(many_wrong, 0);
    for (unsigned i = 0; i < THREADS; i++)
        OK_INT(last_of[i], EACH);
    worker_free(&w);
}

static void *poster_until_discarded(void *arg)
{
    struct poster *p = arg;
    while (atomic_load(&seen.discarded) == 0)
        worker_post(p->to, letter(0, letter_deliver));
    return NULL;
}

static void posting_while_it_stops_is_safe(void)
{
    struct worker *w = worker_create("test", 0);
    seen_reset(w);
    struct poster p = {.to = w};
    worker_start(w);
    pthread_create(&p.thread, NULL, poster_until_discarded, &p);
    worker_stop(w);
    pthread_join(p.thread, NULL);
    OK(atomic_load(&seen.discarded) > 0);
    worker_free(&w);
}

/* -- turns --------------------------------------------------------------------------------------------------------- */

static char steps[64];
static struct turn work, flush, writing, cancelled;

static void step(char c)
{
    size_t n = strlen(steps);
    if (n < sizeof(steps) - 1)
        steps[n] = c;
}

static void run_work(struct turn *t)
{
    (void)t;
    step('w');
    worker_at_turn(worker_self(), TURN_FLUSH, &flush);
}

static void step_mail(struct worker *self, struct mail *m)
{
    step('m');
    worker_at_turn(self, TURN_WORK, &work);
    worker_at_turn(self, TURN_WORK, &work);
    free(m);
}

static void last_mail(struct worker *self, struct mail *m)
{
    step('l');
    signal_deliver(self, m);
}

static void run_flush(struct turn *t)
{
    (void)t;
    step('f');
    worker_at_turn(worker_self(), TURN_WRITE, &writing);
}

static void run_write(struct turn *t)
{
    (void)t;
    step('s');
    worker_post(worker_self(), letter(0, last_mail));
}

static void run_cancelled(struct turn *t)
{
    (void)t;
    step('!');
}

static void two_mails(struct worker *self, struct mail *m)
{
    worker_post(self, letter(0, step_mail));
    worker_post(self, letter(0, step_mail));
    worker_at_turn(self, TURN_FLUSH, &cancelled);
    turn_cancel(&cancelled);
    turn_cancel(&cancelled);
    step('t');
    free(m);
}

static void phases_run_in_order(void)
{
    struct worker *w = worker_create("test", 0);
    seen_reset(w);
    memset(steps, 0, sizeof(steps));
    turn_init(&work, run_work);
    turn_init(&flush, run_flush);
    turn_init(&writing, run_write);
    turn_init(&cancelled, run_cancelled);
    worker_post(w, letter(0, two_mails));
    worker_start(w);
    sem_wait(&seen.done);
    worker_stop(w);
    OK_TEXT(steps, "tmmwfsl");
    worker_free(&w);
}

static unsigned again_left, again_flushes;

static void run_again(struct turn *t)
{
    if (--again_left > 0)
        worker_at_turn(worker_self(), TURN_WORK, t);
    else
        sem_post(&seen.done);
    worker_at_turn(worker_self(), TURN_FLUSH, &flush);
}

static void count_flush(struct turn *t)
{
    (void)t;
    again_flushes++;
}

static void rounds_of_a_turn_are_bounded(void)
{
    struct worker *w = worker_create("test", 0);
    seen_reset(w);
    again_left = 10 * WORKER_ROUNDS_MAX;
    turn_init(&work, run_again);
    turn_init(&flush, count_flush);
    worker_at_turn(w, TURN_WORK, &work);
    worker_start(w);
    sem_wait(&seen.done);
    worker_stop(w);
    OK_INT(again_flushes, 10);
    worker_free(&w);
}

static void turns_left_are_cancelled(void)
{
    struct worker *w = worker_create("test", 0);
    turn_init(&cancelled, run_cancelled);
    worker_at_turn(w, TURN_WRITE, &cancelled);
    worker_free(&w);
    OK(list_empty(&cancelled.node));
}

/* -- events, time, counters ---------------------------------------------------------------------------------------- */

static uint64_t timer_asked, timer_fired, timer_again;

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    timer_fired = worker_now_us(arg);
    timer_again = worker_now_us(arg);
    sem_post(&seen.done);
}

static void now_is_read_after_the_loop_woke(void)
{
    struct worker *w = worker_create("test", 0);
    seen_reset(w);
    struct event *timer = event_new(worker_events(w), -1, 0, timer_due, w);
    struct timeval delay = {0, 30000};
    event_add(timer, &delay);
    timer_asked = clock_now_us();
    worker_start(w);
    sem_wait(&seen.done);
    worker_stop(w);
    OK(timer_fired >= timer_asked + 20 * US_PER_MS);
    OK(timer_fired == timer_again);
    event_free(timer);
    worker_free(&w);
}

static void count_visitor(struct worker *self, struct mail *m)
{
    counter_add(counters_self(), COUNTER_requests, 3);
    counter_add(counters_self(), COUNTER_visitors, 2);
    counter_sub(counters_self(), COUNTER_visitors, 1);
    signal_deliver(self, m);
}

static void counters_are_summed(void)
{
    struct worker *w[2];
    seen_reset(NULL);
    uint64_t before = counters_sum(COUNTER_requests);
    counter_add(counters_self(), COUNTER_requests, 100); /* no worker's: not in the sum */
    for (unsigned i = 0; i < 2; i++) {
        w[i] = worker_create("test", i);
        worker_start(w[i]);
        worker_post(w[i], letter(0, count_visitor));
        sem_wait(&seen.done);
    }
    OK_INT(counters_sum(COUNTER_requests) - before, 6);
    OK_INT(counters_sum(COUNTER_visitors), 2);
    for (unsigned i = 0; i < 2; i++)
        worker_free(&w[i]);
    OK_INT(counters_sum(COUNTER_requests) - before, 6);
    OK_TEXT(counter_name(COUNTER_requests_retried), "requests_retried");
    OK(counter_text(COUNTER_MAX - 1)[0] != '\0');
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"mail before the start and before the close is delivered", mail_before_start_and_close_is_delivered},
        {"mail of a worker that never started is discarded", mail_of_a_worker_that_never_started_is_discarded},
        {"new work is refused beyond the maximum", refused_beyond_the_maximum},
        {"mail to oneself is bounded too", self_mail_is_bounded_too},
        {"order between workers is kept", order_between_workers_is_kept},
        {"receivers with one index are told apart", receivers_with_one_index_are_told_apart},
        {"no wake is lost", no_wake_is_lost},
        {"many threads post", many_threads_post},
        {"posting while it stops is safe", posting_while_it_stops_is_safe},
        {"the phases of a turn run in order", phases_run_in_order},
        {"the rounds of a turn are bounded", rounds_of_a_turn_are_bounded},
        {"turns left are cancelled", turns_left_are_cancelled},
        {"now is read after the loop woke", now_is_read_after_the_loop_woke},
        {"counters are summed", counters_are_summed},
    };
    return TAP_RUN(cases);
}
