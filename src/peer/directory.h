/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory: which instances of a client id are there, and which ids were there lately. Each shard has a replica of its
 * own. Pure: no thread, no clock (time is an argument), no topics. Bounded by INSTANCES_MAX and IDS_SEEN_MAX.
 *
 * Of several instances of an id, those that fit best take turns, each as often as its weight says (choice.c).
 */
#ifndef PEER_DIRECTORY_H
#define PEER_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"
#include "peer/offering.h"

struct directory;

/* What is known of one instance; valid until it is removed. */
struct directory_instance {
    char text[INSTANCE_TEXT_BYTES + 1];
    const char *id;
    unsigned origin; /* the worker nearest to it */
    unsigned edition; /* of what it offers: another one may mean other targets */
    struct offering *offering; /* a reference; NULL: not known yet */
};

enum directory_change {
    DIRECTORY_SAME,       /* was there already, or was not there */
    DIRECTORY_CAME,       /* one more instance */
    DIRECTORY_CAME_FIRST, /* the id's only one */
    DIRECTORY_WENT,       /* others are left */
    DIRECTORY_WENT_LAST,  /* the id is offline now */
    DIRECTORY_REFUSED,    /* a maximum, no memory, or the instance is known under another id */
};

enum directory_presence { DIRECTORY_UNKNOWN, DIRECTORY_OFFLINE, DIRECTORY_PRESENT };

/* `key` is random. NULL without memory. */
struct directory *directory_create(const uint64_t key[static 2]);
void directory_free(struct directory **d);

/* `id` is a valid name, `instance` INSTANCE_TEXT_BYTES digits. Adding again says that it is still there, at `origin`. */
enum directory_change directory_add(struct directory *d, const char *id, const char *instance, unsigned origin);
enum directory_change directory_remove(struct directory *d, const char *id, const char *instance);
/* NULL: not there. */
const struct directory_instance *directory_find(const struct directory *d, const char *instance);
enum directory_presence directory_presence(const struct directory *d, const char *id);
/* Ids that are present. */
unsigned directory_id_count(const struct directory *d);

/* How well an instance fits; the first that any instance of the id has is what is chosen from. */
enum directory_fitness {
    DIRECTORY_FIT,
    DIRECTORY_SPARE,   /* weight 0: only where no other is there */
    DIRECTORY_REFUSES, /* it refused this service lately */
    DIRECTORY_SILENT,  /* it did not answer lately */
    DIRECTORY_LEAVING, /* it takes no new streams any more */
};

/* The instance of `id` whose turn it is; `service` NULL: whatever it offers. NULL: none. *fitness: the chosen one's. */
const struct directory_instance *directory_pick(struct directory *d, const char *id, const char *service,
                                                uint64_t now_us, enum directory_fitness *fitness);
/* SILENT until `until_us`, or until it is added again. */
void directory_avoid(struct directory *d, const char *instance, uint64_t until_us);
/* LEAVING for the rest of its life. */
void directory_leave(struct directory *d, const char *instance);
/* REFUSES this service until `until_us`, or until what it offers changes. Without memory nothing is remembered. */
void directory_refuse(struct directory *d, const char *instance, const char *service, uint64_t until_us);
/* Whether what an instance of `id` offers `is` so. */
bool directory_offers(const struct directory *d, const char *id, bool (*is)(void *ctx, const struct offering *o), void *ctx);
/* Its share, WEIGHT_MAX at most; 1 at first. */
void directory_weigh(struct directory *d, const char *instance, unsigned weight);

/* What the instance offers: a reference is taken. The same one again changes nothing. */
void directory_offering(struct directory *d, const char *instance, struct offering *o);

/* After news may have been missed: all are in doubt until added again. */
void directory_doubt(struct directory *d);
/* One that is still in doubt, NULL when none is; remove it to get the next. */
const struct directory_instance *directory_doubtful(const struct directory *d);

#endif
