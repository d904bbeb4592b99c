/* SPDX-License-Identifier: Apache-2.0 */
/* From the service's answer to libmicrohttpd's response: framing and hop-by-hop fields are left out, all else stays. */
#include "server/reply.h"

#include <stdio.h>
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/upgrade.h"
#include "server/visitor.h"

#define REPLY_BLOCK (64 * KIB)      /* bytes that the reader gives at once */
#define REPLY_COPY_MAX (32 * KIB)   /* a complete body in several parts is made one up to here */
#define REPLY_HEAD_SLACK (1 * KIB)  /* status line, Date, Connection, Content-Length */
#define REQUEST_FIELD_COST 80       /* libmicrohttpd's memory for one field of the request */

bool reply_head_fits(const struct exchange *ex, const struct http_response *r, size_t head_len)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->visitor->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t request = info->header_size + ex->request.field_count * REQUEST_FIELD_COST;

    size_t added = ex->gate.rules != NULL ? ex->gate.rules->response_bytes : 0;

    return head_len + added + r->field_count + request + REPLY_HEAD_SLACK <= ex->front->config.settings->limits.head;
}

/* -- fields -------------------------------------------------------------------------------------------------------- */

/* `input` is the exchange's own: the byte behind a name is its colon, behind a value white space or the line's end. */
static bool field_add(struct exchange *ex, const struct http_field *f)
{
    char *input = ex->from_service.input;

    input[f->name.at - input + (ptrdiff_t)f->name.len] = '\0';
    if (f->value.len == 0) /* libmicrohttpd takes no empty value */
        return MHD_add_response_header(ex->response, f->name.at, " ") == MHD_YES;
    input[f->value.at - input + (ptrdiff_t)f->value.len] = '\0';
    return MHD_add_response_header(ex->response, f->name.at, f->value.at) == MHD_YES;
}

bool reply_says_strict(const struct exchange *ex)
{
    return ex->request.secure && ex->front->config.settings->hsts_s > 0;
}

bool reply_add_strict(struct exchange *ex)
{
    char value[32];

    snprintf(value, sizeof(value), "max-age=%u", ex->front->config.settings->hsts_s);
    return MHD_add_response_header(ex->response, "Strict-Transport-Security", value) == MHD_YES;
}

/* What the rules of the service set; their texts have a NUL behind them. */
static bool reply_add_set(struct exchange *ex, const struct http_edit *edit, bool *strict)
{
    for (size_t i = 0; i < edit->set_count; i++) {
        *strict &= !http_text_is(edit->set[i].name, "strict-transport-security");
        if (MHD_add_response_header(ex->response, edit->set[i].name.at, edit->set[i].value.at) != MHD_YES)
            return false;
    }
    return true;
}

static bool reply_add_fields(struct exchange *ex, const struct http_response *r)
{
    bool passes[HTTP_FIELDS_MAX]; /* asked before field_add() changes the bytes that the answer depends on */

    const struct http_edit *edit = ex->gate.rules != NULL ? &ex->gate.rules->response : NULL;
    bool strict = reply_says_strict(ex); /* and no answer of its own to the question */

    for (size_t i = 0; i < r->field_count; i++) {
        passes[i] = http_response_passes(r, &r->fields[i]) && !(edit != NULL && http_edit_drops(edit, r->fields[i].name));
        strict &= !passes[i] || !http_text_is(r->fields[i].name, "strict-transport-security");
    }
    for (size_t i = 0; i < r->field_count; i++)
        if (passes[i] && !field_add(ex, &r->fields[i]))
            return false;
    if (edit != NULL && !reply_add_set(ex, edit, &strict))
        return false;
    if (strict && !reply_add_strict(ex))
        return false;
    return ex->answer == ANSWER_UPGRADE || !exchange_is_last(ex) ||
           MHD_add_response_header(ex->response, "Connection", "close") == MHD_YES;
}

/* -- body ---------------------------------------------------------------------------------------------------------- */

