/* SPDX-License-Identifier: Apache-2.0 */
/* From requests and connections to lines. */
#include "server/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/line_fields.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"

static uint64_t since(uint64_t from_us, uint64_t to_us) { return from_us == 0 || to_us < from_us ? ACCESS_NEVER : to_us - from_us; }

static void entry_write(struct front *f, const struct access_entry *e)
{
    struct text_line line;

    if (!line_tap_begin(&f->access, &line))
        return;
    access_line_write(&line, f->config.settings->access_format, e);
    line_tap_end(&f->access, &line);
}

/* -- requests ------------------------------------------------------------------------------------------------------ */

static void word_take(struct MHD_Connection *c, const char *name, char *out, size_t size)
{
    const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
    snprintf(out, size, "%s", value != NULL ? value : "");
}

void access_request_begin(struct exchange *ex, struct MHD_Connection *c, const char *version)
{
    if (!line_tap_wanted(&ex->front->access) || (ex->words = malloc(sizeof(*ex->words))) == NULL)
        return;
    word_take(c, MHD_HTTP_HEADER_REFERER, ex->words->referer, sizeof(ex->words->referer));
    word_take(c, MHD_HTTP_HEADER_USER_AGENT, ex->words->agent, sizeof(ex->words->agent));
    snprintf(ex->words->version, sizeof(ex->words->version), "%s", version);
}

void access_request_end(struct exchange *ex)
{
    struct front *f = ex->front;
    const struct access_times *t = &ex->times;
    const struct access_words *w = ex->words;

    if (!line_tap_wanted(&f->access))
        return;
    uint64_t now_us = worker_now_us(f->worker), total_us = now_us - ex->began_us;
    entry_write(f, &(struct access_entry){
                                     .began = line_time_before(total_us),
                                     .kind = "http",
                                     .visitor = ex->visitor->address.ip,
                                     .user = ex->gate.stage >= GATE_KNOWN ? ex->gate.user : NULL,
                                     .client = ex->route.client,
                                     .service = ex->route.service,
                                     .number = ex->number,
                                     .method = ex->request.method,
                                     .target = ex->request.target,
                                     .version = w != NULL ? w->version : NULL,
                                     .host = ex->request.host,
                                     .referer = w != NULL ? w->referer : NULL,
                                     .agent = w != NULL ? w->agent : NULL,
                                     .status = ex->status,
                                     .secure = ex->request.secure,
                                     .bytes_in = ex->received,
                                     .bytes_out = ex->sent,
                                     .queue_us = since(ex->began_us, t->opened_us),
                                     .connect_us = since(t->opened_us, t->accepted_us),
                                     .first_us = since(ex->began_us, t->answered_us),
                                     .total_us = total_us,
                                     .error = ex->error != NULL ? ex->error->name : NULL,
                                 });
    free(ex->words);
    ex->words = NULL;
}

/* -- connections --------------------------------------------------------------------------------------------------- */

struct access_stream *access_stream_begin(struct front *f, enum stream_kind kind, const char *client, const char *service,
                                          const struct address *visitor, uint64_t began_us)
{
    struct access_stream *s = line_tap_wanted(&f->access) ? calloc(1, sizeof(*s)) : NULL;

    if (s == NULL)
        return NULL;
    s->front = f;
    s->kind = kind;
    snprintf(s->client, sizeof(s->client), "%s", client);
    snprintf(s->service, sizeof(s->service), "%s", service);
    snprintf(s->visitor, sizeof(s->visitor), "%s", visitor->ip);
    s->secure = kind == STREAM_KIND_TLS;
    s->began_us = began_us;
    s->times.opened_us = worker_now_us(f->worker);
    s->began = line_time_before(s->times.opened_us - began_us);
    return s;
}

void access_stream_accepted(struct access_stream *s)
{
    if (s != NULL)
        s->times.accepted_us = worker_now_us(s->front->worker);
}

void access_stream_answered(struct access_stream *s)
{
    if (s != NULL && s->times.answered_us == 0)
        s->times.answered_us = worker_now_us(s->front->worker);
}

void access_stream_end(struct access_stream **sp, uint64_t up, uint64_t down, const struct error *reason)
{
    struct access_stream *s = *sp;

    if (s == NULL)
        return;
    *sp = NULL;
    entry_write(s->front, &(struct access_entry){
                                            .began = s->began,
                                            .kind = stream_kind_name(s->kind),
                                            .visitor = s->visitor,
                                            .client = s->client,
                                            .service = s->service,
                                            .number = s->number,
                                            .secure = s->secure,
                                            .bytes_in = up,
                                            .bytes_out = down,
                                            .queue_us = s->number != 0 ? since(s->began_us, s->times.opened_us) : ACCESS_NEVER,
                                            .connect_us = since(s->times.opened_us, s->times.accepted_us),
                                            .first_us = since(s->began_us, s->times.answered_us),
                                            .total_us = worker_now_us(s->front->worker) - s->began_us,
                                            .error = reason != &error_none ? reason->name : NULL,
                                        });
    free(s);
}
