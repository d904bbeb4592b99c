/* SPDX-License-Identifier: Apache-2.0 */
/* The admin page's parts; all on its threads, one request at a time: admin.c (life, ways), admin_deeds.c (what changes something),
 * admin_report.c (JSON), metrics.c (OpenMetrics). */
#ifndef SERVER_ADMIN_INNER_H
#define SERVER_ADMIN_INNER_H

#include "base/ask.h"
#include "base/clock.h"
#include "base/object.h"
#include "server/admin.h"
#include "server/server_inner.h"
#include "web/web.h"

#define ADMIN_MAGIC 0x61646d69
#define ADMIN_WAIT_US (3 * US_PER_S) /* for the workers' answers */

struct admin {
    OBJECT_MAGIC;
    struct server *server;
    struct web *web;
    struct status_sample sample;
};

/* Asks all workers; an answer that does not come is told in `out`. NULL then. */
struct ask *admin_ask(struct admin *a, const struct ask_config *what, struct web_reply *out);

void admin_report_status(struct admin *a, struct web_reply *out);
void admin_report_clients(struct admin *a, struct web_reply *out);
/* `client` NULL: of all. */
void admin_report_streams(struct admin *a, const char *client, struct web_reply *out);
void metrics_report(struct admin *a, struct web_reply *out);
/* POST to a path below /api/. */
void admin_do(struct admin *a, const struct web_request *r, struct web_reply *out);

#endif
