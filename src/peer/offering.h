/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offering: what one instance said that it offers. Never changed after it was made, counted, shared by all shards; the
 * next SERVICES makes a new one. Any thread.
 */
#ifndef PEER_OFFERING_H
#define PEER_OFFERING_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/object.h"
#include "wire/frame.h"

struct offering {
    OBJECT_MAGIC;
    atomic_uint refs;
    size_t count;
    struct service_entry *list; /* names and options are in `payload` */
    uint8_t *payload;           /* as it came in SERVICES */
    size_t payload_len;
    void *made; /* what the program made of it (hub_config.offered) */
    void (*made_free)(void *made);
};

/* One reference; a copy of the list. NULL without memory. */
struct offering *offering_create(const struct service_entry *list, size_t count);
struct offering *offering_ref(struct offering *o);
void offering_unref(struct offering *o); /* NULL is allowed */

#endif
