/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the parts together, waits for signals, and takes them apart in the right order. */
#include "proxy/proxy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/process.h"
#include "base/pulse.h"
#include "base/rates.h"
#include "base/signals.h"
#include "hook/callback.h"
#include "hook/plugin.h"
#include "hook/rules.h"
#include "proxy/admin.h"
#include "proxy/doors.h"
#include "proxy/inner.h"

#define PROXY_MAGIC 0x70726f78u
#define PROGRAM "mdm-tunnel-proxy"
#define PROXY_STATUS "taking clients"

struct part {
    struct proxy *proxy;
    struct mail drain;
    struct proxy_post *post;
};

struct proxy {
    OBJECT_MAGIC;
    struct proxy_settings *settings;
    struct proxy_common common;
    struct hook_chain *hooks;
    struct hook_rules *rules; /* NULL: none */
    struct callback *callback; /* likewise */
    struct proxy_doors doors;
    unsigned count;
    struct worker *workers[WORKERS_MAX];
    struct proxy_post *posts[WORKERS_MAX];
    struct part parts[WORKERS_MAX];
    struct proxy_admin *admin; /* NULL: none */
    struct pulse pulse;
    atomic_uint emptied;
    int wake_fd;
};

static bool proxy_failed(struct config_error *err, const char *what, int failure)
{
    config_error_set(err, "%s: %s", what, strerror(failure));
    return false;
}

/* -- workers ---------------------------------------------------------------------------------------------------------- */

static void drain_deliver(struct worker *self, struct mail *m)
{
    (void)self;
    post_drain(CONTAINER_OF(m, struct part, drain)->post);
}

static void drain_discard(struct mail *m) { (void)m; }

static void on_emptied(void *ctx)
{
    struct proxy *p = ctx;
    uint64_t one = 1;
    atomic_fetch_add(&p->emptied, 1);
    if (write(p->wake_fd, &one, sizeof(one)) < 0)
        log_debug("proxy", "eventfd: %s", strerror(errno));
}

static bool workers_create(struct proxy *p, struct config_error *err)
{
    for (; p->count < p->settings->workers; p->count++) {
        struct worker *w = worker_create("worker", p->count);
        struct proxy_post *post = w == NULL ? NULL : post_create(&p->common, w, p->count);
        if (post == NULL) {
            worker_free(&w);
            return proxy_failed(err, "worker", ENOMEM);
        }
        p->workers[p->count] = w;
        p->posts[p->count] = post;
        p->parts[p->count] =
            (struct part){.proxy = p, .drain = {.deliver = drain_deliver, .discard = drain_discard}, .post = post};
    }
    return true;
}

/* -- making ----------------------------------------------------------------------------------------------------------- */

static bool rules_load(struct proxy *p, struct config_error *err)
{
    if (p->settings->rules == NULL)
        return true;
    p->rules = rules_create(p->hooks, p->settings->rules, p->workers, p->count, err);
    return p->rules != NULL;
}

static bool callback_load(struct proxy *p, struct config_error *err)
{
    const struct proxy_settings *s = p->settings;
    if (s->hook_url == NULL)
        return true;
    p->callback = callback_create(p->hooks,
                                  &(struct callback_config){.url = s->hook_url,
                                                            .ca_cert = s->hook_ca_cert,
                                                            .events = s->hook_events,
                                                            .timeout_us = s->hook_timeout_us,
                                                            .cache_us = s->hook_cache_us},
                                  err);
    return p->callback != NULL;
}

static bool hooks_load(struct proxy *p, struct config_error *err)
{
    char why[512];
    if (hook_plugins_add(p->hooks, p->settings->hooks, why, sizeof(why)))
        return true;
    config_error_set(err, "hook: %s", why);
    return false;
}

static bool logs_open(struct proxy *p, struct config_error *err)
{
    const struct proxy_settings *s = p->settings;
    const struct line_log_config access = {
        .name = "access-log", .where = s->access_log, .program = PROGRAM, .lost = COUNTER_access_lines_lost};
    const struct line_log_config packets = {
        .name = "packet-log", .where = s->packet_log, .program = PROGRAM, .lost = COUNTER_packet_lines_lost};
    p->common.access_format = s->access_format;
    p->common.packet_format = s->packet_format;
    p->common.packet_payload = s->packet_payload;
    return log_settings_lines(&access, &p->common.access, err) && log_settings_lines(&packets, &p->common.packets, err);
}

