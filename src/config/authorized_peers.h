/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's file of the workstations that may reach it, one a line:
 *
 *     NAME FINGERPRINT [services=NAME[,NAME...]] [ports=LIST] [listen=LIST] [public] [disconnect] [expires=YYYY-MM-DD]
 *
 * NAME is for people and for the log. Without "services" all services of the device are meant; "ports" and "listen" (port_list.h)
 * narrow what the device's own settings allow; "public" lets the key have services made public, "disconnect" end the tunnels of
 * others. A key may stand on several lines: what one of them allows is allowed.
 * Empty lines, and comments from '#' on, are skipped. Strict: a file with one bad line is none. Pure.
 */
#ifndef CONFIG_AUTHORIZED_PEERS_H
#define CONFIG_AUTHORIZED_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fingerprint.h"
#include "config/error.h"
#include "config/port_list.h"
#include "mdm-tunnel/limits.h"

struct authorized_peer {
    char name[NAME_MAX_BYTES + 1];
    struct fingerprint key;
    const char *services, *ports, *listen; /* lists as they stand in the text; NULL: not said */
    size_t services_len, ports_len, listen_len;
    bool public;     /* may have services made public */
    bool disconnect; /* may end the tunnels of others */
    int64_t expires; /* seconds since 1970; INT64_MAX: never */
    unsigned line;   /* from 1 */
};

struct authorized_peers {
    char *text; /* heap; what the lists point into */
    size_t count, capacity;
    struct authorized_peer *list; /* in the order of the file */
};

/* 0, or -1 and *err ("line 3: ..."); *out is untouched then. */
int authorized_peers_parse(const char *text, struct authorized_peers *out, struct config_error *err);
void authorized_peers_done(struct authorized_peers *a);

enum peer_wish_kind {
    PEER_WISH_IN,      /* to be let in at all */
    PEER_WISH_SERVICE, /* by its name */
    PEER_WISH_PUBLIC,  /* a service, for everybody */
    PEER_WISH_PORT,    /* of a host that the device reaches */
    PEER_WISH_LISTEN,  /* at a port of the device */
    PEER_WISH_END,     /* the tunnels of others */
};

struct peer_wish {
    enum peer_wish_kind kind;
    const char *service; /* PEER_WISH_SERVICE, PEER_WISH_PUBLIC */
    const char *host;    /* PEER_WISH_PORT, PEER_WISH_LISTEN */
    uint16_t port;
    enum port_protocol protocol;
};

enum peer_answer { PEER_UNKNOWN /* no line has the key */, PEER_EXPIRED, PEER_NOT_THIS, PEER_YES };

/* *line is the one that allows it, or the last that does not; untouched with PEER_UNKNOWN. */
enum peer_answer authorized_peers_ask(const struct authorized_peers *a, const struct fingerprint *key, int64_t now_s,
                                      const struct peer_wish *wish, const struct authorized_peer **line);

#endif
