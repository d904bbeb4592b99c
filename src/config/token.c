/* SPDX-License-Identifier: Apache-2.0 */
/* Reads or makes a token. */
#include "config/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "config/secret_file.h"

#define TOKEN_RANDOM_BYTES 32

void token_free(char *token) { secret_free(token); }

static char *token_make(struct state *s, const char *name, struct config_error *err)
{
    unsigned char random[TOKEN_RANDOM_BYTES];
    char text[2 * TOKEN_RANDOM_BYTES + 2];

    if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
        config_error_set(err, "%s: %s", name, strerror(errno));
        return NULL;
    }
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    strcat(text, "\n");
    char *token = state_write(s, name, text, err) == 0 ? strdup(text) : NULL;
    explicit_bzero(text, sizeof(text));
    return token;
}

static char *token_read(struct state *s, const char *name, const char *path, struct config_error *err)
{
    if (path != NULL)
        return secret_read(path, SECRET_PRIVATE, err);
    char *text = state_read(s, name);
    if (text != NULL)
        return text;
    if (errno == ENOENT)
        return token_make(s, name, err);
    config_error_set(err, "%s/%s: %s", state_directory(s), name, strerror(errno));
    return NULL;
}

char *token_load(struct state *s, const char *name, const char *path, struct config_error *err)
{
    char *token = token_read(s, name, path, err);

    if (token == NULL)
        return NULL;
    size_t len = strcspn(token, "\r\n");
    size_t rest = strspn(token + len, "\r\n");
    bool valid = token[len + rest] == '\0' && len >= WEB_TOKEN_MIN && len <= WEB_TOKEN_MAX;
    for (size_t i = 0; i < len; i++)
        valid &= token[i] > ' ' && token[i] < 0x7f;
    token[len] = '\0';
    if (valid)
        return token;
    token_free(token);
    config_error_set(err, "%s: not a token: one line of %d to %d visible characters of ASCII", path != NULL ? path : name, WEB_TOKEN_MIN,
                     WEB_TOKEN_MAX);
    return NULL;
}
