/* SPDX-License-Identifier: Apache-2.0 */
/* TCP, proxy, TLS, WebSocket. */
#include "link/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "link/proxy.h"
#include "link/socket.h"

#define STEP_MS 2000 /* for each answer */
#define HEARD_MAX 512
#define ASKED_MAX 2048

/* -- what is said -------------------------------------------------------------------------------------------------- */

/* "NAME:PASSWORD" as in a URL to the form of Basic (RFC 7617). False: not valid, or too long. */
static bool basic_write(const char *user, char *out, size_t size)
{
    unsigned char plain[LINK_PROXY_USER_MAX + 1];
    size_t len = 0;

    for (const char *at = user; *at != '\0'; at++) {
        unsigned code;
        if (*at != '%') {
            plain[len++] = (unsigned char)*at;
        } else if (sscanf(at + 1, "%2x", &code) == 1 && at[1] != '\0' && at[2] != '\0') {
            plain[len++] = (unsigned char)code;
            at += 2;
        } else {
            return false;
        }
    }
    if ((len + 2) / 3 * 4 + 1 > size)
        return false;
    EVP_EncodeBlock((unsigned char *)out, plain, (int)len);
    return true;
}

static void connect_write(const struct paho_config *c, char out[static ASKED_MAX])
{
    bool v6 = strchr(c->host, ':') != NULL;
    char basic[LINK_PROXY_USER_MAX * 2] = "", target[300];

    snprintf(target, sizeof(target), v6 ? "[%s]:%u" : "%s:%u", c->host, c->port);
    bool said = c->proxy->user[0] != '\0' && basic_write(c->proxy->user, basic, sizeof(basic));
    snprintf(out, ASKED_MAX, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", target, target,
             said ? "Proxy-Authorization: Basic " : "", basic, said ? "\r\n" : "");
    OPENSSL_cleanse(basic, sizeof(basic));
}

static void upgrade_write(const struct paho_config *c, char out[static ASKED_MAX])
{
    snprintf(out, ASKED_MAX, "GET %.512s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
             c->path, c->host, c->port);
}

/* -- what is answered ---------------------------------------------------------------------------------------------- */

/* Status and phrase of an answer that is not `wanted`, for `why`; what strangers say is cut to what can be printed. */
static bool status_is(const char *heard, unsigned wanted, const char *who, char why[static LINK_PROBE_WHY])
{
    unsigned status = 0;
    char phrase[48] = "";

    if (sscanf(heard, "HTTP/1.%*1[01] %3u %47[ -~]", &status, phrase) < 1)
        snprintf(why, LINK_PROBE_WHY, "%s no HTTP", who);
    else if (status != wanted && !(wanted == 200 && status / 100 == 2))
        snprintf(why, LINK_PROBE_WHY, "%s %u %s", who, status, phrase);
    else
        return true;
    return false;
}

/* The head of an answer, not more: what follows is TLS's. */
static void head_read(int fd, char heard[static HEARD_MAX])
{
    size_t len = 0;

    while (len < HEARD_MAX - 1 && recv(fd, heard + len, 1, 0) == 1) {
        heard[++len] = '\0';
        if (len >= 4 && memcmp(heard + len - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    heard[len] = '\0';
}

static void plain_ask(int fd, const char *say, char heard[static HEARD_MAX])
{
    heard[0] = '\0';
    if (send(fd, say, strlen(say), MSG_NOSIGNAL) > 0)
        head_read(fd, heard);
}

/* -- the way ------------------------------------------------------------------------------------------------------- */

static bool through_proxy(int fd, const struct paho_config *c, char why[static LINK_PROBE_WHY])
{
    char asked[ASKED_MAX], heard[HEARD_MAX];

    connect_write(c, asked);
    plain_ask(fd, asked, heard);
    OPENSSL_cleanse(asked, sizeof(asked));
    return status_is(heard, 200, "the proxy answers", why);
}

static bool through_tls(int fd, const struct paho_config *c, const char *say, char heard[static HEARD_MAX],
                        struct tls_probe_seen *seen, char why[static LINK_PROBE_WHY])
{
    const struct tls_probe p = {.host = c->host, .ca_file = c->ca_file, .cert_file = c->cert_file, .key_file = c->key_file,
                                .alpn = c->alpn};

    return tls_probe(fd, &p, say, heard, HEARD_MAX, seen, why, LINK_PROBE_WHY);
}

static bool probe_steps(int fd, const struct paho_config *c, struct tls_probe_seen *seen, char why[static LINK_PROBE_WHY])
{
    char asked[ASKED_MAX], heard[HEARD_MAX] = "";

    if (c->proxy != NULL && !through_proxy(fd, c, why))
        return false;
    if (c->path != NULL)
        upgrade_write(c, asked);
    if (c->tls && !through_tls(fd, c, c->path != NULL ? asked : NULL, heard, seen, why))
        return false;
    if (!c->tls && c->path != NULL)
        plain_ask(fd, asked, heard);
    return c->path == NULL || status_is(heard, 101, "the WebSocket is answered with", why);
}

bool link_probe(const struct paho_config *config, const struct sockaddr *address, socklen_t len, struct tls_probe_seen *seen,
                char why[static LINK_PROBE_WHY])
{
    static const struct timeval step = {.tv_sec = STEP_MS / 1000};
    int fd = socket_dial(address, len, STEP_MS);

    if (fd < 0) {
        snprintf(why, LINK_PROBE_WHY, "%s", strerror(errno));
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &step, sizeof(step));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &step, sizeof(step));
    bool good = probe_steps(fd, config, seen, why);
    close(fd);
    return good;
}
