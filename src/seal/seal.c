/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, and records both ways. */
#include "seal/seal.h"

#include <openssl/err.h>
#include <string.h>

#include "base/log.h"
#include "mdm-tunnel/limits.h"
#include "seal/internal.h"

#define RECORD_PLAIN_MAX 16384
/* A record's head, the type inside, and the tag (RFC 8446 5.2). */
#define RECORD_OVERHEAD (5 + 1 + 16)
/* A record that carries less than this is worth none of its own at an envelope's end. */
#define RECORD_WORTH 64
/* Keys are changed long before 2^24.5 records (RFC 8446 5.5). */
#define RECORDS_MAX (UINT64_C(1) << 22)
/* A block that is kept for the next bytes. */
#define SPARE_MAX (16 * KIB)

/* -- life ---------------------------------------------------------------------------------------------------------- */

int seal_choose_names(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                      unsigned in_len, void *ctx)
{
    struct seal *s = SSL_get_app_data(tls);
    (void)ctx;
    if (s->other[0] > 0 && in_len == s->other[0] + 1u && memcmp(in, s->other, in_len) == 0) {
        memcpy(s->names, s->other, in_len);
        s->peer.other = true;
    }
    if (in_len != s->names[0] + 1u || memcmp(in, s->names, in_len) != 0)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = s->names + 1;
    *out_len = s->names[0];
    return SSL_TLSEXT_ERR_OK;
}

static bool tls_make(struct seal *s)
{
    s->tls = SSL_new(s->context->tls);
    BIO *carrier = s->tls == NULL ? NULL : BIO_new(s->context->carrier);
    if (carrier == NULL)
        return false;
    BIO_set_data(carrier, s);
    BIO_set_init(carrier, 1);
    SSL_set_bio(s->tls, carrier, carrier);
    SSL_set_app_data(s->tls, s);
    if (!s->initiator) {
        SSL_set_accept_state(s->tls);
        return true;
    }
    SSL_set_connect_state(s->tls);
    return SSL_set_alpn_protos(s->tls, s->names, s->names[0] + 1u) == 0;
}

static void names_set(uint8_t out[static SEAL_NAMES_MAX + 1], const char *names)
{
    size_t len = strlen(names);
    assert(len > 0 && len <= SEAL_NAMES_MAX);
    out[0] = (uint8_t)len;
    memcpy(out + 1, names, len);
}

void seal_accept_other(struct seal *s, const char *names)
{
    CHECK_OBJECT(s, SEAL_MAGIC);
    assert(!s->initiator);
    names_set(s->other, names);
}

struct seal *seal_create(const struct seal_context *c, bool initiator, const char *names, const char *id,
                         const struct seal_events *events, void *ctx)
{
    struct seal *s;
    CHECK_OBJECT(c, SEAL_CONTEXT_MAGIC);
    ALLOC_OBJECT(s, SEAL_MAGIC);
    if (s == NULL)
        return NULL;
    s->context = c;
    s->initiator = initiator;
    s->offer = initiator ? seal_context_psk(c, id) : NULL;
    s->events = events;
    s->ctx = ctx;
    names_set(s->names, names);
    if (!tls_make(s))
        seal_free(&s);
    return s;
}

void seal_free(struct seal **sp)
{
    struct seal *s;
    TAKE_OBJECT(s, sp, SEAL_MAGIC);
    SSL_free(s->tls);
    ERR_clear_error();
    chunk_unref(s->spare);
    free(s->pending);
    FREE_OBJECT(s);
}

const struct error *seal_failed(const struct seal *s)
{
    CHECK_OBJECT(s, SEAL_MAGIC);
    return s->failed;
}

bool seal_established(const struct seal *s)
{
    CHECK_OBJECT(s, SEAL_MAGIC);
    return s->established;
}

static const struct error *seal_fail(struct seal *s, const struct error *why)
{
    s->failed = why;
    return why;
}

/* -- handshake ----------------------------------------------------------------------------------------------------- */

static bool names_agreed(const struct seal *s)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(s->tls, &name, &len);
    return len == s->names[0] && memcmp(name, s->names + 1, len) == 0;
}

/* How the peer has proven itself; false when it is not what the context asks for. */
static bool peer_known(struct seal *s)
{
    struct seal_peer *peer = &s->peer;
    if (SSL_session_reused(s->tls)) {
        peer->means = SEAL_BY_PSK;
        return peer->psk != NULL;
    }
    peer->psk = NULL;
    peer->means = s->context->authorities ? SEAL_BY_CERTIFICATE : SEAL_BY_KEY;
    peer->certificate = SSL_get0_peer_certificate(s->tls);
    return seal_fingerprint(peer->certificate, s->context->authorities, &peer->key);
}

static const struct error *handshake_done(struct seal *s)
{
    if (!names_agreed(s) || !peer_known(s))
        return seal_fail(s, &error_encryption_failed);
    const struct error *why = s->events->proven(s->ctx, &s->peer);
    if (why != NULL)
        return seal_fail(s, why);
    s->established = true;
    s->partial = 0;
    s->events->wake(s->ctx);
    return NULL;
}

