/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a broker: what must fit together, and mqtunnel's way to say them. */
#include "config/broker_settings.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "config/secret_file.h"

#define PASSWORD_VARIABLE "MDM_TUNNEL_BROKER_PASSWORD"

static bool from_file(struct broker_settings *b, struct config_error *err)
{
    if (b->password_file == NULL)
        return true;
    const char *environment = getenv(PASSWORD_VARIABLE);
    if (b->password != NULL && (environment == NULL || strcmp(environment, b->password) != 0)) {
        config_error_set(err, "password, password-file: give one of them");
        return false;
    }
    char *password = secret_read(b->password_file, SECRET_PRIVATE, err);
    if (password == NULL)
        return false;
    password[strcspn(password, "\r\n")] = '\0';
    if (b->password != NULL)
        explicit_bzero(b->password, strlen(b->password));
    free(b->password);
    b->password = password;
    return true;
}

/* It was copied, or is not needed. */
static void environment_wipe(void)
{
    char *password = getenv(PASSWORD_VARIABLE);
    if (password == NULL)
        return;
    explicit_bzero(password, strlen(password));
    unsetenv(PASSWORD_VARIABLE);
}

static bool prefix_valid(const char *prefix)
{
    size_t len = strlen(prefix);
    return len > 0 && len <= TOPIC_PREFIX_MAX && prefix[0] != '/' && prefix[0] != '$' && prefix[len - 1] != '/' &&
           strstr(prefix, "//") == NULL && strpbrk(prefix, "+#") == NULL;
}

static bool fits(const struct broker_settings *b, struct config_error *err)
{
    if (!prefix_valid(b->prefix))
        config_error_set(err, "prefix: \"%.64s\" cannot be the start of a topic of at most %d bytes", b->prefix,
                         TOPIC_PREFIX_MAX);
    else if (b->password != NULL && b->username == NULL)
        config_error_set(err, "password: there is no username");
    else if (b->private_key != NULL && b->client_cert == NULL)
        config_error_set(err, "private-key: there is no client-cert");
    else if (b->alpn != NULL && (b->alpn[0] == '\0' || strlen(b->alpn) > UINT8_MAX))
        config_error_set(err, "alpn: must have 1 to 255 bytes");
    else
        return true;
    return false;
}

/* The folder's file, where another one was not said. */
static bool cert_take(char **value, const char *folder, const char *name, struct config_error *err)
{
    if (*value == NULL && asprintf(value, "%s/%s", folder, name) < 0) {
        *value = NULL;
        config_error_set(err, "out of memory");
    }
    return *value != NULL;
}

/* A certificate and its key are a pair. */
static bool certs_take(struct broker_settings *b, struct config_error *err)
{
    if (b->certs == NULL)
        return true;
    bool pair = b->client_cert == NULL;
    return cert_take(&b->ca_cert, b->certs, CERTS_CA, err) && cert_take(&b->client_cert, b->certs, CERTS_CERT, err) &&
           (!pair || cert_take(&b->private_key, b->certs, CERTS_PRIVATE_KEY, err));
}

/* Without a broker, its user name and password are nobody's. */
bool broker_settings_finish(struct broker_settings *b, struct config_error *err)
{
    if (!certs_take(b, err) || !from_file(b, err))
        return false;
    environment_wipe();
    return fits(b, err);
}

/* -- mqtunnel's ---------------------------------------------------------------------------------------------------- */

#define MQTTS_PORT 8883

static bool text_take(char **value, char *made, struct config_error *err)
{
    if (made == NULL) {
        config_error_set(err, "out of memory");
        return false;
    }
    free(*value);
    *value = made;
    return true;
}

static char *url_make(const struct broker_settings *b, const char *host, unsigned port)
{
    bool tls = b->certs != NULL || b->ca_cert != NULL || b->client_cert != NULL || port == MQTTS_PORT;
    char *url = NULL;
    if (asprintf(&url, strchr(host, ':') != NULL ? "%s://[%s]:%u" : "%s://%s:%u", tls ? "mqtts" : "mqtt", host, port) < 0)
        return NULL;
    return url;
}

bool broker_settings_adopt(struct broker_settings *b, const char *host, unsigned port, char device[static 64],
                           struct config_error *err)
{
    device[0] = '\0';
    if (b->control == NULL)
        return true;
    const char *slash = strrchr(b->control, '/');
    if (slash == NULL || slash == b->control) {
        config_error_set(err, "control: \"%.64s\" has no level above its last one", b->control);
        return false;
    }
    if (!text_take(&b->prefix, strndup(b->control, (size_t)(slash - b->control)), err))
        return false;
    const char *level = strrchr(b->prefix, '/');
    level = level != NULL ? level + 1 : b->prefix;
    if (!label_normalise(level, strlen(level), device))
        device[0] = '\0';
    return b->url != NULL || text_take(&b->url, url_make(b, host, port), err);
}
