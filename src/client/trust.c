/* SPDX-License-Identifier: Apache-2.0 */
/* Which server it is. */
#include "client/trust.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "config/known_servers.h"

struct trust {
    OBJECT_MAGIC;
    struct state *state;
    struct seal_context *seal;
    char *address; /* "host:port", lower case */
    char *name;    /* what its certificate has to say */
    unsigned key_count; /* 0: the file says */
    struct fingerprint keys[SERVER_KEYS_MAX];
};
#define TRUST_MAGIC 0x74727573

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* How many keys `text` has; 0: it is wrong. */
static unsigned keys_parse(const char *text, struct fingerprint keys[static SERVER_KEYS_MAX])
{
    for (unsigned count = 0; count < SERVER_KEYS_MAX;) {
        size_t len = strcspn(text, ",");
        if (!fingerprint_parse(text, len, &keys[count++]))
            return 0;
        text += len;
        if (*text++ == '\0')
            return count;
    }
    return 0;
}

bool trust_keys_valid(const char *text)
{
    struct fingerprint keys[SERVER_KEYS_MAX];
    return keys_parse(text, keys) > 0;
}

static char *address_make(const char *host, uint16_t port)
{
    char *address = NULL;
    if (asprintf(&address, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port) < 0)
        return NULL;
    for (char *at = address; *at != '\0'; at++)
        *at = isspace((unsigned char)*at) || *at == '#' ? '_' : (char)tolower((unsigned char)*at);
    return address;
}

static bool trust_init(struct trust *t, const struct trust_config *config, struct config_error *err)
{
    struct credentials c;
    const char *why;
    if (state_open(config->state_dir, &t->state, err) != 0 ||
        credentials_load(t->state, CLIENT_KEY_FILE, config->credentials, &c, err) != 0)
        return false;
    const struct seal_config of_seal = {
        .pem = c.pem, .authorities = c.authorities, .psks = c.psks, .psk_count = c.psk_count};
    t->seal = seal_context_create(&of_seal, &why);
    if (t->seal == NULL)
        config_error_set(err, "identity and authorities: %s", why);
    credentials_done(&c);
    return t->seal != NULL;
}

struct trust *trust_create(const struct trust_config *config, struct config_error *err)
{
    struct trust *t;
    ALLOC_OBJECT(t, TRUST_MAGIC);
    if (t != NULL) {
        t->address = address_make(config->host, config->port);
        t->name = strdup(config->server_name != NULL ? config->server_name : config->host);
    }
    if (t == NULL || t->address == NULL || t->name == NULL) {
        config_error_set(err, "out of memory");
        trust_free(&t);
        return NULL;
    }
    t->key_count = config->server_keys == NULL ? 0 : keys_parse(config->server_keys, t->keys);
    if (!trust_init(t, config, err))
        trust_free(&t);
    return t;
}

void trust_free(struct trust **tp)
{
    struct trust *t;
    if (*tp == NULL)
        return;
    TAKE_OBJECT(t, tp, TRUST_MAGIC);
    seal_context_free(&t->seal);
    state_free(&t->state);
    free(t->address);
    free(t->name);
    FREE_OBJECT(t);
}

const struct seal_context *trust_seal(const struct trust *t)
{
    CHECK_OBJECT(t, TRUST_MAGIC);
    return t->seal;
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

static const struct error *pinned_ask(const struct trust *t, const struct fingerprint *key, struct config_error *why)
{
    char text[FINGERPRINT_TEXT_BYTES + 1];
    for (unsigned i = 0; i < t->key_count; i++)
        if (fingerprint_equal(&t->keys[i], key))
            return NULL;
    fingerprint_text(key, text);
    config_error_set(why, "THE SERVER'S KEY IS NOT THE ONE OF --server-key: what answers for %s has the key %s", t->address,
                     text);
    return &error_server_key_unknown;
}

static void changed_explain(const struct trust *t, const struct fingerprint *key, unsigned line, struct config_error *why)
{
    char text[FINGERPRINT_TEXT_BYTES + 1];
    fingerprint_text(key, text);
    config_error_set(why,
                     "THE SERVER'S KEY HAS CHANGED: somebody may be in the middle, or %s has a new key, %s. The known one is "
                     "in line %u of %s/" KNOWN_SERVERS_FILE ". If you know that it has changed, remove that line; until "
                     "then nothing passes",
                     t->address, text, line, state_directory(t->state));
}

static bool key_keep(struct trust *t, const char *text, const struct fingerprint *key, struct config_error *why)
{
    char *longer = known_servers_add(text, t->address, key);
    bool kept = longer != NULL && state_write(t->state, KNOWN_SERVERS_FILE, longer, why) == 0;
    if (longer == NULL)
        config_error_set(why, "out of memory");
    free(longer);
    return kept;
}

/* With the file locked. What cannot be kept is not trusted: the next time it could be another one. */
static const struct error *file_ask(struct trust *t, const struct fingerprint *key, bool *first, struct config_error *why)
{
    enum known_servers_answer answer = KNOWN_SERVERS_OTHER;
    struct config_error reason;
    unsigned line;
    char *text = state_read(t->state, KNOWN_SERVERS_FILE);
    if (text == NULL && errno == ENOENT)
        text = strdup("");
    if (text == NULL)
        config_error_set(why, "%s/" KNOWN_SERVERS_FILE ": %s", state_directory(t->state), strerror(errno));
    else if (known_servers_find(text, t->address, key, &answer, &line, &reason) != 0)
        config_error_set(why, "%s/" KNOWN_SERVERS_FILE ": %s", state_directory(t->state), reason.text);
    else if (answer == KNOWN_SERVERS_OTHER)
        changed_explain(t, key, line, why);
    else if (answer == KNOWN_SERVERS_NEW)
        *first = key_keep(t, text, key, why);
    free(text);
    return answer == KNOWN_SERVERS_SAME || *first ? NULL : &error_server_key_unknown;
}

static const struct error *psk_ask(const struct trust *t, const struct seal_peer *peer, struct config_error *why)
{
    if (peer->means == SEAL_BY_PSK)
        return NULL;
    config_error_set(why, "what answers for %s does not use our pre-shared key: it has none for this client's id, or a name "
                          "of another key", t->address);
    return &error_psk_refused;
}

static const struct error *certificate_ask(const struct trust *t, const struct seal_peer *peer, struct config_error *why)
{
    if (seal_peer_has_name(peer, t->name))
        return NULL;
    config_error_set(why, "the server's certificate is not for %s (--server-name gives another name)", t->name);
    return &error_certificate_refused;
}

const struct error *trust_ask(struct trust *t, const struct seal_peer *peer, bool *first, struct config_error *why)
{
    CHECK_OBJECT(t, TRUST_MAGIC);
    *first = false;
    if (seal_context_psk(t->seal, NULL) != NULL)
        return psk_ask(t, peer, why);
    if (seal_context_has_authorities(t->seal))
        return certificate_ask(t, peer, why);
    if (t->key_count > 0)
        return pinned_ask(t, &peer->key, why);
    if (state_lock(t->state, why) != 0)
        return &error_server_key_unknown;
    const struct error *answer = file_ask(t, &peer->key, first, why);
    state_unlock(t->state);
    return answer;
}
