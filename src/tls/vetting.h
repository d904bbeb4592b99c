/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a connection may be used whose handshake has succeeded: asked of somebody above this layer, who may answer later.
 * Meanwhile the sock is held, so nothing of the other end is read and nothing is said to it.
 */
#ifndef TLS_VETTING_H
#define TLS_VETTING_H

#include "tls/sock.h"

struct vetting;

#define VETTING_WHY_BYTES 400

enum vetted {
    VETTED_GOOD,
    VETTED_BAD,
    VETTED_LATER,
};

/* `why` is for the log, valid during the call; "" when good. */
typedef void vetting_done_fn(void *ctx, bool good, const char *why);

/* Who is asked. Outlives the connections; any worker. */
struct vetter {
    /*
     * On the sock's worker, from `established` on. VETTED_LATER: *v is the vetting, the sock is held, and `done` is called
     * on the worker, when *v is NULL again: good, and the sock goes on; or bad, and it reads no more. VETTED_BAD: with `why`.
     */
    enum vetted (*begin)(struct vetter *self, struct vetting **v, struct sock *s, vetting_done_fn *done, void *ctx,
                         char why[static VETTING_WHY_BYTES]);
    /* `done` will not be called. Before the sock goes; NULL in *v is allowed. */
    void (*cancel)(struct vetting **v);
};

#endif
