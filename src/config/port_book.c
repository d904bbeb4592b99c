/* SPDX-License-Identifier: Apache-2.0 */
/* Ports by their number and by their client. */
#include "config/port_book.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "base/object.h"
#include "base/table.h"
#include "config/client_grant.h"
#include "config/number.h"
#include "config/port_list.h"
#include "config/words.h"

#define PORTS (UINT16_MAX + 1)

struct owner {
    struct table_node by_id;
    struct list entries;
    unsigned count;
    char id[NAME_MAX_BYTES + 1];
};

struct port_book {
    OBJECT_MAGIC;
    uint64_t key[2];
    struct table owners;
    struct port_set given; /* the ranges */
    struct port_entry *by_port[PORTS];
};
#define BOOK_MAGIC 0x626f6f6b

void port_set_add(struct port_set *s, uint16_t port) { s->bits[port / 64] |= (uint64_t)1 << port % 64; }
bool port_set_has(const struct port_set *s, uint16_t port) { return (s->bits[port / 64] >> port % 64 & 1) != 0; }

bool port_granted(const char *granted, uint16_t port)
{
    struct client_grant g = CLIENT_GRANT_NONE;
    snprintf(g.ports, sizeof(g.ports), "%s", granted);
    return client_grant_port(&g, port);
}

static struct port_entry *entry_of(struct list *node) { return CONTAINER_OF(node, struct port_entry, node); }

/* -- life ---------------------------------------------------------------------------------------------------------- */

struct port_book *port_book_create(const char *ranges, const uint64_t key[static 2])
{
    struct port_book *b;
    ALLOC_OBJECT(b, BOOK_MAGIC);
    if (b == NULL)
        return NULL;
    memcpy(b->key, key, sizeof(b->key));
    for (unsigned port = 1; port < PORTS; port++)
        if (port_list_has(ranges, strlen(ranges), "localhost", (uint16_t)port, PORT_TCP))
            port_set_add(&b->given, (uint16_t)port);
    if (!table_init(&b->owners))
        FREE_OBJECT(b);
    return b;
}

void port_book_free(struct port_book **bp)
{
    struct port_book *b;
    TAKE_OBJECT(b, bp, BOOK_MAGIC);
    for (unsigned port = 0; port < PORTS; port++)
        if (b->by_port[port] != NULL)
            port_book_forget(b, b->by_port[port]);
    table_done(&b->owners);
    FREE_OBJECT(b);
}

/* -- entries ------------------------------------------------------------------------------------------------------- */

static struct owner *owner_find(const struct port_book *b, const char *id)
{
    uint64_t hash = table_hash(b->key, id, strlen(id));
    for (struct table_node *n = table_first(&b->owners, hash); n != NULL; n = table_next(n)) {
        struct owner *o = CONTAINER_OF(n, struct owner, by_id);
        if (strcmp(o->id, id) == 0)
            return o;
    }
    return NULL;
}

static struct owner *owner_make(struct port_book *b, const char *id)
{
    struct owner *o = owner_find(b, id);
    if (o != NULL || (o = calloc(1, sizeof(*o))) == NULL)
        return o;
    snprintf(o->id, sizeof(o->id), "%s", id);
    list_init(&o->entries);
    table_add(&b->owners, &o->by_id, table_hash(b->key, id, strlen(id)));
    return o;
}

struct list *port_book_of(const struct port_book *b, const char *client)
{
    CHECK_OBJECT(b, BOOK_MAGIC);
    struct owner *o = owner_find(b, client);
    return o != NULL ? &o->entries : NULL;
}

struct port_entry *port_book_find(const struct port_book *b, const char *client, const char *service)
{
    struct list *entries = port_book_of(b, client);
    if (entries == NULL)
        return NULL;
    LIST_FOREACH (node, entries)
        if (strcmp(entry_of(node)->service, service) == 0)
            return entry_of(node);
    return NULL;
}

struct port_entry *port_book_held(const struct port_book *b, unsigned port)
{
    CHECK_OBJECT(b, BOOK_MAGIC);
    for (; port < PORTS; port++)
        if (b->by_port[port] != NULL && b->by_port[port]->held)
            return b->by_port[port];
    return NULL;
}

