/* SPDX-License-Identifier: Apache-2.0 */
/* Whose key it is. */
#include "relay/trust.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/object.h"
#include "config/known_servers.h"

#define NOBODY "none"

struct trust {
    OBJECT_MAGIC;
    const struct trust_kind *kind;
    struct state *state;
    struct seal_context *seal;
    bool nobody;
    unsigned key_count; /* 0: the file says */
    struct fingerprint keys[TRUST_KEYS_MAX];
};
#define TRUST_MAGIC 0x74727573

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* How many keys `text` has; 0: it is wrong. */
static unsigned keys_parse(const char *text, struct fingerprint keys[static TRUST_KEYS_MAX])
{
    for (unsigned count = 0; count < TRUST_KEYS_MAX;) {
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
    struct fingerprint keys[TRUST_KEYS_MAX];
    return strcmp(text, NOBODY) == 0 || keys_parse(text, keys) > 0;
}

char *trust_address(const char *host, uint16_t port)
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
        credentials_load(t->state, config->kind->key_file, config->credentials, &c, err) != 0)
        return false;
    const struct seal_config of_seal = {
        .pem = c.pem, .authorities = c.authorities, .psks = c.psks, .psk_count = c.psk_count};
    t->seal = seal_context_create(&of_seal, &why);
    if (t->seal == NULL)
        config_error_set(err, "identity and authorities: %s", why);
    if (c.from_crypt_key)
        log_info(CRYPT_KEY_VARIABLE, "of the environment is the pre-shared key %s%s", CRYPT_KEY_NAME,
                 c.crypt_iv ? "; " CRYPT_IV_VARIABLE " is not used, TLS makes its own" : "");
    credentials_done(&c);
    return t->seal != NULL;
}

struct trust *trust_create(const struct trust_config *config, struct config_error *err)
{
    struct trust *t;
    ALLOC_OBJECT(t, TRUST_MAGIC);
    if (t == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    t->kind = config->kind;
    t->nobody = config->keys != NULL && strcmp(config->keys, NOBODY) == 0;
    t->key_count = config->keys == NULL || t->nobody ? 0 : keys_parse(config->keys, t->keys);
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
    FREE_OBJECT(t);
}

const struct seal_context *trust_seal(const struct trust *t)
{
    CHECK_OBJECT(t, TRUST_MAGIC);
    return t->seal;
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

struct question {
    const char *address;
    const struct fingerprint *key;
};

static void shout(const char *word, char out[static 16])
{
    size_t len = 0;
    for (; word[len] != '\0' && len < 15; len++)
        out[len] = (char)toupper((unsigned char)word[len]);
    out[len] = '\0';
}

static const struct error *pinned_ask(const struct trust *t, const struct question *q, struct config_error *why)
{
    char text[FINGERPRINT_TEXT_BYTES + 1], whose[16];
    for (unsigned i = 0; i < t->key_count; i++)
        if (fingerprint_equal(&t->keys[i], q->key))
            return NULL;
    fingerprint_text(q->key, text);
    shout(t->kind->whose, whose);
    config_error_set(why, "THE %s'S KEY IS NOT THE ONE OF %s: what answers for %s has the key %s", whose, t->kind->option,
                     q->address, text);
    return t->kind->wrong;
}

static void changed_explain(const struct trust *t, const struct question *q, unsigned line, struct config_error *why)
{
    char text[FINGERPRINT_TEXT_BYTES + 1], whose[16];
    fingerprint_text(q->key, text);
    shout(t->kind->whose, whose);
    config_error_set(why,
                     "THE %s'S KEY HAS CHANGED: somebody may be in the middle, or %s has a new key, %s. The known one is "
                     "in line %u of %s/%s. If you know that it has changed, remove that line; until "
                     "then nothing passes",
                     whose, q->address, text, line, state_directory(t->state), t->kind->known_file);
}

static bool key_keep(struct trust *t, const char *text, const struct question *q, struct config_error *why)
{
    char *longer = known_servers_add(text, q->address, q->key);
    bool kept = longer != NULL && state_write(t->state, t->kind->known_file, longer, why) == 0;
    if (longer == NULL)
        config_error_set(why, "out of memory");
    free(longer);
    return kept;
}

/* With the file locked. What cannot be kept is not trusted: the next time it could be another one. */
static const struct error *file_ask(struct trust *t, const struct question *q, bool *first, struct config_error *why)
{
    enum known_servers_answer answer = KNOWN_SERVERS_OTHER;
    const char *file = t->kind->known_file;
    struct config_error reason;
    unsigned line;
    char *text = state_read(t->state, file);
    if (text == NULL && errno == ENOENT)
        text = strdup("");
    if (text == NULL)
        config_error_set(why, "%s/%s: %s", state_directory(t->state), file, strerror(errno));
    else if (known_servers_find(text, q->address, q->key, &answer, &line, &reason) != 0)
        config_error_set(why, "%s/%s: %s", state_directory(t->state), file, reason.text);
    else if (answer == KNOWN_SERVERS_OTHER)
        changed_explain(t, q, line, why);
    else if (answer == KNOWN_SERVERS_NEW)
        *first = key_keep(t, text, q, why);
    free(text);
    return answer == KNOWN_SERVERS_SAME || *first ? NULL : t->kind->wrong;
}

static const struct error *psk_ask(const struct trust_whom *whom, const struct seal_peer *peer, struct config_error *why)
{
    if (peer->means == SEAL_BY_PSK)
        return NULL;
    config_error_set(why, "what answers for %s does not use our pre-shared key: it has none for this client's id, or a name "
                          "of another key", whom->address);
    return &error_psk_refused;
}

static const struct error *certificate_ask(const struct trust *t, const struct trust_whom *whom,
                                           const struct seal_peer *peer, struct config_error *why)
{
    if (seal_peer_has_name(peer, whom->name))
        return NULL;
    config_error_set(why, "the %s's certificate is not for %s%s", t->kind->whose, whom->name, t->kind->name_hint);
    return &error_certificate_refused;
}

const struct error *trust_ask(struct trust *t, const struct trust_whom *whom, const struct seal_peer *peer, bool *first,
                              struct config_error *why)
{
    const struct question q = {whom->address, &peer->key};
    CHECK_OBJECT(t, TRUST_MAGIC);
    *first = false;
    if (seal_context_psk(t->seal, NULL) != NULL)
        return psk_ask(whom, peer, why);
    if (seal_context_has_authorities(t->seal))
        return certificate_ask(t, whom, peer, why);
    if (t->key_count > 0 || t->nobody)
        return pinned_ask(t, &q, why);
    if (state_lock(t->state, why) != 0)
        return t->kind->wrong;
    const struct error *answer = file_ask(t, &q, first, why);
    state_unlock(t->state);
    return answer;
}

char *trust_known(struct trust *t)
{
    CHECK_OBJECT(t, TRUST_MAGIC);
    return state_read(t->state, t->kind->known_file);
}
