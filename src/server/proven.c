/* SPDX-License-Identifier: Apache-2.0 */
/* A list on its way to a worker, and there. */
#include "server/proven.h"

#include <stdlib.h>

#include "base/object.h"
#include "server/front.h"

static void proven_deliver(struct worker *self, struct mail *m)
{
    struct proven *p = CONTAINER_OF(m, struct proven, mail);

    (void)self;
    proven_free(&p->front->proven);
    p->front->proven = p;
}

static void proven_discard(struct mail *m)
{
    struct proven *p = CONTAINER_OF(m, struct proven, mail);

    proven_free(&p);
}

struct proven *proven_create(struct front *front, size_t count)
{
    struct proven *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->mail = (struct mail){.deliver = proven_deliver, .discard = proven_discard};
    list_init(&p->mail.node);
    p->front = front;
    p->names.count = count;
    p->names.list = calloc(count + 1, sizeof(*p->names.list));
    p->credit = calloc(2 * count + 1, sizeof(*p->credit));
    if (p->names.list == NULL || p->credit == NULL)
        proven_free(&p);
    return p;
}

void proven_free(struct proven **pp)
{
    struct proven *p = *pp;

    *pp = NULL;
    if (p == NULL)
        return;
    names_done(&p->names);
    free(p->credit);
    free(p);
}

void proven_send(struct proven *p, struct worker *w) { worker_post(w, &p->mail); }
