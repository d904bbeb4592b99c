/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol, versions 1 and 2. */
#include "wire/proxy_head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_NONE = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };

bool proxy_address_is_v4(const struct proxy_address *a) { return memcmp(a->ip, mapped, sizeof(mapped)) == 0; }

static void address_set_v4(struct proxy_address *a, const void *ip)
{
    memcpy(a->ip, mapped, sizeof(mapped));
    memcpy(a->ip + 12, ip, 4);
}

/* -- text ---------------------------------------------------------------------------------------------------------- */

static bool port_parse(const char *text, uint16_t *out)
{
    unsigned port = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5 || (len > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= 65535;
}

static bool ip_parse(const char *text, bool v6, struct proxy_address *out)
{
    uint8_t v4[4];
    if (v6)
        return inet_pton(AF_INET6, text, out->ip) == 1;
    if (inet_pton(AF_INET, text, v4) != 1)
        return false;
    address_set_v4(out, v4);
    return true;
}

bool proxy_address_parse(const char *text, struct proxy_address *out)
{
    char ip[INET6_ADDRSTRLEN];
    struct proxy_address a;
    bool v6 = text[0] == '[';
    const char *start = text + v6, *end = strchr(start, v6 ? ']' : ':');
    size_t len = end == NULL ? sizeof(ip) : (size_t)(end - start);
    if (len >= sizeof(ip) || (v6 && end[1] != ':'))
        return false;
    memcpy(ip, start, len);
    ip[len] = '\0';
    if (!ip_parse(ip, v6, &a) || !port_parse(end + v6 + 1, &a.port))
        return false;
    *out = a;
    return true;
}

/* -- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n" ------------------------------------------------------- */

/* Cuts the next word off; words are parted by exactly one blank. NULL: there is none. */
static char *word_shift(char **rest)
{
    char *word = *rest;
    if (word == NULL || *word == '\0' || *word == ' ')
        return NULL;
    char *blank = strchr(word, ' ');
    *rest = blank == NULL ? NULL : blank + 1;
    if (blank != NULL)
        *blank = '\0';
    return word;
}

/* `line`: without its end; it is taken apart. */
static bool line_read(char *line, struct proxy_head *out)
{
    char *rest = line, *word[6];
    for (size_t i = 0; i < 6; i++) {
        word[i] = word_shift(&rest);
        if (i == 1 && word[i] != NULL && strcmp(word[i], "UNKNOWN") == 0)
            return true; /* whatever follows is to be ignored */
        if (word[i] == NULL)
            return false;
    }
    bool v6 = strcmp(word[1], "TCP6") == 0;
    out->proxied = rest == NULL && (v6 || strcmp(word[1], "TCP4") == 0) && ip_parse(word[2], v6, &out->source) &&
                   ip_parse(word[3], v6, &out->destination) && port_parse(word[4], &out->source.port) &&
                   port_parse(word[5], &out->destination.port);
    return out->proxied;
}

static enum proxy_parse line_parse(struct proxy_head *out, const char *data, size_t len, size_t *used)
{
    char line[PROXY_LINE_MAX + 1];
    struct proxy_head h = {0};
    size_t max = len < PROXY_LINE_MAX ? len : PROXY_LINE_MAX;
    const char *end = memchr(data, '\n', max);
    if (end == NULL)
        return len < PROXY_LINE_MAX ? PROXY_PARSE_MORE : PROXY_PARSE_BAD;
    size_t bytes = (size_t)(end - data) + 1;
    if (bytes < 2 || end[-1] != '\r' || memchr(data, '\0', bytes) != NULL)
        return PROXY_PARSE_BAD;
    memcpy(line, data, bytes - 2);
    line[bytes - 2] = '\0';
    if (!line_read(line, &h))
        return PROXY_PARSE_BAD;
    *out = h;
    *used = bytes;
    return PROXY_PARSE_DONE;
}

/* -- version 2 ----------------------------------------------------------------------------------------------------- */

static void address_read(struct bytes_reader *r, bool v6, struct proxy_address *out)
{
    const uint8_t *ip = bytes_read(r, v6 ? 16 : 4);
    if (ip != NULL && v6)
        memcpy(out->ip, ip, 16);
    else if (ip != NULL)
        address_set_v4(out, ip);
}

static void addresses_read(struct bytes_reader *r, bool v6, struct proxy_head *h)
{
    address_read(r, v6, &h->source);
    address_read(r, v6, &h->destination);
    h->source.port = bytes_read_u16(r);
    h->destination.port = bytes_read_u16(r);
    h->proxied = true;
}

static enum proxy_parse binary_parse(struct proxy_head *out, const uint8_t *data, size_t len, size_t *used)
{
    struct bytes_reader r;
    struct proxy_head h = {0};
    bytes_reader_init(&r, data, len);
    bytes_read(&r, sizeof(signature));
    uint8_t command = bytes_read_u8(&r), family = bytes_read_u8(&r);
    size_t rest = bytes_read_u16(&r);
    if (r.failed)
        return PROXY_PARSE_MORE;
    if ((command != COMMAND_LOCAL && command != COMMAND_PROXY) || rest > PROXY_HEAD_MAX - 16)
        return PROXY_PARSE_BAD;
    const uint8_t *block = bytes_read(&r, rest);
    if (block == NULL)
        return PROXY_PARSE_MORE;
    bytes_reader_init(&r, block, rest);
    if (command == COMMAND_PROXY) {
        if (family == FAMILY_TCP4 || family == FAMILY_TCP6)
            addresses_read(&r, family == FAMILY_TCP6, &h);
        else if (family == FAMILY_UNIX)
            bytes_read(&r, 216); /* two paths */
        else if (family != FAMILY_NONE)
            return PROXY_PARSE_BAD;
    }
    if (r.failed)
        return PROXY_PARSE_BAD;
    *out = h;
    *used = 16 + rest;
    return PROXY_PARSE_DONE;
}

enum proxy_parse proxy_head_parse(struct proxy_head *out, const void *data, size_t len, size_t *used)
{
    size_t begun = len < 6 ? len : 6;
    if (len == 0)
        return PROXY_PARSE_MORE;
    if (memcmp(data, "PROXY ", begun) == 0)
        return line_parse(out, data, len, used);
    begun = len < sizeof(signature) ? len : sizeof(signature);
    return memcmp(data, signature, begun) == 0 ? binary_parse(out, data, len, used) : PROXY_PARSE_BAD;
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

static size_t line_write(const struct proxy_head *h, bool v4, uint8_t out[static PROXY_HEAD_WRITE_MAX])
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], line[PROXY_LINE_MAX + 1];
    size_t skip = v4 ? 12 : 0;
    if (!h->proxied) {
        memcpy(out, "PROXY UNKNOWN\r\n", 15);
        return 15;
    }
    inet_ntop(v4 ? AF_INET : AF_INET6, h->source.ip + skip, source, sizeof(source));
    inet_ntop(v4 ? AF_INET : AF_INET6, h->destination.ip + skip, destination, sizeof(destination));
    int len = snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n", v4 ? "TCP4" : "TCP6", source, destination,
                       h->source.port, h->destination.port);
    memcpy(out, line, (size_t)len);
    return (size_t)len;
}

