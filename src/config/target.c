/* SPDX-License-Identifier: Apache-2.0 */
/* Targets as text. */
#include "config/target.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/number.h"

#define EXPECTED ": expected PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH"

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

/* A name or an IPv4 address: whether it resolves shows when it is dialled. */
static bool is_host_name(const char *host)
{
    if (host[0] == '\0' || host[0] == '-' || host[0] == '.')
        return false;
    while (is_host_char(*host))
        host++;
    return *host == '\0';
}

/* RFC 4291 2.2, with a zone (RFC 4007 11). */
static bool is_ipv6(const char *host)
{
    struct in6_addr address;
    char digits[INET6_ADDRSTRLEN];
    size_t len = strcspn(host, "%");
    if (len >= sizeof(digits) || (host[len] == '%' && !is_host_name(host + len + 1)))
        return false;
    memcpy(digits, host, len);
    digits[len] = '\0';
    return inet_pton(AF_INET6, digits, &address) == 1;
}

static int port_parse(const char *text, struct target *out, struct config_error *err)
{
    struct config_error reason;
    unsigned port;
    if (number_parse(text, 1, UINT16_MAX, &port, &reason) != 0)
        return config_error_set(err, ".port: %s", reason.text);
    out->port = (uint16_t)port;
    return 0;
}

static int host_copy(const char *host, size_t len, struct target *out, struct config_error *err)
{
    if (len >= sizeof(out->host))
        return config_error_set(err, ".host: longer than %zu bytes", sizeof(out->host) - 1);
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    return 0;
}

static int unix_parse(const char *path, struct target *out, struct config_error *err)
{
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof(out->path))
        return config_error_set(err, ".path: not an absolute path of at most %zu bytes", sizeof(out->path) - 1);
    out->kind = TARGET_UNIX;
    memcpy(out->path, path, len + 1);
    return 0;
}

static int tcp_parse(const char *text, struct target *out, struct config_error *err)
{
    bool bracket = text[0] == '[';
    const char *host = text + bracket, *colon = strrchr(text, ':');
    size_t len = colon != NULL && colon > host ? (size_t)(colon - host) : 0;
    bool closed = bracket && len > 1 && host[len - 1] == ']';
    if (colon == NULL || bracket != closed)
        return config_error_set(err, "%s", EXPECTED);
    if (host_copy(host, len - closed, out, err) != 0)
        return -1;
    if (bracket ? !is_ipv6(out->host) : !is_host_name(out->host))
        return config_error_set(err, ".host: \"%.64s\" is not %s", out->host,
                                bracket                          ? "an IPv6 address"
                                : strchr(out->host, ':') != NULL ? "a host (an IPv6 address stands in brackets)"
                                                                 : "a host");
    return port_parse(colon + 1, out, err);
}

static int any_parse(const char *text, struct target *out, struct config_error *err)
{
    static const char unix_prefix[] = "unix:";
    if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0)
        return unix_parse(text + strlen(unix_prefix), out, err);
    if (strchr(text, ':') != NULL)
        return tcp_parse(text, out, err);
    if (strspn(text, "-+.0123456789e") != strlen(text) || text[0] == '\0')
        return config_error_set(err, "%s", EXPECTED);
    strcpy(out->host, "localhost");
    return port_parse(text, out, err);
}

int target_parse(const char *text, struct target *out, struct config_error *err)
{
    struct target t = {.kind = TARGET_TCP};
    if (any_parse(text, &t, err) != 0)
        return -1;
    *out = t;
    return 0;
}

void target_text(const struct target *t, char *out, size_t size)
{
    if (t->kind == TARGET_UNIX)
        snprintf(out, size, "unix:%s", t->path);
    else if (strchr(t->host, ':') != NULL)
        snprintf(out, size, "[%s]:%u", t->host, t->port);
    else
        snprintf(out, size, "%s:%u", t->host, t->port);
}
