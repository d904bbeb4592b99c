/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to copy. */
#include "connect/hint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned target_port(const struct wish *w)
{
    const char *colon = strrchr(w->target, ':');
    return colon == NULL ? 0 : (unsigned)strtoul(colon + 1, NULL, 10);
}

static bool is_ssh(const struct wish *w)
{
    return w->target[0] != '\0' ? target_port(w) == 22 : strcmp(w->service, "ssh") == 0;
}

/* What a browser would not be used for, by its well-known port or name. */
static bool is_plain(const struct wish *w)
{
    static const char *const names[] = {"mqtt", "mysql", "postgres", "postgresql", "psql", "rdp", "redis", "smtp", "vnc"};
    unsigned port = target_port(w);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(w->service, names[i]) == 0)
            return true;
    return port != 0 && port != 80 && (port < 3000 || port > 9999 || port == 3306 || port == 5432 || port == 6379);
}

static void print(const char *text, int len)
{
    ssize_t written = write(STDOUT_FILENO, text, (size_t)len);
    (void)written; /* nobody reads */
}

void hint_public(const struct wish *w, const char *address)
{
    char text[512];
    const char *colon = strrchr(address, ':');
    bool bracket = address[0] == '[' && colon > address + 1;
    int host_len = (int)(colon - address) - 2 * bracket;
    if (is_ssh(w))
        print(text, snprintf(text, sizeof(text), "ssh user@%.*s -p %s\n", host_len, address + bracket, colon + 1));
    else
        print(text, snprintf(text, sizeof(text), "%s\n", address));
}

void hint_print(const struct wish *w, const char *address, uint16_t port)
{
    char text[512];
    int len;
    if (is_ssh(w))
        len = snprintf(text, sizeof(text), "ssh user@localhost -p %u\n"
                                           "ssh user@localhost -p %u -L 8080:localhost:80    # its port 80 at http://localhost:8080/\n",
                       port, port);
    else if (is_plain(w))
        len = snprintf(text, sizeof(text), "%s\n", address);
    else
        len = snprintf(text, sizeof(text), "http://localhost:%u/\n", port);
    print(text, len);
}
