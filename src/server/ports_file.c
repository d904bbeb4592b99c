/* SPDX-License-Identifier: Apache-2.0 */
/* Ports as a line of JSON. */
#include "server/ports_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mdm-tunnel/limits.h"

static bool failed(const char *path, struct config_error *err)
{
    config_error_set(err, "%s: %s", path, strerror(errno));
    return false;
}

bool ports_file_write(const char *path, uint16_t port, uint16_t client_port, struct config_error *err)
{
    char temporary[PATH_TEXT_MAX];

    if (path == NULL)
        return true;
    int len = snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *f = len > 0 && (size_t)len < sizeof(temporary) ? fopen(temporary, "we") : NULL;
    if (f == NULL)
        return failed(path, err);
    int written = fprintf(f, "{\"port\":%u,\"client_port\":%u}\n", port, client_port);
    if (fclose(f) != 0 || written < 0 || rename(temporary, path) != 0)
        return failed(path, err);
    return true;
}
