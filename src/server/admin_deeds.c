/* SPDX-License-Identifier: Apache-2.0 */
/* What the admin page may change: who may come, who is there, and the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "server/admin_inner.h"
#include "server/client_edit.h"

static void reply_done(struct web_reply *out, unsigned status, const char *name, unsigned number)
{
    struct text t;

    text_init(&t, KIB);
    text_format(&t, "{\"%s\":%u}\n", name, number);
    web_reply_text(out, status, "application/json", &t);
}

/* -- disconnect ---------------------------------------------------------------------------------------------------- */

static void disconnect_run(void *host, const void *question, unsigned index, void *part)
{
    struct server *s = host;

    *(unsigned *)part = hub_disconnect(hub_shard(s->hub, index), question);
}

static void disconnect(struct admin *a, const char *id, struct web_reply *out)
{
    unsigned count = 0;
    struct ask *answer = admin_ask(a, &(struct ask_config){.question = id, .question_size = strlen(id) + 1, .part_size = sizeof(unsigned),
                                                           .run = disconnect_run}, out);

    if (answer == NULL)
        return;
    for (unsigned i = 0; i < a->server->count; i++)
        count += *(const unsigned *)ask_part(answer, i);
    ask_free(&answer);
    log_info(id, "disconnected at the admin page: %u sessions", count);
    if (count == 0)
        web_reply_error(out, 404, "no such client is there");
    else
        reply_done(out, 200, "sessions", count);
}

/* -- who may come -------------------------------------------------------------------------------------------------- */

/* The words of `text`, which is cut apart; false: too many. */
static bool words_split(char *text, const char *words[static ADMIN_OPTIONS_MAX + 1])
{
    unsigned count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (count == ADMIN_OPTIONS_MAX)
            return false;
        words[count++] = word;
    }
    words[count] = NULL;
    return true;
}

static enum client_edit_result allow(struct admin *a, const char *id, const struct web_request *r, struct config_error *err)
{
    const char *key = web_query(r, "key"), *options = web_query(r, "options"), *words[ADMIN_OPTIONS_MAX + 1];
    enum client_edit_result result = CLIENT_EDIT_WRONG;

    if (key == NULL) {
        config_error_set(err, "key: a fingerprint (SHA256:...) or any is needed");
        return CLIENT_EDIT_WRONG;
    }
    char *text = strdup(options != NULL ? options : "");
    if (text == NULL || !words_split(text, words))
        config_error_set(err, "options: more than %d", ADMIN_OPTIONS_MAX);
    else
        result = client_allow(a->server->state, id, key, words, err);
    free(text);
    return result;
}

static void client_do(struct admin *a, const char *id, const char *deed, const struct web_request *r, struct web_reply *out)
{
    enum client_edit_result result;
    struct config_error err;

    if (strcmp(deed, "disconnect") == 0) {
        disconnect(a, id, out);
        return;
    }
    if (a->server->admission == NULL) {
        web_reply_error(out, 409, "without encryption client ids are anybody's: nobody can be allowed or denied");
        return;
    }
    if (strcmp(deed, "allow") == 0)
        result = allow(a, id, r, &err);
    else if (strcmp(deed, "deny") == 0)
        result = client_edit(a->server->state, AUTHORIZED_DENY, id, NULL, NULL, &err);
    else if (strcmp(deed, "forget") == 0)
        result = client_edit(a->server->state, AUTHORIZED_FORGET, id, NULL, NULL, &err);
    else
        return;
    if (result != CLIENT_EDIT_DONE) {
        web_reply_error(out, result == CLIENT_EDIT_WRONG ? 400 : 500, err.text);
        return;
    }
    log_info(id, "%s at the admin page", deed);
    reply_done(out, 200, "done", 1);
}

/* /api/clients/ID/DEED */
static void clients_path(struct admin *a, const struct web_request *r, struct web_reply *out)
{
    const char *id = r->path + strlen("/api/clients/"), *slash = strchr(id, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - id);
    char name[NAME_MAX_BYTES + 1];

    if (slash == NULL)
        return;
    if (len == 0 || len > NAME_MAX_BYTES) {
        web_reply_error(out, 400, "not a client id");
        return;
    }
    memcpy(name, id, len);
    name[len] = '\0';
    client_do(a, name, slash + 1, r, out);
}

/* The server's end may be near: who asked for it has his answer. */
static void drain_begin(void *ctx)
{
    struct admin *a = ctx;

    atomic_store(&a->server->draining, true);
    server_wake(a->server);
}

static void log_level_do(const char *level, struct web_reply *out)
{
    struct config_error err;

    if (level == NULL)
        web_reply_error(out, 400, "level: none, error, warning, info or debug is needed");
    else if (!log_settings_tell(level, &err))
        web_reply_error(out, 400, err.text);
    else
        reply_done(out, 200, "done", 1);
}

void admin_do(struct admin *a, const struct web_request *r, struct web_reply *out)
{
    if (strncmp(r->path, "/api/clients/", strlen("/api/clients/")) == 0) {
        clients_path(a, r, out);
    } else if (strcmp(r->path, "/api/log-level") == 0) {
        log_level_do(web_query(r, "level"), out);
    } else if (strcmp(r->path, "/api/drain") == 0) {
        log_info("admin", "drain");
        reply_done(out, 202, "draining", 1);
        out->done = drain_begin;
    }
}
