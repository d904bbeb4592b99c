/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance offers, in the form of the wire with a list that points into it. */
#include "peer/offering.h"

#include <stdlib.h>

#define OFFERING_MAGIC 0x6f666672

static void offering_free(struct offering *o)
{
    if (o->made != NULL)
        o->made_free(o->made);
    free(o->list);
    free(o->payload);
    FREE_OBJECT(o);
}

struct offering *offering_create(const struct service_entry *list, size_t count)
{
    struct offering *o;
    ALLOC_OBJECT(o, OFFERING_MAGIC);
    if (o == NULL)
        return NULL;
    atomic_init(&o->refs, 1);
    o->payload_len = services_size(list, count);
    o->payload = malloc(o->payload_len + 1);
    o->list = calloc(count + 1, sizeof(*o->list));
    bool made = o->payload != NULL && o->list != NULL;
    if (made && count > 0)
        made = services_encode(list, count, o->payload, o->payload_len) > 0 &&
               services_decode(o->list, count, &o->count, o->payload, o->payload_len) == NULL;
    if (!made)
        offering_free(o);
    return made ? o : NULL;
}

struct offering *offering_ref(struct offering *o)
{
    CHECK_OBJECT(o, OFFERING_MAGIC);
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void offering_unref(struct offering *o)
{
    if (o == NULL)
        return;
    CHECK_OBJECT(o, OFFERING_MAGIC);
    if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        offering_free(o);
}
