/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's life and the turns of its loop. */
#include "base/worker.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "mdm-tunnel/limits.h"

#define WORKER_MAGIC 0x8b5f23d1u

/* Mail for one other worker that leaves at the end of the turn. */
struct outbox {
    struct worker *to; /* NULL: unused so far */
    struct list mail;
    unsigned count;
};

struct worker {
    OBJECT_MAGIC;
    unsigned index;
    char name[16];
    pthread_t thread;
    bool started, stopped; /* of who starts and stops it */

    /* the worker's own */
    struct event_base *events;
    struct event *wake_event;
    uint64_t now_us; /* 0: not read in this turn */
    struct list turns[TURN_PHASES];
    struct list self_mail;
    unsigned self_count;
    struct outbox outboxes[WORKERS_MAX]; /* by the receiver's index, modulo */
    uint64_t outboxes_used;              /* a bit each */
    struct counters counters;

    /* anybody's */
    char apart[64]; /* keeps them off the worker's own cache lines */
    int wake_fd;
    atomic_bool closing;
    atomic_uint waiting; /* mails in the box and those being delivered out of it */
    pthread_mutex_t lock;
    struct list box; /* under the lock */
    bool asleep;     /* under the lock: the loop waits, the next post wakes it */
    bool ended;      /* under the lock: mail is discarded */
};

_Static_assert(WORKERS_MAX <= 64, "outboxes_used has a bit for each");

static _Thread_local struct worker *self;

/* -- mail ---------------------------------------------------------------------------------------------------------- */

static struct mail *mail_at(struct list *node)
{
    return CONTAINER_OF(node, struct mail, node);
}

static void mail_discard_all(struct list *mails)
{
    for (struct list *node; (node = list_shift(mails)) != NULL;)
        mail_at(node)->discard(mail_at(node));
}

static void worker_wake(struct worker *w)
{
    uint64_t one = 1;
    ssize_t written = write(w->wake_fd, &one, sizeof(one));
    (void)written; /* fails only when a wake is pending anyway */
}

/* Moves `count` mails into the box; discards them when the receiver has ended. */
static void box_put(struct worker *to, struct list *mails, unsigned count)
{
    pthread_mutex_lock(&to->lock);
    bool ended = to->ended, wake = to->asleep && !ended;
    if (!ended) {
        list_splice(&to->box, mails);
        atomic_fetch_add_explicit(&to->waiting, count, memory_order_relaxed);
        to->asleep = false;
    }
    pthread_mutex_unlock(&to->lock);
    if (wake)
        worker_wake(to);
    if (ended)
        mail_discard_all(mails);
}

static void outbox_flush(struct outbox *o)
{
    unsigned count = o->count;
    struct list mails;
    list_init(&mails);
    list_splice(&mails, &o->mail);
    o->count = 0;
    box_put(o->to, &mails, count);
}

static void outboxes_flush(struct worker *w)
{
    while (w->outboxes_used != 0) {
        unsigned i = (unsigned)__builtin_ctzll(w->outboxes_used);
        w->outboxes_used &= w->outboxes_used - 1;
        outbox_flush(&w->outboxes[i]);
    }
}

static struct outbox *outbox_for(struct worker *from, struct worker *to)
{
    struct outbox *o = &from->outboxes[to->index % WORKERS_MAX];
    if (o->to != to && o->count > 0)
        outbox_flush(o);
    o->to = to;
    return o;
}

static void post_from_worker(struct worker *from, struct worker *to, struct mail *m)
{
    if (from == to) {
        list_append(&to->self_mail, &m->node);
        to->self_count++;
        return;
    }
    struct outbox *o = outbox_for(from, to);
    list_append(&o->mail, &m->node);
    o->count++;
    from->outboxes_used |= UINT64_C(1) << (to->index % WORKERS_MAX);
}

void worker_post(struct worker *to, struct mail *m)
{
    CHECK_OBJECT(to, WORKER_MAGIC);
    if (self != NULL) {
        post_from_worker(self, to, m);
        return;
    }
    struct list mails;
    list_init(&mails);
    list_append(&mails, &m->node);
    box_put(to, &mails, 1);
}

bool worker_post_new(struct worker *to, struct mail *m)
{
    CHECK_OBJECT(to, WORKER_MAGIC);
    unsigned waiting = atomic_load_explicit(&to->waiting, memory_order_relaxed);
    if (self == to)
        waiting += to->self_count;
    else if (self != NULL)
        waiting += outbox_for(self, to)->count;
    if (waiting >= WORKER_MAIL_MAX)
        return false;
    worker_post(to, m);
    return true;
}

/* -- turns --------------------------------------------------------------------------------------------------------- */

void turn_init(struct turn *t, void (*run)(struct turn *t))
{
    list_init(&t->node);
    t->run = run;
}

void worker_at_turn(struct worker *w, enum turn_phase phase, struct turn *t)
{
    if (list_empty(&t->node))
        list_append(&w->turns[phase], &t->node);
}

void turn_cancel(struct turn *t)
{
    list_remove(&t->node);
}

/* Those that ask again meanwhile run in the next round or turn. */
static bool turns_run(struct worker *w, enum turn_phase phase)
{
    struct list due, *node;
    list_init(&due);
    list_splice(&due, &w->turns[phase]);
    bool any = false;
    for (; (node = list_shift(&due)) != NULL; any = true) {
        struct turn *t = CONTAINER_OF(node, struct turn, node);
        t->run(t);
    }
    return any;
}

