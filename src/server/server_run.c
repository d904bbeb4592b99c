/* SPDX-License-Identifier: Apache-2.0 */
/* The server from its start to its end; the main thread waits, and writes files. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "server/certificates.h"
#include "server/server_inner.h"
#include "base/signals.h"

#define SERVER_STATUS "taking visitors and clients"
/* What is to be remembered is written at once. What comes in masses shares a write: writing has one part in so many of the time. */
#define REMEMBER_SHARE 20
#define REMEMBER_MAX_US (US_PER_S / 2) /* between two, however slow the disk is: clients wait for it */
#define ELDERS_US (50 * US_PER_MS) /* between two looks whether they have ended */
#define STOP_US (10 * US_PER_S)   /* for cutting all connections: only a worker that did not start takes so long */
#define END_US (2 * US_PER_S)      /* for the last words to the clients */

static void file_write(struct server *s, const char *name, const char *text)
{
    struct config_error err;

    if (text != NULL && state_write(s->state, name, text, &err) != 0)
        log_warning("state", "%s", err.text);
}

static bool remember_is_due(struct server *s)
{
    return atomic_load(&s->remember) != NULL || atomic_load(&s->remember_ports) != NULL ||
           (s->admission != NULL && admission_is_due(s->admission));
}

static void clients_write(struct server *s)
{
    char *text = atomic_exchange(&s->remember, NULL);

    file_write(s, CLIENTS_FILE, text);
    free(text);
}

/* The process that has taken over knows more than we. */
static void remember_nothing(struct server *s)
{
    port_note_free(atomic_exchange(&s->remember_ports, NULL));
    free(atomic_exchange(&s->remember, NULL));
}

bool server_remember(struct server *s)
{
    if (s->left) {
        remember_nothing(s);
        return true;
    }
    struct port_note *note = atomic_exchange(&s->remember_ports, NULL);
    if (note != NULL) {
        file_write(s, PORTS_FILE, port_note_text(note));
        port_note_written(note);
    }
    clients_write(s);
    return s->admission == NULL || admission_write(s->admission);
}

/* After the workers: the last words on everything. */
static void remember_end(struct server *s)
{
    if (s->left) {
        remember_nothing(s);
        return;
    }
    char *text = port_keeper_text(s->keeper);
    file_write(s, PORTS_FILE, text);
    free(text);
    clients_write(s);
    if (s->admission != NULL)
        admission_write(s->admission);
}

/* What the logs' keeper has moved away is begun anew. */
static void server_rotate(const struct server *s)
{
    log_rotate();
    line_log_reopen(s->access);
}

/* Files that settings name are read again in any case. */
static void settings_reload(struct server *s)
{
    struct config_error err;
    char later[256];

    if (!server_settings_reload(s->settings, later, sizeof(later), &err)) {
        log_fatal("mdm-tunnel-server", "%s; the settings stay as they were", err.text);
        return;
    }
    log_settings_level(&s->settings->log, LOG_LEVEL_NONE, &err);
    struct edition *e = edition_create(s->settings);
    bool sent = e != NULL;
    for (unsigned i = 0; i < s->count && sent; i++)
        sent = edition_send(e, s->workers[i], s->part[i].front, &s->part[i].edition);
    edition_unref(e);
    hub_review(s->hub); /* each worker has the edition by then */
    if (!sent)
        log_error("server", "no memory for the settings: not all workers have them");
    log_info("server", "settings are read again%s%s%s", later[0] != '\0' ? " (" : "", later, later[0] != '\0' ? ": at the next start)" : "");
}

static void server_reload(struct server *s)
{
    notify_reloading();
    settings_reload(s);
    if (s->certificates != NULL)
        tls_store_reload(s->certificates);
    broker_side_reload(&s->clients);
    notify_ready(SERVER_STATUS);
}

