/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and pre-shared keys from files. */
#include "config/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/identity.h"
#include "config/psk_file.h"
#include "config/secret_file.h"

/* NULL: not set, or empty. */
static const char *variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *crypt_key(const struct credential_settings *c) { return c->crypt_key ? variable(CRYPT_KEY_VARIABLE) : NULL; }

bool credential_settings_any(const struct credential_settings *c)
{
    return c->ca != NULL || c->identity != NULL || c->psk_file != NULL || variable(PSK_VARIABLE) != NULL ||
           crypt_key(c) != NULL;
}

bool credential_settings_check(const struct credential_settings *c, struct config_error *err)
{
    if (c->identity_key != NULL && c->identity == NULL)
        config_error_set(err, "identity-key: there is no identity");
    else
        return true;
    return false;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

static char *join(char *one, char *two)
{
    char *both = NULL;
    if (one != NULL && two != NULL && asprintf(&both, "%s\n%s", one, two) < 0)
        both = NULL;
    secret_free(one);
    secret_free(two);
    return both;
}

static int identity_read(struct state *s, const char *key_file, const struct credential_settings *settings,
                         struct credentials *out, struct config_error *err)
{
    struct identity own;
    if (settings->identity == NULL) {
        if (identity_load(s, key_file, &own, err) != 0)
            return -1;
        out->pem = own.pem;
        return 0;
    }
    if (settings->identity_key == NULL) {
        out->pem = secret_read(settings->identity, SECRET_PRIVATE, err);
        return out->pem != NULL ? 0 : -1;
    }
    char *key = secret_read(settings->identity_key, SECRET_PRIVATE, err);
    char *certificate = key == NULL ? NULL : secret_read(settings->identity, SECRET_PUBLIC, err);
    bool read = certificate != NULL;
    out->pem = join(key, certificate);
    if (read && out->pem == NULL)
        config_error_set(err, "out of memory");
    return out->pem != NULL ? 0 : -1;
}

static int psks_take(char *text, const char *where, struct credentials *out, struct config_error *err)
{
    struct config_error why;
    int result = psks_parse(text, &out->psks, &out->psk_count, &why);
    if (result != 0)
        config_error_set(err, "%.256s: %s", where, why.text);
    secret_free(text);
    return result;
}

static int crypt_key_take(const char *text, struct credentials *out, struct config_error *err)
{
    size_t len = strlen(text);
    if (len < PSK_BYTES_MIN || len > PSK_BYTES_MAX)
        return config_error_set(err, CRYPT_KEY_VARIABLE ": has not %d to %d bytes", PSK_BYTES_MIN, PSK_BYTES_MAX);
    struct psk *psk = calloc(1, sizeof(*psk));
    if (psk == NULL)
        return config_error_set(err, "out of memory");
    *psk = (struct psk){.name = CRYPT_KEY_NAME, .pattern = "*", .len = len};
    memcpy(psk->bytes, text, len);
    out->psks = psk;
    out->psk_count = 1;
    out->from_crypt_key = true;
    out->crypt_iv = variable(CRYPT_IV_VARIABLE) != NULL;
    return 0;
}

static int psks_read(const struct credential_settings *settings, struct credentials *out, struct config_error *err)
{
    const char *ours = variable(PSK_VARIABLE), *gotthards = crypt_key(settings);
    if (settings->psk_file == NULL && ours == NULL)
        return gotthards != NULL ? crypt_key_take(gotthards, out, err) : 0;
    bool file = settings->psk_file != NULL;
    char *text = file ? secret_read(settings->psk_file, SECRET_PRIVATE, err) : strdup(ours);
    if (text == NULL)
        return file ? -1 : config_error_set(err, "out of memory");
    return psks_take(text, file ? settings->psk_file : PSK_VARIABLE, out, err);
}

static void variable_wipe(const char *name)
{
    char *text = getenv(name);
    if (text == NULL)
        return;
    explicit_bzero(text, strlen(text));
    unsetenv(name);
}

/* What is not ours is left alone. */
static void environment_wipe(const struct credential_settings *settings)
{
    variable_wipe(PSK_VARIABLE);
    if (!settings->crypt_key)
        return;
    variable_wipe(CRYPT_KEY_VARIABLE);
    variable_wipe(CRYPT_IV_VARIABLE);
}

int credentials_load(struct state *s, const char *key_file, const struct credential_settings *settings,
                     struct credentials *out, struct config_error *err)
{
    struct credentials c = {0};
    int result = identity_read(s, key_file, settings, &c, err);
    if (result == 0 && settings->ca != NULL) {
        c.authorities = secret_read(settings->ca, SECRET_PUBLIC, err);
        result = c.authorities != NULL ? 0 : -1;
    }
    if (result == 0)
        result = psks_read(settings, &c, err);
    environment_wipe(settings);
    if (result == 0)
        *out = c;
    else
        credentials_done(&c);
    return result;
}

void credentials_done(struct credentials *c)
{
    secret_free(c->pem);
    free(c->authorities);
    psks_free(c->psks, c->psk_count);
    *c = (struct credentials){0};
}
