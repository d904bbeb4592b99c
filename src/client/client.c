/* SPDX-License-Identifier: Apache-2.0 */
/* The home side: what happens on the workers. Life and shutdown are in client_life.c, reloading in client_reload.c. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/client_inner.h"
#include "client/guest.h"
#include "client/local.h"

/* Silence is for what works. */
#define PROGRAM "mdm-tunnel-client"

static void on_link_up(void *ctx, struct hub_shard *s, const char *note)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)s;
    c->connected = true;
    c->changed_s = time(NULL);
    c->connections++;
    snprintf(c->connected_to, sizeof(c->connected_to), "%s", note);
    log_info(c->id, "connected to %s", note);
    log_info(c->id, "identified as %s", c->id);
    if (!atomic_exchange(&c->identified, true))
        client_tell_news(c);
}

static void on_link_down(void *ctx, struct hub_shard *s, const char *why, uint64_t retry_us)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)s;
    log_info(c->id, "%s: %s", c->connected ? "disconnected" : "cannot connect", why);
    if (c->connected)
        c->changed_s = time(NULL);
    c->connected = c->trusted = false;
    snprintf(c->disconnected_why, sizeof(c->disconnected_why), "%s", why);
    if (retry_us != CLOCK_NEVER)
        log_info(c->id, "reconnecting in %" PRIu64 " ms", retry_us / US_PER_MS);
    else if (!atomic_load(&c->ending)) {
        snprintf(c->last_why, sizeof(c->last_why), "%s", why);
        atomic_store(&c->gave_up, true);
        client_tell_news(c);
    }
}

static void on_session_up(void *ctx, const char *peer)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    log_info(c->id, "session with %s, %s", peer, c->trust != NULL ? "encrypted" : "NOT encrypted");
    atomic_store(&c->refused, NULL);
}

/* -- who the server is, and what it says of us ------------------------------------------------------------------------ */

/* Anybody on a broker may try to be the server: the user is told once of each key, and not at all beside the right one. */
static void stranger_tell(struct client *c, const struct fingerprint *key, const char *why)
{
    if (c->trusted || fingerprint_equal(&c->stranger, key)) {
        log_info(c->id, "a session is refused: %s", why);
        return;
    }
    c->stranger = *key;
    log_fatal(PROGRAM, "%s", why);
}

/* Strangers may try often: they are an event, not an error. */
static const struct error *guest_admit(struct client *c, const struct seal_peer *peer, bool again)
{
    struct gate_who who;
    struct config_error why;
    const struct error *answer = gate_admit(c->gate, peer, &who, &why);
    if (answer != NULL)
        log_info(c->id, "%s", why.text);
    else if (!again)
        log_info(c->id, "the workstation of %s comes in", who.name);
    return answer;
}

const struct error *client_admit(void *ctx, const char *id, const struct seal_peer *peer, bool again)
{
    struct client *c = ctx;
    struct config_error why;
    char text[FINGERPRINT_TEXT_BYTES + 1];
    bool first;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)id;
    if (peer->other)
        return guest_admit(c, peer, again);
    const struct error *answer = trust_ask(c->trust, &c->server, peer, &first, &why);
    fingerprint_text(&peer->key, text);
    if (answer != NULL) {
        stranger_tell(c, &peer->key, why.text);
        if (!c->trusted)
            atomic_store(&c->refused, answer); /* it is told */
        return answer;
    }
    c->trusted = true;
    if (peer->means == SEAL_BY_PSK)
        log_info(c->id, "the server has the pre-shared key %s", peer->psk->name);
    else
        log_info(c->id, "the server's key is %s%s", text, first ? ", seen for the first time and known from now on" : "");
    return NULL;
}

/* What the user can do about it depends on what was to be proven. */
static void refusal_tell(struct client *c, const struct error *reason)
{
    char text[FINGERPRINT_TEXT_BYTES + 1] = "";
    if (c->trust != NULL)
        fingerprint_text(seal_context_fingerprint(trust_seal(c->trust)), text);
    if (reason == &error_encryption_mismatch)
        log_fatal(PROGRAM, "%s: say --no-encryption here and at the server, or at neither", reason->text);
    else if (reason == &error_psk_refused)
        log_fatal(PROGRAM, "no session as %s: %s (%s). Both files of pre-shared keys need a line with the same name and key, "
                           "and the server's has to be for this id", c->id, reason->text, reason->name);
    else if (reason == &error_certificate_refused)
        log_fatal(PROGRAM, "no session as %s: %s (%s). Certificates on both sides have to be of the authorities (--ca) of the "
                           "other, ours for the id %s", c->id, reason->text, reason->name, c->id);
    else if (reason == &error_name_reserved)
        log_fatal(PROGRAM, "the server refuses %s: %s (%s). Another id is needed (--id)", c->id, reason->text, reason->name);
    else
        log_fatal(PROGRAM, "the server refuses %s: %s (%s). To let this client in, say there: mdm-tunnel-server clients "
                           "allow %s %s", c->id, reason->text, reason->name, c->id, text);
}

static bool is_refusal(const struct error *reason)
{
    return reason == &error_name_taken || reason == &error_key_not_allowed || reason == &error_encryption_mismatch ||
           reason == &error_server_key_unknown || reason == &error_psk_refused || reason == &error_certificate_refused ||
           reason == &error_name_reserved;
}

