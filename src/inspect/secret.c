/* SPDX-License-Identifier: Apache-2.0 */
/* Fields whose values are hidden. */
#include "inspect/secret.h"

#include <strings.h>

static bool text_has(struct http_text t, struct http_text part)
{
    for (size_t i = 0; i + part.len <= t.len; i++)
        if (strncasecmp(t.at + i, part.at, part.len) == 0)
            return true;
    return false;
}

bool secret_field(struct http_text name)
{
    static const char *const parts[] = {"authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "session-id"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (text_has(name, http_text_of(parts[i])))
            return true;
    return false;
}
