/* SPDX-License-Identifier: Apache-2.0 */
/* The workstation: what happens on the worker that has the link. Life is in connect_life.c. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/label.h"
#include "base/log.h"
#include "connect/inner.h"
#include "connect/say.h"
#include "peer/offering.h"

#define DEFAULT_SERVICE "ssh"

static struct connect *connect_of(void *ctx)
{
    struct connect *c = ctx;
    CHECK_OBJECT(c, CONNECT_MAGIC);
    return c;
}

static struct device *device_find(struct connect *c, const char *id)
{
    for (unsigned i = 0; i < c->device_count; i++)
        if (strcmp(c->devices[i].id, id) == 0)
            return &c->devices[i];
    return NULL;
}

bool connect_is_ready(struct connect *c, const char *device)
{
    const struct device *d = device_find(c, device);
    return d != NULL && d->state == DEVICE_READY;
}

/* -- failure ------------------------------------------------------------------------------------------------------- */

void connect_say_over(struct connect *c, enum connect_over over)
{
    int none = CONNECT_GOES_ON;
    uint64_t one = 1;
    if (!atomic_compare_exchange_strong(&c->over, &none, over))
        return;
    ssize_t written = write(c->news, &one, sizeof(one));
    (void)written; /* an eventfd that was never written to takes it */
}

/* Others may still be of use. */
static void device_failed(struct device *d)
{
    struct connect *c = d->connect;
    d->state = DEVICE_FAILED;
    hub_query_cancel(&d->query);
    for (unsigned i = 0; i < c->device_count; i++)
        if (c->devices[i].state != DEVICE_FAILED) {
            if (c->config.wishes->list[0].kind == WISH_PUBLIC)
                connect_publish_look(c);
            return;
        }
    connect_say_over(c, CONNECT_FAILED);
}

void connect_timed_out(evutil_socket_t fd, short what, void *arg)
{
    struct connect *c = connect_of(arg);
    (void)fd;
    (void)what;
    for (unsigned i = 0; i < c->device_count; i++) {
        struct device *d = &c->devices[i];
        if (d->state == DEVICE_AWAITED)
            log_fatal(PROGRAM, "no device %s is at %s", d->id, c->config.way_text);
        else if (d->state == DEVICE_ASKED)
            log_fatal(PROGRAM, "%s does not say what it offers", d->id);
        else
            continue;
        device_failed(d);
    }
}

/* -- the link ------------------------------------------------------------------------------------------------------ */

static void on_link_up(void *ctx, struct hub_shard *s, const char *note)
{
    struct connect *c = connect_of(ctx);
    uint64_t us = c->config.timeout_us;
    (void)s;
    say("%s to %s", c->reached ? "connected again" : "connected", note);
    if (c->reached)
        return;
    c->reached = true;
    event_add(&c->timeout, &(struct timeval){(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)});
}

/* What was never reached is not waited for; what was, comes back. */
static void on_link_down(void *ctx, struct hub_shard *s, const char *why, uint64_t retry_us)
{
    struct connect *c = connect_of(ctx);
    (void)s;
    if (atomic_load(&c->ending))
        return;
    if (!c->reached && retry_us == 0) /* there is another broker, or another version of MQTT */
        log_info(PROGRAM, "cannot connect: %s", why);
    else if (!c->reached) {
        log_fatal(PROGRAM, "cannot connect to %s: %s", c->config.way_text, why);
        connect_say_over(c, CONNECT_FAILED);
    } else if (retry_us != CLOCK_NEVER)
        say("disconnected: %s; connecting again in %" PRIu64 " ms", why, retry_us / US_PER_MS);
}

/* -- keys ---------------------------------------------------------------------------------------------------------- */