/* What the user can do something about has a name of its own. */
static const struct error *handshake_failure(const struct seal *s)
{
    long certificate = SSL_get_verify_result(s->tls);
    if (certificate != X509_V_OK) {
        log_info("seal", "a certificate is refused: %s", X509_verify_cert_error_string(certificate));
        return &error_certificate_refused;
    }
    int reason = ERR_GET_REASON(ERR_peek_error());
    return reason == SSL_R_BINDER_DOES_NOT_VERIFY ? &error_psk_refused : &error_encryption_failed;
}

static const struct error *handshake_go_on(struct seal *s)
{
    ERR_clear_error();
    int result = SSL_do_handshake(s->tls);
    if (result == 1)
        return handshake_done(s);
    if (SSL_get_error(s->tls, result) != SSL_ERROR_WANT_READ)
        return seal_fail(s, handshake_failure(s));
    if (s->pending_len > 0)
        s->events->wake(s->ctx);
    return NULL;
}

/* -- out ----------------------------------------------------------------------------------------------------------- */

static void pending_take(struct seal *s)
{
    size_t left = s->pending_len - s->pending_head, n = left < s->out_left ? left : s->out_left;
    if (n == 0)
        return;
    memcpy(s->out, s->pending + s->pending_head, n);
    s->out += n;
    s->out_left -= n;
    s->pending_head += n;
    if (s->pending_head < s->pending_len)
        return;
    free(s->pending);
    s->pending = NULL;
    s->pending_head = s->pending_len = s->pending_capacity = 0;
}

/* One record from what the user has to say; false when that is nothing, or the record could not be made. */
static bool record_write(struct seal *s)
{
    uint8_t plain[RECORD_PLAIN_MAX];
    size_t room = s->out_left - RECORD_OVERHEAD, written;
    size_t len = s->events->pull(s->ctx, plain, room < sizeof(plain) ? room : sizeof(plain));
    if (len == 0)
        return false;
    ERR_clear_error();
    if (s->records++ >= RECORDS_MAX && SSL_key_update(s->tls, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
        s->records = 0;
    if (SSL_write_ex(s->tls, plain, len, &written) == 1)
        return true;
    seal_fail(s, &error_encryption_failed);
    return false;
}

size_t seal_pull(struct seal *s, uint8_t *dst, size_t max)
{
    CHECK_OBJECT(s, SEAL_MAGIC);
    if (s->failed != NULL)
        return 0;
    s->out = dst;
    s->out_left = max;
    if (s->initiator && SSL_in_before(s->tls))
        handshake_go_on(s);
    pending_take(s);
    while (s->established && s->pending_len == 0 && s->out_left >= RECORD_OVERHEAD + RECORD_WORTH && record_write(s))
        ;
    size_t len = max - s->out_left;
    s->out = NULL;
    s->out_left = 0;
    return len;
}

/* -- in ------------------------------------------------------------------------------------------------------------ */

/* A block for `size` bytes with one reference, ours. */
static struct chunk *plain_block(struct seal *s, size_t size)
{
    struct chunk *c = s->spare;
    if (c != NULL && c->size >= size && atomic_load_explicit(&c->refs, memory_order_acquire) == 1)
        return c;
    chunk_unref(c);
    s->spare = chunk_create(size);
    return s->spare;
}

/* Opens all records that are complete, one after the other into `dst`; (size_t)-1 when one is not as it was sealed. */
static size_t records_open(struct seal *s, uint8_t *dst, size_t max)
{
    size_t len = 0, got;
    ERR_clear_error();
    while (len < max) {
        int result = SSL_read_ex(s->tls, dst + len, max - len, &got);
        if (result != 1)
            return SSL_get_error(s->tls, result) == SSL_ERROR_WANT_READ ? len : SIZE_MAX;
        len += got;
        s->partial = 0;
    }
    return len;
}

static const struct error *records_push(struct seal *s)
{
    size_t max = s->in_left + s->partial;
    struct chunk *c = plain_block(s, max);
    if (c == NULL)
        return seal_fail(s, &error_no_memory);
    size_t len = records_open(s, c->data, max);
    if (len == SIZE_MAX)
        return seal_fail(s, &error_encryption_failed);
    const struct error *why = NULL;
    if (len > 0) {
        const struct slice plain = {.chunk = c, .data = c->data, .len = len};
        why = s->events->push(s->ctx, &plain);
    }
    if (c->size > SPARE_MAX) {
        chunk_unref(c);
        s->spare = NULL;
    }
    if (s->pending_len > 0)
        s->events->wake(s->ctx);
    return why;
}

const struct error *seal_push(struct seal *s, const struct slice *bytes)
{
    const struct error *why = s->failed;
    CHECK_OBJECT(s, SEAL_MAGIC);
    s->in = bytes->data;
    s->in_left = bytes->len;
    if (why == NULL && !s->established)
        why = handshake_go_on(s);
    if (why == NULL && s->established && s->in_left > 0)
        why = records_push(s);
    s->in = NULL;
    s->in_left = 0;
    return why;
}
