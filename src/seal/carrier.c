/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BIO that TLS reads from and writes to. It reads from the slice that seal_push() was given, and writes right into the
 * envelope of seal_pull(); what is said at other times, or does not fit, waits in `pending`.
 */
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "seal/internal.h"

static bool pending_reserve(struct seal *s, size_t len)
{
    if (s->pending_len + len <= s->pending_capacity)
        return true;
    size_t capacity = s->pending_capacity == 0 ? SEAL_PENDING_FIRST : s->pending_capacity;
    while (capacity < s->pending_len + len)
        capacity *= 2;
    if (capacity > SEAL_PENDING_MAX)
        return false;
    uint8_t *larger = realloc(s->pending, capacity);
    if (larger == NULL)
        return false;
    s->pending = larger;
    s->pending_capacity = capacity;
    return true;
}

static int carrier_write(BIO *b, const char *data, size_t len, size_t *written)
{
    struct seal *s = BIO_get_data(b);
    size_t direct = s->pending_len > 0 ? 0 : len < s->out_left ? len : s->out_left;
    BIO_clear_retry_flags(b);
    if (direct < len && !pending_reserve(s, len - direct))
        return 0;
    if (direct > 0) {
        memcpy(s->out, data, direct);
        s->out += direct;
        s->out_left -= direct;
    }
    if (direct < len) {
        memcpy(s->pending + s->pending_len, data + direct, len - direct);
        s->pending_len += len - direct;
    }
    *written = len;
    return 1;
}

static int carrier_read(BIO *b, char *dst, size_t max, size_t *got)
{
    struct seal *s = BIO_get_data(b);
    size_t n = max < s->in_left ? max : s->in_left;
    BIO_clear_retry_flags(b);
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(dst, s->in, n);
    s->in += n;
    s->in_left -= n;
    s->partial += n;
    *got = n;
    return 1;
}

static long carrier_control(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *seal_carrier_create(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "session");
    if (m == NULL)
        return NULL;
    BIO_meth_set_write_ex(m, carrier_write);
    BIO_meth_set_read_ex(m, carrier_read);
    BIO_meth_set_ctrl(m, carrier_control);
    return m;
}
