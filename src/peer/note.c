/* SPDX-License-Identifier: Apache-2.0 */
/* Notes between shards. */
#include "peer/note.h"

#include <string.h>

static void note_discard(struct mail *m)
{
    struct note *n = CONTAINER_OF(m, struct note, mail);
    offering_unref(n->offering);
    free(n);
}

static void note_deliver(struct worker *self, struct mail *m)
{
    struct note *n = CONTAINER_OF(m, struct note, mail);
    (void)self;
    CHECK_OBJECT(n->to, SHARD_MAGIC);
    n->read(n->to, n);
    note_discard(m);
}

bool note_send(struct hub_shard *from, const struct note *n, enum note_to to)
{
    bool all = true;
    for (unsigned i = 0; i < from->hub->shard_count; i++) {
        struct hub_shard *s = from->hub->shards[i];
        if (s == from || (to == NOTE_TO_LINKLESS && s->link != NULL))
            continue;
        struct note *copy = malloc(sizeof(*copy));
        if (copy == NULL) {
            all = false;
            continue;
        }
        *copy = *n;
        if (n->offering != NULL)
            offering_ref(n->offering);
        copy->mail = (struct mail){.deliver = note_deliver, .discard = note_discard};
        list_init(&copy->mail.node);
        copy->to = s;
        worker_post(s->worker, &copy->mail);
    }
    return all;
}

struct note note_about(const struct hub_shard *s, const char *instance, uint32_t session)
{
    struct note n = {.worker = s->index, .session = session};
    memcpy(n.instance, instance, INSTANCE_TEXT_BYTES);
    return n;
}
