/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission. The lock is taken once a handshake, and never while a file is read or written. A first use counts at once; the
 * main thread adds it to the file, which it reads again before, so that an edit in between is not lost.
 */
#include "server/admission.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/object.h"
#include "base/pattern.h"
#include "base/watch.h"
#include "config/authorized_clients.h"
#include "mdm-tunnel/limits.h"

#define EXPIRY_LOOK_S 3600

struct first_use {
    char id[NAME_MAX_BYTES + 1];
    struct fingerprint key;
};

struct admission {
    OBJECT_MAGIC;
    struct state *state;
    struct seal_context *seal;
    enum admission_mode mode;
    bool has_authority; /* whose certificates stand for keys that are known */
    const struct admission_events *events;
    void *ctx;
    struct watch *watch;
    struct event expiry; /* of the next key; the watching worker's, as the two below */
    bool watched;
    int64_t next_expiry;
    pthread_mutex_t lock; /* of all below */
    char *text;           /* the file as it was last read or written */
    struct authorized_clients table;
    struct first_use *pending; /* in the table and not in the file */
    size_t pending_count, pending_capacity;
};
#define ADMISSION_MAGIC 0x61646d69

bool admission_mode_parse(const char *text, enum admission_mode *out)
{
    static const char *const names[] = {"first-use", "listed", "open"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum admission_mode)i;
            return true;
        }
    }
    return false;
}

/* -- the file ------------------------------------------------------------------------------------------------------ */

/* Heap; "" when there is none. NULL and *err. */
static char *file_read(struct admission *a, struct config_error *err)
{
    char *text = state_read(a->state, AUTHORIZED_FILE);
    if (text == NULL && errno == ENOENT)
        text = strdup("");
    if (text == NULL)
        config_error_set(err, "%s/" AUTHORIZED_FILE ": %s", state_directory(a->state), strerror(errno));
    return text;
}

static bool file_parse(struct admission *a, const char *text, struct authorized_clients *out, struct config_error *err)
{
    struct config_error reason;
    if (authorized_clients_parse(text, out, &reason) == 0)
        return true;
    config_error_set(err, "%s/" AUTHORIZED_FILE ": %s", state_directory(a->state), reason.text);
    return false;
}

/* First uses that are not written yet stay, unless the file has something to say about their ids now. */
static void table_replace(struct admission *a, char *text, struct authorized_clients *table)
{
    for (size_t i = 0; i < a->pending_count; i++) {
        const struct first_use *f = &a->pending[i];
        if (authorized_clients_find(table, f->id, &f->key, 0) == AUTHORIZED_UNKNOWN)
            authorized_clients_add(table, f->id, &f->key);
    }
    authorized_clients_done(&a->table);
    a->table = *table;
    free(a->text);
    a->text = text;
}

/* Days are told by the wall clock, which may be set: it is looked at once an hour, and when the next key expires. */
static void expiry_arm(struct admission *a)
{
    int64_t now = time(NULL);
    pthread_mutex_lock(&a->lock);
    a->next_expiry = authorized_clients_next_expiry(&a->table, now);
    pthread_mutex_unlock(&a->lock);
    if (a->next_expiry == INT64_MAX)
        event_del(&a->expiry);
    else
        event_add(&a->expiry, &(struct timeval){.tv_sec = a->next_expiry - now < EXPIRY_LOOK_S ? a->next_expiry - now : EXPIRY_LOOK_S});
}

static void on_expiry(evutil_socket_t fd, short what, void *ctx)
{
    struct admission *a = ctx;
    (void)fd;
    (void)what;
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    bool expired = time(NULL) >= a->next_expiry;
    expiry_arm(a);
    if (expired)
        a->events->changed(a->ctx);
}

