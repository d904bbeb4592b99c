/* SPDX-License-Identifier: Apache-2.0 */
/* c-ares: its sockets and its timer are events of the worker. */
#include "server/txt_lookup.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/object.h"
#include "base/worker.h"
#include "mdm-tunnel/limits.h"

#define LOOKUPS_MAGIC 0x74787471

struct txt_lookups {
    OBJECT_MAGIC;
    struct worker *worker;
    ares_channel channel;
    bool made;
    struct event timer;
    struct list sockets;
    bool closing; /* answers from now on are c-ares taking its leave */
};

struct lookup_socket {
    struct list node;
    struct event event;
    struct txt_lookups *lookups;
};

struct asked {
    struct txt_lookups *lookups;
    struct txt_question question;
};

/* -- the loop ------------------------------------------------------------------------------------------------------ */

static void timer_arm(struct txt_lookups *l)
{
    struct timeval tv, *next = ares_timeout(l->channel, NULL, &tv);

    if (next != NULL)
        event_add(&l->timer, next);
    else
        event_del(&l->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct txt_lookups *l = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(l, LOOKUPS_MAGIC);
    ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    timer_arm(l);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct txt_lookups *l = ((struct lookup_socket *)ctx)->lookups; /* which may be gone after the next line */

    CHECK_OBJECT(l, LOOKUPS_MAGIC);
    ares_process_fd(l->channel, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    timer_arm(l);
}

static struct lookup_socket *socket_find(struct txt_lookups *l, ares_socket_t fd)
{
    LIST_FOREACH(node, &l->sockets) {
        struct lookup_socket *s = CONTAINER_OF(node, struct lookup_socket, node);
        if (event_get_fd(&s->event) == fd)
            return s;
    }
    return NULL;
}

static void socket_free(struct lookup_socket *s)
{
    event_del(&s->event);
    list_remove(&s->node);
    free(s);
}

/* What c-ares waits for at a socket; nothing: it closes it. Without memory the question times out. */
static void on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct txt_lookups *l = ctx;
    struct lookup_socket *s = socket_find(l, fd);

    if (s != NULL)
        socket_free(s);
    if (!readable && !writable)
        return;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return;
    s->lookups = l;
    list_append(&l->sockets, &s->node);
    event_assign(&s->event, worker_events(l->worker), fd, (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0)),
                 on_socket, s);
    event_add(&s->event, NULL);
}

/* -- answers ------------------------------------------------------------------------------------------------------- */

/* A record is one string after the other; the first of each is marked. */
static bool answer_has(const struct txt_question *q, const struct ares_txt_ext *first)
{
    char text[PROOF_TEXT_MAX];
    size_t len = 0;

    for (const struct ares_txt_ext *t = first; t != NULL; t = t->next) {
        if (t->record_start)
            len = 0;
        if (len + t->length <= sizeof(text))
            memcpy(text + len, t->txt, t->length);
        len += t->length;
        bool whole = t->next == NULL || t->next->record_start;
        if (whole && len <= sizeof(text) && q->is(q->ctx, text, len))
            return true;
    }
    return false;
}

static void on_answer(void *ctx, int status, int timeouts, unsigned char *bytes, int len)
{
    struct asked *a = ctx;
    struct ares_txt_ext *records = NULL;

    (void)timeouts;
    if (a->lookups->closing) {
        free(a);
        return;
    }
    if (status == ARES_SUCCESS)
        status = ares_parse_txt_reply_ext(bytes, len, &records);
    enum txt_result result = TXT_FAILED;
    if (status == ARES_SUCCESS)
        result = answer_has(&a->question, records) ? TXT_FOUND : TXT_NONE;
    else if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
        result = TXT_NONE;
    if (records != NULL)
        ares_free_data(records);
    a->question.done(a->question.ctx, result, status == ARES_SUCCESS ? "no record is the one that is wanted" : ares_strerror(status));
    free(a);
}

void txt_ask(struct txt_lookups *l, const struct txt_question *q)
{
    struct asked *a = malloc(sizeof(*a));

    CHECK_OBJECT(l, LOOKUPS_MAGIC);
    if (a == NULL) {
        q->done(q->ctx, TXT_FAILED, "out of memory");
        return;
    }
    *a = (struct asked){l, *q};
    ares_query(l->channel, q->name, ns_c_in, ns_t_txt, on_answer, a);
    timer_arm(l);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static int library_status;

static void library_init(void) { library_status = ares_library_init(ARES_LIB_INIT_ALL); }

static int channel_open(struct txt_lookups *l, const char *servers)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char dns_only[] = "b";
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES, .timeout = PROOF_TIMEOUT_MS, .tries = PROOF_TRIES,
                                   .lookups = dns_only, .sock_state_cb = on_socket_state, .sock_state_cb_data = l};

    pthread_once(&once, library_init);
    if (library_status != ARES_SUCCESS)
        return library_status;
    int status = ares_init_options(&l->channel, &options,
                                   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    l->made = status == ARES_SUCCESS;
    return l->made && servers != NULL ? ares_set_servers_ports_csv(l->channel, servers) : status;
}

struct txt_lookups *txt_lookups_create(struct worker *w, const char *servers, const char **why)
{
    struct txt_lookups *l;

    ALLOC_OBJECT(l, LOOKUPS_MAGIC);
    if (l == NULL) {
        *why = "out of memory";
        return NULL;
    }
    l->worker = w;
    list_init(&l->sockets);
    evtimer_assign(&l->timer, worker_events(w), on_timer, l);
    int status = channel_open(l, servers);
    if (status == ARES_SUCCESS)
        return l;
    *why = ares_strerror(status);
    txt_lookups_free(&l);
    return NULL;
}

void txt_lookups_free(struct txt_lookups **lp)
{
    struct txt_lookups *l;

    if (*lp == NULL)
        return;
    TAKE_OBJECT(l, lp, LOOKUPS_MAGIC);
    l->closing = true;
    if (l->made)
        ares_destroy(l->channel);
    LIST_FOREACH_SAFE(node, next, &l->sockets)
        socket_free(CONTAINER_OF(node, struct lookup_socket, node));
    event_del(&l->timer);
    FREE_OBJECT(l);
}
