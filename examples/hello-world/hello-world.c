/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small web service on 127.0.0.1, something to reach through a tunnel. It greets, and says which path and which Host
 * the visitor asked for.
 *
 *     hello-world [PORT]      9000 by default; 0: the kernel chooses, and the address is printed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 9000

static const char page_html[] = "<!doctype html>\n"
                                "<meta charset=\"utf-8\">\n"
                                "<title>Hello World</title>\n"
                                "<h1>Hello World</h1>\n"
                                "<p>You asked <code>%s</code> for <code>%s</code>.</p>\n";
static const char page_text[] = "Hello World\nYou asked %s for %s.\n";

/* What a visitor sent is never copied into a page as it is. The result is the caller's; NULL: out of memory. */
static char *html_escape(const char *text)
{
    char *out = malloc(strlen(text) * strlen("&quot;") + 1), *end = out;

    if (out == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<': end = stpcpy(end, "&lt;"); break;
        case '>': end = stpcpy(end, "&gt;"); break;
        case '&': end = stpcpy(end, "&amp;"); break;
        case '"': end = stpcpy(end, "&quot;"); break;
        default: *end++ = *text;
        }
    }
    *end = '\0';
    return out;
}

static char *page_create(bool html, const char *host, const char *path)
{
    char *page = NULL;

    if (asprintf(&page, html ? page_html : page_text, host, path) < 0)
        return NULL;
    return page;
}

static char *page_create_escaped(const char *host, const char *path)
{
    char *safe_host = html_escape(host), *safe_path = html_escape(path), *page = NULL;

    if (safe_host != NULL && safe_path != NULL)
        page = page_create(true, safe_host, safe_path);
    free(safe_host);
    free(safe_path);
    return page;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result queued;

    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static const char *request_field(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

    return value != NULL ? value : "";
}

/* Called once with the header, then for each part of a body (which is not of interest here), then to answer. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *body, size_t *body_len, void **request)
{
    static int seen;
    const char *host;
    bool html;
    char *page;

    (void)ctx, (void)version, (void)body;
    if (*request == NULL) {
        *request = &seen;
        return MHD_YES;
    }
    if (*body_len > 0) {
        *body_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        page = strdup("Only GET and HEAD.\n");
        return page != NULL ? answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", page) : MHD_NO;
    }
    host = request_field(connection, MHD_HTTP_HEADER_HOST);
    html = strstr(request_field(connection, MHD_HTTP_HEADER_ACCEPT), "text/html") != NULL;
    page = html ? page_create_escaped(host, path) : page_create(false, host, path);
    if (page == NULL)
        return MHD_NO;
    return answer(connection, MHD_HTTP_OK, html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8", page);
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
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in_port_t port = PORT_DEFAULT;
    struct MHD_Daemon *daemon;
    sigset_t signals;
    int signal_number;

    if (argc > 2 || (argc == 2 && !port_parse(argv[1], &port))) {
        fprintf(stderr, "usage: hello-world [PORT]\n");
        return 2;
    }
    address.sin_port = htons(port);

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before the daemon's thread starts, which inherits the mask */

    daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, on_request, NULL,
                              MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "hello-world: 127.0.0.1:%u: %s\n", port, strerror(errno));
        return 1;
    }
    if (port == 0) {
        printf("listening on 127.0.0.1:%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
        fflush(stdout);
    }
    sigwait(&signals, &signal_number);
    MHD_stop_daemon(daemon);
    return 0;
}
