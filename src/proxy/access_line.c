/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, as a line. */
#include "proxy/access_line.h"

#include <string.h>

#include "mdm-tunnel/limits.h"

void proxy_access_write(struct text_line *l, enum line_format f, const struct proxy_access *a)
{
    bool mqtt = strcmp(a->kind, "mqtt") == 0;
    line_begin(l, f, &a->began, a->kind);
    line_text(l, f, "address", a->address, strlen(a->address), ACCESS_WORD_MAX);
    line_text(l, f, "listener", a->listener, strlen(a->listener), ACCESS_WORD_MAX);
    line_text(l, f, "version", a->version.at, a->version.len, ACCESS_WORD_MAX);
    line_text(l, f, "client", a->client.at, a->client.len, ACCESS_FIELD_MAX);
    line_text(l, f, "user", a->user.at, a->user.len, ACCESS_FIELD_MAX);
    line_text(l, f, "certificate", a->certificate.at, a->certificate.len, ACCESS_WORD_MAX);
    line_text(l, f, "method", a->method.at, a->method.len, ACCESS_WORD_MAX);
    line_text(l, f, "host", a->host.at, a->host.len, ACCESS_FIELD_MAX);
    line_text(l, f, "target", a->target.at, a->target.len, ACCESS_TARGET_MAX);
    if (a->answered)
        line_number(l, f, mqtt ? "code" : "status", a->code);
    if (mqtt) {
        line_number(l, f, "messages_up", a->messages_up);
        line_number(l, f, "messages_down", a->messages_down);
    }
    line_number(l, f, "bytes_up", a->bytes_up);
    line_number(l, f, "bytes_down", a->bytes_down);
    line_seconds(l, f, "total", a->total_us);
    line_text(l, f, "end", a->end, strlen(a->end), 2 * ACCESS_WORD_MAX);
    line_end(l, f);
}
