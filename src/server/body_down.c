/* SPDX-License-Identifier: Apache-2.0 */
/* The answer's body, from the stream to libmicrohttpd's reader: as it comes, with credit for what was taken. */
#include <stdio.h>

#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"

static void body_down_add_trailers(struct exchange *ex)
{
    const struct answer *a = &ex->from_service;
    struct http_field fields[HTTP_TRAILER_FIELDS_MAX];
    char name[128], value[1024];
    size_t count = 0;

    if (a->framing != HTTP_FRAMING_CHUNKED || a->chunked.trailer_len == 0 ||
        !http_trailer_parse(a->trailer, a->chunked.trailer_len, fields, HTTP_TRAILER_FIELDS_MAX, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        const struct http_field *t = &fields[i];
        if (t->name.len >= sizeof(name) || t->value.len >= sizeof(value) || t->value.len == 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)t->name.len, t->name.at);
        snprintf(value, sizeof(value), "%.*s", (int)t->value.len, t->value.at);
        MHD_add_response_footer(ex->response, name, value);
    }
}

/* A body that was cut must not look complete: with neither a length nor chunks only a reset tells. */
static ssize_t body_down_cut(struct exchange *ex)
{
    if (ex->error == NULL)
        ex->error = &error_service_reset;
    if (ex->request.old)
        visitor_reset_at_close(ex->visitor);
    visitor_closing(ex->visitor);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* For the service, or for its turn. */
static ssize_t body_down_wait(struct exchange *ex)
{
    exchange_silence(ex);
    visitor_suspend(ex->visitor);
    return 0;
}

ssize_t body_down_read(void *ctx, uint64_t at, char *dst, size_t max)
{
    struct exchange *ex = ctx;
    struct answer *a = &ex->from_service;

    (void)at;
    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    if (pace_waits(ex->gate.pace, METER_DOWN))
        return body_down_wait(ex);
    if (ex->upstream != NULL)
        answer_read(ex);
    size_t len = answer_take(ex, dst, pace_portion(ex->gate.pace, METER_DOWN, max));
    if (len > 0) {
        ex->sent += len;
        exchange_progress(ex);
        pace_moved(ex->gate.pace, METER_DOWN, len);
        return (ssize_t)len;
    }
    if (a->complete) {
        body_down_add_trailers(ex);
        if (ex->request.old)
            visitor_closing(ex->visitor); /* the end of the connection is the end of the body */
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (a->cut || ex->visitor->left)
        return body_down_cut(ex);
    return body_down_wait(ex);
}
