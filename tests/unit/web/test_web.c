/* SPDX-License-Identifier: Apache-2.0 */
/* The server over loopback sockets, with bytes as browsers and others send them. */
#include "web/web.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tap.h"

#define TOKEN "0123456789abcdef"
#define BODY_MAX 1000

extern const struct web_file test_files[];

static unsigned handled; /* read after the answer has come */
static uint16_t port;

#define BIG_BYTES (16u << 20) /* more than sockets hold */
static atomic_uint done;

static void on_done(void *ctx) { atomic_store(&done, ctx == &done ? 1 : 2); }

static void handle(void *ctx, const struct web_request *r, struct web_reply *out)
{
    struct text t;
    const char *q = web_query(r, "q"), *mark = web_header(r, "X-Mark");

    (void)ctx;
    handled++;
    if (web_reply_file(out, test_files, r))
        return;
    if (strcmp(r->path, "/field") == 0) {
        web_reply_error(out, 200, "a \"word\"");
        web_reply_field(out, "Content-Security-Policy", "sandbox");
        web_reply_field(out, "X-Own", "yes");
    } else if (strcmp(r->path, "/split") == 0) {
        web_reply_field(out, "X-Own", "a\r\nX-Other: b");
    } else if (strcmp(r->path, "/large") == 0) {
        text_init(&t, 10);
        text_add(&t, "12345678901", 11);
        web_reply_text(out, 200, "text/plain", &t);
    } else if (strcmp(r->path, "/big") == 0) {
        out->status = 200;
        out->type = "text/plain";
        out->body = calloc(1, BIG_BYTES);
        out->len = BIG_BYTES;
        out->done = on_done;
    } else if (strcmp(r->path, "/none") != 0) {
        text_init(&t, 4096);
        text_format(&t, "%s %s q=%s mark=%s body=%zu:%s", r->method, r->path, q != NULL ? q : "-", mark != NULL ? mark : "-",
                    r->body_len, r->body);
        web_reply_text(out, 200, "text/plain", &t);
    }
}

static struct web *start(const char *token)
{
    static const char *const names[] = {"tunnel.example", NULL}, *const open[] = {"/healthz", NULL};
    struct web_config config = {.address_count = 1, .token = token, .names = names, .open_paths = open, .token_where = "in the <file>", .body_max = BODY_MAX,
                                .handle = handle, .ctx = &done};
    unsigned bad;
    int failure;

    web_address_parse("0", &config.addresses[0]);
    struct web *w = web_create(&config, &failure, &bad);
    if (!OK(w != NULL))
        exit(1);
    OK_INT(web_start(w), 0);
    port = web_port(w, 0);
    OK(port != 0);
    return w;
}

static int dial(void)
{
    struct web_address a;
    const struct timeval patience = {.tv_sec = 10};
    char text[32];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(text, sizeof(text), "%u", port);
    web_address_parse(text, &a);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    OK(connect(fd, &a.at.any, a.len) == 0);
    return fd;
}

