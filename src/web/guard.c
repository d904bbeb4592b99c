/* SPDX-License-Identifier: Apache-2.0 */
/* Rules over header fields. */
#include "web/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Cuts the port off, where it is one; the host's length, 0: not valid. */
static size_t host_len(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    size_t len = end == NULL ? strlen(host) : (size_t)(end - host) + (host[0] == '[');
    const char *rest = host + len;

    if ((host[0] == '[' && end == NULL) || (*rest != '\0' && (*rest != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1))))
        return 0;
    return len;
}

static bool is_address(const char *host, size_t len)
{
    struct in6_addr v6;
    struct in_addr v4;
    char text[INET6_ADDRSTRLEN + 2];

    if (len >= sizeof(text))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    if (text[0] != '[')
        return inet_pton(AF_INET, text, &v4) == 1;
    text[len - 1] = '\0';
    return inet_pton(AF_INET6, text + 1, &v6) == 1;
}

static bool is_name(const char *host, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

bool guard_host(const char *host, const char *const *names)
{
    size_t len = host_len(host);

    if (len == 0)
        return false;
    if (is_address(host, len) || is_name(host, len, "localhost"))
        return true;
    for (; names != NULL && *names != NULL; names++)
        if (is_name(host, len, *names))
            return true;
    return false;
}

bool guard_origin(const char *host, const char *origin, const char *site)
{
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (origin == NULL)
        return true;
    /* https: where something in front of us has it. */
    const char *own = strncmp(origin, "http://", 7) == 0 ? origin + 7 : strncmp(origin, "https://", 8) == 0 ? origin + 8 : "";
    return *own != '\0' && strcasecmp(own, host) == 0;
}

bool guard_json(const char *type)
{
    static const char json[] = "application/json";

    if (type == NULL || strncasecmp(type, json, sizeof(json) - 1) != 0)
        return false;
    const char *rest = type + sizeof(json) - 1;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

bool guard_secret(const char *secret, const char *given, size_t given_len)
{
    size_t len = strlen(secret);
    unsigned different = given_len != len;

    for (size_t i = 0; i < given_len; i++)
        different |= (unsigned char)given[i] ^ (unsigned char)secret[i < len ? i : 0];
    return different == 0;
}

bool guard_bearer(const char *authorization, const char *token)
{
    if (authorization == NULL || strncasecmp(authorization, "bearer ", 7) != 0)
        return false;
    const char *given = authorization + 7;
    given += strspn(given, " ");
    return guard_secret(token, given, strlen(given));
}

bool guard_cookie(const char *cookie, const char *name, const char *secret)
{
    size_t name_len = strlen(name);

    while (cookie != NULL) {
        cookie += strspn(cookie, " \t");
        size_t len = strcspn(cookie, ";");
        if (len > name_len && strncmp(cookie, name, name_len) == 0 && cookie[name_len] == '=' &&
            guard_secret(secret, cookie + name_len + 1, len - name_len - 1))
            return true;
        cookie = cookie[len] == ';' ? cookie + len + 1 : NULL;
    }
    return false;
}
