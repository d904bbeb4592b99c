/* SPDX-License-Identifier: Apache-2.0 */
/* From TLS records to the name in a ClientHello. */
#include "wire/client_hello.h"

#include <string.h>

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"

#define RECORD_HANDSHAKE 22
#define RECORD_BYTES_MAX 16384
#define RECORD_HEAD_BYTES 5
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEAD_BYTES 4
#define EXTENSION_SERVER_NAME 0
#define NAME_HOST 0

/* Reads the payload of records, one after the other, as if it were one block. */
struct records {
    const uint8_t *at, *end; /* of what has arrived */
    size_t left;             /* of the current record's payload */
    bool more, bad;          /* sticky: what was asked for is not there yet, or never will be */
};

static void record_begin(struct records *r)
{
    size_t there = (size_t)(r->end - r->at);
    const uint8_t *head = r->at;
    /* What can be said of a head that is not complete is said: a visitor that speaks no TLS may wait for an answer. */
    if ((there > 0 && head[0] != RECORD_HANDSHAKE) || (there > 1 && head[1] != 3)) {
        r->bad = true;
        return;
    }
    if (there < RECORD_HEAD_BYTES) {
        r->more = true;
        return;
    }
    r->left = (size_t)head[3] << 8 | head[4];
    r->at += RECORD_HEAD_BYTES;
    r->bad = r->left == 0 || r->left > RECORD_BYTES_MAX;
}

/* Copies `len` bytes to `out` (NULL: skips them). */
static void records_read(struct records *r, uint8_t *out, size_t len)
{
    while (len > 0 && !r->more && !r->bad) {
        if (r->left == 0) {
            record_begin(r);
            continue;
        }
        size_t there = (size_t)(r->end - r->at), step = len < r->left ? len : r->left;
        r->more = there < step;
        if (r->more)
            return;
        if (out != NULL) {
            memcpy(out, r->at, step);
            out += step;
        }
        r->at += step;
        r->left -= step;
        len -= step;
    }
}

/* An integer of `bytes` bytes, within what is left of its surroundings; takes it off there. */
static size_t records_number(struct records *r, unsigned bytes, size_t *within)
{
    uint8_t raw[3] = {0};
    size_t value = 0;
    if (*within < bytes)
        r->bad = true;
    else
        records_read(r, raw, bytes);
    if (r->more || r->bad)
        return 0;
    *within -= bytes;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | raw[i];
    return value;
}

static void records_skip(struct records *r, size_t len, size_t *within)
{
    if (*within < len)
        r->bad = true;
    else
        records_read(r, NULL, len);
    if (!r->more && !r->bad)
        *within -= len;
}

/* A block with its length in `bytes` bytes in front: skipped. */
static void records_skip_block(struct records *r, unsigned bytes, size_t *within)
{
    size_t len = records_number(r, bytes, within);
    records_skip(r, len, within);
}

/* -- the message --------------------------------------------------------------------------------------------------- */

static bool name_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && c != '_' && (c != '.' || i == 0 || name[i - 1] == '.'))
            return false;
    }
    return len > 0;
}

static void name_read(struct records *r, struct client_hello *h, size_t *within)
{
    char name[SERVER_NAME_MAX + 1];
    size_t len = records_number(r, 2, within);
    if (len > sizeof(name) || len > *within || h->name[0] != '\0')
        r->bad = true;
    records_read(r, (uint8_t *)name, len);
    if (r->more || r->bad)
        return;
    *within -= len;
    if (len > 0 && name[len - 1] == '.')
        len--;
    r->bad = len > SERVER_NAME_MAX || !name_valid(name, len);
    if (r->bad)
        return;
    memcpy(h->name, name, len);
    h->name[len] = '\0';
}

static void server_name_read(struct records *r, struct client_hello *h, size_t extension)
{
    size_t list = records_number(r, 2, &extension);
    r->bad |= !r->more && list != extension;
    while (list > 0 && !r->more && !r->bad) {
        if (records_number(r, 1, &list) == NAME_HOST)
            name_read(r, h, &list);
        else
            records_skip_block(r, 2, &list);
    }
}

static void extensions_read(struct records *r, struct client_hello *h, size_t within)
{
    size_t list = records_number(r, 2, &within);
    r->bad |= !r->more && list != within;
    while (list > 0 && !r->more && !r->bad) {
        size_t type = records_number(r, 2, &list), len = records_number(r, 2, &list);
        if (type == EXTENSION_SERVER_NAME && !r->more && !r->bad && len <= list) {
            server_name_read(r, h, len);
            list -= len;
        } else {
            records_skip(r, len, &list);
        }
    }
}

static void message_read(struct records *r, struct client_hello *h, size_t len)
{
    records_skip(r, 2 + 32, &len); /* version, random */
    records_skip_block(r, 1, &len); /* session id */
    records_skip_block(r, 2, &len); /* cipher suites */
    records_skip_block(r, 1, &len); /* compression */
    if (len > 0 && !r->more && !r->bad)
        extensions_read(r, h, len);
}

enum hello_parse client_hello_parse(struct client_hello *out, const void *data, size_t len)
{
    struct client_hello h = {""};
    struct records r = {.at = data, .end = (const uint8_t *)data + len};
    size_t head = MESSAGE_HEAD_BYTES;
    size_t type = records_number(&r, 1, &head), bytes = records_number(&r, 3, &head);
    if (!r.more && (type != MESSAGE_CLIENT_HELLO || bytes > CLIENT_HELLO_MAX))
        r.bad = true;
    struct records all = r;
    records_read(&all, NULL, bytes); /* read only what is complete */
    if (!r.bad && !all.bad && (r.more || all.more))
        return len < CLIENT_HELLO_PEEK_MAX ? HELLO_PARSE_MORE : HELLO_PARSE_BAD;
    if (!all.bad)
        message_read(&r, &h, bytes);
    if (r.bad || r.more || all.bad)
        return HELLO_PARSE_BAD;
    *out = h;
    return HELLO_PARSE_DONE;
}
