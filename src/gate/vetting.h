/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the other end's certificates were revoked: asked when TLS's handshake is over, before anything else of the
 * connection is used. Meanwhile the sock is held. A session that is taken up again is asked about as any other.
 */
#ifndef GATE_VETTING_H
#define GATE_VETTING_H

#include "revoke/revoke.h"
#include "tls/sock.h"

struct vetting;

enum vetted {
    VETTED_GOOD, /* or no certificate was shown, or the sock is plain */
    VETTED_BAD,
    VETTED_LATER,
};

/* `why` is for the log, valid during the call; "" when good. */
typedef void vetting_done_fn(void *ctx, bool good, const char *why);

/*
 * On the sock's worker, from `established` on. VETTED_LATER: *v is the vetting, the sock is held, and `done` is called on
 * the worker, when *v is NULL again: good, and the sock goes on; or bad, and it reads no more. VETTED_BAD: with `why`.
 */
enum vetted vetting_begin(struct vetting **v, struct revoke *r, struct sock *s, vetting_done_fn *done, void *ctx,
                          char why[static REVOKE_WHY_BYTES]);
/* `done` will not be called. Before the sock goes; NULL in *v is allowed. */
void vetting_cancel(struct vetting **v);

#endif
