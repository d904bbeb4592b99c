/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd on threads of its own: its callbacks, the guards in front of the handler, and life. */
#include "web/web.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/object.h"
#include "web/guard.h"
#include "web/login.h"

#define WEB_MAGIC 0x77656270
#define COOKIE_NAME_BYTES 32
#define COOKIE_BYTES 32

static const char policy[] = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
                             "frame-ancestors 'none'";

struct web_listener {
    struct web *web;
    struct MHD_Daemon *daemon; /* NULL: does not run */
    int fd;                    /* -1: the daemon's, or closed */
    uint16_t port;
    char cookie_name[COOKIE_NAME_BYTES]; /* cookies know no ports */
};

struct web {
    OBJECT_MAGIC;
    struct web_config config;
    char *token;
    char cookie[2 * COOKIE_BYTES + 1]; /* of this run; other ports of this host see it, so it is not the token */
    pthread_mutex_t handling;
    struct web_listener listeners[WEB_ADDRESSES_MAX];
};

/* One request from its head to its end. */
struct call {
    bool checked;
    char *body;
    size_t len;
    void (*done)(void *ctx);
};

/* -- answers ------------------------------------------------------------------------------------------------------- */

static bool has_field(const struct web_reply *r, const char *name)
{
    for (unsigned i = 0; i < r->field_count; i++)
        if (strcasecmp(r->fields[i].name, name) == 0)
            return true;
    return false;
}

static bool add_fields(struct MHD_Response *m, const struct web_reply *r)
{
    bool ok = MHD_add_response_header(m, "Cache-Control", "no-store") == MHD_YES &&
              MHD_add_response_header(m, "X-Content-Type-Options", "nosniff") == MHD_YES &&
              MHD_add_response_header(m, "X-Frame-Options", "DENY") == MHD_YES &&
              MHD_add_response_header(m, "Cross-Origin-Resource-Policy", "same-origin") == MHD_YES;

    if (ok && !has_field(r, "Referrer-Policy"))
        ok = MHD_add_response_header(m, "Referrer-Policy", "no-referrer") == MHD_YES;
    if (ok && !has_field(r, "Content-Security-Policy"))
        ok = MHD_add_response_header(m, "Content-Security-Policy", policy) == MHD_YES;
    if (ok && r->type != NULL)
        ok = MHD_add_response_header(m, "Content-Type", r->type) == MHD_YES;
    for (unsigned i = 0; ok && i < r->field_count; i++)
        ok = MHD_add_response_header(m, r->fields[i].name, r->fields[i].value) == MHD_YES;
    return ok;
}

/* Takes what the answer holds. */
static enum MHD_Result answer(struct MHD_Connection *c, struct web_reply *r)
{
    struct MHD_Response *m = r->body != NULL
                                 ? MHD_create_response_from_buffer(r->len, r->body, MHD_RESPMEM_MUST_FREE)
                                 : MHD_create_response_from_buffer(r->len, (void *)(uintptr_t)r->constant, MHD_RESPMEM_PERSISTENT);

    if (m == NULL) {
        free(r->body);
        return MHD_NO;
    }
    enum MHD_Result result = add_fields(m, r) ? MHD_queue_response(c, r->status, m) : MHD_NO;
    MHD_destroy_response(m);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *why)
{
    struct web_reply r = {0};

    web_reply_error(&r, status, why);
    if (status == 401)
        web_reply_field(&r, "WWW-Authenticate", "Bearer");
    return answer(c, &r);
}

/* -- guards -------------------------------------------------------------------------------------------------------- */

