/* SPDX-License-Identifier: Apache-2.0 */
/* A question about a sock's other end, and its answer's way back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "revoke/internal.h"
#include "tls/sock.h"

#define VETTING_MAGIC 0x7e771e90u

struct vetting {
    OBJECT_MAGIC;
    struct revoke_question question;
    struct vetting **place; /* where its owner has it; NULL: cancelled */
    struct sock *sock;
    vetting_done_fn *done;
    void *ctx;
};

static struct vetting *vetting_of(struct mail *m)
{
    struct vetting *v = CONTAINER_OF(CONTAINER_OF(m, struct revoke_question, mail), struct vetting, question);
    CHECK_OBJECT(v, VETTING_MAGIC);
    return v;
}

/* Its worker has stopped: nobody else touches the owner now. */
static void answer_discarded(struct mail *m)
{
    struct vetting *v = vetting_of(m);
    if (v->place != NULL)
        *v->place = NULL;
    FREE_OBJECT(v);
}

static void answer_came(struct worker *self, struct mail *m)
{
    struct vetting *v = vetting_of(m);
    (void)self;
    if (v->place != NULL) {
        bool good = v->question.answer.allowed;
        *v->place = NULL;
        if (!good)
            sock_reading(v->sock, false);
        sock_hold(v->sock, false);
        v->done(v->ctx, good, v->question.answer.why);
    }
    FREE_OBJECT(v);
}

static enum vetted vetting_begin(struct vetter *self, struct vetting **place, struct sock *s, vetting_done_fn *done, void *ctx,
                                 char why[static VETTING_WHY_BYTES])
{
    bool shown;
    size_t staple_len;
    struct vetting *v;
    STACK_OF(X509) *chain = sock_peer_chain(s, &shown);
    why[0] = '\0';
    if (!shown)
        return VETTED_GOOD;
    ALLOC_OBJECT(v, VETTING_MAGIC);
    if (chain == NULL || v == NULL) {
        snprintf(why, VETTING_WHY_BYTES, "out of memory for its certificates");
        sk_X509_pop_free(chain, X509_free);
        free(v);
        return VETTED_BAD;
    }
    v->question.mail = (struct mail){.deliver = answer_came, .discard = answer_discarded};
    v->question.worker = s->worker;
    const unsigned char *staple = sock_staple(s, &staple_len);
    bool known = revoke_ask(revoke_of(self), chain, staple, staple_len, &v->question);
    sk_X509_pop_free(chain, X509_free);
    if (!known) {
        v->place = place;
        v->sock = s;
        v->done = done;
        v->ctx = ctx;
        *place = v;
        sock_hold(s, true);
        return VETTED_LATER;
    }
    bool good = v->question.answer.allowed;
    snprintf(why, VETTING_WHY_BYTES, "%s", v->question.answer.why);
    FREE_OBJECT(v);
    return good ? VETTED_GOOD : VETTED_BAD;
}

static void vetting_cancel(struct vetting **place)
{
    struct vetting *v;
    if (*place == NULL)
        return;
    TAKE_OBJECT(v, place, VETTING_MAGIC);
    v->place = NULL; /* freed when the answer comes */
}

void vetter_init(struct vetter *v) { *v = (struct vetter){.begin = vetting_begin, .cancel = vetting_cancel}; }
