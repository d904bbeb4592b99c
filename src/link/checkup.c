/* SPDX-License-Identifier: Apache-2.0 */
/* The way to a broker, gone step by step. */
#include "link/checkup.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "link/paho.h"
#include "link/probe.h"
#include "link/proxy.h"
#include "mdm-tunnel/limits.h"

#define ADDRESSES_MAX 4 /* are tried */
#define ANSWER_TIMEOUT_S 10
#define EXPIRES_SOON_S (7 * 86400)
#define TEXT_MAX 400

struct checkup {
    const struct link_url *url;
    const struct link_proxy *proxy; /* NULL: none on the way */
    struct paho_config paho;
    size_t payload;
    link_checkup_fn *say;
    void *ctx;
};

__attribute__((format(printf, 5, 6))) static void say(const struct checkup *c, const char *what, enum link_finding finding, const char *deed,
                                                      const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    c->say(c->ctx, what, finding, text, deed);
}

/* -- the name ------------------------------------------------------------------------------------------------------ */

static struct addrinfo *resolve(const struct checkup *c)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    const char *host = c->proxy != NULL ? c->proxy->host : c->url->host, *whose = c->proxy != NULL ? "the proxy " : "";
    struct addrinfo *list = NULL;
    char port[8], text[TEXT_MAX / 2] = "", one[80];
    snprintf(port, sizeof(port), "%u", c->proxy != NULL ? c->proxy->port : c->url->port);
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        say(c, "resolution", LINK_BAD, "Look whether the name is right, and whether this machine can ask its name servers (/etc/resolv.conf)",
            "%s%.100s: %s", whose, host, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
        return NULL;
    }
    unsigned count = 0;
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next, count++) {
        size_t len = strlen(text);
        paho_address_text(i->ai_addr, i->ai_addrlen, one, sizeof(one));
        if (count < ADDRESSES_MAX)
            snprintf(text + len, sizeof(text) - len, "%s%s", count > 0 ? ", " : "", one);
    }
    say(c, "resolution", LINK_GOOD, "", "%s%.100s is %s%s", whose, host, text, count > ADDRESSES_MAX ? ", ..." : "");
    return list;
}

/* -- the way ------------------------------------------------------------------------------------------------------- */

static const char *deed_of(const struct checkup *c, const char *why)
{
    if (strstr(why, "not yet valid") != NULL || strstr(why, "expired") != NULL)
        return "Compare this machine's clock with the right time; if it is right, the certificate needs to be renewed";
    if (strncmp(why, "certificate verify failed", 25) == 0)
        return "The certificate has to be for the host in the URL, and of an authority in --ca-cert (default: the system's)";
    if (strncmp(why, "TLS", 3) == 0 || strncmp(why, "no answer to TLS", 16) == 0)
        return "Look whether that port speaks TLS, and whether it wants a certificate (--client-cert)";
    if (strstr(why, "proxy") != NULL)
        return "The proxy has to allow CONNECT to that host and port; --proxy says which one, with user and password";
    if (strstr(why, "WebSocket") != NULL)
        return "Look whether the path in the URL is the broker's";
    return c->url->tls || c->url->websocket ? "Look whether the broker runs and the URL's port is right, and whether a firewall is between"
                                            : "Look whether the server runs and --host and --port are right, and whether a firewall is between";
}

static void tls_say(const struct checkup *c, const struct tls_probe_seen *seen)
{
    char date[32] = "";
    time_t at = (time_t)seen->expires_s, now = time(NULL);
    struct tm tm;
    if (at == 0 || gmtime_r(&at, &tm) == NULL || strftime(date, sizeof(date), "%F", &tm) == 0)
        return;
    bool soon = at - now < EXPIRES_SOON_S;
    say(c, "TLS", soon ? LINK_DOUBTFUL : LINK_GOOD, soon ? "It needs to be renewed" : "", "%s, the certificate is valid until %s", seen->version, date);
}