const struct error *connect_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    struct connect *c = connect_of(ctx);
    struct device *d = id != NULL ? device_find(c, id) : NULL;
    struct config_error why;
    char text[FINGERPRINT_TEXT_BYTES + 1];
    bool first;
    (void)again;
    if (d == NULL || peer->other)
        return &error_key_not_allowed;
    const struct trust_whom whom = {.address = d->address, .name = d->id};
    const struct error *answer = trust_ask(c->config.trust, &whom, peer, &first, &why);
    fingerprint_text(&peer->key, text);
    if (answer == NULL && peer->means == SEAL_BY_PSK)
        say("%s has the pre-shared key %s", d->id, peer->psk->name);
    else if (answer == NULL)
        say("%s has the key %s%s", d->id, text, first ? ", seen for the first time and known from now on" : "");
    else if (!d->told || !fingerprint_equal(&d->stranger, &peer->key)) {
        d->stranger = peer->key;
        d->told = true;
        log_fatal(PROGRAM, "%s", why.text);
    }
    return answer;
}

static void refusal_say(const struct device *d, const struct error *reason)
{
    char text[FINGERPRINT_TEXT_BYTES + 1], host[256] = "", name[LABEL_BYTES + 1];
    fingerprint_text(seal_context_fingerprint(trust_seal(d->connect->config.trust)), text);
    if (gethostname(host, sizeof(host) - 1) != 0 || !label_normalise(host, strcspn(host, "."), name))
        snprintf(name, sizeof(name), "NAME");
    if (reason == &error_workstation_refused)
        log_fatal(PROGRAM, "%s does not let this workstation in. To let it, add this line to authorized_peers in the state "
                           "directory of mdm-tunnel-client on %s: %s %s", d->id, d->id, name, text);
    else if (reason == &error_encryption_mismatch)
        log_fatal(PROGRAM, "%s does not encrypt (--no-encryption): nobody would know who it is", d->id);
    else
        log_fatal(PROGRAM, "%s: %s (%s)", d->id, reason->text, reason->name);
}

static void on_session_up(void *ctx, const char *peer)
{
    (void)connect_of(ctx);
    log_info(peer, "session, encrypted");
}

/* A device with a wrong key is no reason to end: the right one may be there, too, and comes when it is found. */
static void on_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    struct connect *c = connect_of(ctx);
    struct device *d = device_find(c, peer);
    bool refused = reason == &error_workstation_refused || reason == &error_encryption_mismatch;
    log_info(peer, "session ended: %s", reason->text);
    if (d == NULL || d->state == DEVICE_FAILED || atomic_load(&c->ending))
        return;
    if (refused) {
        refusal_say(d, reason);
        device_failed(d);
    } else if (d->state == DEVICE_READY && reason != &error_session_idle)
        say("%s: the session has ended: %s", d->id, reason->text);
}

/* -- what a device offers ------------------------------------------------------------------------------------------ */

static bool offers(const struct service_entry *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return false;
}

