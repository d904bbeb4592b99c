/* SPDX-License-Identifier: Apache-2.0 */
/* What only the server can say: whether it knows us, whether we know it, what time it is there. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/client.h"
#include "client/doctor.h"
#include "client/keys.h"
#include "config/state.h"
#include "files/range.h"
#include "link/socket.h"
#include "relay/crew.h"

/* A server on a broker may be asked for presences before it begins a session. */
#define SESSION_WAIT_US (12 * US_PER_S)
/* What it says of its public port comes with the session, or never. */
#define PUBLIC_WAIT_US (1 * US_PER_S)
#define STEP_MS 20
#define LOOK_US (1 * US_PER_S)
#define DATE_WAIT_MS 2000
#define CLOCK_OFF_S 60
#define ANSWER_MAX 4096

/* -- the clock ----------------------------------------------------------------------------------------------------- */

/* The head of the answer to HEAD; "" when there is none. */
static void head_ask(const char *host, uint16_t port, char answer[static ANSWER_MAX])
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    const struct timeval wait = {.tv_sec = DATE_WAIT_MS / 1000};
    struct addrinfo *list = NULL;
    char text[8], request[400];
    int fd = -1;
    answer[0] = '\0';
    snprintf(text, sizeof(text), "%u", port);
    if (getaddrinfo(host, text, &hints, &list) != 0)
        return;
    for (const struct addrinfo *i = list; i != NULL && fd < 0; i = i->ai_next)
        fd = socket_dial(i->ai_addr, i->ai_addrlen, DATE_WAIT_MS);
    freeaddrinfo(list);
    if (fd < 0)
        return;
    int len = snprintf(request, sizeof(request), "HEAD / HTTP/1.1\r\nHost: %.255s:%u\r\nConnection: close\r\n\r\n", host, port);
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    size_t got = 0;
    ssize_t n = send(fd, request, (size_t)len, MSG_NOSIGNAL);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    while (n > 0 && got < ANSWER_MAX - 1 && poll(&polled, 1, DATE_WAIT_MS) > 0 && (n = recv(fd, answer + got, ANSWER_MAX - 1 - got, 0)) > 0)
        got += (size_t)n;
    answer[got] = '\0';
    close(fd);
}

static bool date_of(char *answer, time_t *out)
{
    char *at = strcasestr(answer, "\ndate:");
    if (at == NULL)
        return false;
    at += strlen("\ndate:");
    at += strspn(at, " \t");
    at[strcspn(at, "\r\n")] = '\0';
    return http_date_parse(at, out);
}

static void clock_check(struct report *r, const struct options *o, const struct client_look *look)
{
    const struct way way = way_settings_way(&o->way);
    const char *host = way.brokers == NULL || look->public_host[0] == '\0' ? way_host(&way) : look->public_host;
    char answer[ANSWER_MAX];
    time_t theirs;
    if (look->public_port == 0 || look->public_tls) {
        report_line(r, "clock", LINK_GOOD, "not compared: the server has no public HTTP port to ask", "");
        return;
    }
    head_ask(host, look->public_port, answer);
    if (!date_of(answer, &theirs)) {
        report_format(r, "clock", LINK_GOOD, "", "not compared: %s:%u does not tell the time", host, look->public_port);
        return;
    }
    long long off = (long long)(time(NULL) - theirs);
    if (llabs(off) > CLOCK_OFF_S)
        report_format(r, "clock", LINK_DOUBTFUL, "Set the clock that is wrong (timedatectl set-ntp true): certificates and expires= go by it",
                      "this machine's clock is %lld s %s the server's", llabs(off), off > 0 ? "ahead of" : "behind");
    else
        report_line(r, "clock", LINK_GOOD, "the same as the server's", "");
}

/* -- a session ----------------------------------------------------------------------------------------------------- */

static void refusal_say(struct report *r, const struct error *why)
{
    char text[200];
    snprintf(text, sizeof(text), "%s (%s)", why->text, why->name);
    report_line(r, "server", LINK_BAD, text, "Standard error says more");
}

