/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's way to where peers meet: the server's own broker at host and port, or the broker of a URL. Fills in what
 * hub and link need; the hub owns the link.
 */
#ifndef RELAY_WAY_H
#define RELAY_WAY_H

#include "config/broker_settings.h"
#include "link/checkup.h"
#include "link/proxy.h"
#include "link/url.h"
#include "peer/hub.h"

struct way {
    const char *host;
    uint16_t port;
    const struct broker_settings *broker;
    const struct link_urls *brokers; /* NULL: the server's own broker at host and port */
    const struct link_proxy *proxy;  /* on the way there; NULL: none */
    unsigned max_attempts;           /* 0: for ever */
    uint64_t grace_us;               /* how long streams outlive the connection; the smaller of both ends' counts */
};

/* The address that `way` leads to, the first one of several, for messages and files. */
const char *way_host(const struct way *w);
uint16_t way_port(const struct way *w);
/* Prefix, envelopes, windows, times: what the way says; the rest of `out` stays. */
void way_fill_hub(const struct way *w, struct hub_config *out);
/* The way is gone step by step, to each broker, and what is found is said. Blocks for some seconds a broker; without workers. */
void way_checkup(const struct way *w, const char *instance, link_checkup_fn *say, void *ctx);
/* A link on the hub's worker 0. False without memory. */
bool way_make_link(const struct way *w, struct hub *h, const char *instance);

#endif
