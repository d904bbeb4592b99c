/* SPDX-License-Identifier: Apache-2.0 */
/* Streams to local services: bytes, ends, aborts and failures, both ways. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stage.h"
#include "tap.h"

/* -- services ------------------------------------------------------------------------------------------------------ */

static int service_listen(int family, char *target, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    memset(&a, 0, sizeof(a));
    a.any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a.v6.sin6_addr = in6addr_loopback;
    socklen_t len = family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);
    int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (fd < 0 || bind(fd, &a.any, len) != 0 || listen(fd, 16) != 0 || getsockname(fd, &a.any, &len) != 0)
        return -1;
    snprintf(target, size, "svc=%u", ntohs(family == AF_INET ? a.v4.sin_port : a.v6.sin6_port));
    return fd;
}

/* With a deadline, so that a failing test ends. */
static int service_accept(int listener)
{
    const struct timeval deadline = {STAGE_WAIT_S, 0};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
    return fd;
}

static bool service_expects(int fd, const char *text)
{
    char got[64] = "";
    return recv(fd, got, strlen(text), MSG_WAITALL) == (ssize_t)strlen(text) && strcmp(got, text) == 0;
}

static bool service_says(int fd, const char *text) { return send(fd, text, strlen(text), MSG_NOSIGNAL) > 0; }