static void on_file_changed(void *ctx)
{
    struct admission *a = ctx;
    struct config_error err;
    struct authorized_clients table;
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    char *text = file_read(a, &err);
    if (text == NULL || !file_parse(a, text, &table, &err)) {
        log_warning("server", "%s; who is admitted stays as it was", err.text);
        free(text);
        return;
    }
    pthread_mutex_lock(&a->lock);
    bool same = strcmp(text, a->text) == 0;
    table_replace(a, text, &table);
    pthread_mutex_unlock(&a->lock);
    if (same)
        return;
    expiry_arm(a);
    log_info("server", "read " AUTHORIZED_FILE " again");
    a->events->changed(a->ctx);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static bool seal_make(struct admission *a, const struct credential_settings *settings, struct config_error *err)
{
    struct credentials c;
    const char *why;
    if (credentials_load(a->state, SERVER_KEY_FILE, settings, &c, err) != 0)
        return false;
    const struct seal_config config = {
        .pem = c.pem, .authorities = c.authorities, .psks = c.psks, .psk_count = c.psk_count};
    a->seal = seal_context_create(&config, &why);
    if (a->seal == NULL)
        config_error_set(err, "identity and authorities: %s", why);
    credentials_done(&c);
    return a->seal != NULL;
}

struct admission *admission_create(struct state *state, enum admission_mode mode,
                                   const struct credential_settings *settings, const struct admission_events *events,
                                   void *ctx, struct config_error *err)
{
    struct admission *a;
    ALLOC_OBJECT(a, ADMISSION_MAGIC);
    if (a == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    a->state = state;
    a->mode = mode;
    a->has_authority = settings->ca != NULL;
    a->events = events;
    a->ctx = ctx;
    pthread_mutex_init(&a->lock, NULL);
    a->text = file_read(a, err);
    if (a->text == NULL || !file_parse(a, a->text, &a->table, err) || !seal_make(a, settings, err))
        admission_free(&a);
    return a;
}

bool admission_watch(struct admission *a, struct worker *w)
{
    char path[PATH_TEXT_MAX];
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    snprintf(path, sizeof(path), "%s/" AUTHORIZED_FILE, state_directory(a->state));
    a->watch = watch_create(w, path, on_file_changed, a);
    evtimer_assign(&a->expiry, worker_events(w), on_expiry, a);
    a->watched = true;
    expiry_arm(a);
    return a->watch != NULL;
}

void admission_free(struct admission **ap)
{
    struct admission *a;
    TAKE_OBJECT(a, ap, ADMISSION_MAGIC);
    if (a->watch != NULL)
        watch_free(&a->watch);
    if (a->watched)
        event_del(&a->expiry);
    seal_context_free(&a->seal);
    authorized_clients_done(&a->table);
    pthread_mutex_destroy(&a->lock);
    free(a->pending);
    free(a->text);
    FREE_OBJECT(a);
}

const struct seal_context *admission_seal(const struct admission *a)
{
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    return a->seal;
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static bool pending_add(struct admission *a, const char *id, const struct fingerprint *key)
{
    if (a->pending_count == a->pending_capacity) {
        size_t capacity = a->pending_capacity == 0 ? 16 : 2 * a->pending_capacity;
        struct first_use *pending = realloc(a->pending, capacity * sizeof(*pending));
        if (pending == NULL)
            return false;
        a->pending = pending;
        a->pending_capacity = capacity;
    }
    if (!authorized_clients_add(&a->table, id, key))
        return false;
    struct first_use *f = &a->pending[a->pending_count++];
    snprintf(f->id, sizeof(f->id), "%s", id);
    f->key = *key;
    return true;
}

/* With the lock. *first: the id is this key's from now on. */
static const struct error *admission_decide(struct admission *a, const char *id, const struct fingerprint *key,
                                            bool again, bool *first)
{
    switch (authorized_clients_find(&a->table, id, key, time(NULL))) {
    case AUTHORIZED_YES:
        return NULL;
    case AUTHORIZED_OTHER:
        return &error_name_taken;
    case AUTHORIZED_NOBODY:
    case AUTHORIZED_EXPIRED:
        return &error_key_not_allowed;
    case AUTHORIZED_UNKNOWN:
        break;
    }
    if (again || a->mode == ADMISSION_LISTED)
        return &error_key_not_allowed;
    *first = pending_add(a, id, key);
    return *first ? NULL : &error_limit;
}

/* With the lock: a line with "none", or one with "any" that has expired, counts whatever the client has proven. */
static const struct error *denied(struct admission *a, const char *id)
{
    static const struct fingerprint nobody;
    enum authorized_answer answer = authorized_clients_find(&a->table, id, &nobody, time(NULL));
    return answer == AUTHORIZED_NOBODY || answer == AUTHORIZED_EXPIRED ? &error_key_not_allowed : NULL;
}

/* With the lock. An id that a pre-shared key is for is its holders' alone: a key of somebody's own does not do then. */
static const struct error *proof_decide(struct admission *a, const char *id, const struct seal_peer *peer, bool again,
                                        bool *first)
{
    bool shared = seal_context_psk(a->seal, id) != NULL;
    if (shared != (peer->means == SEAL_BY_PSK) || (shared && !pattern_matches(peer->psk->pattern, id)))
        return &error_psk_refused;
    if (shared)
        return denied(a, id);
    if (peer->means == SEAL_BY_CERTIFICATE)
        return seal_peer_has_name(peer, id) ? denied(a, id) : &error_certificate_refused;
    return a->mode == ADMISSION_OPEN ? NULL : admission_decide(a, id, &peer->key, again, first);
}

static void proof_text(const struct seal_peer *peer, char *out, size_t size)
{
    char key[FINGERPRINT_TEXT_BYTES + 1];
    fingerprint_text(&peer->key, key);
    if (peer->means == SEAL_BY_PSK)
        snprintf(out, size, "pre-shared key %s", peer->psk->name);
    else
        snprintf(out, size, "%s %s", peer->means == SEAL_BY_CERTIFICATE ? "certificate with key" : "key", key);
}

const struct error *admission_ask(struct admission *a, const char *id, const struct seal_peer *peer, bool again)
{
    char text[FINGERPRINT_TEXT_BYTES + 64];
    bool first = false;
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    if (id == NULL)
        return &error_key_not_allowed;
    pthread_mutex_lock(&a->lock);
    const struct error *why = proof_decide(a, id, peer, again, &first);
    pthread_mutex_unlock(&a->lock);
    proof_text(peer, text, sizeof(text));
    if (why != NULL)
        log_warning(id, "%s is refused: %s", text, why->text);
    else if (!again)
        log_info(id, "%s is admitted%s", text, first ? ", and the id belongs to it from now on" : "");
    if (first)
        a->events->due(a->ctx);
    return why;
}

void admission_grant(struct admission *a, const char *id, const struct fingerprint *key, struct client_grant *out)
{
    *out = CLIENT_GRANT_NONE;
    if (a == NULL || key == NULL)
        return;
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    pthread_mutex_lock(&a->lock);
    authorized_clients_grant(&a->table, id, key, time(NULL), out);
    pthread_mutex_unlock(&a->lock);
}

bool admission_knows(struct admission *a, const char *id, const struct fingerprint *key)
{
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    pthread_mutex_lock(&a->lock);
    enum authorized_answer answer = authorized_clients_find(&a->table, id, key, time(NULL));
    pthread_mutex_unlock(&a->lock);
    return answer == AUTHORIZED_YES || (answer == AUTHORIZED_UNKNOWN && a->has_authority);
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

bool admission_is_due(struct admission *a)
{
    CHECK_OBJECT(a, ADMISSION_MAGIC);
    pthread_mutex_lock(&a->lock);
    bool due = a->pending_count > 0;
    pthread_mutex_unlock(&a->lock);
    return due;
}

/* The file with the first uses that it says nothing about; *count: how many of the pending ones were looked at. NULL: not now. */
static char *text_with_pending(struct admission *a, const char *before, size_t *count, struct config_error *err)
{
    struct authorized_clients table;
    if (!file_parse(a, before, &table, err))
        return NULL;
    char *text = strdup(before);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->pending_count && text != NULL; i++) {
        const struct first_use *f = &a->pending[i];
        if (authorized_clients_find(&table, f->id, &f->key, 0) != AUTHORIZED_UNKNOWN)
            continue;
        char *longer = authorized_clients_edit(text, AUTHORIZED_ALLOW, f->id, &f->key, NULL);
        free(text);
        text = longer;
    }
    *count = a->pending_count;
    pthread_mutex_unlock(&a->lock);
    authorized_clients_done(&table);
    if (text == NULL)
        config_error_set(err, "out of memory");
    return text;
}

/* With the file locked. */
static bool file_add_pending(struct admission *a, struct config_error *err)
{
    size_t count = 0;
    char *before = file_read(a, err), *text = before == NULL ? NULL : text_with_pending(a, before, &count, err);
    free(before);
    if (text == NULL || state_write(a->state, AUTHORIZED_FILE, text, err) != 0) {
        free(text);
        return false;
    }
    pthread_mutex_lock(&a->lock);
    a->pending_count -= count;
    memmove(a->pending, a->pending + count, a->pending_count * sizeof(*a->pending));
    free(a->text);
    a->text = text;
    pthread_mutex_unlock(&a->lock);
    return true;
}

bool admission_write(struct admission *a)
{
    struct config_error err;
    if (!admission_is_due(a))
        return true;
    bool written = false;
    if (state_lock(a->state, &err) == 0) {
        written = file_add_pending(a, &err);
        state_unlock(a->state);
    }
    if (!written)
        log_warning("server", "%s; new clients are not remembered yet", err.text);
    return written;
}
