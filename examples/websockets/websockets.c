/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket echo service on 127.0.0.1, something to reach through a tunnel. GET / is a page that opens a WebSocket to
 * the host it came from and shows what comes back.
 *
 *     websockets [PORT]      9001 by default; 0: the kernel chooses, and the address is printed
 *
 * One thread does everything: libmicrohttpd (HTTP and the handshake, RFC 6455 4.2) brings an epoll descriptor, which is
 * one of those in our own epoll set, next to the upgraded sockets, whose frames are wslay's business.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define PORT_DEFAULT 9001
#define CONNECTIONS_MAX 20000
/* The largest message that is taken, bytes. */
#define MESSAGE_MAX (16u * 1024 * 1024)
/* Echoes that wait for a slow reader, bytes; beyond it, nothing is read from it. */
#define ECHO_MAX (1024u * 1024)
#define EVENTS_PER_TURN 64

/* One visitor's WebSocket. Lives in the list of the echo until it is closed. */
struct socket {
    struct echo *echo;
    struct socket *next, *prev;
    struct MHD_UpgradeResponseHandle *upgraded;
    int fd; /* libmicrohttpd's; closed with MHD_UPGRADE_ACTION_CLOSE */
    wslay_event_context_ptr frames;
    uint32_t watched; /* epoll events */
    char *early;      /* bytes that came right behind the handshake */
    size_t early_len, early_taken;
};

struct echo {
    int epoll;
    struct MHD_Daemon *daemon;
    struct socket *sockets;
};

/* -- WebSockets ---------------------------------------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr frames, uint8_t *out, size_t size, int flags, void *ctx)
{
    struct socket *s = ctx;
    size_t early = s->early_len - s->early_taken;
    ssize_t n;

    (void)flags;
    if (wslay_event_get_queued_msg_length(frames) >= ECHO_MAX) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (early > 0) {
        n = (ssize_t)(early < size ? early : size);
        memcpy(out, s->early + s->early_taken, (size_t)n);
        s->early_taken += (size_t)n;
        return n;
    }
    do
        n = recv(s->fd, out, size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    wslay_event_set_error(frames, n < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags, void *ctx)
{
    struct socket *s = ctx;
    ssize_t n;

    do
        n = send(s->fd, data, len, MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        wslay_event_set_error(frames, errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return n;
}

/* wslay itself answers Ping with Pong and Close with Close. */
static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *ctx)
{
    (void)ctx;
    if (!wslay_is_ctrl_frame(message->opcode))
        wslay_event_queue_msg(frames, &(struct wslay_event_msg){
                                          .opcode = message->opcode,
                                          .msg = message->msg,
                                          .msg_length = message->msg_length,
                                      });
}