static const char *field(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static enum MHD_Result count_host(void *count, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind, (void)value;
    *(unsigned *)count += strcasecmp(name, "Host") == 0;
    return MHD_YES;
}

static bool is_open_path(const struct web *w, const char *path)
{
    for (const char *const *p = w->config.open_paths; p != NULL && *p != NULL; p++)
        if (strcmp(*p, path) == 0)
            return true;
    return false;
}

/* A browser gets its cookie; where the token was in its address line (/?token=...), it goes from there. */
static enum MHD_Result greet(struct web_listener *l, struct MHD_Connection *c)
{
    struct web_reply r = {.status = 303};
    char cookie[COOKIE_NAME_BYTES + 2 * COOKIE_BYTES + 64];

    snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict", l->cookie_name, l->web->cookie);
    web_reply_field(&r, "Set-Cookie", cookie);
    web_reply_field(&r, "Location", "/");
    return answer(c, &r);
}

/* The token that is asked for: as a form where it is a browser that asks. */
static enum MHD_Result refuse_stranger(const struct web *w, struct MHD_Connection *c)
{
    struct web_reply r = {0};

    if (!login_wanted(field(c, "Accept")))
        return refuse(c, 401, "a token is needed: Authorization: Bearer TOKEN, or open /?token=TOKEN once");
    login_form(&r, w->config.token_where, false);
    return answer(c, &r);
}

/* What the form sends, which is the only thing that somebody without the token may. */
static bool is_login(const struct web *w, const char *url, const char *method)
{
    return w->token != NULL && strcmp(method, "POST") == 0 && strcmp(url, LOGIN_PATH) == 0;
}

static enum MHD_Result login(struct web_listener *l, struct MHD_Connection *c, const char *body)
{
    struct web_reply r = {0};
    char token[WEB_TOKEN_MAX + 1] = "";

    bool right = login_token(body, token) && guard_secret(l->web->token, token, strlen(token));
    explicit_bzero(token, sizeof(token));
    if (right)
        return greet(l, c);
    log_info("web", "somebody at port %u has sent a token that is not ours", l->port);
    login_form(&r, l->web->config.token_where, true);
    return answer(c, &r);
}

static bool reads_only(const char *method) { return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0; }

/* Answers what may not pass. */
static enum MHD_Result guard(struct web_listener *l, struct MHD_Connection *c, const char *url, const char *method)
{
    const struct web *w = l->web;
    const char *host = field(c, "Host"), *length = field(c, "Content-Length");
    const char *given = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "token");
    bool body = field(c, "Transfer-Encoding") != NULL || (length != NULL && strcmp(length, "0") != 0), logs_in = is_login(w, url, method);
    unsigned hosts = 0;

    MHD_get_connection_values(c, MHD_HEADER_KIND, count_host, &hosts);
    if (hosts != 1 || host == NULL)
        return refuse(c, 400, "one Host is needed");
    if (!guard_host(host, w->config.names))
        return refuse(c, 421, "this name is not one of ours: use the address");
    if (w->token != NULL && given != NULL && strcmp(method, "GET") == 0 && guard_secret(w->token, given, strlen(given)))
        return greet(l, c);
    if (w->token != NULL && !is_open_path(w, url) && !logs_in && !guard_bearer(field(c, "Authorization"), w->token) &&
        !guard_cookie(field(c, "Cookie"), l->cookie_name, w->cookie))
        return refuse_stranger(w, c);
    if (!reads_only(method) && !guard_origin(host, field(c, "Origin"), field(c, "Sec-Fetch-Site")))
        return refuse(c, 403, "requests from other sites change nothing here");
    if (body && !(logs_in ? login_type : guard_json)(field(c, "Content-Type")))
        return refuse(c, 415, logs_in ? "the body has to be a form's" : "a body has to be application/json");
    if (length != NULL && strtoull(length, NULL, 10) > w->config.body_max)
        return refuse(c, 413, "the body is too large");
    return MHD_YES;
}

/* -- libmicrohttpd's callbacks ------------------------------------------------------------------------------------- */

static enum MHD_Result call_take(const struct web *w, struct call *call, const char *bytes, size_t *size)
{
    if (*size > w->config.body_max - call->len)
        return MHD_NO; /* chunked, and too large: the connection is closed */
    char *body = realloc(call->body, call->len + *size + 1);
    if (body == NULL)
        return MHD_NO;
    memcpy(body + call->len, bytes, *size);
    call->body = body;
    call->len += *size;
    body[call->len] = '\0';
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result call_handle(struct web_listener *l, struct MHD_Connection *c, const char *url, const char *method,
                                   struct call *call)
{
    struct web *w = l->web;
    const struct web_request r = {.method = strcmp(method, "HEAD") == 0 ? "GET" : method,
                                  .path = url,
                                  .body = call->body != NULL ? call->body : "",
                                  .body_len = call->len,
                                  .inner = c};
    struct web_reply out = {.status = 404};

    if (is_login(w, url, method))
        return login(l, c, r.body);
    pthread_mutex_lock(&w->handling);
    w->config.handle(w->config.ctx, &r, &out);
    pthread_mutex_unlock(&w->handling);
    if (out.status == 404 && out.body == NULL && out.constant == NULL)
        web_reply_error(&out, 404, "there is nothing here");
    call->done = out.done;
    return answer(c, &out);
}

static enum MHD_Result web_handle(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *size, void **state)
{
    struct web_listener *l = ctx;
    struct call *call = *state;

    (void)version;
    CHECK_OBJECT(l->web, WEB_MAGIC);
    if (call == NULL)
        call = *state = calloc(1, sizeof(*call));
    if (call == NULL || url[0] != '/')
        return MHD_NO;
    if (!call->checked) {
        call->checked = true;
        return guard(l, c, url, method);
    }
    return *size > 0 ? call_take(l->web, call, upload, size) : call_handle(l, c, url, method, call);
}

static void web_completed(void *ctx, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
    const struct web_listener *l = ctx;
    struct call *call = *state;

    (void)c, (void)code;
    if (call == NULL)
        return;
    if (call->done != NULL)
        call->done(l->web->config.ctx);
    if (call->body != NULL)
        explicit_bzero(call->body, call->len);
    free(call->body);
    free(call);
    *state = NULL;
}

static void __attribute__((format(printf, 2, 0))) web_log(void *ctx, const char *format, va_list ap)
{
    char line[512];

    (void)ctx;
    int len = vsnprintf(line, sizeof(line), format, ap);
    if (len > 0 && (size_t)len < sizeof(line) && line[len - 1] == '\n')
        line[len - 1] = '\0';
    log_debug("web", "%s", line);
}

const char *web_query(const struct web_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->inner, MHD_GET_ARGUMENT_KIND, name);
}

