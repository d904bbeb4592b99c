/* SPDX-License-Identifier: Apache-2.0 */
/* What workstations have open. */
#include "client/tunnel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/object.h"

struct ledger {
    OBJECT_MAGIC;
    struct audit *audit;
    pthread_mutex_t lock; /* of the list */
    struct list tunnels;
};
#define LEDGER_MAGIC 0x6c656467

struct ledger *ledger_create(struct audit *audit)
{
    struct ledger *l;
    ALLOC_OBJECT(l, LEDGER_MAGIC);
    if (l == NULL)
        return NULL;
    l->audit = audit;
    list_init(&l->tunnels);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void ledger_free(struct ledger **lp)
{
    struct ledger *l;
    if (*lp == NULL)
        return;
    TAKE_OBJECT(l, lp, LEDGER_MAGIC);
    assert(list_empty(&l->tunnels));
    pthread_mutex_destroy(&l->lock);
    FREE_OBJECT(l);
}

/* -- one ----------------------------------------------------------------------------------------------------------- */

#define KEY_TEXT (FINGERPRINT_TEXT_BYTES + 1)

static void key_text(const struct conduit_peer *peer, char out[static KEY_TEXT])
{
    if (peer->psk[0] != '\0')
        snprintf(out, KEY_TEXT, "psk:%.40s", peer->psk);
    else
        fingerprint_text(&peer->key, out);
}

static struct audit_line line_of(const struct tunnel_start *s, const char key[static KEY_TEXT], const char *event, const char *why)
{
    return (struct audit_line){.event = event, .who = s->who->name, .key = key, .kind = s->kind, .what = s->what,
                               .from = s->from, .since_s = time(NULL), .why = why};
}

struct tunnel *tunnel_create(struct ledger *l, struct list *of_worker, const struct tunnel_start *start)
{
    CHECK_OBJECT(l, LEDGER_MAGIC);
    struct tunnel *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->ledger = l;
    t->peer = *start->peer;
    t->who = *start->who;
    t->kind = start->kind;
    snprintf(t->what, sizeof(t->what), "%s", start->what);
    snprintf(t->from, sizeof(t->from), "%s", start->from);
    t->since_s = time(NULL);
    t->began_us = clock_now_us();
    t->cut = start->cut;
    t->ctx = start->ctx;
    list_append(of_worker, &t->of_worker);
    pthread_mutex_lock(&l->lock);
    list_append(&l->tunnels, &t->of_ledger);
    pthread_mutex_unlock(&l->lock);
    return t;
}

void tunnel_end(struct tunnel **tp, const char *why)
{
    struct tunnel *t = *tp;
    char key[KEY_TEXT];
    if (t == NULL)
        return;
    *tp = NULL;
    const struct tunnel_start start = {&t->peer, &t->who, t->kind, t->what, t->from, NULL, NULL};
    key_text(&t->peer, key);
    struct audit_line line = line_of(&start, key, "ended", why);
    line.since_s = t->since_s;
    line.seconds = (double)(clock_now_us() - t->began_us) / US_PER_S;
    line.bytes_to = atomic_load(&t->meter.to);
    line.bytes_from = atomic_load(&t->meter.from);
    audit_write(t->ledger->audit, &line);
    list_remove(&t->of_worker);
    pthread_mutex_lock(&t->ledger->lock);
    list_remove(&t->of_ledger);
    pthread_mutex_unlock(&t->ledger->lock);
    free(t);
}

void tunnel_refused(struct ledger *l, const struct tunnel_start *start, const char *why)
{
    char key[KEY_TEXT];
    CHECK_OBJECT(l, LEDGER_MAGIC);
    key_text(start->peer, key);
    const struct audit_line line = line_of(start, key, "refused", why);
    audit_write(l->audit, &line);
}

/* -- whose --------------------------------------------------------------------------------------------------------- */

struct tunnel_owner tunnel_owner_of(const struct conduit_peer *peer, bool everybody)
{
    struct tunnel_owner o = {.everybody = everybody, .key = peer->key};
    memcpy(o.psk, peer->psk, sizeof(o.psk));
    return o;
}

bool tunnel_owner_has(const struct tunnel_owner *o, const struct conduit_peer *peer)
{
    return o->everybody || (fingerprint_equal(&o->key, &peer->key) && strcmp(o->psk, peer->psk) == 0);
}

unsigned tunnels_cut(struct list *of_worker, const struct tunnel_owner *whose, const struct error *reason)
{
    unsigned count = 0;
    LIST_FOREACH_SAFE (node, next, of_worker) {
        struct tunnel *t = CONTAINER_OF(node, struct tunnel, of_worker);
        if (!tunnel_owner_has(whose, &t->peer))
            continue;
        count++;
        t->cut(t->ctx, reason);
    }
    return count;
}

size_t ledger_lines(struct ledger *l, const struct tunnel_owner *whose, char *out, size_t size, unsigned *count)
{
    size_t len = 0;
    char key[KEY_TEXT];
    CHECK_OBJECT(l, LEDGER_MAGIC);
    *count = 0;
    pthread_mutex_lock(&l->lock);
    LIST_FOREACH(node, &l->tunnels) {
        const struct tunnel *t = CONTAINER_OF(node, struct tunnel, of_ledger);
        if (!tunnel_owner_has(whose, &t->peer))
            continue;
        ++*count;
        key_text(&t->peer, key);
        int more = snprintf(out + len, size - len, "tunnel\t%s\t%s\t%s\t%s\t%s\t%lld\t%llu\t%llu\n", t->who.name, key, t->kind,
                            t->what, t->from, (long long)t->since_s, atomic_load(&t->meter.to), atomic_load(&t->meter.from));
        if (more > 0 && (size_t)more < size - len)
            len += (size_t)more;
    }
    pthread_mutex_unlock(&l->lock);
    return len;
}
