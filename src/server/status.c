/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the status, and the two ways to say them. */
#include "server/status.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum status_kind { STATUS_TEXT, STATUS_NUMBER, STATUS_SWITCH, STATUS_WORKERS };

#define AT(member) offsetof(struct status, member)

/* Those of a group stand together. */
static const struct status_row {
    const char *group, *name; /* group NULL: none */
    enum status_kind kind;
    size_t offset;
} rows[] = {
    {NULL, "program", STATUS_TEXT, AT(program)},
    {NULL, "version", STATUS_TEXT, AT(version)},
    {NULL, "uptime_seconds", STATUS_NUMBER, AT(uptime_s)},
    {NULL, "clients", STATUS_NUMBER, AT(clients)},
    {NULL, "workers", STATUS_NUMBER, AT(workers)},
    {NULL, "port", STATUS_NUMBER, AT(port)},
    {NULL, "tls_port", STATUS_NUMBER, AT(tls_port)},
    {NULL, "client_port", STATUS_NUMBER, AT(client_port)},
    {NULL, "ready", STATUS_SWITCH, AT(ready)},
    {NULL, "draining", STATUS_SWITCH, AT(draining)},
    {NULL, "encryption", STATUS_SWITCH, AT(encryption)},
    {"broker", "embedded", STATUS_SWITCH, AT(broker_embedded)},
    {"broker", "up", STATUS_SWITCH, AT(broker_up)},
    {"rates", "requests", STATUS_NUMBER, AT(requests_rate)},
    {"rates", "bytes_sent", STATUS_NUMBER, AT(sent_rate)},
    {"rates", "bytes_received", STATUS_NUMBER, AT(received_rate)},
    {NULL, "workers_cpu_us", STATUS_WORKERS, AT(workers_cpu_us)},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void status_count(struct status *s, struct status_sample *sample, uint64_t now_us)
{
    for (unsigned i = 0; i < COUNTER_MAX; i++)
        s->counters[i] = counters_sum(i);
    const uint64_t requests = s->counters[COUNTER_requests], sent = s->counters[COUNTER_bytes_sent];
    const uint64_t received = s->counters[COUNTER_bytes_received], us = now_us - sample->at_us;
    if (sample->at_us == 0 || us >= US_PER_S) {
        struct status_sample now = {.at_us = now_us, .requests = requests, .sent = sent, .received = received};
        if (sample->at_us != 0) {
            now.requests_rate = (requests - sample->requests) * US_PER_S / us;
            now.sent_rate = (sent - sample->sent) * US_PER_S / us;
            now.received_rate = (received - sample->received) * US_PER_S / us;
        }
        *sample = now;
    }
    s->requests_rate = sample->requests_rate;
    s->sent_rate = sample->sent_rate;
    s->received_rate = sample->received_rate;
}

/* -- values -------------------------------------------------------------------------------------------------------- */

static const char *text_of(const struct status *s, const struct status_row *r)
{
    const char *text;
    memcpy(&text, (const char *)s + r->offset, sizeof(text));
    return text;
}

static uint64_t number_of(const struct status *s, const struct status_row *r)
{
    uint64_t number;
    memcpy(&number, (const char *)s + r->offset, sizeof(number));
    return number;
}

static bool switch_of(const struct status *s, const struct status_row *r)
{
    bool on;
    memcpy(&on, (const char *)s + r->offset, sizeof(on));
    return on;
}

static void workers_write(struct text *out, const struct status *s, const char *between)
{
    for (uint64_t i = 0; i < s->workers && i < WORKERS_MAX; i++)
        text_format(out, "%s%" PRIu64, i > 0 ? between : "", s->workers_cpu_us[i]);
}

/* -- JSON ---------------------------------------------------------------------------------------------------------- */

static void value_json(struct text *out, const struct status *s, const struct status_row *r)
{
    switch (r->kind) {
    case STATUS_TEXT:
        text_put(out, "\"");
        text_add_json(out, text_of(s, r));
        text_put(out, "\"");
        return;
    case STATUS_NUMBER:
        text_format(out, "%" PRIu64, number_of(s, r));
        return;
    case STATUS_SWITCH:
        text_put(out, switch_of(s, r) ? "true" : "false");
        return;
    case STATUS_WORKERS:
        text_put(out, "[");
        workers_write(out, s, ",");
        text_put(out, "]");
    }
}

static bool is_of(const struct status_row *r, const char *group)
{
    return r->group == group || (r->group != NULL && group != NULL && strcmp(r->group, group) == 0);
}

void status_json(struct text *out, const struct status *s)
{
    const char *group = NULL;

    for (size_t i = 0; i < ROWS; i++) {
        bool goes_on = is_of(&rows[i], group);
        text_put(out, i == 0 ? "{" : goes_on || group == NULL ? "," : "},");
        if (!goes_on && rows[i].group != NULL)
            text_format(out, "\"%s\":{", rows[i].group);
        group = rows[i].group;
        text_format(out, "\"%s\":", rows[i].name);
        value_json(out, s, &rows[i]);
    }
    text_format(out, "%s,\"counters\":{", group != NULL ? "}" : "");
    bool first = true;
    for (unsigned i = 0; i < COUNTER_MAX; i++) {
        if ((counter_owner(i) & COUNTER_OF_server) == 0)
            continue;
        text_format(out, "%s\"%s\":%" PRIu64, first ? "" : ",", counter_name(i), s->counters[i]);
        first = false;
    }
    text_put(out, "}}\n");
}

/* -- a row at a time ----------------------------------------------------------------------------------------------- */

static void value_text(struct text *out, const struct status *s, const struct status_row *r)
{
    switch (r->kind) {
    case STATUS_TEXT:
        text_put(out, text_of(s, r));
        return;
    case STATUS_NUMBER:
        text_format(out, "%" PRIu64, number_of(s, r));
        return;
    case STATUS_SWITCH:
        text_put(out, switch_of(s, r) ? "on" : "off");
        return;
    case STATUS_WORKERS:
        workers_write(out, s, " ");
    }
}

void status_each(const struct status *s, void (*row)(void *ctx, const char *name, const char *meaning, const char *value), void *ctx)
{
    char name[64], number[24];
    struct text value;

    for (size_t i = 0; i < ROWS; i++) {
        const struct status_row *r = &rows[i];
        snprintf(name, sizeof(name), "%s%s%s", r->group != NULL ? r->group : "", r->group != NULL ? "." : "", r->name);
        text_init(&value, 2 * KIB);
        value_text(&value, s, r);
        if (!value.failed)
            row(ctx, name, name, value.len > 0 ? value.at : "");
        text_done(&value);
    }
    for (unsigned i = 0; i < COUNTER_MAX; i++) {
        if ((counter_owner(i) & COUNTER_OF_server) == 0)
            continue;
        snprintf(number, sizeof(number), "%" PRIu64, s->counters[i]);
        row(ctx, counter_name(i), counter_text(i), number);
    }
}
