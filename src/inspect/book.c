/* SPDX-License-Identifier: Apache-2.0 */
/* The last records. */
#include "inspect/book.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

struct book_lock {
    pthread_mutex_t mutex;
};

static int64_t real_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* -- its life ------------------------------------------------------------------------------------------------------ */

struct book *book_create(const struct book_limits *limits)
{
    struct book *b;
    ALLOC_OBJECT(b, BOOK_MAGIC);
    if (b == NULL)
        return NULL;
    list_init(&b->by_number);
    list_init(&b->by_change);
    b->limits = *limits;
    b->lock = calloc(1, sizeof(*b->lock));
    if (b->lock == NULL)
        FREE_OBJECT(b);
    else
        pthread_mutex_init(&b->lock->mutex, NULL);
    return b;
}

void book_free(struct book **bp)
{
    struct book *b;
    if (*bp == NULL)
        return;
    TAKE_OBJECT(b, bp, BOOK_MAGIC);
    book_clear(b);
    pthread_mutex_destroy(&b->lock->mutex);
    free(b->lock);
    FREE_OBJECT(b);
}

void book_lock(struct book *b)
{
    CHECK_OBJECT(b, BOOK_MAGIC);
    pthread_mutex_lock(&b->lock->mutex);
}

void book_unlock(struct book *b) { pthread_mutex_unlock(&b->lock->mutex); }

/* -- what is in it --------------------------------------------------------------------------------------------------- */

static void message_done(struct record_message *m)
{
    free(m->head);
    free(m->body);
    *m = (struct record_message){0};
}

static void frame_drop(struct book *b, struct record *r, struct record_frame *f)
{
    size_t cost = sizeof(*f) + f->len;
    list_remove(&f->node);
    r->frames_kept--;
    r->cost -= cost;
    b->bytes -= cost;
    free(f);
}

static struct record_frame *frame_first(struct record *r)
{
    return CONTAINER_OF(r->frames.next, struct record_frame, node);
}

static void record_unref(struct record *r)
{
    if (--r->refs == 0)
        FREE_OBJECT(r);
}

/* What it has is freed at once; the rest when nobody has it any more. */
static void book_drop(struct book *b, struct record *r)
{
    while (!list_empty(&r->frames))
        frame_drop(b, r, frame_first(r));
    message_done(&r->request);
    message_done(&r->response);
    list_remove(&r->by_number);
    list_remove(&r->by_change);
    b->bytes -= r->cost;
    b->count--;
    r->cost = 0;
    r->kept = false;
    record_unref(r);
}

static struct record *record_first(const struct book *b)
{
    return CONTAINER_OF(b->by_number.next, struct record, by_number);
}

/* The oldest give way, all of them where nothing else helps. */
static void book_settle(struct book *b)
{
    while (b->count > b->limits.records || (b->bytes > b->limits.bytes && b->count > 0))
        book_drop(b, record_first(b));
}

static void book_charge(struct book *b, struct record *r, size_t bytes)
{
    r->cost += bytes;
    b->bytes += bytes;
    book_settle(b);
}

void book_change(struct book *b, struct record *r)
{
    if (!r->kept)
        return;
    r->revision = ++b->revision;
    list_remove(&r->by_change);
    list_append(&b->by_change, &r->by_change);
}

struct record *book_add(struct book *b, const char *service, const char *visitor, uint64_t replay_of)
{
    struct record *r;
    ALLOC_OBJECT(r, RECORD_MAGIC);
    if (r == NULL)
        return NULL;
    r->refs = 2;
    r->kept = true;
    r->number = ++b->number;
    r->replay_of = replay_of;
    r->time_us = real_us();
    r->began_us = clock_now_us();
    snprintf(r->service, sizeof(r->service), "%s", service);
    snprintf(r->visitor, sizeof(r->visitor), "%s", visitor);
    list_init(&r->frames);
    list_init(&r->by_change);
    list_append(&b->by_number, &r->by_number);
    b->count++;
    book_change(b, r);
    book_charge(b, r, sizeof(*r));
    return r;
}

void book_give_back(struct book *b, struct record **rp)
{
    struct record *r;
    (void)b;
    if (*rp == NULL)
        return;
    TAKE_OBJECT(r, rp, RECORD_MAGIC);
    record_unref(r);
}

/* Newer ones are asked for more often. */
struct record *book_find(const struct book *b, uint64_t number)
{
    for (struct list *node = b->by_number.prev; node != &b->by_number; node = node->prev) {
        struct record *r = CONTAINER_OF(node, struct record, by_number);
        if (r->number <= number)
            return r->number == number ? r : NULL;
    }
    return NULL;
}

bool book_keep_head(struct book *b, struct record *r, struct record_message *m, const char *head, size_t len)
{
    if (!r->kept || m->head != NULL)
        return false;
    m->head = malloc(len);
    if (m->head == NULL)
        return false;
    memcpy(m->head, head, len);
    m->head_len = (uint32_t)len;
    book_change(b, r);
    book_charge(b, r, len);
    return r->kept;
}

/* Doubles: most bodies are small. False: no memory. */
static bool body_reserve(struct book *b, struct record *r, struct record_message *m, size_t len)
{
    size_t size = m->body_size > 0 ? m->body_size : 512;
    while (size < len)
        size *= 2;
    if (size == m->body_size)
        return true;
    uint8_t *body = realloc(m->body, size);
    if (body == NULL)
        return false;
    size_t more = size - m->body_size;
    m->body = body;
    m->body_size = (uint32_t)size;
    book_charge(b, r, more);
    return r->kept;
}

void book_keep_body(struct book *b, struct record *r, struct record_message *m, const void *bytes, size_t len)
{
    if (!r->kept)
        return;
    size_t room = m->body_len == m->body_bytes ? INSPECT_BODY_MAX - m->body_len : 0; /* no gap */
    size_t kept = len < room ? len : room;
    m->body_bytes += len;
    book_change(b, r);
    if (kept == 0 || !body_reserve(b, r, m, m->body_len + kept))
        return;
    memcpy(m->body + m->body_len, bytes, kept);
    m->body_len += (uint32_t)kept;
}

void book_keep_frame(struct book *b, struct record *r, const struct record_frame *facts, const void *payload)
{
    if (!r->kept)
        return;
    struct record_frame *f = malloc(sizeof(*f) + facts->len);
    r->frames_seen++;
    book_change(b, r);
    if (f == NULL)
        return;
    *f = *facts;
    memcpy(f->payload, payload, facts->len);
    f->time_us = real_us();
    list_append(&r->frames, &f->node);
    r->frames_kept++;
    if (r->frames_kept > INSPECT_FRAMES_MAX)
        frame_drop(b, r, frame_first(r));
    book_charge(b, r, sizeof(*f) + facts->len);
}

void book_end(struct book *b, struct record *r, enum record_state state, const char *why)
{
    if (r->state != RECORD_OPEN)
        return;
    r->state = state;
    r->ended_us = clock_now_us();
    snprintf(r->why, sizeof(r->why), "%s", state == RECORD_CUT ? why : "");
    book_change(b, r);
}

void book_clear(struct book *b)
{
    while (b->count > 0)
        book_drop(b, record_first(b));
    b->revision++;
}