static void owner_lose(struct port_book *b, struct owner *o)
{
    if (--o->count > 0)
        return;
    table_remove(&b->owners, &o->by_id);
    free(o);
}

void port_book_forget(struct port_book *b, struct port_entry *e)
{
    CHECK_OBJECT(b, BOOK_MAGIC);
    list_remove(&e->node);
    b->by_port[e->port] = NULL;
    owner_lose(b, owner_find(b, e->client));
    free(e);
}

void port_book_release(struct port_entry *e, int64_t now_s)
{
    e->held = false;
    e->used_s = now_s;
}

/* The port is nobody's. NULL without memory. */
static struct port_entry *entry_add(struct port_book *b, const char *client, const char *service, uint16_t port,
                                    int64_t used_s)
{
    struct port_entry *e = calloc(1, sizeof(*e));
    struct owner *o = e == NULL ? NULL : owner_make(b, client);
    if (o == NULL) {
        free(e);
        return NULL;
    }
    e->port = port;
    e->used_s = used_s;
    e->release_us = UINT64_MAX;
    snprintf(e->client, sizeof(e->client), "%s", client);
    snprintf(e->service, sizeof(e->service), "%s", service);
    list_append(&o->entries, &e->node);
    o->count++;
    b->by_port[port] = e;
    return e;
}

/* -- the file ------------------------------------------------------------------------------------------------------ */

static bool is_over(const struct port_entry *e, int64_t now_s) { return !e->held && now_s - e->used_s >= PORT_KEPT_S; }

/* Digits only; false when there are others, or too many. */
static bool digits_read(const struct word *w, int64_t max, int64_t *out)
{
    int64_t n = 0;
    for (size_t i = 0; i < w->len; i++) {
        if (w->text[i] < '0' || w->text[i] > '9' || n > (max - 9) / 10)
            return false;
        n = 10 * n + (w->text[i] - '0');
    }
    *out = n;
    return w->len > 0;
}

static int line_read(struct port_book *b, const struct words *w, int64_t now_s, struct config_error *err)
{
    char client[LABEL_BYTES + 1], service[LABEL_BYTES + 1];
    int64_t port, used_s;
    if (w->count != 4 || w->too_many)
        return config_error_set(err, "line %u: not a port, a client, a service and a time", w->line);
    if (!digits_read(&w->word[0], 10 * PORTS, &port) || port == 0 || port > UINT16_MAX)
        return config_error_set(err, "line %u: not a port", w->line);
    if (!label_normalise(w->word[1].text, w->word[1].len, client) ||
        !label_normalise(w->word[2].text, w->word[2].len, service))
        return config_error_set(err, "line %u: not a client and a service", w->line);
    if (!digits_read(&w->word[3], INT64_MAX / 10, &used_s))
        return config_error_set(err, "line %u: not a time", w->line);
    if (now_s - used_s >= PORT_KEPT_S)
        return 0;
    if (b->by_port[port] != NULL || port_book_find(b, client, service) != NULL)
        return config_error_set(err, "line %u: the port, or the service, stands twice", w->line);
    if (entry_add(b, client, service, (uint16_t)port, used_s < now_s ? used_s : now_s) == NULL)
        return config_error_set(err, "out of memory");
    return 0;
}

int port_book_read(struct port_book *b, const char *text, int64_t now_s, struct config_error *err)
{
    struct words w;
    CHECK_OBJECT(b, BOOK_MAGIC);
    words_init(&w, text);
    while (words_next(&w))
        if (w.count > 0 && line_read(b, &w, now_s, err) != 0)
            return -1;
    return 0;
}

