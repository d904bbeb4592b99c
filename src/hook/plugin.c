/* SPDX-License-Identifier: Apache-2.0 */
/* dlopen(3). */
#include "hook/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "hook/internal.h"

typedef const struct mdm_hook *open_fn(const struct mdm_hook_host *, const char *, char *, size_t);

/* A name without a slash is a file of this directory, not of the linker's search path. */
static void *object_load(const char *file, size_t len, const char **why)
{
    char path[PATH_TEXT_MAX];
    bool plain = memchr(file, '/', len) == NULL;
    if (len + 3 > sizeof(path)) {
        *why = "the name is too long";
        return NULL;
    }
    snprintf(path, sizeof(path), "%s%.*s", plain ? "./" : "", (int)len, file);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (object == NULL)
        *why = dlerror();
    return object;
}

bool hook_plugin_add(struct hook_chain *c, const char *what, char *error, size_t error_size)
{
    const char *equals = strchrnul(what, '='), *why = NULL;
    char reason[256] = "mdm_hook_open() failed";
    void *object = object_load(what, (size_t)(equals - what), &why);
    union {
        void *symbol;
        open_fn *open;
    } found = {.symbol = object == NULL ? NULL : dlsym(object, "mdm_hook_open")};
    const struct mdm_hook *hook =
        found.symbol == NULL ? NULL : found.open(&hook_host, equals[0] == '=' ? equals + 1 : "", reason, sizeof(reason));
    if (object != NULL && found.symbol == NULL)
        why = "it defines no mdm_hook_open()";
    else if (object != NULL && hook == NULL)
        why = reason;
    else if (hook != NULL && hook_chain_add(c, hook))
        return true;
    else if (hook != NULL)
        why = hook->version != MDM_HOOK_VERSION ? "it was built for another version of the interface" : "there are too many hooks";
    snprintf(error, error_size, "%.*s: %s", (int)(equals - what), what, why);
    return false;
}

bool hook_plugins_add(struct hook_chain *c, const char *lines, char *error, size_t error_size)
{
    char line[PATH_TEXT_MAX];
    const char *at = lines != NULL ? lines : "";
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
        if (!hook_plugin_add(c, line, error, error_size))
            return false;
    }
    return true;
}
