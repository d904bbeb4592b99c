/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's file of the workstations that may reach it, one a line:
 *
 *     NAME FINGERPRINT [services=NAME[,NAME...]] [ports=LIST] [public] [expires=YYYY-MM-DD]
 *
 * NAME is for people and for the log. Without "services" all services of the device are meant; "ports" (port_list.h)
 * narrows what the device's own settings allow; "public" lets the key have services made public. A key may stand on several lines: what one of them allows is allowed.
 * Empty lines, and comments from '#' on, are skipped. Strict: a file with one bad line is none. Pure.
 */
#ifndef CONFIG_AUTHORIZED_PEERS_H
#define CONFIG_AUTHORIZED_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fingerprint.h"
#include "config/error.h"
#include "mdm-tunnel/limits.h"

struct authorized_peer {
    char name[NAME_MAX_BYTES + 1];
    struct fingerprint key;
    const char *services, *ports; /* lists as they stand in the text; NULL: not said */
    size_t services_len, ports_len;
    bool public;     /* may have services made public */
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

/* What is asked for: a service by its name, or a port of a host; neither: to be let in at all. */
struct peer_wish {
    const char *service; /* NULL: none */
    const char *host;    /* NULL: none */
    uint16_t port;
    bool public;         /* the service, for everybody */
};

enum peer_answer { PEER_UNKNOWN /* no line has the key */, PEER_EXPIRED, PEER_NOT_THIS, PEER_YES };

/* *line is the one that allows it, or the last that does not; untouched with PEER_UNKNOWN. */
enum peer_answer authorized_peers_ask(const struct authorized_peers *a, const struct fingerprint *key, int64_t now_s,
                                      const struct peer_wish *wish, const struct authorized_peer **line);

#endif