static void socket_close(struct socket *s)
{
    epoll_ctl(s->echo->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    MHD_upgrade_action(s->upgraded, MHD_UPGRADE_ACTION_CLOSE);
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        s->echo->sockets = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    if (s->frames != NULL)
        wslay_event_context_free(s->frames);
    free(s->early);
    free(s);
}

/* Watches for what the frames want next; false: nothing, the WebSocket is over. */
static bool socket_watch(struct socket *s)
{
    bool full = wslay_event_get_queued_msg_length(s->frames) >= ECHO_MAX;
    uint32_t wanted = 0;

    if (wslay_event_want_read(s->frames) && !full)
        wanted |= EPOLLIN;
    if (wslay_event_want_write(s->frames))
        wanted |= EPOLLOUT;
    if (wanted != 0 && wanted != s->watched) {
        struct epoll_event event = {.events = wanted, .data.ptr = s};

        s->watched = wanted;
        if (epoll_ctl(s->echo->epoll, EPOLL_CTL_MOD, s->fd, &event) != 0)
            return false;
    }
    return wanted != 0;
}

static void socket_step(struct socket *s)
{
    bool stalled;

    do {
        if ((wslay_event_want_read(s->frames) && wslay_event_recv(s->frames) != 0) ||
            (wslay_event_want_write(s->frames) && wslay_event_send(s->frames) != 0) || !socket_watch(s)) {
            socket_close(s);
            return;
        }
        stalled = (s->watched & EPOLLIN) == 0;
    } while (s->early_taken < s->early_len && !stalled); /* epoll knows nothing of these */
}

/* libmicrohttpd has sent the 101; the socket is ours, and it does not block. */
static void on_upgraded(void *ctx, struct MHD_Connection *connection, void *request, const char *early,
                        size_t early_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *upgraded)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_msg_recv_callback = on_message,
    };
    struct echo *echo = ctx;
    struct socket *s = calloc(1, sizeof *s);
    /* Writable at once: the first turn takes the early bytes. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};

    (void)connection, (void)request;
    if (s == NULL) {
        MHD_upgrade_action(upgraded, MHD_UPGRADE_ACTION_CLOSE);
        return;
    }
    *s = (struct socket){.echo = echo, .next = echo->sockets, .upgraded = upgraded, .fd = fd, .watched = event.events};
    if (s->next != NULL)
        s->next->prev = s;
    echo->sockets = s;

    if (early_len > 0 && (s->early = malloc(early_len)) != NULL) {
        memcpy(s->early, early, early_len);
        s->early_len = early_len;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (s->early_len != early_len || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
        wslay_event_context_server_init(&s->frames, &callbacks, s) != 0 ||
        epoll_ctl(echo->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        socket_close(s);
        return;
    }
    wslay_event_config_set_max_recv_msg_length(s->frames, MESSAGE_MAX);
}

/* -- HTTP ---------------------------------------------------------------------------------------------------------- */

static const char page[] =
    "<!doctype html>\n"
    "<meta charset=\"utf-8\">\n"
    "<title>WebSocket echo</title>\n"
    "<h1>WebSocket echo</h1>\n"
    "<form><input id=\"text\" value=\"hello\" autocomplete=\"off\"> <button>Send</button></form>\n"
    "<pre id=\"log\"></pre>\n"
    "<script>\n"
    "const url = new URL(location.href);\n"
    "url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';\n"
    "url.hash = '';\n"
    "const log = line => { document.getElementById('log').textContent += line + '\\n'; };\n"
    "const socket = new WebSocket(url);\n"
    "socket.onopen = () => { log('open'); socket.send('hello from ' + navigator.userAgent); };\n"
    "socket.onmessage = event => log('echo: ' + event.data);\n"
    "socket.onclose = event => log('closed: ' + event.code);\n"
    "document.querySelector('form').onsubmit = event => {\n"
    "    event.preventDefault();\n"
    "    socket.send(document.getElementById('text').value);\n"
    "};\n"
    "</script>\n";

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, const char *body,
                              const char *extra_name, const char *extra_value)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result queued;

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (extra_name != NULL)
        MHD_add_response_header(response, extra_name, extra_value);
    queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

/* RFC 6455 4.2.2: base64(SHA-1(key, GUID)). */
static void accept_key(const char *key, char out[static 32])
{
    char joined[128];
    unsigned char digest[SHA_DIGEST_LENGTH];
    int len = snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);

    SHA1((unsigned char *)joined, (size_t)len, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

static enum MHD_Result upgrade(struct echo *echo, struct MHD_Connection *connection)
{
    const char *key = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_SEC_WEBSOCKET_KEY);
    const char *version =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_SEC_WEBSOCKET_VERSION);
    struct MHD_Response *response;
    enum MHD_Result queued;
    char accept[32];

    if (version == NULL || strcmp(version, "13") != 0)
        return answer(connection, MHD_HTTP_UPGRADE_REQUIRED, "text/plain", "WebSocket version 13, please.\n",
                      MHD_HTTP_HEADER_SEC_WEBSOCKET_VERSION, "13");
    if (key == NULL || strlen(key) != 24)
        return answer(connection, MHD_HTTP_BAD_REQUEST, "text/plain", "No valid Sec-WebSocket-Key.\n", NULL, NULL);
    response = MHD_create_response_for_upgrade(on_upgraded, echo);
    if (response == NULL)
        return MHD_NO;
    accept_key(key, accept);
    MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket");
    MHD_add_response_header(response, MHD_HTTP_HEADER_SEC_WEBSOCKET_ACCEPT, accept);
    queued = MHD_queue_response(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
    MHD_destroy_response(response);
    return queued;
}