/* Returns the first address that a connection can be made to; NULL: none. By name, it is the library that chooses. */
static const struct addrinfo *reach(const struct checkup *c, const struct addrinfo *list)
{
    const struct addrinfo *found = NULL;
    unsigned count = 0;
    for (const struct addrinfo *i = list; i != NULL && count < ADDRESSES_MAX; i = i->ai_next, count++) {
        char address[80], why[LINK_PROBE_WHY];
        struct tls_probe_seen seen = {.version = ""};
        paho_address_text(i->ai_addr, i->ai_addrlen, address, sizeof(address));
        bool good = link_probe(&c->paho, i->ai_addr, i->ai_addrlen, &seen, why);
        if (good)
            say(c, "reachability", LINK_GOOD, "", "%s answers", address);
        else
            say(c, "reachability", i->ai_next != NULL || found != NULL ? LINK_DOUBTFUL : LINK_BAD, deed_of(c, why), "%s: %s", address, why);
        if (good && found == NULL) {
            tls_say(c, &seen);
            found = i;
        }
    }
    return found;
}

/* -- the broker ---------------------------------------------------------------------------------------------------- */

static void limits_say(const struct checkup *c, const struct paho_limits *l)
{
    size_t needed = c->payload + MQTT_TOPIC_MAX;
    char size[64] = "any packet";
    if (l->packet_max != SIZE_MAX)
        snprintf(size, sizeof(size), "packets of %zu bytes", l->packet_max);
    if (!l->retain || !l->wildcards)
        say(c, "broker limits", LINK_BAD, "This broker cannot be used: clients and servers find each other by retained messages and wildcards",
            "it has no %s", l->retain ? "wildcards" : "retained messages");
    else if (l->packet_max < needed)
        say(c, "broker limits", LINK_DOUBTFUL, "Messages are made as small as that, which costs speed; a broker with a larger limit is better",
            "it takes %s, and we would send %zu", size, needed);
    else
        say(c, "broker limits", LINK_GOOD, "", "it takes %s", size);
}

static void enter(const struct checkup *c, const struct addrinfo *address)
{
    struct paho_error err;
    struct paho *p = paho_connect(&c->paho, PAHO_MQTT_5, address->ai_addr, address->ai_addrlen, &err);
    bool five = p != NULL;
    if (p == NULL && (err.version || err.silent))
        p = paho_connect(&c->paho, PAHO_MQTT_3_1_1, address->ai_addr, address->ai_addrlen, &err);
    if (p == NULL)
        say(c, "MQTT", LINK_BAD, "Look whether it is a port for MQTT, at --username and --password, and at what the broker allows this user",
            "the broker does not let us in: %s", err.text);
    else
        say(c, "MQTT", LINK_GOOD, "", "the broker lets us in, by MQTT %s", five ? "5" : "3.1.1, which knows no limits to tell");
    if (five)
        limits_say(c, paho_limits(p));
    paho_free(&p);
}

void link_checkup(const struct link_mqtt_config *config, unsigned index, link_checkup_fn *told, void *ctx)
{
    const struct link_url *url = &config->urls[index];
    struct checkup c = {.url = url, .payload = config->max_payload, .say = told, .ctx = ctx};
    c.proxy = config->proxy != NULL && config->proxy->port != 0 ? config->proxy : NULL;
    c.paho = (struct paho_config){
        .client_id = config->client_id,
        .host = url->host,
        .port = url->port,
        .tls = url->tls,
        .path = url->websocket ? url->path : NULL,
        .ca_file = config->ca_file,
        .cert_file = config->cert_file,
        .key_file = config->key_file,
        .alpn = config->alpn,
        .proxy = c.proxy,
        .username = config->username,
        .password = config->password,
        .keep_alive_s = (unsigned)(config->keep_alive_us / US_PER_S),
        .timeout_s = ANSWER_TIMEOUT_S,
        .max_payload = config->max_payload,
    };
    struct addrinfo *list = resolve(&c);
    const struct addrinfo *found = list != NULL ? reach(&c, list) : NULL;
    if (found != NULL)
        enter(&c, found);
    if (list != NULL)
        freeaddrinfo(list);
}
