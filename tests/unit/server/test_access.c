/* SPDX-License-Identifier: Apache-2.0 */
/* The access log: what a line says, that nothing forges one, and that lines arrive, are bounded, and counted when lost. */
#include "server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/counters.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

static const struct access_entry entry = {
    .began = {.tv_sec = 1764157427, .tv_nsec = 123456789},
    .kind = "http",
    .visitor = "192.0.2.1",
    .client = "tim",
    .service = "hello",
    .number = 17,
    .method = "GET",
    .target = "/a?b",
    .version = "HTTP/1.1",
    .host = "hello.tim.example.com",
    .agent = "curl/7.88",
    .status = 200,
    .bytes_in = 5,
    .bytes_out = 1234,
    .queue_us = 1500,
    .connect_us = 250,
    .first_us = 3000000,
    .total_us = 3000001,
};

static const char *line_of(enum access_format format, const struct access_entry *e)
{
    static char bytes[ACCESS_LINE_MAX + 1];
    struct text_line line;
    text_line_init(&line, bytes, ACCESS_LINE_MAX);
    access_line_write(&line, format, e);
    bytes[line.len] = '\0';
    return bytes;
}

static void combined_has_its_fields(void)
{
    struct access_entry e = entry;
    setenv("TZ", "UTC", 1);
    tzset();
    OK_TEXT(line_of(ACCESS_COMBINED, &e), "192.0.2.1 - - [26/Nov/2025:11:43:47 +0000] \"GET /a?b HTTP/1.1\" 200 1234 \"-\" \"curl/7.88\" "
                                          "\"tim/hello\" 3.000001 -\n");
    e.user = "ann";
    e.referer = "http://x/";
    e.error = "client-offline";
    e.bytes_out = 0;
    e.service = "";
    e.status = 503;
    OK_TEXT(line_of(ACCESS_COMBINED, &e), "192.0.2.1 - ann [26/Nov/2025:11:43:47 +0000] \"GET /a?b HTTP/1.1\" 503 - \"http://x/\" "
                                          "\"curl/7.88\" \"tim\" 3.000001 client-offline\n");
    OK_TEXT(line_of(ACCESS_COMBINED, &(struct access_entry){.began = entry.began, .kind = "tcp", .visitor = "::1", .client = "tim",
                                                            .service = "ssh", .bytes_out = 7, .total_us = 20}),
            "::1 - - [26/Nov/2025:11:43:47 +0000] \"tcp\" - 7 \"-\" \"-\" \"tim/ssh\" 0.000020 -\n");
}

static void json_has_its_keys(void)
{
    struct access_entry e = entry;
    OK_TEXT(line_of(ACCESS_JSON, &e),
            "{\"time\":\"2025-11-26T11:43:47.123Z\",\"kind\":\"http\",\"visitor\":\"192.0.2.1\",\"client\":\"tim\",\"service\":\"hello\","
            "\"stream\":17,\"method\":\"GET\",\"host\":\"hello.tim.example.com\",\"target\":\"/a?b\",\"version\":\"HTTP/1.1\","
            "\"secure\":false,\"status\":200,\"bytes_in\":5,\"bytes_out\":1234,\"queue\":0.001500,\"connect\":0.000250,"
            "\"first_byte\":3.000000,\"total\":3.000001,\"user_agent\":\"curl/7.88\"}\n");
    e.queue_us = e.connect_us = e.first_us = ACCESS_NEVER;
    e.error = "unknown-client";
    const char *line = line_of(ACCESS_JSON, &e);
    OK(strstr(line, "queue") == NULL && strstr(line, "connect") == NULL && strstr(line, "first_byte") == NULL);
    OK(strstr(line, ",\"error\":\"unknown-client\"}\n") != NULL);
}

static void nothing_forges_a_line_or_a_field(void)
{
    struct access_entry e = entry;
    e.user = "a b\" [x";
    e.target = "/\" 200 1 \"\\\n127.0.0.1 - - \x1b[2J\xff";
    e.agent = "\",\"status\":500,\"x\":\"";
    const char *line = line_of(ACCESS_COMBINED, &e);
    OK(strstr(line, " a_b__[x [26/") != NULL);
    OK(strstr(line, "\"GET /\\\" 200 1 \\\"\\\\\\x0a127.0.0.1 - - \\x1b[2J\\xff HTTP/1.1\" 200 1234 ") != NULL);
    OK(strchr(line, '\n') == line + strlen(line) - 1);
    line = line_of(ACCESS_JSON, &e);
    OK(strstr(line, "\"user_agent\":\"\\\",\\\"status\\\":500,\\\"x\\\":\\\"\"}\n") != NULL);
    OK(strstr(line, "\"target\":\"/\\\" 200 1 \\\"\\\\\\\\x0a127.0.0.1 - - \\\\x1b[2J\\\\xff\"") != NULL);
    OK(strchr(line, '\n') == line + strlen(line) - 1);
}

