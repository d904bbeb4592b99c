/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of OPEN, SERVICES and PUBLIC. */
#include "wire/frame.h"

#include <string.h>

#include "base/bytes.h"
#include "base/label.h"
#include "mdm-tunnel/limits.h"

#define OPTION_CRITICAL 0x80

_Static_assert(sizeof(((struct open_head *)0)->service) == LABEL_BYTES + 1, "a name is a label");

const char *stream_kind_name(enum stream_kind kind)
{
    switch (kind) {
    case STREAM_KIND_HTTP:
        return "http";
    case STREAM_KIND_WS:
        return "ws";
    case STREAM_KIND_TCP:
        return "tcp";
    case STREAM_KIND_TLS:
        return "tls";
    case STREAM_KIND_UDP:
        return "udp";
    case STREAM_KIND_LISTEN:
        return "listen";
    case STREAM_KIND_CONTROL:
        return "control";
    case STREAM_KIND_PUBLISH:
        return "publish";
    }
    return NULL;
}

bool name_normalise(const char *text, size_t len, char out[static 64])
{
    return label_normalise(text, len, out);
}

static void text_write_short(struct bytes_writer *w, const char *text)
{
    size_t len = strlen(text);
    bytes_write_u8(w, (uint8_t)len);
    bytes_write(w, text, len);
}

/* -- OPEN ---------------------------------------------------------------------------------------------------------- */

static void option_write(struct bytes_writer *w, enum open_option type, const char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return;
    bytes_write_u8(w, (uint8_t)type);
    bytes_write_u16(w, (uint16_t)len);
    bytes_write(w, text, len);
}

size_t open_head_encode(const struct open_head *h, uint8_t *out, size_t size)
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, size);
    bytes_write_u8(&w, (uint8_t)h->kind);
    text_write_short(&w, h->service);
    option_write(&w, OPEN_OPTION_VISITOR, h->visitor);
    option_write(&w, OPEN_OPTION_HOST, h->host);
    option_write(&w, OPEN_OPTION_TARGET, h->target);
    if (h->seconds > 0) {
        bytes_write_u8(&w, OPEN_OPTION_SECONDS);
        bytes_write_u16(&w, 4);
        bytes_write_u32(&w, h->seconds);
    }
    return w.failed ? 0 : bytes_written(&w);
}

/* Visible ASCII that fits with its NUL, said once; `out` holds "" until then. */
static bool option_text_take(char *out, size_t size, const uint8_t *value, size_t len)
{
    if (out[0] != '\0' || len == 0 || len >= size)
        return false;
    for (size_t i = 0; i < len; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return false;
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

/* Said once, and not 0. */
static bool option_number_take(uint32_t *out, const uint8_t *value, size_t len)
{
    struct bytes_reader r;
    bytes_reader_init(&r, value, len);
    bool first = *out == 0;
    *out = bytes_read_u32(&r);
    return first && !r.failed && bytes_left(&r) == 0 && *out > 0;
}

/* Malformed options go first: they say that the peer is broken, whatever else is wrong with this stream. */
static const struct error *options_decode(struct open_head *h, struct bytes_reader *r)
{
    bool critical_unknown = false;
    while (bytes_left(r) > 0) {
        uint8_t type = bytes_read_u8(r);
        uint16_t len = bytes_read_u16(r);
        const uint8_t *value = bytes_read(r, len);
        bool ok = value != NULL;
        if (ok && type == OPEN_OPTION_VISITOR)
            ok = option_text_take(h->visitor, sizeof(h->visitor), value, len);
        else if (ok && type == OPEN_OPTION_HOST)
            ok = option_text_take(h->host, sizeof(h->host), value, len);
        else if (ok && type == OPEN_OPTION_TARGET)
            ok = option_text_take(h->target, sizeof(h->target), value, len);
        else if (ok && type == OPEN_OPTION_SECONDS)
            ok = option_number_take(&h->seconds, value, len);
        else if (type & OPTION_CRITICAL)
            critical_unknown = true;
        if (!ok)
            return &error_protocol_error;
    }
    return critical_unknown ? &error_kind_not_offered : NULL;
}

const struct error *open_head_decode(struct open_head *out, const uint8_t *data, size_t len)
{
    struct bytes_reader r;
    struct open_head h;
    bytes_reader_init(&r, data, len);
    h.kind = bytes_read_u8(&r);
    h.visitor[0] = h.host[0] = h.target[0] = '\0';
    h.seconds = 0;
    uint8_t name_len = bytes_read_u8(&r);
    const char *name = (const char *)bytes_read(&r, name_len);
    if (r.failed)
        return &error_protocol_error;
    const struct error *why = options_decode(&h, &r);
    if (why == NULL && stream_kind_name(h.kind) == NULL)
        why = &error_kind_not_offered;
    if (why == NULL && !name_normalise(name, name_len, h.service))
        why = &error_unknown_service;
    if (why == NULL)
        *out = h;
    return why;
}

/* -- SERVICES ------------------------------------------------------------------------------------------------------ */

size_t services_size(const struct service_entry *list, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 1 + 1 + strlen(list[i].name) + 2 + list[i].options_len;
    return size;
}

size_t services_encode(const struct service_entry *list, size_t count, uint8_t *out, size_t size)
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, size);
    for (size_t i = 0; i < count; i++) {
        bytes_write_u8(&w, (uint8_t)list[i].kind);
        text_write_short(&w, list[i].name);
        bytes_write_u16(&w, (uint16_t)list[i].options_len);
        if (list[i].options_len > 0)
            bytes_write(&w, list[i].options, list[i].options_len);
    }
    return w.failed ? 0 : bytes_written(&w);
}

