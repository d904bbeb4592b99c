/* SPDX-License-Identifier: Apache-2.0 */
/* The services file: names -> local targets (mdm-tunnel-services(5)). The only users of cJSON are in this folder. */
#ifndef CONFIG_SERVICES_H
#define CONFIG_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"

enum target_kind { TARGET_TCP, TARGET_UNIX };

struct target {
    enum target_kind kind;
    char host[256]; /* TARGET_TCP: name, or address without brackets; "localhost" where only a port was given */
    uint16_t port;
    char path[108]; /* TARGET_UNIX */
};

enum service_kind {
    SERVICE_HTTP, /* HTTP/1.1, WebSocket */
    SERVICE_TLS,  /* takes visitors' TLS connections as they come: the server does not see the content */
    SERVICE_TCP,  /* any bytes: visitors come to a public port of the server, workstations as to all others */
};

struct service {
    char name[64]; /* valid (label_normalise) */
    struct target target;
    enum service_kind kind;
    bool wants_port;         /* a public TCP port of the server */
    bool published;          /* has one for a while, whatever its kind is; not from the file */
    uint16_t public_port;    /* this one; 0: any */
    unsigned proxy_protocol; /* version of the head in front of each connection; 0: none */
    uint8_t *rules; /* heap: what its visitors have to obey, as SERVICES says it (wire/rules.h); NULL: nothing */
    size_t rules_len;
    bool secret; /* there are hashes of passwords or tokens among them */
};

/* Sorted by name, no name twice. */
struct services {
    size_t count;
    struct service *list;
};

/* JSON text: {"hello-world": 9000, "b": "host:port", "c": "unix:/path", "d": {"target": ..., "kind": "tls", "rate": 10},
 * "e": {"target": 22, "tcp": "auto"}, "domains": ["www.tim.org"]}. 0, or -1 and *err
 * says where ("file.json: hello-world.port: 70000 is above 65535"); *out is untouched then. */
int services_parse(const char *text, size_t len, const char *file, struct services *out, struct config_error *err);
/* errno is ENOENT when there is no such file. */
int services_load(const char *path, struct services *out, struct config_error *err);
/* "NAME=PORT", "NAME=HOST:PORT", "NAME=unix:/path" from a command line; adds to `out`, unless the name is there. */
int services_add_argument(struct services *out, const char *argument, struct config_error *err);
const struct service *services_find(const struct services *s, const char *name);
void services_done(struct services *s);
/* False without memory; *out is untouched then. */
bool services_copy(const struct services *s, struct services *out);
/* Without encryption no service may have secrets among its rules. False and *err. */
bool services_may_be_offered(const struct services *s, bool encrypted, struct config_error *err);
/* "localhost:9000", "[::1]:80", "unix:/path": for log lines, and valid as an argument; 264 bytes are always enough. */
void target_text(const struct target *t, char *out, size_t size);

#endif
