/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of a sealed session, a the initiator, and the carrying of bytes between them. */
#ifndef TESTS_SEAL_PAIR_H
#define TESTS_SEAL_PAIR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/identity.h"
#include "seal/seal.h"

struct end {
    struct seal_context *context;
    struct seal *seal;
    uint8_t *said, *got;
    size_t said_len, said_at, got_len, got_capacity;
    unsigned proven, woken;
    struct fingerprint peer;
    enum seal_means means;
    char psk[PSK_NAME_BYTES + 1];
    const char *name; /* asked for in the peer's certificate */
    bool has_name;
    const struct error *verdict, *push_says;
};

struct pair {
    struct end a, b;
    const struct error *why;
    size_t carried, corrupt_at; /* the byte of all that is carried which is changed; SIZE_MAX: none */
    const uint8_t *watch_for;
    size_t watch_len;
    bool watch_seen;
    uint8_t *record; /* what a says, 64 KiB at most; NULL: not wanted */
    size_t record_len;
};

static size_t end_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct end *e = ctx;
    size_t left = e->said_len - e->said_at, n = left < max ? left : max;
    if (n > 0)
        memcpy(dst, e->said + e->said_at, n);
    e->said_at += n;
    return n;
}

static const struct error *end_push(void *ctx, const struct slice *bytes)
{
    struct end *e = ctx;
    if (e->push_says != NULL)
        return e->push_says;
    if (e->got_len + bytes->len > e->got_capacity) {
        e->got_capacity = 2 * (e->got_len + bytes->len);
        e->got = realloc(e->got, e->got_capacity);
    }
    memcpy(e->got + e->got_len, bytes->data, bytes->len);
    e->got_len += bytes->len;
    return NULL;
}

static const struct error *end_proven(void *ctx, const struct seal_peer *peer)
{
    struct end *e = ctx;
    e->proven++;
    e->peer = peer->key;
    e->means = peer->means;
    snprintf(e->psk, sizeof(e->psk), "%s", peer->psk != NULL ? peer->psk->name : "");
    e->has_name = e->name != NULL && seal_peer_has_name(peer, e->name);
    return e->verdict;
}

static void end_wake(void *ctx) { ((struct end *)ctx)->woken++; }

static const struct seal_events end_events = {
    .pull = end_pull, .push = end_push, .proven = end_proven, .wake = end_wake};

static struct seal_context *pair_contexts[2]; /* a key each for all pairs */

static inline bool pair_start(struct pair *p, struct seal_context *a, struct seal_context *b, const char *names_a,
                              const char *names_b, const char *id)
{
    *p = (struct pair){.a.context = a, .b.context = b, .corrupt_at = SIZE_MAX};
    if (a == NULL || b == NULL)
        return false;
    p->a.seal = seal_create(a, true, names_a, id, &end_events, &p->a);
    p->b.seal = seal_create(b, false, names_b, NULL, &end_events, &p->b);
    return p->a.seal != NULL && p->b.seal != NULL;
}

static inline bool pair_init(struct pair *p, const char *names_a, const char *names_b)
{
    const char *why;
    for (int i = 0; i < 2; i++) {
        struct identity identity;
        if (pair_contexts[i] == NULL && identity_create(&identity)) {
            pair_contexts[i] = seal_context_create(&(struct seal_config){.pem = identity.pem}, &why);
            identity_done(&identity);
        }
    }
    return pair_start(p, pair_contexts[0], pair_contexts[1], names_a, names_b, NULL);
}

static inline void pair_done(struct pair *p)
{
    struct end *ends[] = {&p->a, &p->b};
    for (int i = 0; i < 2; i++) {
        seal_free(&ends[i]->seal);
        free(ends[i]->said);
        free(ends[i]->got);
    }
}

static inline void pair_say(struct end *e, const void *data, size_t len)
{
    e->said = realloc(e->said, e->said_len + len);
    memcpy(e->said + e->said_len, data, len);
    e->said_len += len;
}

static inline void pair_look(struct pair *p, const struct end *from, uint8_t *data, size_t len)
{
    if (p->watch_for != NULL && len >= p->watch_len && memmem(data, len, p->watch_for, p->watch_len) != NULL)
        p->watch_seen = true;
    if (p->corrupt_at >= p->carried && p->corrupt_at < p->carried + len)
        data[p->corrupt_at - p->carried] ^= 0x20;
    if (p->record != NULL && from == &p->a) {
        memcpy(p->record + p->record_len, data, len);
        p->record_len += len;
    }
    p->carried += len;
}

/* One envelope from one to the other, in pieces; false when the session has ended. */
static inline bool pair_carry_one(struct pair *p, struct end *from, struct end *to, size_t pull, size_t push, bool *moved)
{
    uint8_t *data = malloc(pull); /* of exactly this size, for sanitizers */
    size_t len = seal_pull(from->seal, data, pull);
    *moved |= len > 0;
    p->why = seal_failed(from->seal);
    pair_look(p, from, data, len);
    for (size_t at = 0; at < len && p->why == NULL;) {
        size_t n = len - at < push ? len - at : push;
        const struct slice bytes = slice_static(data + at, n);
        p->why = seal_push(to->seal, &bytes);
        at += n;
    }
    free(data);
    return p->why == NULL;
}

/* Until neither has anything to say; false when the session has ended (why). */
static inline bool pair_carry(struct pair *p, size_t pull, size_t push)
{
    for (bool moved = true; moved;) {
        moved = false;
        if (!pair_carry_one(p, &p->a, &p->b, pull, push, &moved) ||
            !pair_carry_one(p, &p->b, &p->a, pull, push, &moved))
            return false;
    }
    return true;
}

#endif
