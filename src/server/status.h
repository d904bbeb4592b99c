/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says of itself as a whole. The status page and /api/status are made of the same rows, so that what one of them says
 * the other says, too: nothing about a client, a service or a visitor. Pure; any thread, but for what is said otherwise.
 */
#ifndef SERVER_STATUS_H
#define SERVER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/text.h"
#include "mdm-tunnel/limits.h"

struct status {
    const char *program, *version;
    uint64_t uptime_s, workers, clients;
    uint64_t port, tls_port, client_port; /* 0: there is none */
    bool ready, draining, encryption, broker_embedded, broker_up;
    uint64_t requests_rate, sent_rate, received_rate; /* by the second */
    uint64_t workers_cpu_us[WORKERS_MAX]; /* of as many as there are; 0: not known yet */
    uint64_t counters[COUNTER_MAX];
};

/* What passed in all, when: whoever asks again and again has one of his own. Zeroed at first. */
struct status_sample {
    uint64_t at_us, requests, sent, received;
    uint64_t requests_rate, sent_rate, received_rate;
};

/* Counters, and rates over what passed since the last look: a second at least, or the rates are those of then. */
void status_count(struct status *s, struct status_sample *sample, uint64_t now_us);

/* An object and an end of line. */
void status_json(struct text *out, const struct status *s);
/* Each row and each counter: its name, what it means where the name does not say it (else the name again), and its value. */
void status_each(const struct status *s, void (*row)(void *ctx, const char *name, const char *meaning, const char *value), void *ctx);

#endif