static bool limits_make(struct proxy *p, struct config_error *err)
{
    const struct proxy_settings *s = p->settings;
    struct proxy_common *c = &p->common;
    uint64_t key[2];
    c->clients = crowd_create(s->clients, s->clients_per_address);
    c->rates = getrandom(key, sizeof(key), 0) == sizeof(key) ? rates_create(key) : NULL;
    c->connect_rate = 1000 * s->connect_rate;
    c->connect_burst = s->connect_burst;
    return (c->clients != NULL && c->rates != NULL) || proxy_failed(err, "proxy", ENOMEM);
}

static bool admin_make(struct proxy *p, struct config_error *err)
{
    if (p->settings->admin != NULL)
        p->admin = proxy_admin_create(p->settings, p->workers, p->count, err);
    return p->settings->admin == NULL || p->admin != NULL;
}

static bool proxy_init(struct proxy *p, struct config_error *err)
{
    const struct proxy_settings *s = p->settings;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        return proxy_failed(err, "eventfd", errno);
    p->hooks = hook_chain_create();
    p->common = (struct proxy_common){.hooks = p->hooks,
                                      .lookups = lookups_create(),
                                      .packet_max = s->packet_max,
                                      .connect_us = s->connect_us,
                                      .answer_us = s->answer_us,
                                      .drop_denied = s->drop_denied,
                                      .emptied = on_emptied,
                                      .ctx = p};
    if (p->hooks == NULL || p->common.lookups == NULL)
        return proxy_failed(err, "proxy", ENOMEM);
    if (!limits_make(p, err) || !logs_open(p, err))
        return false;
    p->common.wants = hook_chain_wants(p->hooks);
    return workers_create(p, err) && rules_load(p, err) && callback_load(p, err) && hooks_load(p, err) &&
           doors_create(&p->doors, s, p->workers, p->count, err) && doors_open(&p->doors, p->posts, p->count, err) && admin_make(p, err);
}

struct proxy *proxy_create(struct proxy_settings *settings, struct config_error *err)
{
    struct proxy *p;
    process_raise_descriptor_limit();
    ALLOC_OBJECT(p, PROXY_MAGIC);
    if (p == NULL) {
        proxy_failed(err, "proxy", ENOMEM);
        return NULL;
    }
    p->settings = settings;
    p->wake_fd = -1;
    if (!proxy_init(p, err))
        proxy_free(&p);
    return p;
}

/* -- running ---------------------------------------------------------------------------------------------------------- */

static bool ports_write(const struct proxy *p, struct config_error *err)
{
    const char *path = p->settings->ports_file;
    char temporary[PATH_TEXT_MAX];
    if (path == NULL)
        return true;
    int len = snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *f = len > 0 && (size_t)len < sizeof(temporary) ? fopen(temporary, "we") : NULL;
    if (f == NULL)
        return proxy_failed(err, path, errno);
    bool ok = fprintf(f, "{\"ports\":[") > 0;
    for (unsigned i = 0; i < p->doors.count; i++)
        ok = fprintf(f, "%s%u", i > 0 ? "," : "", p->doors.list[i].port) > 0 && ok;
    ok = fprintf(f, "]") > 0 && ok;
    if (p->admin != NULL)
        ok = fprintf(f, ",\"admin_port\":%u", proxy_admin_port(p->admin)) > 0 && ok;
    ok = fprintf(f, "}\n") > 0 && ok;
    ok = fclose(f) == 0 && ok && rename(temporary, path) == 0;
    return ok || proxy_failed(err, path, errno);
}

static bool proxy_start(struct proxy *p, struct config_error *err)
{
    int failure = line_log_start(p->common.access);
    if (failure == 0)
        failure = line_log_start(p->common.packets);
    if (failure != 0)
        return proxy_failed(err, "thread", failure);
    for (unsigned i = 0; i < p->count; i++) {
        failure = worker_start(p->workers[i]);
        if (failure != 0)
            return proxy_failed(err, "thread", failure);
    }
    for (unsigned i = 0; i < p->doors.count; i++) {
        const struct made_door *m = &p->doors.list[i];
        log_info("proxy", "listening on %s port %u (%s) for %s", m->url.address[0] != '\0' ? m->url.address : "*", m->port,
                 m->url.scheme, m->authority);
    }
    failure = p->admin == NULL ? 0 : proxy_admin_start(p->admin);
    if (failure != 0)
        return proxy_failed(err, "admin", failure);
    if (!ports_write(p, err))
        return false;
    notify_ready(PROXY_STATUS);
    return true;
}

