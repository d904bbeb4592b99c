/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of this layer fails once, with a key and with a pre-shared one. */
#include "failing.h"

#include "config/identity.h"
#include "seal/seal.h"
#include "tap.h"

static struct identity identity;
static const struct psk psk = {.name = "tim", .pattern = "tim", .len = 16, .bytes = "0123456789abcdef"};
static bool with_psk;

struct end {
    struct seal *seal;
    size_t to_say, heard;
};

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    struct end *e = ctx;
    size_t n = e->to_say < max ? e->to_say : max;
    memset(dst, 'x', n);
    e->to_say -= n;
    return n;
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    struct end *e = ctx;
    e->heard += bytes->len;
    return NULL;
}

static const struct error *on_proven(void *ctx, const struct seal_peer *peer)
{
    (void)ctx;
    return (peer->means == SEAL_BY_PSK) == with_psk ? NULL : &error_psk_refused;
}

static void on_wake(void *ctx) { (void)ctx; }

static const struct seal_events events = {.pull = on_pull, .push = on_push, .proven = on_proven, .wake = on_wake};

/* How many bytes went; 0 when there are none, or the session has ended. */
static size_t carry(struct end *from, struct end *to)
{
    static uint8_t envelope[4096];
    size_t len = seal_pull(from->seal, envelope, sizeof(envelope));
    for (size_t at = 0; at < len; at += 1000) {
        const struct slice part = slice_static(envelope + at, len - at < 1000 ? len - at : 1000);
        if (seal_push(to->seal, &part) != NULL)
            return 0;
    }
    return len;
}

static bool run(void)
{
    const char *why;
    struct end a = {.to_say = 50000}, b = {.to_say = 50000};
    struct seal_context *c = seal_context_create(
        &(struct seal_config){.pem = identity.pem, .psks = &psk, .psk_count = with_psk ? 1 : 0}, &why);
    if (c == NULL)
        return false;
    a.seal = seal_create(c, true, "names", "tim", &events, &a);
    b.seal = a.seal == NULL ? NULL : seal_create(c, false, "names", NULL, &events, &b);
    while (b.seal != NULL && carry(&a, &b) + carry(&b, &a) > 0)
        ;
    bool whole = a.heard == 50000 && b.heard == 50000;
    if (a.seal != NULL)
        seal_free(&a.seal);
    if (b.seal != NULL)
        seal_free(&b.seal);
    seal_context_free(&c);
    return whole;
}

static void each(bool psk_too)
{
    bool whole;
    with_psk = psk_too;
    unsigned long count = failing_each(run, &whole);
    OK(whole);
    OK(count > 10 && count < FAILING_MAX - 1);
}

static void test_key(void) { each(false); }
static void test_psk(void) { each(true); }

static const struct tap_case cases[] = {
    {"a key", test_key},
    {"a pre-shared key", test_psk},
};

int main(void)
{
    if (!identity_create(&identity))
        return 1;
    int status = TAP_RUN(cases);
    identity_done(&identity);
    return status;
}
