/* SPDX-License-Identifier: Apache-2.0 */
/* The client as an object, on a real MQTT connection to an embedded broker: reload, drain, end, giving up. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client.h"
#include "stage.h"
#include "tap.h"

/* The server's side: stage.h without the client's hub. */
struct server {
    struct stage s;
    uint16_t port;
};

static bool server_start(struct server *v)
{
    memset(v, 0, sizeof(*v));
    pthread_mutex_init(&v->s.lock, NULL);
    pthread_cond_init(&v->s.changed, NULL);
    v->s.worker = worker_create("server", 0);
    const struct broker_config config = {.workers = &v->s.worker, .worker_count = 1,
                                         .connect_timeout_us = 5 * US_PER_S, .strangers_max = 100};
    v->s.broker = broker_create(&config);
    if (broker_listen(v->s.broker, &broker_plain, "127.0.0.1", &v->port) != 0)
        return false;
    v->s.front = stage_hub(&v->s, NULL, "11111111111111111111111111111111", &front_events);
    return worker_start(v->s.worker) == 0;
}

static void server_stop(struct server *v)
{
    worker_stop(v->s.worker);
    hub_free(&v->s.front);
    broker_free(&v->s.broker);
    worker_free(&v->s.worker);
    pthread_cond_destroy(&v->s.changed);
    pthread_mutex_destroy(&v->s.lock);
}

static struct client *client_make(uint16_t port, unsigned workers, unsigned max_attempts, const char *file,
                                  const char *text)
{
    struct services services = {0, NULL};
    struct config_error err;
    if (services_parse(text, strlen(text), "test", &services, &err) != 0)
        return NULL;
    struct catalog *catalog = catalog_create(&services);
    char prefix[] = "mdm";
    const struct broker_settings broker = {.prefix = prefix};
    const struct way way = {.host = "127.0.0.1", .port = port, .broker = &broker, .max_attempts = max_attempts,
                            .grace_us = 60 * US_PER_S};
    const struct client_config config = {
        .way = &way,
        .id = "tim",
        .instance = "22222222222222222222222222222222",
        .workers = workers,
        .catalog = catalog,
        .services_file = file,
    };
    struct client *c = client_create(&config, &err);
    catalog_unref(catalog);
    if (c != NULL && client_start(c) != 0)
        client_free(&c);
    return c;
}

static int listen_any(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return -1;
    *port = ntohs(a.sin_port);
    return fd;
}

static bool await_news(const struct client *c)
{
    struct pollfd p = {.fd = client_news(c), .events = POLLIN};
    return poll(&p, 1, STAGE_WAIT_S * 1000) == 1;
}

static void serves_drains_and_ends(void)
{
    struct server server;
    struct visitor visitors[4];
    uint16_t port;
    char text[64], byte;
    int listener = listen_any(&port), fds[4];
    snprintf(text, sizeof(text), "{\"svc\": %u}", port);
    if (!OK(server_start(&server)))
        return;
    struct client *c = client_make(server.port, 2, 0, NULL, text);
    OK(c != NULL);
    OK(STAGE_AWAIT(&server.s, server.s.present));
    for (unsigned i = 0; i < 4; i++) { /* two on each worker */
        OK(visitor_open(&server.s, &visitors[i], "svc", STREAM_KIND_HTTP));
        OK(visitor_write(&visitors[i], "?"));
        fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        OK_INT(recv(fds[i], &byte, 1, 0), 1);
    }
    OK_INT(client_streams(c), 4);
    client_drain(c);
    OK(!client_gave_up(c));
    for (unsigned i = 0; i < 3; i++) { /* three are answered in time */
        OK_INT(send(fds[i], "!", 1, MSG_NOSIGNAL), 1);
        close(fds[i]);
        OK(STAGE_AWAIT(&server.s, visitors[i].finished));
        OK_TEXT(visitors[i].head, "!");
        OK(visitor_fin(&visitors[i]));
        OK(STAGE_AWAIT(&server.s, visitors[i].ended == &error_none));
    }
    client_end(c); /* the fourth is not */
    client_free(&c);
    OK(STAGE_AWAIT(&server.s, visitors[3].ended != NULL));
    OK(visitors[3].ended != &error_none);
    close(fds[3]);
    close(listener);
    server_stop(&server);
}

