/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for files. */
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/object.h"
#include "files/etag.h"
#include "files/hideout.h"
#include "files/listing.h"
#include "files/range.h"
#include "files/type.h"
#include "mdm-tunnel/limits.h"

#define FILES_MAGIC 0x66696c65

struct files {
    OBJECT_MAGIC;
    int root;
    bool dot_files; /* are served */
    struct MHD_Daemon *daemon;
    struct hideout hideout; /* where its socket is */
};

/* -- answers ------------------------------------------------------------------------------------------------------- */

static enum MHD_Result queue(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    enum MHD_Result queued = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned status, const char *text, const char *name, const char *value)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (r != NULL)
        MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
    if (r != NULL && name != NULL)
        MHD_add_response_header(r, name, value);
    return queue(c, status, r);
}

/* What the service may not read is not there. */
static enum MHD_Result say_error(struct MHD_Connection *c, int error)
{
    bool ours = error == ENOMEM || error == EMFILE || error == ENFILE || error == EIO;
    return ours ? say(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "it did not work\n", NULL, NULL) : say(c, MHD_HTTP_NOT_FOUND, "not found\n", NULL, NULL);
}

static const char *field(struct MHD_Connection *c, const char *name) { return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name); }

/* -- a file -------------------------------------------------------------------------------------------------------- */

struct look {
    struct stat st;
    char etag[64], date[32];
};

struct etag_question {
    const char *etag;
    bool asked, listed; /* there is a field If-None-Match; one has the tag */
};

static enum MHD_Result on_field(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct etag_question *q = ctx;
    (void)kind;
    if (strcasecmp(name, "If-None-Match") == 0) {
        q->asked = true;
        q->listed |= value != NULL && etag_listed(value, q->etag);
    }
    return MHD_YES;
}

/* RFC 9110 13.2.2 */
static bool is_unchanged(struct MHD_Connection *c, const struct look *l)
{
    const char *since = field(c, "If-Modified-Since");
    struct etag_question q = {.etag = l->etag};
    time_t at;
    MHD_get_connection_values(c, MHD_HEADER_KIND, on_field, &q);
    if (q.asked)
        return q.listed;
    return since != NULL && http_date_parse(since, &at) && l->st.st_mtime <= at;
}

static const char *range_wanted(struct MHD_Connection *c, const struct look *l)
{
    const char *of = field(c, "If-Range");
    return of == NULL || strcmp(of, l->etag) == 0 || strcmp(of, l->date) == 0 ? field(c, "Range") : NULL;
}

