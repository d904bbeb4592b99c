/* SPDX-License-Identifier: Apache-2.0 */
/* The services as they were read at one moment. */
#include "client/catalog.h"

#include <stdatomic.h>
#include <string.h>

#include "base/object.h"

#define CATALOG_MAGIC 0x43415441

struct catalog {
    OBJECT_MAGIC;
    atomic_uint refs;
    struct services services;
};

struct catalog *catalog_create(struct services *services)
{
    struct catalog *c;
    ALLOC_OBJECT(c, CATALOG_MAGIC);
    if (c == NULL) {
        services_done(services);
        return NULL;
    }
    atomic_init(&c->refs, 1);
    c->services = *services;
    memset(services, 0, sizeof(*services));
    return c;
}

struct catalog *catalog_ref(struct catalog *c)
{
    CHECK_OBJECT(c, CATALOG_MAGIC);
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void catalog_unref(struct catalog *c)
{
    if (c == NULL)
        return;
    CHECK_OBJECT(c, CATALOG_MAGIC);
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    services_done(&c->services);
    FREE_OBJECT(c);
}

const struct services *catalog_services(const struct catalog *c)
{
    CHECK_OBJECT(c, CATALOG_MAGIC);
    return &c->services;
}
