/* SPDX-License-Identifier: Apache-2.0 */
/* Settings for workers. */
#include "server/edition.h"

#include <stdlib.h>

#include "base/log.h"
#include "server/front.h"

struct edition *edition_create(const struct server_settings *settings)
{
    struct edition *e = malloc(sizeof(*e));

    if (e == NULL)
        return NULL;
    atomic_init(&e->users, 1);
    if (!server_settings_copy(&e->settings, settings)) {
        edition_unref(e);
        return NULL;
    }
    return e;
}

struct edition *edition_ref(struct edition *e)
{
    atomic_fetch_add_explicit(&e->users, 1, memory_order_relaxed);
    return e;
}

void edition_unref(struct edition *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->users, 1, memory_order_acq_rel) > 1)
        return;
    server_settings_copy_done(&e->settings);
    free(e);
}

struct delivery {
    struct mail mail;
    struct edition *edition;
    struct front *front;
    struct edition **used;
};

static void edition_discard(struct mail *m)
{
    struct delivery *d = CONTAINER_OF(m, struct delivery, mail);

    edition_unref(d->edition);
    free(d);
}

static void edition_deliver(struct worker *self, struct mail *m)
{
    struct delivery *d = CONTAINER_OF(m, struct delivery, mail);

    if (!front_reload(d->front, &d->edition->settings)) {
        log_error("server", "no memory for the settings: worker %u keeps those it has", worker_index(self));
        edition_discard(m);
        return;
    }
    edition_unref(*d->used);
    *d->used = d->edition;
    free(d);
}

bool edition_send(struct edition *e, struct worker *w, struct front *front, struct edition **used)
{
    struct delivery *d = malloc(sizeof(*d));

    if (d == NULL)
        return false;
    *d = (struct delivery){.mail = {.deliver = edition_deliver, .discard = edition_discard},
                           .edition = edition_ref(e),
                           .front = front,
                           .used = used};
    list_init(&d->mail.node);
    worker_post(w, &d->mail);
    return true;
}
