/* SPDX-License-Identifier: Apache-2.0 */
/* From root to a user. */
#include "config/privileges.h"

#include <stdlib.h>

#include "base/process.h"
#include "config/state.h"

bool privileges_drop(const char *user, char **state_dir, struct config_error *err)
{
    struct process_user who;
    const char *why = user == NULL ? NULL : process_user_find(user, &who);
    if (user != NULL && why == NULL) {
        char *path = state_dir == NULL ? NULL : state_give(*state_dir, who.uid, who.gid, who.name, err);
        if (state_dir != NULL && path == NULL)
            return false;
        if (state_dir != NULL) {
            free(*state_dir);
            *state_dir = path;
        }
        why = process_become(&who);
    }
    process_harden();
    process_keep_memory();
    if (why != NULL)
        config_error_set(err, "user '%.64s': %s", user, why);
    return why == NULL;
}

bool privileges_settle(const char *user, struct config_error *err)
{
    const char *why = user == NULL ? NULL : process_settle();
    if (why != NULL)
        config_error_set(err, "privileges: %s", why);
    return why == NULL;
}