static bool mail_deliver(struct worker *w)
{
    struct list due, *node;
    list_init(&due);
    pthread_mutex_lock(&w->lock);
    w->asleep = false;
    list_splice(&due, &w->box);
    pthread_mutex_unlock(&w->lock);
    list_splice(&due, &w->self_mail);
    unsigned self_count = w->self_count, count = 0;
    w->self_count = 0;
    for (; (node = list_shift(&due)) != NULL; count++)
        mail_at(node)->deliver(w, mail_at(node));
    atomic_fetch_sub_explicit(&w->waiting, count - self_count, memory_order_relaxed);
    return count > 0;
}

static void turn_end(struct worker *w)
{
    bool more = true;
    for (unsigned round = 0; more && round < WORKER_ROUNDS_MAX; round++) {
        more = mail_deliver(w);
        more |= turns_run(w, TURN_WORK);
    }
    turns_run(w, TURN_FLUSH);
    turns_run(w, TURN_WRITE);
    outboxes_flush(w);
}

static bool worker_has_work(const struct worker *w)
{
    for (unsigned phase = 0; phase < TURN_PHASES; phase++)
        if (!list_empty(&w->turns[phase]))
            return true;
    return !list_empty(&w->self_mail);
}

/* Whether the loop may wait for events; from then on a post wakes it. */
static bool worker_fall_asleep(struct worker *w)
{
    if (worker_has_work(w))
        return false;
    pthread_mutex_lock(&w->lock);
    w->asleep = list_empty(&w->box);
    bool asleep = w->asleep;
    pthread_mutex_unlock(&w->lock);
    return asleep;
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    CHECK_OBJECT(w, WORKER_MAGIC);
    self = w;
    counters_join(&w->counters);
    for (bool last = false; !last;) {
        /* Read before the mail is looked at, so that what was posted before the close is in the last turn. */
        last = atomic_load_explicit(&w->closing, memory_order_acquire);
        bool wait = !last && worker_fall_asleep(w);
        w->now_us = 0;
        event_base_loop(w->events, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
        turn_end(w);
    }
    counters_leave(&w->counters);
    self = NULL;
    return NULL;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* The descriptor is edge-triggered: each write is an event of its own, and nothing needs to read it. */
static void wake_seen(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static struct event_base *events_create(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool wake_create(struct worker *w)
{
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->wake_fd < 0)
        return false;
    w->wake_event = event_new(w->events, w->wake_fd, EV_READ | EV_PERSIST | EV_ET, wake_seen, w);
    return w->wake_event != NULL && event_add(w->wake_event, NULL) == 0;
}

struct worker *worker_create(const char *name, unsigned index)
{
    struct worker *w;
    ALLOC_OBJECT(w, WORKER_MAGIC);
    if (w == NULL)
        return NULL;
    w->index = index;
    snprintf(w->name, sizeof(w->name), "%s", name);
    for (unsigned i = 0; i < TURN_PHASES; i++)
        list_init(&w->turns[i]);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        list_init(&w->outboxes[i].mail);
    list_init(&w->self_mail);
    list_init(&w->box);
    w->wake_fd = -1;
    pthread_mutex_init(&w->lock, NULL);
    w->events = events_create();
    if (w->events == NULL || !wake_create(w))
        worker_free(&w);
    return w;
}

int worker_start(struct worker *w)
{
    CHECK_OBJECT(w, WORKER_MAGIC);
    assert(!w->started && !w->stopped);
    sigset_t all, saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int error = pthread_create(&w->thread, NULL, worker_run, w);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (error != 0)
        return error;
    w->started = true;
    pthread_setname_np(w->thread, w->name);
    return 0;
}

uint64_t worker_cpu_us(const struct worker *w)
{
    struct timespec at;
    clockid_t clock;

    if (pthread_getcpuclockid(w->thread, &clock) != 0 || clock_gettime(clock, &at) != 0)
        return 0;
    return (uint64_t)at.tv_sec * US_PER_S + (uint64_t)at.tv_nsec / 1000;
}

void worker_close(struct worker *w)
{
    CHECK_OBJECT(w, WORKER_MAGIC);
    atomic_store_explicit(&w->closing, true, memory_order_release);
    if (w->wake_fd >= 0)
        worker_wake(w);
}

void worker_stop(struct worker *w)
{
    CHECK_OBJECT(w, WORKER_MAGIC);
    assert(self != w);
    if (w->stopped)
        return;
    worker_close(w);
    if (w->started)
        pthread_join(w->thread, NULL);
    w->stopped = true;

    struct list left;
    list_init(&left);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    list_splice(&left, &w->box);
    pthread_mutex_unlock(&w->lock);
    list_splice(&left, &w->self_mail);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        list_splice(&left, &w->outboxes[i].mail);
    mail_discard_all(&left);
    for (unsigned i = 0; i < TURN_PHASES; i++)
        while (list_shift(&w->turns[i]) != NULL)
            ;
}

void worker_free(struct worker **wp)
{
    if (*wp == NULL)
        return;
    struct worker *w;
    TAKE_OBJECT(w, wp, WORKER_MAGIC);
    worker_stop(w);
    if (w->wake_event != NULL)
        event_free(w->wake_event);
    if (w->events != NULL)
        event_base_free(w->events);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    FREE_OBJECT(w);
}

unsigned worker_index(const struct worker *w)
{
    return w->index;
}

struct worker *worker_self(void)
{
    return self;
}

struct event_base *worker_events(struct worker *w)
{
    CHECK_OBJECT(w, WORKER_MAGIC);
    return w->events;
}

uint64_t worker_now_us(struct worker *w)
{
    if (w->now_us == 0)
        w->now_us = clock_now_us();
    return w->now_us;
}
