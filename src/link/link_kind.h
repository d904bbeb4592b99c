/* SPDX-License-Identifier: Apache-2.0 */
/* What the two kinds of link share, and the table through which link.c reaches them. For this folder only. */
#ifndef LINK_LINK_KIND_H
#define LINK_LINK_KIND_H

#include "base/object.h"
#include "link/link.h"

#define LINK_MAGIC 0x4c494e4b

struct link_kind {
    void (*start)(struct link *l);
    void (*set_presence)(struct link *l, const char *presence);
    size_t (*room)(struct link *l, const char *topic);
    size_t (*max_payload)(const struct link *l);
    void (*publish)(struct link *l, const char *topic, struct slice payload);
    void (*close)(struct link *l);
    void (*free)(struct link *l);
};

/* First member of a link of either kind. */
struct link {
    OBJECT_MAGIC;
    const struct link_kind *kind;
    struct worker *worker;
    const struct link_events *events;
    void *ctx;
    char **filters;            /* NULL-terminated */
    char **everywhere_filters; /* NULL-terminated */
    char *presence_topic;      /* NULL: none */
    char *presence;
};

/* Copies what `config` names. False without memory; link_done() in either case. */
bool link_init(struct link *l, const struct link_kind *kind, const struct link_config *config);
void link_done(struct link *l);

/* -- callbacks; skipped when the user has none --------------------------------------------------------------------- */
void link_tell_up(struct link *l, const char *note);
void link_tell_down(struct link *l, const char *why, uint64_t retry_us);
void link_tell_message(struct link *l, const char *topic, const struct slice *payload, bool retained, unsigned origin);
void link_tell_writable(struct link *l);

#endif
