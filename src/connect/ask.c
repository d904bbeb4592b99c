/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to devices. */
#include "connect/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "mdm-tunnel/limits.h"

struct ask {
    OBJECT_MAGIC;
    struct conduit *conduit;
    ask_done_fn *done;
    void *ctx;
    size_t len;
    char text[CONTROL_ANSWER_MAX + 1];
};
#define ASK_MAGIC 0x61736b21

static void ask_free(struct ask *a, const struct error *reason)
{
    conduit_close(&a->conduit, reason);
    FREE_OBJECT(a);
}

static void ask_end(struct ask *a, const struct error *why)
{
    a->text[a->len] = '\0';
    a->done(a->ctx, why == NULL ? a->text : NULL, why);
    ask_free(a, why == NULL ? &error_none : why);
}

static void on_readable(void *ctx)
{
    struct ask *a = ctx;
    CHECK_OBJECT(a, ASK_MAGIC);
    struct slice_queue *in = conduit_input(a->conduit);
    size_t len = in->bytes;
    a->len += slice_queue_take(in, a->text + a->len, CONTROL_ANSWER_MAX - a->len);
    slice_queue_skip(in, in->bytes);
    conduit_consumed(a->conduit, len);
    if (conduit_read_finished(a->conduit))
        ask_end(a, NULL);
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct ask *a = ctx;
    CHECK_OBJECT(a, ASK_MAGIC);
    ask_end(a, reason);
}

static const struct conduit_events ask_conduit_events = {.readable = on_readable, .ended = on_ended};

struct ask *ask_open(struct hub_shard *hub, const char *device, const char *question, ask_done_fn *done, void *ctx,
                     const struct error **why)
{
    struct open_head head = {.kind = STREAM_KIND_CONTROL};
    struct hub_choice choice;
    struct ask *a;
    ALLOC_OBJECT(a, ASK_MAGIC);
    *why = &error_no_memory;
    if (a == NULL)
        return NULL;
    snprintf(head.service, sizeof(head.service), "%s", question);
    a->done = done;
    a->ctx = ctx;
    if (hub_choose(hub, device, NULL, &choice, why))
        a->conduit = hub_open(hub, &choice, &head, &ask_conduit_events, a, why);
    if (a->conduit == NULL)
        FREE_OBJECT(a);
    return a;
}

void ask_cancel(struct ask **ap)
{
    struct ask *a;
    if (*ap == NULL)
        return;
    TAKE_OBJECT(a, ap, ASK_MAGIC);
    ask_free(a, &error_none);
}

unsigned ask_fields(char **text, char **fields, unsigned max)
{
    char *at = *text, *end = strchr(at, '\n');
    unsigned count = 0;
    if (end == NULL)
        return 0;
    *end = '\0';
    *text = end + 1;
    for (fields[count++] = at; *at != '\0'; at++) {
        if (*at == '\t' && count < max) {
            *at = '\0';
            fields[count++] = at + 1;
        } else if (*at < ' ' || *at > '~')
            *at = '?';
    }
    return count;
}