static size_t binary_write(const struct proxy_head *h, bool v4, uint8_t out[static PROXY_HEAD_WRITE_MAX])
{
    struct bytes_writer w;
    size_t skip = v4 ? 12 : 0;
    bytes_writer_init(&w, out, PROXY_HEAD_WRITE_MAX);
    bytes_write(&w, signature, sizeof(signature));
    bytes_write_u8(&w, h->proxied ? COMMAND_PROXY : COMMAND_LOCAL);
    bytes_write_u8(&w, !h->proxied ? FAMILY_NONE : v4 ? FAMILY_TCP4 : FAMILY_TCP6);
    bytes_write_u16(&w, (uint16_t)(!h->proxied ? 0 : 2 * (16 - skip) + 4));
    if (h->proxied) {
        bytes_write(&w, h->source.ip + skip, 16 - skip);
        bytes_write(&w, h->destination.ip + skip, 16 - skip);
        bytes_write_u16(&w, h->source.port);
        bytes_write_u16(&w, h->destination.port);
    }
    return bytes_written(&w);
}

/* Addresses of two families go as IPv6, the IPv4 one mapped. */
size_t proxy_head_write(const struct proxy_head *h, unsigned version, uint8_t out[static PROXY_HEAD_WRITE_MAX])
{
    bool v4 = proxy_address_is_v4(&h->source) && proxy_address_is_v4(&h->destination);
    return version == 1 ? line_write(h, v4, out) : binary_write(h, v4, out);
}