static void service_resets(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

struct scene {
    struct stage s;
    struct visitor v;
    int listener, fd;
};

/* A stage with one service and one stream to it. */
static bool scene_open(struct scene *c, int family)
{
    char target[32];
    c->listener = service_listen(family, target, sizeof(target));
    const char *const targets[] = {target, NULL};
    c->fd = -1;
    if (!OK(c->listener >= 0) || !OK(stage_open(&c->s, targets)) ||
        !OK(visitor_open(&c->s, &c->v, "svc", STREAM_KIND_HTTP)))
        return false;
    c->fd = service_accept(c->listener);
    return OK(c->fd >= 0);
}

static bool scene_ended(struct scene *c, const struct error *reason)
{
    bool ended = STAGE_AWAIT(&c->s, c->v.ended != NULL);
    if (ended && c->v.ended != reason)
        printf("# ended with %s\n", c->v.ended->name);
    return ended && c->v.ended == reason;
}

static void scene_close(struct scene *c)
{
    OK(STAGE_AWAIT(&c->s, c->s.idle || c->v.ended == NULL));
    stage_close(&c->s);
    if (c->fd >= 0)
        close(c->fd);
    close(c->listener);
}

/* -- ends ---------------------------------------------------------------------------------------------------------- */

static void carries_a_conversation(void)
{
    struct scene c;
    if (!scene_open(&c, AF_INET))
        return;
    OK(visitor_write(&c.v, "ping"));
    OK(service_expects(c.fd, "ping"));
    OK(service_says(c.fd, "pong"));
    OK(STAGE_AWAIT(&c.s, c.v.bytes == 4));
    OK(c.v.accepted);
    OK_TEXT(c.v.head, "pong");
    OK_INT(c.s.streams, 1);
    close(c.fd);
    c.fd = -1;
    OK(STAGE_AWAIT(&c.s, c.v.finished));
    OK(visitor_fin(&c.v));
    OK(scene_ended(&c, &error_none));
    OK(STAGE_AWAIT(&c.s, c.s.idle));
    OK_INT(c.s.streams, 0);
    scene_close(&c);
}

static void carries_half_close(void)
{
    struct scene c;
    char byte;
    if (!scene_open(&c, AF_INET))
        return;
    OK(visitor_write(&c.v, "all I have to say"));
    OK(visitor_fin(&c.v));
    OK(service_expects(c.fd, "all I have to say"));
    OK_INT(recv(c.fd, &byte, 1, 0), 0);
    OK(service_says(c.fd, "a late answer"));
    OK(STAGE_AWAIT(&c.s, c.v.bytes == 13));
    OK_TEXT(c.v.head, "a late answer");
    OK(!c.v.finished);
    close(c.fd);
    c.fd = -1;
    OK(scene_ended(&c, &error_none));
    scene_close(&c);
}

static void carries_the_service_s_half_close(void)
{
    struct scene c;
    if (!scene_open(&c, AF_INET))
        return;
    shutdown(c.fd, SHUT_WR);
    OK(STAGE_AWAIT(&c.s, c.v.finished));
    OK(visitor_write(&c.v, "still here"));
    OK(service_expects(c.fd, "still here"));
    OK(visitor_fin(&c.v));
    OK(scene_ended(&c, &error_none));
    scene_close(&c);
}

static void tells_of_a_reset(void)
{
    struct scene c;
    if (!scene_open(&c, AF_INET))
        return;
    service_resets(c.fd);
    c.fd = -1;
    OK(scene_ended(&c, &error_service_reset));
    OK(!c.v.finished);
    scene_close(&c);
}

static void resets_the_service_when_the_visitor_is_gone(void)
{
    struct scene c;
    char byte;
    if (!scene_open(&c, AF_INET))
        return;
    OK(visitor_write(&c.v, "x"));
    OK(service_expects(c.fd, "x"));
    OK(visitor_cut(&c.v));
    errno = 0;
    OK_INT(recv(c.fd, &byte, 1, 0), -1);
    OK_INT(errno, ECONNRESET);
    OK(STAGE_AWAIT(&c.s, c.s.idle));
    scene_close(&c);
}

static void cuts_all(void)
{
    struct scene c;
    char byte;
    if (!scene_open(&c, AF_INET))
        return;
    OK(stage_do(&c.s, stage_cut_run, &c.s));
    errno = 0;
    OK_INT(recv(c.fd, &byte, 1, 0), -1);
    OK_INT(errno, ECONNRESET);
    OK(scene_ended(&c, &error_shutting_down));
    scene_close(&c);
}

static void drains_what_waits_for_a_request(void)
{
    struct scene c;
    struct visitor asking;
    char byte;
    if (!scene_open(&c, AF_INET))
        return;
    OK(visitor_write(&c.v, "GET"));
    OK(service_expects(c.fd, "GET"));
    OK(service_says(c.fd, "OK"));
    OK(visitor_open(&c.s, &asking, "svc", STREAM_KIND_HTTP));
    int busy = service_accept(c.listener);
    OK(visitor_write(&asking, "GET"));
    OK(service_expects(busy, "GET"));
    OK(STAGE_AWAIT(&c.s, c.v.bytes == 2));
    OK(stage_do(&c.s, stage_drain_run, &c.s));
    OK_INT(recv(c.fd, &byte, 1, 0), 0);
    OK(STAGE_AWAIT(&c.s, c.v.finished));
    OK(visitor_fin(&c.v));
    OK(scene_ended(&c, &error_none));
    OK(asking.ended == NULL && !asking.finished); /* it waits for its answer */
    OK(service_says(busy, "OK"));
    OK(STAGE_AWAIT(&c.s, asking.bytes == 2 && asking.finished)); /* and goes after it */
    OK(visitor_fin(&asking));
    close(busy);
    OK(STAGE_AWAIT(&c.s, c.s.idle));
    scene_close(&c);
}

/* -- failures ------------------------------------------------------------------------------------------------------ */

static void open_fails(const char *target, const char *service, enum stream_kind kind, const struct error *reason)
{
    struct stage s;
    struct visitor v;
    const char *const targets[] = {target, NULL};
    if (!OK(stage_open(&s, targets)))
        return;
    OK(visitor_open(&s, &v, service, kind));
    OK(visitor_write(&v, "early")); /* may come before the refusal */
    OK(STAGE_AWAIT(&s, v.ended != NULL));
    OK(v.ended == reason);
    OK(!v.accepted);
    OK_INT(s.streams, 0);
    stage_close(&s);
}

static void refused(void)
{
    char target[32];
    close(service_listen(AF_INET, target, sizeof(target)));
    open_fails(target, "svc", STREAM_KIND_HTTP, &error_service_refused);
}

static void unknown_service(void) { open_fails("svc=9", "other", STREAM_KIND_HTTP, &error_unknown_service); }
static void kind_not_offered(void) { open_fails("svc=9", "svc", STREAM_KIND_TCP, &error_kind_not_offered); }

static void no_unix_socket(void)
{
    open_fails("svc=unix:/no/such/socket", "svc", STREAM_KIND_WS, &error_service_refused);
}

static void no_such_host(void)
{
    open_fails("svc=no-such-host.invalid:1", "svc", STREAM_KIND_HTTP, &error_service_refused);
}

/* -- targets ------------------------------------------------------------------------------------------------------- */

static void port_means_both_loopbacks(void)
{
    struct scene c;
    char probe[32];
    int v6 = service_listen(AF_INET6, probe, sizeof(probe));
    if (v6 < 0) {
        OK(true); /* a machine without IPv6 */
        return;
    }
    close(v6);
    if (!scene_open(&c, AF_INET6))
        return;
    OK(service_says(c.fd, "six"));
    OK(STAGE_AWAIT(&c.s, c.v.bytes == 3));
    scene_close(&c);
}

static void unix_socket(void)
{
    char directory[] = "/tmp/test-local-XXXXXX", target[128];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stage s;
    struct visitor v;
    if (!OK(mkdtemp(directory) != NULL))
        return;
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", directory);
    snprintf(target, sizeof(target), "svc=unix:%s", a.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    OK(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 4) == 0);
    const char *const targets[] = {target, NULL};
    OK(stage_open(&s, targets));
    OK(visitor_open(&s, &v, "svc", STREAM_KIND_WS));
    OK(visitor_write(&v, "hello"));
    int fd = service_accept(listener);
    OK(service_expects(fd, "hello"));
    OK(service_says(fd, "there"));
    OK(STAGE_AWAIT(&s, v.bytes == 5));
    stage_close(&s);
    close(fd);
    close(listener);
    unlink(a.sun_path);
    rmdir(directory);
}

/* -- bulk ---------------------------------------------------------------------------------------------------------- */

#define BULK (8u * 1024 * 1024)

static void visitor_bulk_run(void *arg)
{
    struct visitor *v = arg;
    v->to_write = BULK;
    v->fin_after = true;
    visitor_on_writable(v);
}

static void visitor_resume_run(void *arg)
{
    struct visitor *v = arg;
    v->paused = false;
    visitor_on_readable(v);
}

static void *service_sends_bulk(void *arg)
{
    static uint8_t bytes[BULK];
    int fd = *(int *)arg;
    for (size_t i = 0; i < BULK; i++)
        bytes[i] = pattern(i);
    for (size_t sent = 0; sent < BULK;) {
        ssize_t n = send(fd, bytes + sent, BULK - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return NULL;
        sent += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

/* Both directions at once, the visitor deaf at first: nothing is lost, nothing is reordered. */
static void carries_bulk_both_ways(void)
{
    struct scene c;
    pthread_t sender;
    uint8_t buffer[16384];
    size_t got = 0, wrong = 0;
    if (!scene_open(&c, AF_INET))
        return;
    c.v.paused = true;
    pthread_create(&sender, NULL, service_sends_bulk, &c.fd);
    OK(stage_do(&c.s, visitor_bulk_run, &c.v));
    for (ssize_t n; (n = recv(c.fd, buffer, sizeof(buffer), 0)) > 0; got += (size_t)n)
        for (size_t i = 0; i < (size_t)n; i++)
            wrong += buffer[i] != pattern(got + i);
    OK_INT(got, BULK);
    OK_INT(wrong, 0);
    OK_INT(c.v.bytes, 0);
    OK(stage_do(&c.s, visitor_resume_run, &c.v));
    OK(STAGE_AWAIT(&c.s, c.v.finished));
    OK_INT(c.v.bytes, BULK);
    OK_INT(c.v.wrong, 0);
    OK(scene_ended(&c, &error_none));
    pthread_join(sender, NULL);
    scene_close(&c);
}

/* A service that answers before the upload is over, finishes and hangs up: its answer arrives whole. */
static void early_answer_arrives(void)
{
    struct scene c;
    if (!scene_open(&c, AF_INET))
        return;
    OK(service_says(c.fd, "too large"));
    shutdown(c.fd, SHUT_WR);
    OK(STAGE_AWAIT(&c.s, c.v.finished));
    OK_TEXT(c.v.head, "too large");
    close(c.fd); /* what comes from now on is answered with a reset */
    c.fd = -1;
    OK(stage_do(&c.s, visitor_bulk_run, &c.v));
    OK(scene_ended(&c, &error_none));
    scene_close(&c);
}

static void small_in_memory(void)
{
    OK(LOCAL_READ_BYTES >= ENVELOPE_MAX_EMBEDDED / 2);
    OK(sizeof(struct client_shard) < 4096);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct tap_case cases[] = {
        {"carries a conversation", carries_a_conversation},
        {"carries half-close", carries_half_close},
        {"carries the service's half-close", carries_the_service_s_half_close},
        {"tells of a reset", tells_of_a_reset},
        {"resets the service when the visitor is gone", resets_the_service_when_the_visitor_is_gone},
        {"cuts all", cuts_all},
        {"drains what waits for a request", drains_what_waits_for_a_request},
        {"refused", refused},
        {"unknown service", unknown_service},
        {"kind not offered", kind_not_offered},
        {"no unix socket", no_unix_socket},
        {"no such host", no_such_host},
        {"a port means both loopbacks", port_means_both_loopbacks},
        {"unix socket", unix_socket},
        {"carries bulk both ways", carries_bulk_both_ways},
        {"an early answer arrives", early_answer_arrives},
        {"small in memory", small_in_memory},
    };
    return TAP_RUN(cases);
}