/* Whatever is long is cut for itself: the rest of the line stays. */
static void long_fields_are_cut(void)
{
    static char text[2 * ACCESS_TARGET_MAX];
    struct access_entry e = entry;
    memset(text, '\x01', sizeof(text) - 1);
    e.target = e.agent = e.referer = e.host = e.method = e.user = e.client = e.service = e.version = e.error = text;
    for (int format = ACCESS_COMBINED; format <= ACCESS_JSON; format++) {
        const char *line = line_of((enum access_format)format, &e);
        OK(strlen(line) < ACCESS_LINE_MAX - 256);
        OK(strcmp(line + strlen(line) - 2, format == ACCESS_JSON ? "}\n" : "_\n") == 0);
        OK(strstr(line, format == ACCESS_JSON ? "\",\"secure\":false,\"status\":200," : "\" 200 1234 \"") != NULL);
    }
}

/* -- from workers to the file -------------------------------------------------------------------------------------- */

struct job {
    struct mail mail;
    struct access_tap tap;
    unsigned lines;
};

static void job_run(struct worker *self, struct mail *m)
{
    struct job *j = CONTAINER_OF(m, struct job, mail);
    if (j->tap.worker == NULL)
        access_tap_init(&j->tap, j->tap.log, self);
    for (unsigned i = 0; i < j->lines; i++)
        access_tap_write(&j->tap, &entry);
}

static void job_discard(struct mail *m) { (void)m; }

static unsigned long lines_of(const char *path, off_t *size)
{
    struct stat st;
    unsigned long lines = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *size = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
    char *text = malloc((size_t)*size + 1);
    ssize_t len = fd < 0 || text == NULL ? 0 : read(fd, text, (size_t)*size);
    for (ssize_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    free(text);
    if (fd >= 0)
        close(fd);
    return lines;
}

/* `lines` on a worker of their own in one turn; the log is stopped then. */
static void write_lines(struct access_log *log, unsigned lines)
{
    struct worker *w = worker_create("worker", 0);
    struct job j = {.mail = {.deliver = job_run, .discard = job_discard}, .tap = {.log = log}, .lines = lines};
    list_init(&j.mail.node);
    worker_post(w, &j.mail);
    OK_INT(worker_start(w), 0);
    worker_stop(w);
    access_tap_done(&j.tap);
    worker_free(&w);
}

static char directory[] = "/tmp/mdm-access-XXXXXX";

static void lines_arrive(void)
{
    char path[64];
    off_t size;
    struct config_error err;
    snprintf(path, sizeof(path), "%s/log", directory);
    struct access_log *log = access_log_create(path, ACCESS_COMBINED, "test", &err);
    OK(log != NULL && access_log_start(log) == 0);
    write_lines(log, 10000);
    access_log_stop(log);
    access_log_free(&log);
    OK_INT(lines_of(path, &size), 10000);
    OK_INT(size, 10000 * (off_t)strlen(line_of(ACCESS_COMBINED, &entry)));
    OK_INT(counters_sum(COUNTER_access_lines_lost), 0);
    OK(unlink(path) == 0);
    OK(access_log_create("/nowhere/there", ACCESS_JSON, "test", &err) == NULL);
    OK_TEXT(err.text, "access-log: /nowhere/there: No such file or directory");
}

/* While nothing is written, no more than ACCESS_CHUNKS_MAX wait; the rest is counted. */
static void what_waits_is_bounded(void)
{
    char path[64];
    off_t size;
    struct config_error err;
    unsigned per_chunk = (ACCESS_CHUNK_BYTES - ACCESS_LINE_MAX) / (unsigned)strlen(line_of(ACCESS_COMBINED, &entry)) + 1;
    unsigned wanted = (ACCESS_CHUNKS_MAX + 2) * per_chunk;
    snprintf(path, sizeof(path), "%s/log", directory);
    struct access_log *log = access_log_create(path, ACCESS_COMBINED, "test", &err);
    write_lines(log, wanted); /* the log's thread has not begun */
    unsigned long lost = counters_sum(COUNTER_access_lines_lost);
    OK_INT(access_log_start(log), 0);
    access_log_stop(log);
    access_log_free(&log);
    OK_INT(lines_of(path, &size), ACCESS_CHUNKS_MAX * per_chunk);
    OK_INT(lost, wanted - ACCESS_CHUNKS_MAX * per_chunk);
    OK(unlink(path) == 0);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"combined has its fields", combined_has_its_fields},
        {"JSON has its keys", json_has_its_keys},
        {"nothing forges a line or a field", nothing_forges_a_line_or_a_field},
        {"long fields are cut", long_fields_are_cut},
        {"lines arrive", lines_arrive},
        {"what waits is bounded", what_waits_is_bounded},
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int status = TAP_RUN(cases);
    return rmdir(directory) == 0 ? status : 1;
}