/* Sends `head` with "Connection: close" and the body; the whole answer, valid until the next call. "" when it was cut. */
static const char *ask(const char *head, const char *body)
{
    static char answer[8192];
    size_t len = 0;
    ssize_t n;
    int fd = dial();

    dprintf(fd, "%sConnection: close\r\n\r\n%s", head, body);
    while ((n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
        len += (size_t)n;
    close(fd);
    answer[len] = '\0';
    return answer;
}

static bool has(const char *answer, const char *what)
{
    bool there = strstr(answer, what) != NULL;

    if (!there)
        printf("#   in: %s\n", answer);
    return there;
}

static bool is(const char *answer, int status)
{
    char line[32];

    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    return has(answer, line);
}

static void passes(void)
{
    struct web *w = start(NULL);

    const char *a = ask("GET /a%20b?q=c%26d HTTP/1.1\r\nHost: 127.0.0.1:1\r\nX-Mark: m\r\n", "");
    OK(is(a, 200));
    OK(has(a, "GET /a b q=c&d mark=m body=0:"));
    OK(has(a, "Content-Security-Policy: default-src 'self';"));
    OK(has(a, "X-Content-Type-Options: nosniff"));
    OK(has(a, "Cache-Control: no-store"));
    OK(has(a, "Referrer-Policy: no-referrer"));
    a = ask("HEAD /x HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 200));
    OK(has(a, "Content-Length: 25"));
    OK(strstr(a, "GET /x") == NULL);
    a = ask("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", "{}");
    OK(has(a, "POST /x q=- mark=- body=2:{}"));
    a = ask("GET /none HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 404));
    OK(has(a, "application/json"));
    web_free(&w);
}

static void afterwards(void)
{
    static char piece[65536];
    struct web *w = start(NULL);
    size_t len = 0;
    ssize_t n;
    int fd = dial();

    dprintf(fd, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    OK_INT(recv(fd, piece, 1, MSG_PEEK), 1);
    OK_INT(atomic_load(&done), 0);
    while (len < BIG_BYTES && (n = recv(fd, piece, sizeof(piece), 0)) > 0)
        len += (size_t)n;
    OK(len >= BIG_BYTES);
    close(fd);
    web_free(&w); /* no call is under way any more */
    OK_INT(atomic_load(&done), 1);
}

static void guards(void)
{
    struct web *w = start(NULL);

    handled = 0;
    OK(is(ask("GET / HTTP/1.1\r\nHost: evil.example\r\n", ""), 421));
    OK(is(ask("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", ""), 400));
    OK(is(ask("GET / HTTP/1.0\r\n", ""), 400));
    OK(is(ask("POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n", ""), 403));
    OK(is(ask("DELETE / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n", ""), 403));
    OK(is(ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n", "{}"), 415));
    OK(is(ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n", "{}"), 415));
    OK_INT(handled, 0);
    OK(is(ask("GET /x HTTP/1.1\r\nHost: Tunnel.example:80\r\nSec-Fetch-Site: cross-site\r\n", ""), 200));
    OK(is(ask("POST /x HTTP/1.1\r\nHost: tunnel.example\r\nOrigin: https://tunnel.example\r\nContent-Length: 0\r\n", ""), 200));
    OK_INT(handled, 2);
    web_free(&w);
}

static void token(void)
{
    struct web *w = start(TOKEN);
    char request[512], cookie[128] = "";

    handled = 0;
    const char *a = ask("GET /x HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 401));
    OK(has(a, "WWW-Authenticate: Bearer"));
    OK(is(ask("GET /x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n", ""), 401));
    OK(is(ask("GET /?token=wrong HTTP/1.1\r\nHost: localhost\r\n", ""), 401));
    OK(is(ask("POST /x?token=" TOKEN " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", ""), 401));
    OK_INT(handled, 0);
    OK(is(ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n", ""), 200));
    OK(is(ask("GET /x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " TOKEN "\r\n", ""), 200));
    a = ask("GET /?token=" TOKEN " HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 303));
    OK(has(a, "HttpOnly; SameSite=Strict"));
    OK(has(a, "Location: /\r\n"));
    const char *set = strstr(a, "Set-Cookie: ");
    if (OK(set != NULL))
        sscanf(set, "Set-Cookie: %120[^;]", cookie);
    OK(strstr(cookie, TOKEN) == NULL);
    snprintf(request, sizeof(request), "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: a=b; %s\r\n", cookie);
    OK(is(ask(request, ""), 200));
    snprintf(request, sizeof(request), "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: %s0\r\n", cookie);
    OK(is(ask(request, ""), 401));
    web_free(&w);
    w = start(TOKEN); /* a cookie is of one run */
    snprintf(request, sizeof(request), "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n", cookie);
    OK(is(ask(request, ""), 401));
    web_free(&w);
}

/* The form's answer with this body. */
static const char *log_in(const char *type, const char *body)
{
    char request[512];

    snprintf(request, sizeof(request), "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: %s\r\n"
             "Content-Length: %zu\r\n", type, strlen(body));
    return ask(request, body);
}

static void form(void)
{
    static const char type[] = "application/x-www-form-urlencoded";
    struct web *w = start(TOKEN);
    char request[512], cookie[128] = "", large[2000];

    handled = 0;
    const char *a = ask("GET /x HTTP/1.1\r\nHost: localhost\r\nAccept: text/html,*/*;q=0.8\r\n", "");
    OK(is(a, 401));
    OK(has(a, "WWW-Authenticate: Bearer"));
    OK(has(a, "Referrer-Policy: same-origin"));
    OK(has(a, "<p>in the &lt;file&gt;</p>"));
    OK(has(a, "<form method=\"post\" action=\"/login\">"));
    OK(strstr(a, "not the token") == NULL);
    OK(is(ask("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", ""), 401));
    static const char *const wrong[] = {"token=wrong", "", "token=", "nothing=" TOKEN, "token=" TOKEN "0", "token=%zz", "token=%3", "token=%00"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        a = log_in(type, wrong[i]);
        OK(is(a, 401));
        OK(has(a, "That is not the token"));
        OK(strstr(a, "Set-Cookie") == NULL);
    }
    snprintf(large, sizeof(large), "token=%0900d", 0);
    OK(is(log_in(type, large), 401));
    snprintf(large, sizeof(large), "token=%01500d", 0);
    OK(is(log_in(type, large), 413));
    OK(is(log_in("application/json", "token=" TOKEN), 415));
    OK(is(log_in("text/plain", "token=" TOKEN), 415));
    OK(is(ask("POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n", ""), 403));
    OK_INT(handled, 0);
    a = log_in("Application/X-WWW-Form-Urlencoded; charset=utf-8", "a=b&token=%30123456789ABCDEF&c");
    OK(is(a, 401)); /* of the escape only the digits may be of either case */
    a = log_in(type, "a=b&token=%30123456789%61bcd%65f&c");
    OK(is(a, 303));
    const char *set = strstr(a, "Set-Cookie: ");
    if (OK(set != NULL))
        sscanf(set, "Set-Cookie: %120[^;]", cookie);
    snprintf(request, sizeof(request), "GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n", cookie);
    OK(is(ask(request, ""), 200));
    web_free(&w);
    w = start(NULL); /* without a token there is nothing to log in to: it is a path as any other */
    OK(is(log_in(type, "token=x"), 415));
    web_free(&w);
}

static void replies(void)
{
    struct web *w = start(NULL);

    const char *a = ask("GET /field HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(has(a, "{\"error\":\"a \\\"word\\\"\"}"));
    OK(has(a, "Content-Security-Policy: sandbox"));
    OK(strstr(a, "default-src") == NULL);
    OK(has(a, "X-Own: yes"));
    a = ask("GET /split HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 500));
    OK(strstr(a, "X-Other") == NULL);
    OK(is(ask("GET /large HTTP/1.1\r\nHost: localhost\r\n", ""), 500));
    a = ask("GET / HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 200));
    OK(has(a, "Content-Type: text/html; charset=utf-8"));
    OK(has(a, "\r\n\r\n<!doctype html><title>\"A page\" \\ of a test</title>\n"));
    a = ask("DELETE / HTTP/1.1\r\nHost: localhost\r\n", "");
    OK(is(a, 405));
    OK(has(a, "Allow: GET, HEAD"));
    web_free(&w);
}

static void limits(void)
{
    static char head[WEB_HEAD_MAX + 200], chunk[BODY_MAX + 100];
    struct web *w = start(NULL);
    int idle[WEB_CONNECTIONS_MAX];

    handled = 0;
    OK(is(ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n", ""), 413));
    OK(is(ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999999\r\n",
              ""), 413));
    memset(chunk, 'x', BODY_MAX + 50);
    memcpy(chunk, "402\r\n", 5); /* 1026 bytes */
    ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunk);
    int n = snprintf(head, sizeof(head), "GET /x HTTP/1.1\r\nHost: localhost\r\nX-Mark: ");
    memset(head + n, 'm', WEB_HEAD_MAX);
    strcpy(head + n + WEB_HEAD_MAX, "\r\n");
    OK(is(ask(head, ""), 431));
    OK_INT(handled, 0);
    for (unsigned i = 0; i < WEB_CONNECTIONS_MAX; i++) {
        char byte;
        idle[i] = dial();
        dprintf(idle[i], "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"); /* and stays */
        OK(recv(idle[i], &byte, 1, 0) == 1);
    }
    int late = dial();
    dprintf(late, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    char byte;
    close(idle[0]); /* makes room */
    OK(recv(late, &byte, 1, 0) <= 1);
    close(late);
    for (unsigned i = 1; i < WEB_CONNECTIONS_MAX; i++)
        close(idle[i]);
    web_free(&w);
}

static void taken_port(void)
{
    struct web *w = start(NULL);
    struct web_config config = {.address_count = 2, .body_max = 1, .handle = handle};
    char text[32];
    unsigned bad;
    int failure;

    web_address_parse("0", &config.addresses[0]);
    snprintf(text, sizeof(text), "%u", port);
    web_address_parse(text, &config.addresses[1]);
    OK(web_create(&config, &failure, &bad) == NULL);
    OK_INT(failure, EADDRINUSE);
    OK_INT(bad, 1);
    web_stop(w);
    web_stop(w);
    w = (web_free(&w), NULL);
    config.address_count = 1;
    w = web_create(&config, &failure, &bad);
    OK(w != NULL); /* and is freed without having run */
    web_free(&w);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"a request reaches the handler, the answer its sender", passes},
        {"what is to be done after an answer waits for it", afterwards},
        {"other names and other sites", guards},
        {"the token", token},
        {"the form for it", form},
        {"answers of all kinds", replies},
        {"bounds", limits},
        {"a port that is taken", taken_port},
    };
    signal(SIGPIPE, SIG_IGN); /* answers that come before the end of the request close it */
    return TAP_RUN(cases);
}
