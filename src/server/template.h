/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the administrator's own, from --pages DIR, in place of the built-in HTML: 502.html and so on, offline.html,
 * maintenance.html, and error.html for all others. A worker has its own; files are read again when they change.
 */
#ifndef SERVER_TEMPLATE_H
#define SERVER_TEMPLATE_H

#include "base/text.h"
#include "server/kept_file.h"
#include "wire/error.h"

/* What the placeholders stand for; NULL: nothing. Any bytes. */
struct template_values {
    const char *host, *client, *service, *status, *reason, *error, *last_seen, *request_id;
};

#define TEMPLATES 14

struct templates {
    struct kept_file files[TEMPLATES];
    bool any;
};

/* `directory` NULL: none. */
void templates_init(struct templates *t, const char *directory);
void templates_done(struct templates *t);
/* The most special one that is there; NULL: none. Valid until the next call. */
const char *template_find(struct templates *t, const struct error *e, unsigned status, uint64_t now_us);
/* Writes the template with {{host}} and the others replaced, escaped for HTML; what is no placeholder stays as it is. */
void template_write(struct text *out, const char *template, const struct template_values *v);

#endif
