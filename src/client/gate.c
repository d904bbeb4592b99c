/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in. The lock is taken for each question, and never while the file is read. */
#include "client/gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/object.h"
#include "config/state.h"
#include "base/watch.h"

struct gate {
    OBJECT_MAGIC;
    struct state *state;
    struct gate_settings settings;
    struct watch *watch;
    void (*changed)(void *ctx);
    void *ctx;
    pthread_mutex_t lock; /* of the table */
    struct authorized_peers table;
};
#define GATE_MAGIC 0x67617465

/* -- the file ------------------------------------------------------------------------------------------------------ */

static bool table_read(struct gate *g, struct authorized_peers *out, struct config_error *err)
{
    struct config_error why;
    char *text = state_read(g->state, AUTHORIZED_PEERS_FILE);
    if (text == NULL && errno == ENOENT)
        text = strdup("");
    if (text == NULL) {
        config_error_set(err, "%s/" AUTHORIZED_PEERS_FILE ": %s", state_directory(g->state), strerror(errno));
        return false;
    }
    int result = authorized_peers_parse(text, out, &why);
    free(text);
    if (result != 0)
        config_error_set(err, "%s/" AUTHORIZED_PEERS_FILE ": %s", state_directory(g->state), why.text);
    return result == 0;
}

static void on_file_changed(void *ctx)
{
    struct gate *g = ctx;
    struct authorized_peers table, old;
    struct config_error err;
    CHECK_OBJECT(g, GATE_MAGIC);
    if (!table_read(g, &table, &err)) {
        log_warning("gate", "%s; who may come in stays as it was", err.text);
        return;
    }
    pthread_mutex_lock(&g->lock);
    old = g->table;
    g->table = table;
    pthread_mutex_unlock(&g->lock);
    authorized_peers_done(&old);
    log_info("gate", "read " AUTHORIZED_PEERS_FILE " again: %zu lines", table.count);
    g->changed(g->ctx);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

struct gate *gate_create(const char *state_dir, const struct gate_settings *settings, struct config_error *err)
{
    struct gate *g;
    ALLOC_OBJECT(g, GATE_MAGIC);
    if (g == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&g->lock, NULL);
    g->settings = *settings;
    if (state_open(state_dir, &g->state, err) != 0 || !table_read(g, &g->table, err))
        gate_free(&g);
    return g;
}

bool gate_watch(struct gate *g, struct worker *w, void (*changed)(void *ctx), void *ctx)
{
    char path[PATH_TEXT_MAX];
    CHECK_OBJECT(g, GATE_MAGIC);
    snprintf(path, sizeof(path), "%s/" AUTHORIZED_PEERS_FILE, state_directory(g->state));
    g->changed = changed;
    g->ctx = ctx;
    g->watch = watch_create(w, path, on_file_changed, g);
    return g->watch != NULL;
}

void gate_unwatch(struct gate *g)
{
    CHECK_OBJECT(g, GATE_MAGIC);
    watch_free(&g->watch);
}

void gate_free(struct gate **gp)
{
    struct gate *g;
    if (*gp == NULL)
        return;
    TAKE_OBJECT(g, gp, GATE_MAGIC);
    assert(g->watch == NULL);
    authorized_peers_done(&g->table);
    pthread_mutex_destroy(&g->lock);
    state_free(&g->state);
    FREE_OBJECT(g);
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static enum peer_answer ask(struct gate *g, const struct fingerprint *key, const char *psk, const struct peer_wish *wish,
                            struct gate_who *who, unsigned *line)
{
    const struct authorized_peer *p = NULL;
    CHECK_OBJECT(g, GATE_MAGIC);
    *line = 0;
    if (psk[0] != '\0') {
        snprintf(who->name, sizeof(who->name), "%s", psk);
        return PEER_YES;
    }
    pthread_mutex_lock(&g->lock);
    enum peer_answer answer = authorized_peers_ask(&g->table, key, time(NULL), wish, &p);
    snprintf(who->name, sizeof(who->name), "%s", p != NULL ? p->name : "");
    *line = p != NULL ? p->line : 0;
    pthread_mutex_unlock(&g->lock);
    return answer;
}

/* The key is not let in at all, or not any more. */
static const struct error *key_refused(const struct gate *g, enum peer_answer answer, const struct fingerprint *key,
                                       unsigned line, struct config_error *why)
{
    char text[FINGERPRINT_TEXT_BYTES + 1];
    fingerprint_text(key, text);
    if (answer == PEER_EXPIRED)
        config_error_set(why, "a workstation with the key %s wants in: line %u of %s/" AUTHORIZED_PEERS_FILE " has expired",
                         text, line, state_directory(g->state));
    else
        config_error_set(why, "a workstation with the key %s wants in. To let it, add a line with a name of your choice to "
                              "%s/" AUTHORIZED_PEERS_FILE ": NAME %s", text, state_directory(g->state), text);
    return &error_workstation_refused;
}

const struct error *gate_admit(struct gate *g, const struct seal_peer *peer, struct gate_who *who,
                               struct config_error *why)
{
    const struct peer_wish wish = {.kind = PEER_WISH_IN};
    unsigned line;
    enum peer_answer answer = ask(g, &peer->key, peer->psk != NULL ? peer->psk->name : "", &wish, who, &line);
    return answer == PEER_YES ? NULL : key_refused(g, answer, &peer->key, line, why);
}

const struct error *gate_ask(struct gate *g, const struct conduit_peer *peer, struct gate_who *who, struct config_error *why)
{
    const struct peer_wish wish = {.kind = PEER_WISH_IN};
    unsigned line;
    enum peer_answer answer = ask(g, &peer->key, peer->psk, &wish, who, &line);
    return answer == PEER_YES ? NULL : key_refused(g, answer, &peer->key, line, why);
}

const struct error *gate_service(struct gate *g, const struct conduit_peer *peer, const char *service,
                                 struct gate_who *who, struct config_error *why)
{
    const struct peer_wish wish = {.kind = PEER_WISH_SERVICE, .service = service};
    unsigned line;
    enum peer_answer answer = ask(g, &peer->key, peer->psk, &wish, who, &line);
    if (answer == PEER_YES)
        return NULL;
    if (answer != PEER_NOT_THIS)
        return key_refused(g, answer, &peer->key, line, why);
    config_error_set(why, "%s may not use the service %s: it is not in services= of line %u of %s/" AUTHORIZED_PEERS_FILE,
                     who->name, service, line, state_directory(g->state));
    return &error_peer_not_allowed;
}

const struct error *gate_public(struct gate *g, const struct conduit_peer *peer, const char *service,
                                struct gate_who *who, struct config_error *why)
{
    const struct peer_wish wish = {.kind = PEER_WISH_PUBLIC, .service = service};
    unsigned line;
    enum peer_answer answer = ask(g, &peer->key, peer->psk, &wish, who, &line);
    if (answer == PEER_YES && peer->psk[0] == '\0')
        return NULL;
    if (answer != PEER_YES && answer != PEER_NOT_THIS)
        return key_refused(g, answer, &peer->key, line, why);
    if (answer == PEER_YES)
        config_error_set(why, "%s may not make %s public: a pre-shared key does not allow that", who->name, service);
    else
        config_error_set(why, "%s may not make %s public: line %u of %s/" AUTHORIZED_PEERS_FILE " needs the option \"public\", and "
                              "services= there has to have the service", who->name, service, line, state_directory(g->state));
    return &error_public_not_allowed;
}

/* What the two kinds of ports have in common: `list` is the device's setting, called `option`. */
static const struct error *port_ask(struct gate *g, const struct conduit_peer *peer, const struct peer_wish *wish,
                                    const char *list, const char *option, const struct error *refusal, struct gate_who *who,
                                    struct config_error *why)
{
    const char *suffix = wish->protocol == PORT_UDP ? "/udp" : "", *in = wish->kind == PEER_WISH_PORT ? "ports" : "listen";
    struct target target = {.kind = TARGET_TCP, .port = wish->port};
    char text[PATH_TEXT_MAX];
    unsigned line;
    enum peer_answer answer = ask(g, &peer->key, peer->psk, wish, who, &line);
    if (answer != PEER_YES && answer != PEER_NOT_THIS)
        return key_refused(g, answer, &peer->key, line, why);
    snprintf(target.host, sizeof(target.host), "%s", wish->host);
    target_text(&target, text, sizeof(text));
    const char *item = strncmp(text, "localhost:", 10) == 0 ? text + 10 : text;
    if (list == NULL || !port_list_has(list, strlen(list), wish->host, wish->port, wish->protocol))
        config_error_set(why, "%s wants %s%.200s%s, and this device's settings do not allow it: say --allow-%s %.200s%s here, or "
                              "\"allow_%s\" in its settings file", who->name, wish->kind == PEER_WISH_PORT ? "" : "to listen at ",
                         text, suffix, option, item, suffix, option);
    else if (answer == PEER_NOT_THIS)
        config_error_set(why, "%s may not use %.200s%s: it is not in %s= of line %u of %s/" AUTHORIZED_PEERS_FILE, who->name,
                         text, suffix, in, line, state_directory(g->state));
    else
        return NULL;
    return refusal;
}

const struct error *gate_port(struct gate *g, const struct conduit_peer *peer, const struct target *target,
                              enum port_protocol protocol, struct gate_who *who, struct config_error *why)
{
    const struct peer_wish wish = {
        .kind = PEER_WISH_PORT, .host = target->host, .port = target->port, .protocol = protocol};
    return port_ask(g, peer, &wish, g->settings.allow_ports, "ports", &error_port_not_allowed, who, why);
}

const struct error *gate_listen(struct gate *g, const struct conduit_peer *peer, const struct target *at,
                                struct gate_who *who, struct config_error *why)
{
    const struct peer_wish wish = {.kind = PEER_WISH_LISTEN, .host = at->host, .port = at->port};
    return port_ask(g, peer, &wish, g->settings.allow_listen, "listen", &error_listen_not_allowed, who, why);
}

bool gate_may_end(struct gate *g, const struct conduit_peer *peer, struct gate_who *who)
{
    const struct peer_wish wish = {.kind = PEER_WISH_END};
    unsigned line;
    return peer->psk[0] == '\0' && ask(g, &peer->key, peer->psk, &wish, who, &line) == PEER_YES;
}