/* -- signals ---------------------------------------------------------------------------------------------------------- */

/* What the logs' keeper has moved away is begun anew. */
static void proxy_rotate(const struct proxy *p)
{
    log_rotate();
    line_log_reopen(p->common.access);
    line_log_reopen(p->common.packets);
}

static void settings_reload(struct proxy *p)
{
    struct config_error err;
    char later[256];
    if (!proxy_settings_reload(p->settings, later, sizeof(later), &err)) {
        log_fatal(PROGRAM, "%s; the settings stay as they were", err.text);
        return;
    }
    log_settings_level(&p->settings->log, LOG_LEVEL_NONE, &err);
    log_info("proxy", "settings are read again%s%s%s", later[0] != '\0' ? " (" : "", later, later[0] != '\0' ? ": at the next start)" : "");
}

static void proxy_reload(struct proxy *p)
{
    notify_reloading();
    settings_reload(p);
    doors_reload(&p->doors);
    if (p->rules != NULL)
        rules_reload(p->rules);
    notify_ready(PROXY_STATUS);
}

/* Waits for a signal to end (true), until all posts are empty, or for the limit. */
static bool proxy_wait(struct proxy *p, struct signals *signals, uint64_t limit_us)
{
    uint64_t start = clock_now_us(), count;
    for (;;) {
        uint64_t now = clock_now_us();
        if (limit_us != CLOCK_NEVER && (now - start >= limit_us || atomic_load(&p->emptied) >= p->count))
            return false;
        uint64_t left = limit_us == CLOCK_NEVER ? CLOCK_NEVER : start + limit_us - now, pulse = pulse_feel(&p->pulse, now);
        int number = signals_wait(signals, p->wake_fd, pulse < left ? pulse : left);
        if (number == SIGHUP || number == SIGUSR1)
            proxy_rotate(p);
        if (number == SIGHUP)
            proxy_reload(p);
        else if (number != 0 && number != SIGUSR1)
            return true;
        if (read(p->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            return false;
    }
}

int proxy_run(struct proxy *p, struct config_error *err)
{
    struct signals signals;
    CHECK_OBJECT(p, PROXY_MAGIC);
    int failure = signals_open(&signals, 0);
    if (failure != 0) {
        proxy_failed(err, "signals", failure);
        return 1;
    }
    notify_open();
    pulse_init(&p->pulse, p->workers, p->count);
    bool started = proxy_start(p, err);
    if (started && proxy_wait(p, &signals, CLOCK_NEVER)) {
        log_info("proxy", "ends");
        notify_stopping();
        if (p->admin != NULL)
            proxy_admin_drain(p->admin);
        for (unsigned i = 0; i < p->count; i++)
            worker_post(p->workers[i], &p->parts[i].drain);
        if (proxy_wait(p, &signals, p->settings->drain_us))
            _exit(1);
    }
    if (p->admin != NULL)
        proxy_admin_stop(p->admin);
    doors_stop(&p->doors);
    if (p->rules != NULL)
        rules_stop(p->rules);
    if (p->callback != NULL)
        callback_stop(p->callback);
    for (unsigned i = 0; i < p->count; i++)
        worker_close(p->workers[i]);
    for (unsigned i = 0; i < p->count; i++)
        worker_stop(p->workers[i]);
    line_log_stop(p->common.access);
    line_log_stop(p->common.packets);
    signals_close(&signals);
    notify_close();
    return started ? 0 : 1;
}

void proxy_free(struct proxy **pp)
{
    struct proxy *p;
    TAKE_OBJECT(p, pp, PROXY_MAGIC);
    proxy_admin_free(&p->admin);
    doors_stop(&p->doors);
    for (unsigned i = 0; i < p->count; i++)
        worker_stop(p->workers[i]);
    for (unsigned i = 0; i < p->count; i++)
        post_free(&p->posts[i]);
    line_log_free(&p->common.access);
    line_log_free(&p->common.packets);
    hook_chain_free(&p->hooks);
    rules_free(&p->rules);
    callback_free(&p->callback);
    doors_free(&p->doors);
    if (p->common.lookups != NULL)
        lookups_free(&p->common.lookups);
    for (unsigned i = 0; i < p->count; i++)
        worker_free(&p->workers[i]);
    if (p->common.clients != NULL)
        crowd_free(&p->common.clients);
    if (p->common.rates != NULL)
        rates_free(&p->common.rates);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    FREE_OBJECT(p);
}
