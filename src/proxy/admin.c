/* SPDX-License-Identifier: Apache-2.0 */
/* Which path says what. */
#include "proxy/admin.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/object.h"
#include "base/openmetrics.h"
#include "config/token.h"
#include "web/web.h"

#define ADMIN_MAGIC 0x70616468u
#define TOKEN_FILE "proxy-admin-token"

struct proxy_admin {
    OBJECT_MAGIC;
    struct web *web;
    struct worker *const *workers;
    unsigned count, addresses;
    time_t started_s;
    atomic_bool draining;
};

static const char *const open_paths[] = {"/healthz", "/readyz", NULL};

static void reply_word(struct web_reply *out, unsigned status, const char *word)
{
    out->status = status;
    out->type = "text/plain; charset=utf-8";
    out->constant = word;
    out->len = strlen(word);
}

static void reply_metrics(struct proxy_admin *a, struct web_reply *out)
{
    struct text t;
    text_init(&t, METRICS_TEXT_MAX);
    openmetrics_program(&t, (uint64_t)a->started_s, !atomic_load(&a->draining));
    openmetrics_workers(&t, a->workers, a->count);
    openmetrics_counters(&t, COUNTER_OF_proxy);
    openmetrics_end(&t);
    web_reply_text(out, 200, openmetrics_type, &t);
}

static void admin_handle(void *ctx, const struct web_request *r, struct web_reply *out)
{
    struct proxy_admin *a = ctx;
    bool ready = !atomic_load(&a->draining);
    CHECK_OBJECT(a, ADMIN_MAGIC);
    if (strcmp(r->method, "GET") != 0) {
        web_reply_error(out, 405, "there is nothing to do here but GET");
        web_reply_field(out, "Allow", "GET, HEAD");
    } else if (strcmp(r->path, "/healthz") == 0) {
        reply_word(out, 200, "ok\n");
    } else if (strcmp(r->path, "/readyz") == 0) {
        reply_word(out, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
    } else if (strcmp(r->path, "/metrics") == 0) {
        reply_metrics(a, out);
    }
}

/* Heap, for token_free(); NULL and *err. */
static char *token_of(const struct proxy_settings *s, struct config_error *err)
{
    struct state *state = NULL;
    if (s->admin_token == NULL && state_open(s->state_dir, &state, err) != 0)
        return NULL;
    char *token = token_load(state, TOKEN_FILE, s->admin_token, err);
    if (token != NULL && state != NULL)
        log_info("admin", "the token is in %s/" TOKEN_FILE, state_directory(state));
    if (state != NULL)
        state_free(&state);
    return token;
}

static bool admin_open(struct proxy_admin *a, const struct proxy_settings *s, struct config_error *err)
{
    struct web_config config = {.address_count = s->admin_count, .open_paths = open_paths, .handle = admin_handle, .ctx = a};
    int failure;
    unsigned bad;
    char *token = token_of(s, err);
    if (token == NULL)
        return false;
    memcpy(config.addresses, s->admin_addresses, sizeof(config.addresses));
    config.token = token;
    a->web = web_create(&config, &failure, &bad);
    token_free(token);
    if (a->web == NULL)
        config_error_set(err, "admin: address %u of %.200s: %s", bad + 1, s->admin, strerror(failure));
    return a->web != NULL;
}

struct proxy_admin *proxy_admin_create(const struct proxy_settings *s, struct worker *const *workers, unsigned count,
                                       struct config_error *err)
{
    struct proxy_admin *a;
    ALLOC_OBJECT(a, ADMIN_MAGIC);
    if (a == NULL) {
        config_error_set(err, "admin: %s", strerror(ENOMEM));
        return NULL;
    }
    a->workers = workers;
    a->count = count;
    a->addresses = s->admin_count;
    a->started_s = time(NULL);
    if (!admin_open(a, s, err))
        proxy_admin_free(&a);
    return a;
}

uint16_t proxy_admin_port(const struct proxy_admin *a) { return web_port(a->web, 0); }

int proxy_admin_start(struct proxy_admin *a)
{
    CHECK_OBJECT(a, ADMIN_MAGIC);
    for (unsigned i = 0; i < a->addresses; i++)
        log_info("admin", "metrics are at port %u", web_port(a->web, i));
    return web_start(a->web);
}

void proxy_admin_drain(struct proxy_admin *a) { atomic_store(&a->draining, true); }

void proxy_admin_stop(struct proxy_admin *a)
{
    CHECK_OBJECT(a, ADMIN_MAGIC);
    web_stop(a->web);
}

void proxy_admin_free(struct proxy_admin **ap)
{
    struct proxy_admin *a;
    if (*ap == NULL)
        return;
    TAKE_OBJECT(a, ap, ADMIN_MAGIC);
    if (a->web != NULL)
        web_free(&a->web);
    FREE_OBJECT(a);
}
