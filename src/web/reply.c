/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers make their answers with. */
#include <stdlib.h>
#include <string.h>

#include "web/web.h"

static void reply_clear(struct web_reply *out)
{
    free(out->body);
    out->body = NULL;
    out->constant = NULL;
    out->len = 0;
    out->type = NULL;
}

static void reply_fail(struct web_reply *out)
{
    reply_clear(out);
    out->field_count = 0;
    out->status = 500;
}

void web_reply_field(struct web_reply *out, const char *name, const char *value)
{
    struct web_field *f = &out->fields[out->field_count];

    if (out->field_count == WEB_REPLY_FIELDS_MAX || strlen(name) >= sizeof(f->name) || strlen(value) >= sizeof(f->value) ||
        strpbrk(value, "\r\n") != NULL) {
        reply_fail(out);
        return;
    }
    strcpy(f->name, name);
    strcpy(f->value, value);
    out->field_count++;
}

void web_reply_text(struct web_reply *out, unsigned status, const char *type, struct text *t)
{
    reply_clear(out);
    if (t->failed) {
        text_done(t);
        reply_fail(out);
        return;
    }
    out->status = status;
    out->type = type;
    out->body = t->at;
    out->len = t->len;
    *t = (struct text){.max = t->max};
}

void web_reply_error(struct web_reply *out, unsigned status, const char *why)
{
    struct text t;

    text_init(&t, 4 * KIB);
    text_format(&t, "{\"error\":\"");
    text_add_json(&t, why);
    text_format(&t, "\"}\n");
    web_reply_text(out, status, "application/json", &t);
}

bool web_reply_file(struct web_reply *out, const struct web_file *files, const struct web_request *r)
{
    for (; files->path != NULL; files++) {
        if (strcmp(r->path, files->path) != 0)
            continue;
        reply_clear(out);
        if (strcmp(r->method, "GET") != 0) {
            web_reply_error(out, 405, "this is a page: GET only");
            web_reply_field(out, "Allow", "GET, HEAD");
            return true;
        }
        out->status = 200;
        out->type = files->type;
        out->constant = files->bytes;
        out->len = files->len;
        return true;
    }
    return false;
}