static struct MHD_Response *response_buffer(struct exchange *ex, const void *at, size_t len)
{
    ex->sent = ex->request.to_head ? 0 : len;
    return MHD_create_response_from_buffer(len, (void *)(uintptr_t)at, MHD_RESPMEM_PERSISTENT);
}

/* HEAD, 204, 304. A head without a length would be framed as chunks: the end of the connection frames it. */
static struct MHD_Response *response_bodyless(struct exchange *ex)
{
    const struct answer *a = &ex->from_service;
    struct MHD_Response *r;

    if (ex->status == 204 || (a->has_length && a->content_length == 0))
        return response_buffer(ex, "", 0);
    r = MHD_create_response_from_callback(a->has_length ? a->content_length : MHD_SIZE_UNKNOWN, 1, body_down_read, ex,
                                          NULL);
    if (r != NULL && !a->has_length)
        MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return r;
}

/* A complete body that lies in one piece, or becomes one; NULL when it does not. */
static struct MHD_Response *response_whole(struct exchange *ex)
{
    struct answer *a = &ex->from_service;
    size_t len = answer_available(a);

    if (a->framing == HTTP_FRAMING_CHUNKED && a->chunked.trailer_len > 0)
        return NULL;
    if (a->body.count == 0)
        return response_buffer(ex, a->input + a->body_at, len);
    if (a->body_len > 0 || a->body.count > 1) {
        struct chunk *c = len <= REPLY_COPY_MAX ? chunk_create(len) : NULL;
        if (c == NULL)
            return NULL;
        answer_take(ex, (char *)c->data, len);
        struct slice whole = slice_of(c, 0, len);
        if (!slice_queue_push(&a->body, whole)) {
            slice_done(&whole);
            a->complete = false;
            a->cut = true;
            return NULL;
        }
    }
    const struct slice *only = slice_queue_first(&a->body);
    return response_buffer(ex, only->data, only->len);
}

static struct MHD_Response *response_streamed(struct exchange *ex)
{
    const struct answer *a = &ex->from_service;
    uint64_t size = MHD_SIZE_UNKNOWN;
    size_t block = ex->request.old ? REPLY_BLOCK : 1; /* chunks are made in the connection's own memory */

    if (a->framing == HTTP_FRAMING_LENGTH) {
        size = a->content_length;
        block = size < REPLY_BLOCK ? (size_t)size : REPLY_BLOCK;
    }
    return MHD_create_response_from_callback(size, block, body_down_read, ex, NULL);
}

static struct MHD_Response *response_create(struct exchange *ex)
{
    const struct answer *a = &ex->from_service;
    struct MHD_Response *r = NULL;

    if (ex->answer == ANSWER_UPGRADE)
        return MHD_create_response_for_upgrade(upgrade_start, ex);
    if (a->framing == HTTP_FRAMING_NONE)
        return response_bodyless(ex);
    if (a->complete && ex->gate.pace == NULL)
        r = response_whole(ex);
    return r != NULL ? r : response_streamed(ex);
}

void reply_build(struct exchange *ex, const struct http_response *r)
{
    ex->response = response_create(ex);
    if (ex->response != NULL && reply_add_fields(ex, r))
        return;
    ex->error = &error_no_memory;
    ex->answer = ANSWER_CUT;
}

enum MHD_Result exchange_reply(struct exchange *ex, struct MHD_Connection *c)
{
    if (ex->answer == ANSWER_SERVICE && (ex->from_service.complete || ex->from_service.cut))
        answer_release_upstream(ex);
    if (ex->response == NULL && (ex->answer == ANSWER_SERVICE || ex->answer == ANSWER_UPGRADE)) {
        if (!answer_fields(ex, &ex->front->response))
            return MHD_NO;
        reply_build(ex, &ex->front->response);
    }
    if (ex->answer == ANSWER_CUT)
        return MHD_NO;
    exchange_change_state(ex, EXCHANGE_ANSWER);
    return MHD_queue_response(c, ex->status, ex->response);
}
