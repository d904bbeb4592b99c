/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of ports as text. */
#include "config/port_list.h"

#include <string.h>
#include <strings.h>

#include "config/number.h"

struct item {
    const char *host; /* without brackets; NULL: this machine */
    size_t host_len;
    unsigned first, last;
    enum port_protocol protocol;
};

static const char udp_suffix[] = "/udp";
#define UDP_SUFFIX_BYTES (sizeof(udp_suffix) - 1)

static bool port_read(const char *text, size_t len, unsigned *out)
{
    char digits[8];
    struct config_error why;
    if (len == 0 || len >= sizeof(digits) || memchr("0123456789", text[0], 10) == NULL)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    return number_parse(digits, 1, UINT16_MAX, out, &why) == 0;
}

static bool range_read(const char *text, size_t len, struct item *out)
{
    const char *dash = memchr(text, '-', len);
    size_t first_len = dash == NULL ? len : (size_t)(dash - text);
    if (!port_read(text, first_len, &out->first))
        return false;
    out->last = out->first;
    return dash == NULL || (port_read(dash + 1, len - first_len - 1, &out->last) && out->last >= out->first);
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._*:%", c) != NULL;
}

static bool item_read(const char *text, size_t len, struct item *out)
{
    bool udp = len > UDP_SUFFIX_BYTES && memcmp(text + len - UDP_SUFFIX_BYTES, udp_suffix, UDP_SUFFIX_BYTES) == 0;
    len -= udp ? UDP_SUFFIX_BYTES : 0;
    const char *colon = memrchr(text, ':', len);
    *out = (struct item){.host = NULL, .protocol = udp ? PORT_UDP : PORT_TCP};
    if (colon == NULL)
        return range_read(text, len, out);
    out->host = text;
    out->host_len = (size_t)(colon - text);
    bool bracket = out->host_len > 2 && text[0] == '[' && colon[-1] == ']';
    if (bracket) {
        out->host++;
        out->host_len -= 2;
    }
    for (size_t i = 0; i < out->host_len; i++)
        if (out->host[i] == '\0' || !host_char(out->host[i]) || (!bracket && out->host[i] == ':'))
            return false;
    return out->host_len > 0 && range_read(colon + 1, len - (size_t)(colon + 1 - text), out);
}

/* The item at *text, which moves on behind it; false at the end. */
static bool item_next(const char **text, size_t *len, const char **item, size_t *item_len)
{
    if (*text == NULL)
        return false;
    const char *comma = memchr(*text, ',', *len);
    *item = *text;
    *item_len = comma == NULL ? *len : (size_t)(comma - *text);
    *len -= *item_len + (comma != NULL);
    *text = comma == NULL ? NULL : comma + 1;
    return true;
}

int port_list_check(const char *text, size_t len, struct config_error *err)
{
    struct item i;
    const char *at;
    size_t n;
    while (item_next(&text, &len, &at, &n))
        if (!item_read(at, n, &i))
            return config_error_set(err, "'%.*s' is no PORT, FIRST-LAST, HOST:PORT or one of them with /udp", n < 64 ? (int)n : 64, at);
    return 0;
}

static bool is_here(const char *host, size_t len)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && strncasecmp(names[i], host, len) == 0)
            return true;
    return false;
}

static bool host_is(const struct item *i, const char *host)
{
    size_t len = strlen(host);
    if (i->host == NULL)
        return is_here(host, len);
    if (i->host_len == 1 && i->host[0] == '*')
        return true;
    if (is_here(i->host, i->host_len))
        return is_here(host, len);
    return i->host_len == len && strncasecmp(i->host, host, len) == 0;
}

bool port_list_has(const char *text, size_t len, const char *host, uint16_t port, enum port_protocol protocol)
{
    struct item i;
    const char *at;
    size_t n;
    while (item_next(&text, &len, &at, &n))
        if (item_read(at, n, &i) && i.protocol == protocol && port >= i.first && port <= i.last && host_is(&i, host))
            return true;
    return false;
}