char *port_book_write(struct port_book *b, int64_t now_s)
{
    char *text = NULL;
    size_t size = 0;
    CHECK_OBJECT(b, BOOK_MAGIC);
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    for (unsigned port = 0; port < PORTS; port++) {
        struct port_entry *e = b->by_port[port];
        if (e != NULL && is_over(e, now_s))
            port_book_forget(b, e);
        else if (e != NULL)
            fprintf(f, "%u %s %s %" PRId64 "\n", port, e->client, e->service, e->held ? now_s : e->used_s);
    }
    bool failed = ferror(f) != 0;
    if (fclose(f) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

/* -- giving -------------------------------------------------------------------------------------------------------- */

struct ask {
    const char *client, *service, *granted;
    const struct port_set *except;
    int64_t now_s;
};

static bool may_have(const struct port_book *b, const struct ask *a, unsigned port)
{
    return port_set_has(&b->given, (uint16_t)port) && port_granted(a->granted, (uint16_t)port);
}

/* A number of the client's own choice: 0 and why not. */
static unsigned port_wanted(struct port_book *b, const struct ask *a, uint16_t wanted, const struct error **why)
{
    struct port_entry *e = b->by_port[wanted];
    *why = !port_set_has(&b->given, wanted)     ? &error_port_outside
           : !port_granted(a->granted, wanted)  ? &error_port_not_granted
           : port_set_has(a->except, wanted)    ? &error_port_taken
                                                : NULL;
    if (*why != NULL)
        return 0;
    bool own = e != NULL && strcmp(e->client, a->client) == 0;
    if (e != NULL && (e->held || (!own && !is_over(e, a->now_s)))) {
        *why = &error_port_taken;
        return 0;
    }
    if (e != NULL)
        port_book_forget(b, e);
    return wanted;
}

/* Nobody's, or the one that was longest unused; 0 and why not. */
static unsigned port_any(struct port_book *b, const struct ask *a, const struct error **why)
{
    struct port_entry *oldest = NULL;
    bool some = false;
    for (unsigned port = 1; port < PORTS; port++) {
        struct port_entry *e = b->by_port[port];
        if (!may_have(b, a, port))
            continue;
        some = true;
        if (port_set_has(a->except, (uint16_t)port))
            continue;
        if (e == NULL)
            return port;
        if (!e->held && (oldest == NULL || e->used_s < oldest->used_s))
            oldest = e;
    }
    *why = some ? &error_ports_used_up : &error_port_not_granted;
    if (oldest == NULL)
        return 0;
    unsigned port = oldest->port;
    port_book_forget(b, oldest);
    return port;
}

/* Room for one more entry of the client: what it does not use any more gives way. */
static bool owner_room(struct port_book *b, const char *client)
{
    struct owner *o = owner_find(b, client);
    struct port_entry *oldest = NULL;
    if (o == NULL || o->count < PORTS_PER_CLIENT_MAX)
        return true;
    LIST_FOREACH (node, &o->entries)
        if (!entry_of(node)->held && (oldest == NULL || entry_of(node)->used_s < oldest->used_s))
            oldest = entry_of(node);
    if (oldest != NULL)
        port_book_forget(b, oldest);
    return oldest != NULL;
}

const struct error *port_book_take(struct port_book *b, const char *client, const char *service, uint16_t wanted,
                                   const char *granted, const struct port_set *except, int64_t now_s,
                                   struct port_entry **entry)
{
    const struct ask a = {client, service, granted, except, now_s};
    const struct error *why = NULL;
    CHECK_OBJECT(b, BOOK_MAGIC);
    struct port_entry *had = port_book_find(b, client, service);
    bool fits = had != NULL && (wanted == 0 || wanted == had->port) && may_have(b, &a, had->port) &&
                !port_set_has(except, had->port);
    if (!fits) {
        if (had == NULL && !owner_room(b, client))
            return &error_limit;
        unsigned port = wanted != 0 ? port_wanted(b, &a, wanted, &why) : port_any(b, &a, &why);
        if (port == 0)
            return why;
        had = port_book_find(b, client, service); /* may have been the one that gave way */
        if (had != NULL)
            port_book_forget(b, had);
        had = entry_add(b, client, service, (uint16_t)port, now_s);
        if (had == NULL)
            return &error_no_memory;
    }
    had->held = true;
    had->used_s = now_s;
    had->release_us = UINT64_MAX;
    *entry = had;
    return NULL;
}
