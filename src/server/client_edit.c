/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, changes and writes authorized_clients under its lock. */
#include "server/client_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/admission.h"

char *client_lines(struct state *s, struct config_error *err)
{
    char *text = state_read(s, AUTHORIZED_FILE);
    if (text == NULL && errno == ENOENT)
        text = strdup("");
    if (text == NULL)
        config_error_set(err, "%s/" AUTHORIZED_FILE ": %s", state_directory(s), strerror(errno));
    return text;
}

enum client_edit_result client_edit(struct state *s, enum authorized_edit edit, const char *id, const struct fingerprint *key,
                                    const struct client_grant *grant, struct config_error *err)
{
    char pattern[NAME_MAX_BYTES + 1];
    if (!authorized_pattern(id, strlen(id), pattern)) {
        config_error_set(err, "'%.64s' is not a client id", id);
        return CLIENT_EDIT_WRONG;
    }
    if (state_lock(s, err) != 0)
        return CLIENT_EDIT_FAILED;
    enum client_edit_result result = CLIENT_EDIT_FAILED;
    char *before = client_lines(s, err);
    char *after = before == NULL ? NULL : authorized_clients_edit(before, edit, pattern, key, grant);
    if (before != NULL && after == NULL)
        config_error_set(err, "out of memory");
    if (after != NULL && (strcmp(before, after) == 0 || state_write(s, AUTHORIZED_FILE, after, err) == 0))
        result = CLIENT_EDIT_DONE;
    free(before);
    free(after);
    state_unlock(s);
    return result;
}

enum client_edit_result client_allow(struct state *s, const char *id, const char *key, const char *const *options,
                                     struct config_error *err)
{
    struct fingerprint fingerprint;
    bool any = strcmp(key, "any") == 0;
    if (!any && !fingerprint_parse(key, strlen(key), &fingerprint)) {
        config_error_set(err, "'%.64s' is not a fingerprint", key);
        return CLIENT_EDIT_WRONG;
    }
    struct client_grant grant = CLIENT_GRANT_NONE;
    for (; *options != NULL; options++) {
        const char *why = client_grant_option(&grant, *options, strlen(*options));
        if (why != NULL) {
            config_error_set(err, "'%.64s': %s", *options, why);
            return CLIENT_EDIT_WRONG;
        }
    }
    return client_edit(s, AUTHORIZED_ALLOW, id, any ? NULL : &fingerprint, &grant, err);
}