/* Called once with the header, then for each part of a body (which is not of interest here), then to answer. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *body, size_t *body_len, void **request)
{
    static int seen;
    const char *protocol = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_UPGRADE);

    (void)path, (void)version, (void)body;
    if (*request == NULL) {
        *request = &seen;
        return MHD_YES;
    }
    if (*body_len > 0) {
        *body_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") == 0 && protocol != NULL && strcasecmp(protocol, "websocket") == 0)
        return upgrade(ctx, connection);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "Only GET and HEAD.\n",
                      MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8", page, NULL, NULL);
}

/* -- the loop ------------------------------------------------------------------------------------------------------ */

static int next_timeout_ms(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(daemon, &ms) == MHD_NO)
        return -1;
    return ms < 60000 ? (int)ms : 60000;
}

/* Until a signal comes. The two descriptors that are no WebSocket are told apart by their data.ptr. */
static int echo_run(struct echo *echo, int *signals)
{
    struct epoll_event events[EVENTS_PER_TURN];

    for (;;) {
        int n = epoll_wait(echo->epoll, events, EVENTS_PER_TURN, next_timeout_ms(echo->daemon));

        if (n < 0 && errno != EINTR)
            return 1;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == signals)
                return 0;
            if (events[i].data.ptr != echo)
                socket_step(events[i].data.ptr);
        }
        MHD_run(echo->daemon);
    }
}

static bool echo_start(struct echo *echo, in_port_t port, int *signals)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event http_event = {.events = EPOLLIN, .data.ptr = echo};
    struct epoll_event signal_event = {.events = EPOLLIN, .data.ptr = signals};

    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (echo->epoll < 0)
        return false;
    echo->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_UPGRADE, 0, NULL, NULL, on_request, echo,
                                    MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
                                    (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192,
                                    MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_END);
    if (echo->daemon == NULL)
        return false;
    return epoll_ctl(echo->epoll, EPOLL_CTL_ADD, *signals, &signal_event) == 0 &&
           epoll_ctl(echo->epoll, EPOLL_CTL_ADD,
                     MHD_get_daemon_info(echo->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &http_event) == 0;
}

static void echo_stop(struct echo *echo)
{
    while (echo->sockets != NULL)
        socket_close(echo->sockets);
    if (echo->daemon != NULL)
        MHD_stop_daemon(echo->daemon);
    if (echo->epoll >= 0)
        close(echo->epoll);
}

static int signals_open(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool port_parse(const char *text, in_port_t *port)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || number > UINT16_MAX)
        return false;
    *port = (in_port_t)number;
    return true;
}

int main(int argc, char **argv)
{
    struct echo echo = {.epoll = -1};
    in_port_t port = PORT_DEFAULT;
    int signals, status;

    if (argc > 2 || (argc == 2 && !port_parse(argv[1], &port))) {
        fprintf(stderr, "usage: websockets [PORT]\n");
        return 2;
    }
    signals = signals_open();
    if (signals < 0 || !echo_start(&echo, port, &signals)) {
        fprintf(stderr, "websockets: 127.0.0.1:%u: %s\n", port, strerror(errno));
        echo_stop(&echo);
        return 1;
    }
    if (port == 0) {
        printf("listening on 127.0.0.1:%u\n", MHD_get_daemon_info(echo.daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
        fflush(stdout);
    }
    status = echo_run(&echo, &signals);
    echo_stop(&echo);
    close(signals);
    return status;
}
