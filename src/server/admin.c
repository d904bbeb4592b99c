/* SPDX-License-Identifier: Apache-2.0 */
/* The admin page's life, and which path leads where. */
#include "server/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/token.h"
#include "server/admin_inner.h"

#define TOKEN_FILE "admin-token"

extern const struct web_file admin_files[];

static const char token_where[] = "It is in the file " TOKEN_FILE " in the state directory of mdm-tunnel-server, or where --admin-token says.";
static const char plain_text[] = "text/plain; charset=utf-8";
static const char *const open_paths[] = {"/healthz", "/readyz", NULL};

struct ask *admin_ask(struct admin *a, const struct ask_config *what, struct web_reply *out)
{
    struct ask_config config = *what;

    config.workers = a->server->workers;
    config.count = a->server->count;
    config.host = a->server;
    struct ask *answer = ask_workers(&config, ADMIN_WAIT_US);
    if (answer == NULL)
        web_reply_error(out, 503, "a worker did not answer in time");
    return answer;
}

static void reply_word(struct web_reply *out, unsigned status, const char *word)
{
    out->status = status;
    out->type = plain_text;
    out->constant = word;
    out->len = strlen(word);
}

static void why_run(void *host, const void *question, unsigned index, void *part)
{
    const struct server *s = host;

    (void)question;
    if (index == 0)
        memcpy(part, s->link_why, sizeof(s->link_why));
}

static void reply_unready(struct admin *a, struct web_reply *out)
{
    struct text t;

    if (atomic_load(&a->server->draining)) {
        reply_word(out, 503, "not ready: draining\n");
        return;
    }
    struct ask *answer = admin_ask(a, &(struct ask_config){.part_size = sizeof(a->server->link_why), .run = why_run}, out);
    if (answer == NULL)
        return;
    const char *why = ask_part(answer, 0);
    text_init(&t, KIB);
    text_format(&t, "not ready: no connection to the broker%s%s\n", why[0] != '\0' ? ": " : "", why);
    ask_free(&answer);
    web_reply_text(out, 503, plain_text, &t);
}

static void admin_get(struct admin *a, const struct web_request *r, struct web_reply *out)
{
    if (strcmp(r->path, "/healthz") == 0)
        reply_word(out, 200, "ok\n");
    else if (strcmp(r->path, "/readyz") == 0)
        server_is_ready(a->server) ? reply_word(out, 200, "ready\n") : reply_unready(a, out);
    else if (strcmp(r->path, "/metrics") == 0)
        metrics_report(a, out);
    else if (strcmp(r->path, "/api/status") == 0)
        admin_report_status(a, out);
    else if (strcmp(r->path, "/api/clients") == 0)
        admin_report_clients(a, out);
    else if (strcmp(r->path, "/api/streams") == 0)
        admin_report_streams(a, web_query(r, "client"), out);
}

static void admin_handle(void *ctx, const struct web_request *r, struct web_reply *out)
{
    struct admin *a = ctx;

    CHECK_OBJECT(a, ADMIN_MAGIC);
    if (web_reply_file(out, admin_files, r))
        return;
    if (strcmp(r->method, "GET") == 0) {
        admin_get(a, r, out);
    } else if (strcmp(r->method, "POST") == 0 && strncmp(r->path, "/api/", 5) == 0) {
        admin_do(a, r, out);
    } else {
        web_reply_error(out, 405, "GET shows, POST below /api/ does");
        web_reply_field(out, "Allow", "GET, HEAD, POST");
    }
}

/* One that listens at this address already; -1: there is none. */
static int admin_socket(const struct server *s, unsigned index)
{
    const struct web_address *a = &s->settings->admin_addresses[index];
    bool v6 = a->at.any.sa_family == AF_INET6;
    char name[32] = SHELF_ADMIN, address[INET6_ADDRSTRLEN];

    if (index > 0)
        snprintf(name, sizeof(name), SHELF_ADMIN "-%u", index);
    if (inet_ntop(a->at.any.sa_family, v6 ? (const void *)&a->at.v6.sin6_addr : &a->at.v4.sin_addr, address, sizeof(address)) == NULL)
        return -1;
    return shelf_take(s->shelf, &(struct shelf_wish){name, address, ntohs(v6 ? a->at.v6.sin6_port : a->at.v4.sin_port)});
}

static bool admin_open(struct admin *a, struct config_error *err)
{
    const struct server_settings *s = a->server->settings;
    struct web_config config = {.address_count = s->admin_count,
                                .open_paths = open_paths,
                                .token_where = token_where,
                                .body_max = ADMIN_BODY_MAX,
                                .handle = admin_handle,
                                .ctx = a};
    int failure, fds[WEB_ADDRESSES_MAX];
    unsigned bad;
    char *token = token_load(a->server->state, TOKEN_FILE, s->admin_token, err);

    if (token == NULL)
        return false;
    memcpy(config.addresses, s->admin_addresses, sizeof(config.addresses));
    config.token = token;
    config.fds = fds;
    for (unsigned i = 0; i < s->admin_count; i++)
        fds[i] = admin_socket(a->server, i);
    a->web = web_create(&config, &failure, &bad);
    token_free(token);
    if (a->web == NULL) {
        config_error_set(err, "admin: address %u of %.200s: %s", bad + 1, s->admin, strerror(failure));
        return false;
    }
    a->server->ports.admin = web_port(a->web, 0);
    return true;
}

struct admin *admin_create(struct server *s, struct config_error *err)
{
    struct admin *a;

    ALLOC_OBJECT(a, ADMIN_MAGIC);
    if (a == NULL) {
        config_error_set(err, "admin: %s", strerror(ENOMEM));
        return NULL;
    }
    a->server = s;
    if (!admin_open(a, err))
        admin_free(&a);
    return a;
}

int admin_start(struct admin *a)
{
    const struct server *s = a->server;

    CHECK_OBJECT(a, ADMIN_MAGIC);
    for (unsigned i = 0; i < s->settings->admin_count; i++)
        log_info("admin", "the page is at port %u; its token is in %s%s", web_port(a->web, i),
                 s->settings->admin_token != NULL ? s->settings->admin_token : state_directory(s->state),
                 s->settings->admin_token != NULL ? "" : "/" TOKEN_FILE);
    return web_start(a->web);
}

int admin_fd(const struct admin *a, unsigned index)
{
    CHECK_OBJECT(a, ADMIN_MAGIC);
    return web_socket(a->web, index);
}

void admin_stop(struct admin *a)
{
    CHECK_OBJECT(a, ADMIN_MAGIC);
    web_stop(a->web);
}

void admin_free(struct admin **ap)
{
    struct admin *a;

    TAKE_OBJECT(a, ap, ADMIN_MAGIC);
    if (a->web != NULL)
        web_free(&a->web);
    FREE_OBJECT(a);
}
