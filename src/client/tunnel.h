/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnel: what a workstation has open at this device, whatever moves its bytes: who has it, since when, how much has passed.
 * A tunnel is on its worker; the ledger has those of all workers, for questions (any thread), and writes the audit line when
 * one has ended.
 */
#ifndef CLIENT_TUNNEL_H
#define CLIENT_TUNNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "client/audit.h"
#include "client/gate.h"
#include "peer/conduit.h"
#include "relay/pump.h"

struct ledger;

/* `audit`: NULL: nothing is written; outlives it. NULL without memory. */
struct ledger *ledger_create(struct audit *audit);
/* After all tunnels have ended. */
void ledger_free(struct ledger **l);

struct tunnel {
    struct list of_worker, of_ledger;
    struct ledger *ledger;
    struct conduit_peer peer;
    struct gate_who who;
    const char *kind; /* as in audit_line */
    char what[280], from[64];
    int64_t since_s;
    uint64_t began_us;
    struct pump_meter meter;
    void (*cut)(void *ctx, const struct error *reason); /* ends it, and frees it */
    void *ctx;
};

/* What a tunnel begins with. */
struct tunnel_start {
    const struct conduit_peer *peer;
    const struct gate_who *who;
    const char *kind, *what, *from;
    void (*cut)(void *ctx, const struct error *reason);
    void *ctx;
};

/* `of_worker`: the worker's list of tunnels. NULL without memory. */
struct tunnel *tunnel_create(struct ledger *l, struct list *of_worker, const struct tunnel_start *start);
/* It has ended: the audit line is written. *t becomes NULL; NULL is allowed. */
void tunnel_end(struct tunnel **t, const char *why);
/* One that was not let in. */
void tunnel_refused(struct ledger *l, const struct tunnel_start *start, const char *why);

/* Whose tunnels are meant: those of one key, or everybody's. */
struct tunnel_owner {
    bool everybody;
    struct fingerprint key;
    char psk[PSK_NAME_BYTES + 1];
};
struct tunnel_owner tunnel_owner_of(const struct conduit_peer *peer, bool everybody);
bool tunnel_owner_has(const struct tunnel_owner *o, const struct conduit_peer *peer);

/* Cuts those of one worker's list; returns how many. */
unsigned tunnels_cut(struct list *of_worker, const struct tunnel_owner *whose, const struct error *reason);
/* Lines for STREAM_KIND_CONTROL (mdm-tunnel-protocol(7)): fewer than there are when `size` bytes are not enough. Any thread.
 * Returns the bytes; *count: how many tunnels there are. */
size_t ledger_lines(struct ledger *l, const struct tunnel_owner *whose, char *out, size_t size, unsigned *count);

#endif
