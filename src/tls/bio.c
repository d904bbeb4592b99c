/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's own socket BIO knows neither early bytes nor MSG_NOSIGNAL. */
#include "tls/bio.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "tls/sock.h"

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_write(BIO *b, const char *data, int len)
{
    const struct sock *s = BIO_get_data(b);
    ssize_t sent;
    do
        sent = send(s->fd, data, (size_t)len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    BIO_clear_retry_flags(b);
    if (sent < 0 && errno == EAGAIN)
        BIO_set_retry_write(b);
    return (int)sent;
}

static int bio_read(BIO *b, char *into, int max)
{
    struct sock *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (s->raw.len > 0) {
        size_t n = s->raw.len < (size_t)max ? s->raw.len : (size_t)max;
        memcpy(into, s->raw.data, n);
        slice_skip(&s->raw, n);
        if (s->raw.len == 0)
            slice_done(&s->raw);
        return (int)n;
    }
    ssize_t got;
    do
        got = recv(s->fd, into, (size_t)max, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(b);
    if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return (int)got;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void method_make(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sock");
    if (method == NULL)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_control);
}

BIO *socket_bio_create(struct sock *s)
{
    pthread_once(&method_once, method_make);
    BIO *b = method == NULL ? NULL : BIO_new(method);
    if (b == NULL)
        return NULL;
    BIO_set_data(b, s);
    BIO_set_init(b, 1);
    return b;
}
