/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a broker: the environment's part, and what must fit together. */
#include "config/broker_settings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/secret_file.h"

#define ENVIRONMENT "MDM_TUNNEL_BROKER"

static bool from_environment(char **value, const char *name, struct config_error *err)
{
    const char *text = getenv(name);
    if (*value != NULL || text == NULL || text[0] == '\0')
        return true;
    *value = strdup(text);
    if (*value == NULL)
        config_error_set(err, "out of memory");
    return *value != NULL;
}

static bool from_file(struct broker_settings *b, struct config_error *err)
{
    if (b->password_file == NULL)
        return true;
    if (b->password != NULL) {
        config_error_set(err, "password, password-file: give one of them");
        return false;
    }
    b->password = secret_read(b->password_file, SECRET_PRIVATE, err);
    if (b->password != NULL)
        b->password[strcspn(b->password, "\r\n")] = '\0';
    return b->password != NULL;
}

/* It was copied, or is not needed. */
static void environment_wipe(void)
{
    char *password = getenv(ENVIRONMENT "_PASSWORD");
    if (password == NULL)
        return;
    explicit_bzero(password, strlen(password));
    unsetenv(ENVIRONMENT "_PASSWORD");
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

bool broker_settings_finish(struct broker_settings *b, struct config_error *err)
{
    if (!from_environment(&b->url, ENVIRONMENT, err) || !from_file(b, err))
        return false;
    if (b->url != NULL && (!from_environment(&b->username, ENVIRONMENT "_USERNAME", err) ||
                           !from_environment(&b->password, ENVIRONMENT "_PASSWORD", err)))
        return false;
    environment_wipe();
    return fits(b, err);
}