const char *web_header(const struct web_request *r, const char *name) { return field(r->inner, name); }

/* -- life ---------------------------------------------------------------------------------------------------------- */

static bool make_cookie(struct web *w)
{
    uint8_t random[COOKIE_BYTES];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return false;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(w->cookie + 2 * i, 3, "%02x", random[i]);
    return true;
}

static bool listener_open(struct web_listener *l, const struct web_address *a)
{
    const int on = 1;

    l->fd = socket(a->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           (a->at.any.sa_family != AF_INET6 || setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
           bind(l->fd, &a->at.any, a->len) == 0 && listen(l->fd, WEB_CONNECTIONS_MAX) == 0;
}

/* `fd`: one that listens already, or -1. 0 or an errno. */
static int listener_bind(struct web_listener *l, struct web_address a, int fd)
{
    socklen_t len = sizeof(a.at);

    l->fd = fd;
    if ((fd < 0 && !listener_open(l, &a)) || getsockname(l->fd, &a.at.any, &len) != 0)
        return errno;
    l->port = ntohs(a.at.any.sa_family == AF_INET6 ? a.at.v6.sin6_port : a.at.v4.sin_port);
    snprintf(l->cookie_name, sizeof(l->cookie_name), "mdm_tunnel_%" PRIu16, l->port);
    return 0;
}

struct web *web_create(const struct web_config *config, int *failure, unsigned *bad)
{
    struct web *w;

    *bad = 0;
    *failure = ENOMEM;
    ALLOC_OBJECT(w, WEB_MAGIC);
    if (w == NULL)
        return NULL;
    w->config = *config;
    pthread_mutex_init(&w->handling, NULL);
    for (unsigned i = 0; i < WEB_ADDRESSES_MAX; i++)
        w->listeners[i] = (struct web_listener){.web = w, .fd = -1};
    w->token = config->token != NULL ? strdup(config->token) : NULL;
    if ((config->token != NULL && w->token == NULL) || !make_cookie(w)) {
        web_free(&w);
        return NULL;
    }
    for (*failure = 0; *failure == 0 && *bad < config->address_count; ++*bad)
        *failure = listener_bind(&w->listeners[*bad], config->addresses[*bad], config->fds != NULL ? config->fds[*bad] : -1);
    if (*failure != 0) {
        --*bad;
        web_free(&w);
    }
    return w;
}

static int listener_start(struct web_listener *l)
{
    l->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, web_handle, l,
                                 MHD_OPTION_EXTERNAL_LOGGER, web_log, l, MHD_OPTION_LISTEN_SOCKET, l->fd,
                                 MHD_OPTION_NOTIFY_COMPLETED, web_completed, l, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)WEB_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)WEB_TIMEOUT_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WEB_HEAD_MAX, MHD_OPTION_END);
    if (l->daemon == NULL)
        return errno != 0 ? errno : ENOMEM;
    l->fd = -1; /* the daemon closes it */
    return 0;
}

int web_start(struct web *w)
{
    sigset_t all, before;
    int failure = 0;

    CHECK_OBJECT(w, WEB_MAGIC);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
    for (unsigned i = 0; failure == 0 && i < w->config.address_count; i++)
        failure = listener_start(&w->listeners[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

int web_socket(const struct web *w, unsigned address)
{
    const struct web_listener *l = &w->listeners[address];

    if (l->daemon == NULL)
        return l->fd;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    return info != NULL ? info->listen_fd : -1;
}

uint16_t web_port(const struct web *w, unsigned address) { return w->listeners[address].port; }

void web_stop(struct web *w)
{
    CHECK_OBJECT(w, WEB_MAGIC);
    for (unsigned i = 0; i < WEB_ADDRESSES_MAX; i++) {
        struct web_listener *l = &w->listeners[i];
        if (l->daemon != NULL) {
            /* It would shut down the socket, which may be another process's, too. */
            l->fd = MHD_quiesce_daemon(l->daemon);
            MHD_stop_daemon(l->daemon);
        }
        if (l->fd >= 0)
            close(l->fd);
        l->daemon = NULL;
        l->fd = -1;
    }
}

void web_free(struct web **wp)
{
    struct web *w;

    TAKE_OBJECT(w, wp, WEB_MAGIC);
    web_stop(w);
    pthread_mutex_destroy(&w->handling);
    if (w->token != NULL)
        explicit_bzero(w->token, strlen(w->token));
    free(w->token);
    FREE_OBJECT(w);
}
