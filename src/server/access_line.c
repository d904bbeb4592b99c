/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, as a line. */
#include "server/access_line.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/line_fields.h"
#include "mdm-tunnel/limits.h"

static bool is_there(const char *text) { return text != NULL && text[0] != '\0'; }

static void add_cut(struct text_line *l, const char *text, size_t max) { line_cut(l, text_line_quoted, text, strlen(text), max); }

/* -- Combined Log Format ------------------------------------------------------------------------------------------- */

/* A word without spaces that cannot be taken for another field. */
static void add_word(struct text_line *l, const char *text)
{
    char word[64];
    size_t len = 0;
    for (const char *at = text; *at != '\0' && len + 1 < sizeof(word); at++)
        word[len++] = *at > ' ' && *at < 0x7f && *at != '"' && *at != '\\' ? *at : '_';
    word[len] = '\0';
    text_line_put(l, len > 0 ? word : "-");
}

static void add_quoted(struct text_line *l, const char *text, size_t max)
{
    text_line_put(l, "\"");
    add_cut(l, is_there(text) ? text : "-", max);
    text_line_put(l, "\"");
}

static void add_request(struct text_line *l, const struct access_entry *e)
{
    text_line_put(l, "\"");
    if (is_there(e->target)) {
        add_cut(l, is_there(e->method) ? e->method : "-", ACCESS_WORD_MAX);
        text_line_put(l, " ");
        add_cut(l, e->target, ACCESS_TARGET_MAX);
        text_line_put(l, " ");
        add_cut(l, is_there(e->version) ? e->version : "-", ACCESS_WORD_MAX);
    } else {
        text_line_put(l, e->kind);
    }
    text_line_put(l, "\"");
}

static void add_service(struct text_line *l, const struct access_entry *e)
{
    char name[2 * NAME_MAX_BYTES + 4];
    bool service = is_there(e->service);
    snprintf(name, sizeof(name), "%s%s%s", is_there(e->client) ? e->client : "", service ? "/" : "", service ? e->service : "");
    add_quoted(l, name, sizeof(name));
}

static void write_combined(struct text_line *l, const struct access_entry *e)
{
    char when[64];
    struct tm tm;
    if (localtime_r(&e->began.tv_sec, &tm) == NULL || strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S %z", &tm) == 0)
        when[0] = '\0';
    add_word(l, is_there(e->visitor) ? e->visitor : "-");
    text_line_put(l, " - ");
    add_word(l, is_there(e->user) ? e->user : "-");
    text_line_format(l, " [%s] ", when);
    add_request(l, e);
    if (e->status != 0)
        text_line_format(l, " %u", e->status);
    else
        text_line_put(l, " -");
    if (e->bytes_out > 0)
        text_line_format(l, " %" PRIu64 " ", e->bytes_out);
    else
        text_line_put(l, " - ");
    add_quoted(l, e->referer, ACCESS_FIELD_MAX);
    text_line_put(l, " ");
    add_quoted(l, e->agent, ACCESS_FIELD_MAX);
    text_line_put(l, " ");
    add_service(l, e);
    text_line_put(l, " ");
    text_line_format(l, "%" PRIu64 ".%06" PRIu64, e->total_us / US_PER_S, e->total_us % US_PER_S);
    text_line_put(l, " ");
    add_word(l, is_there(e->error) ? e->error : "-");
    text_line_put(l, "\n");
}

/* -- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_text(struct text_line *l, const char *name, const char *text, size_t max)
{
    line_text(l, LINE_JSON, name, text, text == NULL ? 0 : strlen(text), max);
}

static void json_number(struct text_line *l, const char *name, uint64_t number) { line_number(l, LINE_JSON, name, number); }

static void json_seconds(struct text_line *l, const char *name, uint64_t us)
{
    if (us != ACCESS_NEVER)
        line_seconds(l, LINE_JSON, name, us);
}

static void write_json(struct text_line *l, const struct access_entry *e)
{
    line_begin(l, LINE_JSON, &e->began, e->kind);
    json_text(l, "visitor", e->visitor, ACCESS_WORD_MAX);
    json_text(l, "user", e->user, ACCESS_WORD_MAX);
    json_text(l, "client", e->client, ACCESS_WORD_MAX);
    json_text(l, "service", e->service, ACCESS_WORD_MAX);
    if (e->number != 0)
        json_number(l, "stream", e->number);
    json_text(l, "method", e->method, ACCESS_WORD_MAX);
    json_text(l, "host", e->host, ACCESS_FIELD_MAX);
    json_text(l, "target", e->target, ACCESS_TARGET_MAX);
    json_text(l, "version", e->version, ACCESS_WORD_MAX);
    text_line_format(l, ",\"secure\":%s", e->secure ? "true" : "false");
    if (e->status != 0)
        json_number(l, "status", e->status);
    json_number(l, "bytes_in", e->bytes_in);
    json_number(l, "bytes_out", e->bytes_out);
    json_seconds(l, "queue", e->queue_us);
    json_seconds(l, "connect", e->connect_us);
    json_seconds(l, "first_byte", e->first_us);
    json_seconds(l, "total", e->total_us);
    json_text(l, "referer", e->referer, ACCESS_FIELD_MAX);
    json_text(l, "user_agent", e->agent, ACCESS_FIELD_MAX);
    json_text(l, "error", e->error, ACCESS_WORD_MAX);
    line_end(l, LINE_JSON);
}

void access_line_write(struct text_line *l, enum access_format format, const struct access_entry *e)
{
    if (format == ACCESS_JSON)
        write_json(l, e);
    else
        write_combined(l, e);
}
