/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request whose stream was refused goes to another machine with the same id: no byte of it has reached a service. What
 * the stream has taken is kept until the service accepts, HTTP_REQUEST_REPLAY_MAX bytes at most.
 */
#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"

void replay_send(struct exchange *ex, struct slice s)
{
    if (!ex->upstream->accepted && !ex->replay_lost) {
        struct slice kept = slice_ref(&s);
        if (!slice_queue_push(&ex->replay, kept)) {
            slice_done(&kept);
            replay_forget(ex);
        }
    }
    conduit_write(ex->upstream->conduit, s, false);
}

void replay_forget(struct exchange *ex)
{
    slice_queue_done(&ex->replay);
    slice_queue_init(&ex->replay, HTTP_REQUEST_REPLAY_MAX);
    ex->replay_lost = true;
}

bool replay_rewind(struct exchange *ex)
{
    struct slice_queue all;
    bool whole = !ex->replay_lost && !ex->dropping;

    if (ex->replay.bytes == 0)
        return whole;
    slice_queue_init(&all, HTTP_REQUEST_REPLAY_MAX + HTTP_REQUEST_WAITING_MAX);
    for (struct slice_queue *q = &ex->replay; q != NULL; q = q == &ex->replay ? &ex->out : NULL)
        while (whole && q->bytes > 0) {
            struct slice s = slice_queue_shift(q);
            whole = slice_queue_push(&all, s);
            if (!whole)
                slice_done(&s);
        }
    slice_queue_done(&ex->out);
    ex->out = all;
    replay_forget(ex);
    ex->replay_lost = !whole;
    return whole;
}