const struct error *services_decode(struct service_entry *list, size_t max, size_t *count, const uint8_t *data,
                                    size_t len)
{
    struct bytes_reader r;
    size_t n = 0;
    bytes_reader_init(&r, data, len);
    while (bytes_left(&r) > 0) {
        struct service_entry e = {.kind = bytes_read_u8(&r)};
        uint8_t name_len = bytes_read_u8(&r);
        const char *name = (const char *)bytes_read(&r, name_len);
        e.options_len = bytes_read_u16(&r);
        e.options = bytes_read(&r, e.options_len);
        if (r.failed || e.options_len > SERVICE_RULES_MAX || !name_normalise(name, name_len, e.name))
            return &error_protocol_error;
        if (stream_kind_name(e.kind) == NULL)
            continue;
        if (n == max)
            return &error_protocol_error;
        list[n++] = e;
    }
    *count = n;
    return NULL;
}

/* -- PUBLIC -------------------------------------------------------------------------------------------------------- */

size_t public_port_encode(const struct public_port *p, uint8_t out[static FRAME_PUBLIC_MAX])
{
    struct bytes_writer w;
    bytes_writer_init(&w, out, FRAME_PUBLIC_MAX);
    bytes_write_u16(&w, p->why->code);
    bytes_write_u16(&w, p->port);
    bytes_write_u8(&w, (uint8_t)p->scheme);
    text_write_short(&w, p->service);
    bytes_write(&w, p->host, strlen(p->host));
    return bytes_written(&w);
}

const struct error *public_port_decode(struct public_port *out, const uint8_t *data, size_t len)
{
    struct bytes_reader r;
    struct public_port p = {.host = ""};
    bytes_reader_init(&r, data, len);
    p.why = error_by_code(bytes_read_u16(&r));
    p.port = bytes_read_u16(&r);
    uint8_t scheme = bytes_read_u8(&r);
    p.scheme = scheme;
    uint8_t name_len = bytes_read_u8(&r);
    const char *name = (const char *)bytes_read(&r, name_len);
    bool named = name_len > 0 && !r.failed && name_normalise(name, name_len, p.service);
    size_t host_len = r.failed ? 0 : bytes_left(&r);
    if (r.failed || scheme > PUBLIC_DOMAIN || (scheme == PUBLIC_TCP ? !named : name_len > 0))
        return &error_protocol_error;
    if (scheme == PUBLIC_DOMAIN ? host_len == 0 : p.why == &error_none && p.port == 0)
        return &error_protocol_error;
    if (host_len > 0 && !option_text_take(p.host, sizeof(p.host), bytes_read(&r, host_len), host_len))
        return &error_protocol_error;
    *out = p;
    return NULL;
}
