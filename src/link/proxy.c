/* SPDX-License-Identifier: Apache-2.0 */
/* Which proxy, if any. */
#include "link/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCHEME "http://"
#define PORT_USUAL 8080

static bool user_parse(const char *text, size_t len, struct link_proxy *out)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '@' || text[i] == '/')
            return false;
    if (len == 0 || len > LINK_PROXY_USER_MAX)
        return false;
    memcpy(out->user, text, len);
    out->user[len] = '\0';
    return true;
}

const char *link_proxy_parse(const char *text, struct link_proxy *out)
{
    *out = (struct link_proxy){.port = PORT_USUAL};
    if (strncmp(text, SCHEME, strlen(SCHEME)) == 0)
        text += strlen(SCHEME);
    const char *at = strrchr(text, '@');
    if (at != NULL && !user_parse(text, (size_t)(at - text), out))
        return "the user and password are not valid";
    text = link_host_parse(at != NULL ? at + 1 : text, out->host);
    if (text == NULL)
        return "it must be http://HOST:PORT, with USER:PASSWORD@ before the host where it wants that";
    text = link_port_parse(text, &out->port);
    return text == NULL || (text[0] != '\0' && strcmp(text, "/") != 0) ? "the port is not valid" : NULL;
}

/* `host` is the name, or below it; names of a list may begin with a dot. */
static bool is_below(const char *host, const char *name, size_t len)
{
    size_t host_len = strlen(host);
    if (len > 0 && name[0] == '.')
        name++, len--;
    if (len == 0 || len > host_len || strncasecmp(host + host_len - len, name, len) != 0)
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

bool link_proxy_exempts(const char *list, const char *host)
{
    static const char between[] = ", \t";
    for (const char *name = list; name != NULL && *name != '\0';) {
        name += strspn(name, between);
        size_t len = strcspn(name, between);
        if ((len == 1 && name[0] == '*') || is_below(host, name, len))
            return true;
        name += len;
    }
    return false;
}

static bool is_this_machine(const char *host)
{
    return is_below(host, "localhost", strlen("localhost")) || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static const char *environment(const char *lower, const char *upper)
{
    const char *text = getenv(lower);
    if ((text == NULL || text[0] == '\0') && upper != NULL)
        text = getenv(upper);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* $HTTP_PROXY is what a CGI's request may set, so it does not count. */
static const char *from_environment(const char *host, bool tls, struct link_proxy *out)
{
    const char *text = tls ? environment("https_proxy", "HTTPS_PROXY") : environment("http_proxy", NULL);
    if (text == NULL || is_this_machine(host) || link_proxy_exempts(environment("no_proxy", "NO_PROXY"), host))
        return NULL;
    return link_proxy_parse(text, out);
}

const char *link_proxy_choose(const char *setting, const char *host, bool tls, struct link_proxy *out)
{
    const char *why = NULL;
    *out = (struct link_proxy){0};
    if (setting == NULL)
        why = from_environment(host, tls, out);
    else if (strcmp(setting, "none") != 0)
        why = link_proxy_parse(setting, out);
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    return why;
}