static void offer_text(const struct service_entry *list, size_t count, char *out, size_t size)
{
    size_t len = 0;
    snprintf(out, size, "%s", count == 0 ? "nothing" : "");
    for (size_t i = 0; i < count && len < size - 1; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", list[i].name);
}

/* False: said why not. */
static bool wish_complete(struct wish *w, const struct service_entry *list, size_t count)
{
    char offered[512];
    if (w->target[0] != '\0')
        return true;
    if (w->service[0] == '\0' && offers(list, count, DEFAULT_SERVICE))
        snprintf(w->service, sizeof(w->service), "%s", DEFAULT_SERVICE);
    else if (w->service[0] == '\0' && count == 1)
        snprintf(w->service, sizeof(w->service), "%s", list[0].name);
    if (w->service[0] != '\0' && offers(list, count, w->service))
        return true;
    offer_text(list, count, offered, sizeof(offered));
    if (w->service[0] != '\0')
        log_fatal(PROGRAM, "%s has no service %s; it offers %s", w->device, w->service, offered);
    else
        log_fatal(PROGRAM, "which service of %s? Say %s/SERVICE; it offers %s", w->device, w->device, offered);
    return false;
}

static void wish_begin(struct connect *c, unsigned index)
{
    switch (c->config.wishes->list[index].kind) {
    case WISH_PUBLIC:
        connect_publish(c, index);
        return;
    case WISH_STDIO:
        connect_open_stdio(c, index);
        return;
    case WISH_UDP:
        connect_open_udp(c, index);
        return;
    case WISH_BACK:
        connect_back(c, index);
        return;
    case WISH_TCP:
        connect_open_door(c, index);
        return;
    }
}

static void on_offer(void *ctx, struct offering *o, const struct error *why)
{
    struct device *d = ctx;
    struct connect *c = d->connect;
    struct wishes *wishes = c->config.wishes;
    d->query = NULL;
    if (why != NULL) { /* its session has ended: said, or it comes again */
        d->state = d->state == DEVICE_ASKED ? DEVICE_AWAITED : d->state;
        return;
    }
    for (unsigned i = 0; i < wishes->count; i++)
        if (strcmp(wishes->list[i].device, d->id) == 0 && !wish_complete(&wishes->list[i], o->list, o->count)) {
            device_failed(d);
            return;
        }
    d->state = DEVICE_READY;
    for (unsigned i = 0; i < wishes->count; i++) {
        if (strcmp(wishes->list[i].device, d->id) != 0)
            continue;
        wish_begin(c, i);
    }
}

/* -- who is there -------------------------------------------------------------------------------------------------- */

static void on_client_up(void *ctx, struct hub_shard *s, const char *id, bool first)
{
    struct connect *c = connect_of(ctx);
    struct device *d = hub_shard_index(s) == 0 ? device_find(c, id) : NULL;
    if (d == NULL || d->state == DEVICE_FAILED)
        return;
    if (d->state == DEVICE_READY && first) {
        say("%s is back", d->id);
        connect_back_again(c, d->id);
    }
    if (d->state != DEVICE_AWAITED)
        return;
    struct hub_choice choice;
    const struct error *why;
    say("%s is there", d->id);
    if (!hub_choose(s, id, NULL, &choice, &why))
        return;
    d->query = hub_services(s, &choice, on_offer, d);
    if (d->query != NULL)
        d->state = DEVICE_ASKED;
}

static void on_client_down(void *ctx, struct hub_shard *s, const char *id, bool last)
{
    struct connect *c = connect_of(ctx);
    const struct device *d = hub_shard_index(s) == 0 ? device_find(c, id) : NULL;
    if (d != NULL && d->state == DEVICE_READY && last && !atomic_load(&c->ending))
        say("%s is gone", d->id);
}

/* -- streams that a device opens ------------------------------------------------------------------------------------- */

/* Somebody with authority there has ended the tunnels to it: as if it had not let us in. */
static void told_to_end(struct conduit *conduit, struct device *d, const char *who)
{
    conduit_accept(conduit);
    conduit_close(&conduit, &error_none);
    if (d->state == DEVICE_FAILED)
        return;
    log_fatal(PROGRAM, "%s: the tunnels were ended by %s", d->id, who);
    device_failed(d);
}

static void on_opened(void *ctx, struct hub_shard *s, struct conduit *conduit, const struct open_head *head)
{
    struct connect *c = connect_of(ctx);
    struct device *d = device_find(c, conduit_peer(conduit)->name);
    if (d != NULL && head->kind == STREAM_KIND_CONTROL && strcmp(head->service, "disconnect") == 0)
        told_to_end(conduit, d, head->visitor);
    else if (d != NULL && head->kind == STREAM_KIND_TCP)
        connect_back_open(c, hub_shard_index(s), conduit, head);
    else
        conduit_refuse(&conduit, &error_unknown_service);
}

const struct hub_events connect_hub_events = {
    .opened = on_opened,
    .link_up = on_link_up,
    .link_down = on_link_down,
    .client_up = on_client_up,
    .client_down = on_client_down,
    .session_up = on_session_up,
    .session_ended = on_session_ended,
};
