/* SPDX-License-Identifier: Apache-2.0 */
/* Frame: a unit of the mux inside the session's bytes (mdm-tunnel-protocol(7), "Frames"). Pure codec. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"
#include "wire/error.h"

#define FRAME_HEAD_BYTES 12

enum frame_type {
#define FRAME(id, code, max, text) FRAME_##id = (code),
#include "mdm-tunnel/tbl/frames.h"
#undef FRAME
};

#define FRAME_CRITICAL 0x80
/* DATA: the last of this direction. */
#define FRAME_FLAG_FIN 0x01
/* DATA: it used up the credit, so the receiver may give more than was taken. */
#define FRAME_FLAG_BLOCKED 0x02

struct frame {
    uint8_t type; /* enum frame_type, or unknown and not critical: skip `length` bytes */
    uint8_t flags;
    uint32_t stream; /* 0: the session itself. The side that said HELLO first opens odd ones, the other even ones */
    uint32_t length; /* of the payload, bytes */
};

void frame_encode(const struct frame *f, uint8_t out[static FRAME_HEAD_BYTES]);
/*
 * NULL, or the error that ends the session (unknown critical type, length over the type's maximum or under it where the
 * type has one length only, flags that the type does not have, reserved bits set, stream 0 where a stream is needed or
 * the reverse). `out` is untouched then.
 */
const struct error *frame_decode(struct frame *out, const uint8_t data[static FRAME_HEAD_BYTES]);
/* "DATA"; NULL for a type that is not known. */
const char *frame_type_name(uint8_t type);

/* -- payloads ------------------------------------------------------------------------------------------------------ */

enum stream_kind {
    STREAM_KIND_HTTP = 1,
    STREAM_KIND_WS = 2,
    STREAM_KIND_TCP = 3,
    STREAM_KIND_TLS = 4,
    STREAM_KIND_UDP = 5,     /* datagrams, each behind its length u16 */
    STREAM_KIND_LISTEN = 6,  /* the device listens at the target for as long as the stream lives */
    STREAM_KIND_CONTROL = 7, /* a question about a device's tunnels: the service's name is the question */
    STREAM_KIND_PUBLISH = 8, /* have a service made public */
};
/* "http"; NULL for what is none. */
const char *stream_kind_name(enum stream_kind kind);

/*
 * OPEN: kind u8 | service length u8 | service | options (type u8, length u16, value)*
 * An option type with the high bit set is critical: unknown ones refuse the stream.
 */
enum open_option {
    OPEN_OPTION_VISITOR = 0x01, /* text "address:port" of the visitor, "[v6]:port" */
    OPEN_OPTION_HOST = 0x02,    /* text: the name the visitor asked for */
    OPEN_OPTION_SECONDS = 0x84, /* u32, not 0: for how long (STREAM_KIND_PUBLISH) */
    OPEN_OPTION_TARGET = 0x83,  /* text "host:port": instead of the service, whose name says nothing then */
};

struct open_head {
    enum stream_kind kind;
    char service[64];  /* a valid name, NUL-terminated */
    char visitor[64];  /* visible ASCII; "" when not said */
    char host[256];    /* visible ASCII; "" when not said */
    char target[264];  /* visible ASCII; "" when not said */
    uint32_t seconds;  /* 0 when not said */
};

/* Bytes written, or 0 when `size` is too small. `service` must be valid (name_valid). */
size_t open_head_encode(const struct open_head *h, uint8_t *out, size_t size);
/*
 * NULL, or error_protocol_error (malformed), error_unknown_service (not a name), error_kind_not_offered (critical
 * option or kind unknown). `out` is untouched then.
 */
const struct error *open_head_decode(struct open_head *out, const uint8_t *data, size_t len);

/*
 * SERVICES: (kind u8 | name length u8 | name | options length u16 | options)* in the sender's order. Replaces what was
 * said before. The options are rules for visitors (wire/rules.h); the codec hands them through.
 */
struct service_entry {
    enum stream_kind kind;
    char name[64];
    const uint8_t *options; /* somebody else's bytes */
    size_t options_len;     /* SERVICE_RULES_MAX at most */
};
/* Bytes that services_encode() writes. */
size_t services_size(const struct service_entry *list, size_t count);
/* Bytes written; 0 when `size` is too small (or the list is empty, which is a valid payload of no bytes). */
size_t services_encode(const struct service_entry *list, size_t count, uint8_t *out, size_t size);
/*
 * Fills at most `max` entries, whose options point into `data`; *count gets how many; entries of kinds not known here
 * are left out. NULL, or error_protocol_error (malformed, not a name, more than `max`): *count is untouched then, the
 * list is not.
 */
const struct error *services_decode(struct service_entry *list, size_t max, size_t *count, const uint8_t *data,
                                    size_t len);

/*
 * PUBLIC: error code u16 | port u16 | scheme u8 | name length u8 | name | host. What has become of the wish of a service for a
 * public port (RULE_public_port); or, without a name, where the names of all services are for visitors of HTTP: the host is the
 * domain then; or (PUBLIC_DOMAIN), what has become of the wish for a domain of the client's own, which is the host.
 */
enum public_scheme { PUBLIC_TCP = 0, PUBLIC_HTTP = 1, PUBLIC_HTTPS = 2, PUBLIC_DOMAIN = 3 };
struct public_port {
    const struct error *why; /* error_none: it has one */
    uint16_t port;           /* the port, or the one that was wanted; 0: none, or any */
    enum public_scheme scheme;
    char service[64]; /* "" with all schemes but PUBLIC_TCP, and only with those */
    char host[PUBLIC_HOST_MAX + 1]; /* where visitors find it; "": at the host that the client itself connects to */
};
/* Bytes written, FRAME_PUBLIC_MAX at most. */
size_t public_port_encode(const struct public_port *p, uint8_t out[static FRAME_PUBLIC_MAX]);
/* NULL, or error_protocol_error (malformed, not a name, a scheme that is none, a host that is not visible ASCII, no port
 * without a reason, no domain); `out` is untouched then. */
const struct error *public_port_decode(struct public_port *out, const uint8_t *data, size_t len);

/* A client id or service name: one DNS label, RFC 1035 2.3.4 with RFC 1123 2.1: 1-63 of a-z 0-9 '-' (A-Z on input),
 * no '-' at the ends, no "--" (it separates SERVICE--CLIENT). Lower case is written to `out`. */
bool name_normalise(const char *text, size_t len, char out[static 64]);

#endif