static void idle_client_ends_at_once(void)
{
    struct server server;
    if (!OK(server_start(&server)))
        return;
    struct client *c = client_make(server.port, 1, 0, NULL, "{\"svc\": 9}");
    OK(STAGE_AWAIT(&server.s, server.s.present));
    client_drain(c);
    OK(await_news(c));
    OK_INT(client_streams(c), 0);
    client_end(c);
    client_free(&c);
    OK(c == NULL);
    server_stop(&server);
}

static void write_file(const char *path, const char *text)
{
    char temporary[128];
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *f = fopen(temporary, "w");
    fputs(text, f);
    fclose(f);
    rename(temporary, path);
}

/* Opens streams until one ends with `reason`; a reload takes a moment. */
static bool comes_to_end_with(struct server *server, const char *service, const struct error *reason)
{
    for (int i = 0; i < 100; i++) {
        struct visitor v;
        const struct timespec pause = {0, 50 * 1000 * 1000};
        if (!visitor_open(&server->s, &v, service, STREAM_KIND_HTTP))
            return false;
        if (!STAGE_AWAIT(&server->s, v.ended != NULL))
            return false;
        if (v.ended == reason)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static void reloads_without_dropping(void)
{
    struct server server;
    struct visitor v;
    uint16_t port, closed;
    char directory[] = "/tmp/test-client-XXXXXX", path[64], first[64], second[64], byte;
    int listener = listen_any(&port);
    close(listen_any(&closed));
    if (!OK(mkdtemp(directory) != NULL) || !OK(server_start(&server)))
        return;
    snprintf(path, sizeof(path), "%s/services.json", directory);
    snprintf(first, sizeof(first), "{\"svc\": %u}", port);
    snprintf(second, sizeof(second), "{\"new\": %u}", closed);
    write_file(path, first);
    struct client *c = client_make(server.port, 1, 0, path, first);
    OK(STAGE_AWAIT(&server.s, server.s.present));
    OK(visitor_open(&server.s, &v, "svc", STREAM_KIND_HTTP));
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    OK(comes_to_end_with(&server, "new", &error_unknown_service));
    write_file(path, second);
    OK(comes_to_end_with(&server, "new", &error_service_refused));
    OK(comes_to_end_with(&server, "svc", &error_unknown_service));
    write_file(path, "{ not JSON");
    client_reload(c);
    OK(comes_to_end_with(&server, "new", &error_service_refused));
    OK(visitor_write(&v, "?")); /* the old stream lives on */
    OK_INT(recv(fd, &byte, 1, 0), 1);
    OK(v.ended == NULL);
    client_end(c);
    client_free(&c);
    close(fd);
    close(listener);
    server_stop(&server);
    unlink(path);
    rmdir(directory);
}

static void gives_up(void)
{
    uint16_t port;
    close(listen_any(&port));
    struct client *c = client_make(port, 1, 1, NULL, "{}");
    OK(c != NULL);
    OK(await_news(c));
    OK(client_gave_up(c));
    client_end(c);
    client_free(&c);
}

static void created_and_freed(void)
{
    struct services services = {0, NULL};
    struct config_error err;
    struct catalog *catalog = catalog_create(&services);
    char prefix[] = "mdm";
    const struct broker_settings broker = {.prefix = prefix};
    const struct way way = {.host = "h", .port = 1, .broker = &broker};
    const struct client_config config = {.way = &way, .id = "tim",
                                         .instance = "22222222222222222222222222222222", .workers = 2, .catalog = catalog};
    struct client *c = client_create(&config, &err);
    OK(c != NULL);
    client_free(&c);
    client_free(&c);
    catalog_unref(catalog);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct tap_case cases[] = {
        {"serves, drains and ends", serves_drains_and_ends},
        {"an idle client ends at once", idle_client_ends_at_once},
        {"reloads without dropping a stream", reloads_without_dropping},
        {"gives up", gives_up},
        {"created and freed", created_and_freed},
    };
    return TAP_RUN(cases);
}
