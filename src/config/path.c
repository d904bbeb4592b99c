/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that people write. */
#include "config/path.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *path_home(void)
{
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return strdup(home);
    char buffer[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) != 0 || found == NULL)
        return NULL;
    return strdup(found->pw_dir);
}

char *path_expand(const char *path)
{
    if (strncmp(path, "~/", 2) != 0)
        return strdup(path);
    char *home = path_home(), *expanded = NULL;
    if (home != NULL && asprintf(&expanded, "%s%s", home, path + 1) < 0)
        expanded = NULL;
    free(home);
    return expanded;
}