/* The server tries again by itself; whoever limits the attempts does not want to wait for that. */
static void refused(struct client *c, const struct error *reason)
{
    bool about_server = reason == &error_server_key_unknown || reason == &error_psk_refused ||
                        reason == &error_certificate_refused;
    if (about_server && c->trusted)
        return;
    if (atomic_exchange(&c->refused, reason) != reason && reason != &error_server_key_unknown)
        refusal_tell(c, reason);
    if (c->limited && !atomic_load(&c->ending)) {
        atomic_store(&c->gave_up, true);
        client_tell_news(c);
    }
}

static void on_session_ended(void *ctx, const char *peer, const struct error *reason)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    log_info(c->id, "session with %s ended: %s", peer, reason->text);
    publicity_forget(&c->publicity, peer);
    if (is_refusal(reason))
        refused(c, reason);
}

static void on_opened(void *ctx, struct hub_shard *s, struct conduit *conduit, const struct open_head *head)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    struct client_shard *shard = &c->shards[hub_shard_index(s)];
    bool guest = conduit_peer(conduit)->guest && c->gate != NULL;
    if (guest && head->kind == STREAM_KIND_PUBLISH)
        publish_open(c, conduit, head);
    else if (!guest || !guest_open(shard, conduit, head))
        local_open(shard, conduit, head);
}

static void urls_tell(struct client *c)
{
    const struct services *services = catalog_services(c->catalog);
    char url[PUBLIC_URL_MAX];
    for (size_t i = 0; i < services->count && c->announce != NULL; i++)
        if (publicity_url(&c->publicity, &services->list[i], c->id, c->host, url))
            c->announce(c->announce_ctx, services->list[i].name, url);
}

/* Where visitors of HTTP find the services. */
static void web_heard(struct client *c, const char *server, const struct public_port *p)
{
    if (publicity_hear(&c->publicity, server, p))
        urls_tell(c);
}

void client_refusal_text(const struct client *c, const struct public_port *p, char *out, size_t size)
{
    char key[FINGERPRINT_TEXT_BYTES + 1] = "";
    if (p->scheme != PUBLIC_DOMAIN) {
        public_port_refusal(p, out, size);
        return;
    }
    if (c->trust != NULL)
        fingerprint_text(seal_context_fingerprint(trust_seal(c->trust)), key);
    public_domain_refusal(&c->publicity, p, key, out, size);
}

static void domain_heard(struct client *c, const char *server, const struct public_port *p)
{
    char text[REFUSAL_TEXT_MAX];
    if (!publicity_hear(&c->publicity, server, p))
        return;
    if (p->why == &error_none) {
        log_info(c->id, "the domain %s leads here", p->host);
        return;
    }
    client_refusal_text(c, p, text, sizeof(text));
    log_fatal(PROGRAM, "%s", text);
}

/* Who has been told to make one service public has nothing else to do. */
static void port_refused(struct client *c, const struct public_port *p)
{
    if (c->announce == NULL || atomic_load(&c->ending))
        return;
    atomic_store(&c->refused, p->why); /* it is told */
    atomic_store(&c->gave_up, true);
    client_tell_news(c);
}

/* A service that is not what its file says is no success: silence would be wrong. */
static void on_public_port(void *ctx, struct hub_shard *s, const char *server, const struct public_port *p)
{
    struct client *c = ctx;
    char text[REFUSAL_TEXT_MAX];
    CHECK_OBJECT(c, CLIENT_MAGIC);
    (void)s;
    if (p->scheme == PUBLIC_DOMAIN) {
        domain_heard(c, server, p);
        return;
    }
    if (p->scheme != PUBLIC_TCP) {
        web_heard(c, server, p);
        return;
    }
    const struct service *service = services_find(catalog_services(c->catalog), p->service);
    if (service == NULL || !(service->wants_port || service->published))
        return;
    bool news = publicity_hear(&c->publicity, server, p);
    publish_heard(c, p);
    if (!news)
        return;
    if (p->why == &error_none) {
        public_port_text(p, c->host, text, sizeof(text));
        log_info(c->id, "service %s is at %s for everybody", p->service, text);
        urls_tell(c);
        return;
    }
    client_refusal_text(c, p, text, sizeof(text));
    if (service->wants_port) {
        log_fatal(PROGRAM, "%s", text);
        port_refused(c, p);
    } else {
        log_info(c->id, "%s", text);
    }
}

/* -- what the hub is told ----------------------------------------------------------------------------------------------- */

const struct hub_events client_hub_events = {
    .link_up = on_link_up,
    .link_down = on_link_down,
    .opened = on_opened,
    .public_port = on_public_port,
    .session_up = on_session_up,
    .session_ended = on_session_ended,
};

unsigned client_place(void *ctx, const struct open_head *head)
{
    struct client *c = ctx;
    CHECK_OBJECT(c, CLIENT_MAGIC);
    if (head->kind == STREAM_KIND_PUBLISH)
        return 0; /* what servers say of ports is heard there */
    struct worker *w = worker_self();
    return placing_choose(&c->placing, worker_index(w), c->crew.count, worker_now_us(w), clock_thread_us());
}
