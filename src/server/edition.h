/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edition: the settings as the workers see them, which nobody changes. A reload makes a new one; each worker goes over to it by mail,
 * and the old one is freed with its last worker. What does not reload in it belongs to the main thread's settings.
 */
#ifndef SERVER_EDITION_H
#define SERVER_EDITION_H

#include <stdatomic.h>

#include "base/worker.h"
#include "server/server_settings.h"

struct front;

struct edition {
    struct server_settings settings;
    atomic_uint users;
};

/* A copy of what the settings say now, with one user; NULL without memory. */
struct edition *edition_create(const struct server_settings *settings);
struct edition *edition_ref(struct edition *e);
void edition_unref(struct edition *e);

/* `front` of `w` goes over to `e`; *used, which is w's alone, holds the one before, and holds `e` then. False without memory. */
bool edition_send(struct edition *e, struct worker *w, struct front *front, struct edition **used);

#endif
