/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP-01 challenges from a directory, and 308 to https://. */
#include "server/doorway.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"
#include "server/exchange.h"
#include "server/front.h"

#define CHALLENGES "/.well-known/acme-challenge/"
#define HTTPS_PORT 443

/* -- challenges ---------------------------------------------------------------------------------------------------- */

/* The token's length when the path is a challenge's (RFC 8555 8.3: base64url, so it can name no other directory). */
static size_t token_of(struct http_text path, const char **token)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t prefix = sizeof(CHALLENGES) - 1, len = 0;

    if (path.len <= prefix || memcmp(path.at, CHALLENGES, prefix) != 0)
        return 0;
    *token = path.at + prefix;
    while (prefix + len < path.len && (*token)[len] != '?') {
        if ((*token)[len] == '\0' || strchr(allowed, (*token)[len]) == NULL)
            return 0;
        len++;
    }
    return len <= ACME_TOKEN_MAX ? len : 0;
}

/* Bytes of the file; -1: there is none that could be meant. */
static ssize_t challenge_read(const char *root, const char *token, size_t len, char out[static ACME_FILE_MAX + 1])
{
    char path[PATH_TEXT_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s" CHALLENGES "%.*s", root, (int)len, token);
    int fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    ssize_t bytes = -1;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        bytes = read(fd, out, ACME_FILE_MAX + 1);
    close(fd);
    return bytes <= (ssize_t)ACME_FILE_MAX ? bytes : -1;
}

static bool challenge_answers(struct exchange *ex, struct http_text path)
{
    const char *root = ex->front->config.settings->acme_webroot, *token = NULL;
    char bytes[ACME_FILE_MAX + 1];
    size_t token_len = token_of(path, &token);

    if (root == NULL || token_len == 0 || (!ex->request.to_head && strcmp(ex->request.method, "GET") != 0))
        return false;
    ssize_t len = challenge_read(root, token, token_len, bytes);
    if (len < 0)
        return false; /* a service may have challenges of its own */
    exchange_reply_own(ex, 200, bytes, (size_t)len);
    if (ex->response != NULL)
        MHD_add_response_header(ex->response, "Content-Type", "application/octet-stream");
    return true;
}

/* -- to HTTPS ------------------------------------------------------------------------------------------------------ */

static bool redirect_answers(struct exchange *ex, struct http_text path)
{
    const struct front *f = ex->front;
    struct http_authority a;
    struct text location;
    const char *token;

    if (!f->config.settings->redirect_https || ex->request.secure || token_of(path, &token) > 0 ||
        !http_authority_parse(http_text_of(ex->request.host), &a))
        return false;
    text_init(&location, HTTP_REQUEST_HEAD_MAX);
    text_format(&location, "https://%.*s", (int)a.host.len, a.host.at);
    if (f->config.https_port != HTTPS_PORT)
        text_format(&location, ":%u", f->config.https_port);
    if (path.len > 0 && path.at[0] == '/')
        text_add(&location, path.at, path.len);
    else
        text_add(&location, "/", 1);
    exchange_reply_own(ex, 308, "", 0);
    if (location.failed || ex->response == NULL ||
        MHD_add_response_header(ex->response, "Location", location.at) != MHD_YES)
        exchange_fail(ex, &error_no_memory, NULL);
    text_done(&location);
    return true;
}

bool doorway_answers(struct exchange *ex)
{
    struct http_target target;

    if (!http_target_parse(http_text_of(ex->request.target), &target))
        return false;
    return challenge_answers(ex, target.path) || redirect_answers(ex, target.path);
}
