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

#define PSK_ENVIRONMENT "MDM_TUNNEL_PSK"

static const char *psk_environment(void)
{
    const char *text = getenv(PSK_ENVIRONMENT);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool credential_settings_any(const struct credential_settings *c)
{
    return c->ca != NULL || c->identity != NULL || c->psk_file != NULL || psk_environment() != NULL;
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

static int psks_read(const char *file, struct credentials *out, struct config_error *err)
{
    struct config_error why;
    const char *from_environment = psk_environment(), *where = file != NULL ? file : PSK_ENVIRONMENT;
    if (file == NULL && from_environment == NULL)
        return 0;
    char *text = file != NULL ? secret_read(file, SECRET_PRIVATE, err) : strdup(from_environment);
    if (text == NULL)
        return file != NULL ? -1 : config_error_set(err, "out of memory");
    int result = psks_parse(text, &out->psks, &out->psk_count, &why);
    if (result != 0)
        config_error_set(err, "%.256s: %s", where, why.text);
    secret_free(text);
    return result;
}

static void environment_wipe(void)
{
    char *text = getenv(PSK_ENVIRONMENT);
    if (text == NULL)
        return;
    explicit_bzero(text, strlen(text));
    unsetenv(PSK_ENVIRONMENT);
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
        result = psks_read(settings->psk_file, &c, err);
    environment_wipe();
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