/* True when a session is up. */
static bool session_wait(struct client *c, struct client_look *look)
{
    struct pollfd news = {.fd = client_news(c), .events = POLLIN};
    uint64_t end_us = clock_now_us() + SESSION_WAIT_US, public_us = CLOCK_NEVER;
    while (clock_now_us() < end_us && !client_gave_up(c) && client_refused(c) == NULL) {
        uint64_t count;
        bool up = client_look(c, look, LOOK_US) && look->sessions > 0;
        if (up && public_us == CLOCK_NEVER)
            public_us = clock_now_us() + PUBLIC_WAIT_US;
        if (up && (look->public_port != 0 || clock_now_us() >= public_us))
            return true;
        if (poll(&news, 1, STEP_MS) > 0 && read(news.fd, &count, sizeof(count)) < 0)
            return false;
    }
    return false;
}

static void session_check(struct report *r, struct options *o, struct client *c, bool known)
{
    struct client_look look = {.sessions = 0};
    bool up = session_wait(c, &look);
    if (client_refused(c) != NULL) {
        refusal_say(r, client_refused(c));
    } else if (client_gave_up(c)) {
        report_format(r, "server", LINK_BAD, "", "no connection: %s", client_last_why(c));
    } else if (!up) {
        report_line(r, "server", LINK_BAD, "no server has begun a session",
                    "Look whether mdm-tunnel-server runs there, on the same broker and with the same --prefix");
    } else {
        report_format(r, "server", LINK_GOOD, "", "%s, latency %.1f ms", look.encrypted ? "an encrypted session" : "a session that is NOT encrypted",
                      (double)look.round_trip_us / US_PER_MS);
        if (!known)
            report_line(r, "server key", LINK_DOUBTFUL, "the first key that was shown is believed from now on",
                        "Compare what mdm-tunnel-server fingerprint says there with known_servers here, or say --server-key");
        else if (look.encrypted)
            report_line(r, "server key", LINK_GOOD, "it is the one that is known", "");
        clock_check(r, o, &look);
    }
}

/* Whether something is said of the server's key, so that no stranger's would be believed. */
static bool is_pinned(const struct options *o, struct keys *k)
{
    char *file = k->trust != NULL ? trust_known(k->trust) : NULL;
    size_t len = strlen(k->address);
    bool pinned = k->trust == NULL || o->server_keys != NULL || credential_settings_any(&o->credentials);
    for (const char *at = file; at != NULL && *at != '\0' && !pinned; at += strcspn(at, "\n"), at += *at == '\n')
        pinned = strncmp(at, k->address, len) == 0 && (at[len] == ' ' || at[len] == '\t');
    free(file);
    return pinned;
}

static void client_try(struct report *r, struct options *o, const char *id, struct keys *k, struct catalog *none)
{
    char instance[INSTANCE_TEXT_BYTES + 1];
    struct config_error err = {.text = "no random numbers"};
    struct way way = way_settings_way(&o->way);
    bool known = is_pinned(o, k);
    way.max_attempts = 1;
    const struct client_config config = {
        .id = id,
        .instance = instance,
        .way = &way,
        .workers = 1,
        .weight = 0,
        .catalog = none,
        .trust = k->trust,
        .server = {.address = k->address, .name = o->server_name != NULL ? o->server_name : way_host(&way)},
    };
    struct client *c = instance_create(instance) == 0 ? client_create(&config, &err) : NULL;
    int error = c != NULL ? client_start(c) : 0;
    if (c == NULL || error != 0)
        report_line(r, "server", LINK_BAD, c == NULL ? err.text : strerror(error), "");
    else
        session_check(r, o, c, known);
    if (c != NULL && error == 0)
        client_end(c);
    client_free(&c);
}

void doctor_server(struct report *r, struct options *o, const char *id)
{
    struct services empty = {0, NULL};
    struct config_error err;
    struct keys keys;
    if (o->server_keys != NULL && strcmp(o->server_keys, "none") == 0)
        return;
    if (!keys_make(o, &keys, &err)) {
        report_line(r, "keys", LINK_BAD, err.text, "");
        return;
    }
    struct catalog *none = catalog_create(&empty);
    if (none != NULL)
        client_try(r, o, id, &keys, none);
    catalog_unref(none);
    keys_done(&keys);
}