bool server_wait(struct server *s, struct signals *signals, bool (*done)(const struct server *), uint64_t limit_us)
{
    uint64_t start = clock_now_us(), count;

    for (;;) {
        uint64_t now = clock_now_us(), left = limit_us == CLOCK_NEVER ? CLOCK_NEVER : start + limit_us - now;
        if (done(s) || (limit_us != CLOCK_NEVER && now - start >= limit_us))
            return false;
        bool pending = remember_is_due(s);
        if (pending && now >= s->remember_us) {
            bool written = server_remember(s);
            uint64_t end = clock_now_us(), pause = (end - now) * (REMEMBER_SHARE - 1);
            s->remember_us = end + (written && pause < REMEMBER_MAX_US ? pause : REMEMBER_MAX_US);
            continue;
        }
        if (pending && left > s->remember_us - now)
            left = s->remember_us - now;
        uint64_t pulse = pulse_feel(&s->pulse, now);
        if (pulse < left)
            left = pulse;
        int number = signals_wait(signals, s->wait_fd, left);
        if (number == SIGHUP || number == SIGUSR1)
            server_rotate(s);
        if (number == SIGHUP)
            server_reload(s);
        else if (number == SIGUSR2)
            s->replace = !s->left;
        else if (number != 0 && number != SIGUSR1)
            return true;
        if (read(s->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            return false;
    }
}

static bool asked_for_more(const struct server *s) { return atomic_load(&s->draining) || s->replace; }
static bool all_drained(const struct server *s) { return atomic_load(&s->drained) == s->count; }
static bool all_stopped(const struct server *s) { return atomic_load(&s->stopped) == s->count; }

static bool server_start(struct server *s, struct config_error *err)
{
    s->running = true;
    int failure = line_log_start(s->access);
    if (failure != 0)
        return server_failed(err, "thread", failure);
    hub_start(s->hub);
    for (unsigned i = 0; i < s->count; i++) {
        failure = worker_start(s->workers[i]);
        if (failure != 0)
            return server_failed(err, "thread", failure);
    }
    atomic_store(&s->serving, true);
    if (s->admin != NULL) {
        failure = admin_start(s->admin);
        if (failure != 0)
            return server_failed(err, "admin", failure);
    }
    ports_log(&s->ports, s->settings, s->count);
    if (!ports_write(&s->ports, s->settings, err))
        return false;
    predecessor_ready(s->predecessor);
    notify_ready(SERVER_STATUS);
    return true;
}

/* Until it is to end, or another process has taken over. True: a signal to end came. */
static bool server_serve(struct server *s, struct signals *signals, char *const argv[])
{
    bool ends = false;

    while (!ends && !s->left && !atomic_load(&s->draining)) {
        ends = server_wait(s, signals, asked_for_more, CLOCK_NEVER);
        if (!ends && !atomic_load(&s->draining))
            ends = server_hand_over(s, signals, argv);
    }
    return ends;
}

/* What has been replaced drains since then; `asked`: a first signal came. True when a second one did. */
static bool left_drain(struct server *s, struct signals *signals, bool asked)
{
    uint64_t start = clock_now_us(), gone;

    while ((gone = clock_now_us() - start) < s->settings->drain_us && server_wait(s, signals, all_drained, s->settings->drain_us - gone)) {
        if (asked)
            return true;
        asked = true;
        log_info("server", "still finishing what is in flight");
    }
    return false;
}

/* Those who were here before us reach their clients through our broker. */
static bool elders_are_there(const struct server *s) { return s->clients.broker != NULL && broker_elders_there(s->clients.broker) > 0; }
static bool all_finished(const struct server *s) { return all_drained(s) && !elders_are_there(s); }

/* `asked`: a first signal came. True when another one did. */
static bool server_drain(struct server *s, struct signals *signals, bool asked)
{
    if (s->left)
        return left_drain(s, signals, asked);
    atomic_store(&s->draining, true);
    log_info("server", "finishing what is in flight");
    notify_stopping();
    if (s->clients.broker != NULL)
        broker_close(s->clients.broker);
    for (unsigned i = 0; i < s->count; i++)
        worker_post(s->workers[i], &s->part[i].drain);
    for (uint64_t start = clock_now_us(), gone; !all_finished(s) && (gone = clock_now_us() - start) < s->settings->drain_us;) {
        uint64_t left = s->settings->drain_us - gone;
        if (server_wait(s, signals, all_finished, elders_are_there(s) && left > ELDERS_US ? ELDERS_US : left))
            return true;
    }
    return false;
}

static bool hub_has_ended(const struct server *s) { return hub_ended(s->hub); }

static bool server_stop(struct server *s, struct signals *signals)
{
    if (s->admin != NULL)
        admin_stop(s->admin);
    for (unsigned i = 0; i < s->count; i++)
        worker_post(s->workers[i], &s->part[i].stop);
    if (server_wait(s, signals, all_stopped, STOP_US))
        return true;
    hub_end(s->hub);
    for (uint64_t start = clock_now_us(); !hub_has_ended(s) && clock_now_us() - start < END_US;)
        if (server_wait(s, signals, hub_has_ended, 5 * US_PER_MS))
            return true;
    edge_stop(s->edge);
    for (unsigned i = 0; i < s->count; i++)
        worker_close(s->workers[i]);
    for (unsigned i = 0; i < s->count; i++)
        worker_stop(s->workers[i]);
    line_log_stop(s->access);
    s->running = false;
    remember_end(s);
    log_info("server", "stopped");
    return false;
}

int server_run(struct server *s, char *const argv[], struct config_error *err)
{
    struct signals signals;
    int failure = signals_open(&signals, SIGUSR2);

    CHECK_OBJECT(s, SERVER_MAGIC);
    if (failure != 0) {
        server_failed(err, "signals", failure);
        return 1;
    }
    notify_open();
    pulse_init(&s->pulse, s->workers, s->count);
    bool started = server_start(s, err);
    bool asked = started && server_serve(s, &signals, argv);
    bool again = started && server_drain(s, &signals, asked);
    if (again || server_stop(s, &signals))
        _exit(1);
    signals_close(&signals);
    notify_close();
    return started ? 0 : 1;
}