/* Takes the descriptor. */
static enum MHD_Result file_answer(struct MHD_Connection *c, const char *name, int fd, const struct stat *st)
{
    struct look l = {.st = *st};
    uint64_t size = (uint64_t)st->st_size, first = 0, len = size;
    char text[80];
    unsigned status = MHD_HTTP_OK;
    snprintf(l.etag, sizeof(l.etag), "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", (uint64_t)st->st_ino,
             (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec, size);
    http_date_text(st->st_mtime, l.date);
    enum range_answer part = range_parse(range_wanted(c, &l), size, &first, &len);
    struct MHD_Response *r = NULL;
    if (is_unchanged(c, &l)) {
        status = MHD_HTTP_NOT_MODIFIED;
        close(fd);
        r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else if (part == RANGE_UNSATISFIABLE) {
        close(fd);
        snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
        return say(c, MHD_HTTP_RANGE_NOT_SATISFIABLE, "the file is not so long\n", "Content-Range", text);
    } else {
        status = part == RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK;
        r = MHD_create_response_from_fd_at_offset64(len, fd, first);
        if (r == NULL)
            close(fd);
    }
    if (r == NULL)
        return MHD_NO;
    if (status != MHD_HTTP_NOT_MODIFIED)
        MHD_add_response_header(r, "Content-Type", type_of(name));
    MHD_add_response_header(r, "ETag", l.etag);
    MHD_add_response_header(r, "Last-Modified", l.date);
    MHD_add_response_header(r, "Accept-Ranges", "bytes");
    MHD_add_response_header(r, "Cache-Control", "no-cache");
    snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, first + len - 1, size);
    if (status == MHD_HTTP_PARTIAL_CONTENT)
        MHD_add_response_header(r, "Content-Range", text);
    return queue(c, status, r);
}

/* -- a folder ------------------------------------------------------------------------------------------------------ */

/* One slash at the front: with two it would be another host's. */
static enum MHD_Result redirect(struct MHD_Connection *c, const char *path)
{
    struct text to;
    text_init(&to, 4 * PATH_TEXT_MAX);
    text_add(&to, "/", 1);
    url_add(&to, path);
    text_add(&to, "/", 1);
    enum MHD_Result done = to.failed ? say_error(c, ENOMEM) : say(c, MHD_HTTP_MOVED_PERMANENTLY, "it is a folder\n", "Location", to.at);
    text_done(&to);
    return done;
}

/* Takes the descriptor. */
static enum MHD_Result folder_answer(struct files *f, struct MHD_Connection *c, const char *path, int fd)
{
    char index[PATH_TEXT_MAX];
    struct stat st;
    int len = snprintf(index, sizeof(index), "%s/index.html", path);
    int page = len < (int)sizeof(index) ? open_below(f->root, index, O_RDONLY | O_NONBLOCK) : -1;
    if (page >= 0 && fstat(page, &st) == 0 && S_ISREG(st.st_mode)) {
        close(fd);
        return file_answer(c, index, page, &st);
    }
    if (page >= 0)
        close(page);
    struct text out;
    text_init(&out, FILES_LIST_BYTES_MAX);
    if (!listing_write(f->root, path, fd, f->dot_files, &out) || out.failed) {
        text_done(&out);
        return say_error(c, ENOMEM);
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(out.len, out.at, MHD_RESPMEM_MUST_FREE);
    if (r == NULL)
        text_done(&out);
    else {
        MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
        MHD_add_response_header(r, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
        MHD_add_response_header(r, "Cache-Control", "no-cache");
    }
    return queue(c, MHD_HTTP_OK, r);
}

/* -- a request ----------------------------------------------------------------------------------------------------- */

static char target_plain, target_cut; /* what a request is marked with */

/* libmicrohttpd's path ends at an encoded NUL: another file than the one that was asked for. */
static void *on_target(void *ctx, const char *target, struct MHD_Connection *c)
{
    (void)ctx, (void)c;
    return strstr(target, "%00") != NULL ? &target_cut : &target_plain;
}

/* Whether a part of the path begins with a dot; "." and ".." are no files' names in any case. */
static bool is_hidden(const char *path, bool dot_files)
{
    for (size_t len; *path != '\0'; path += len + (path[len] == '/')) {
        len = strcspn(path, "/");
        if (path[0] == '.' && (!dot_files || len == 1 || (len == 2 && path[1] == '.')))
            return true;
    }
    return false;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                                  const char *data, size_t *size, void **mark)
{
    struct files *f = ctx;
    struct stat st;
    (void)version, (void)data, (void)size;
    CHECK_OBJECT(f, FILES_MAGIC);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD\n", "Allow", "GET, HEAD");
    if (*mark == &target_cut)
        return say(c, MHD_HTTP_BAD_REQUEST, "not a path\n", NULL, NULL);
    while (*url == '/')
        url++;
    size_t len = strlen(url);
    bool slash = len == 0 || url[len - 1] == '/';
    if (is_hidden(url, f->dot_files) || len >= PATH_TEXT_MAX)
        return say_error(c, ENOENT);
    int fd = open_below(f->root, len > 0 ? url : ".", O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return say_error(c, errno);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return file_answer(c, url, fd, &st);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && slash) {
        char path[PATH_TEXT_MAX];
        while (len > 0 && url[len - 1] == '/')
            len--;
        snprintf(path, sizeof(path), "%.*s", len > 0 ? (int)len : 1, len > 0 ? url : ".");
        return folder_answer(f, c, path, fd);
    }
    close(fd);
    return S_ISDIR(st.st_mode) ? redirect(c, url) : say_error(c, ENOENT);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static void on_log(void *ctx, const char *format, va_list ap)
{
    char text[256];
    (void)ctx;
    vsnprintf(text, sizeof(text), format, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("files", "%s", text);
}

static bool daemon_start(struct files *f)
{
    sigset_t all, before;
    int fd = hideout_listen(&f->hideout, FILES_CONNECTIONS_MAX);
    if (fd < 0)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
    f->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, f, MHD_OPTION_EXTERNAL_LOGGER,
                                 on_log, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)FILES_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)FILES_TIMEOUT_S, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (f->daemon == NULL)
        close(fd);
    return f->daemon != NULL;
}

struct files *files_create(const char *folder, bool dot_files, char *why, size_t why_size)
{
    struct files *f;
    ALLOC_OBJECT(f, FILES_MAGIC);
    if (f == NULL) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    f->dot_files = dot_files;
    f->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int probe = f->root < 0 ? -1 : open_below(f->root, ".", O_PATH);
    if (f->root < 0)
        snprintf(why, why_size, "%.256s: %s", folder, strerror(errno));
    else if (probe < 0)
        snprintf(why, why_size, "%.256s: the kernel cannot keep within a folder (openat2): %s", folder, strerror(errno));
    else if (!daemon_start(f))
        snprintf(why, why_size, "%.256s: cannot be served: %s", folder, strerror(errno != 0 ? errno : ENOMEM));
    if (probe >= 0)
        close(probe);
    if (f->daemon == NULL)
        files_free(&f);
    return f;
}

const char *files_socket(const struct files *f) { return f->hideout.address.sun_path; }

void files_free(struct files **fp)
{
    struct files *f;
    if (*fp == NULL)
        return;
    TAKE_OBJECT(f, fp, FILES_MAGIC);
    if (f->daemon != NULL)
        MHD_stop_daemon(f->daemon);
    hideout_leave(&f->hideout);
    if (f->root >= 0)
        close(f->root);
    FREE_OBJECT(f);
}
