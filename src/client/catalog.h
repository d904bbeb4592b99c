/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catalogue: the services as they were read at one moment. Never changed after it was made, counted, shared by all
 * workers; a reload makes a new one and each worker changes over by mail. Any thread.
 */
#ifndef CLIENT_CATALOG_H
#define CLIENT_CATALOG_H

#include "config/services.h"

struct catalog;

/* Takes the services over (also on failure); NULL without memory. */
struct catalog *catalog_create(struct services *services);
struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c); /* NULL is allowed */
const struct services *catalog_services(const struct catalog *c);

#endif
