/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of workers arrive in their log, are bounded, and counted when lost. */
#include "base/line_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"
#include "tap.h"

static const char sample[] =
    "192.0.2.1 - - [26/Nov/2025:11:43:47 +0000] \"GET /a?b HTTP/1.1\" 200 1234 \"-\" \"curl/7.88\" \"tim/hello\" 3.000001 -\n";

static void line_write(struct line_tap *t)
{
    struct text_line line;
    if (!line_tap_begin(t, &line))
        return;
    text_line_put(&line, sample);
    line_tap_end(t, &line);
}

struct job {
    struct mail mail;
    struct line_tap tap;
    unsigned lines;
};

static void job_run(struct worker *self, struct mail *m)
{
    struct job *j = CONTAINER_OF(m, struct job, mail);
    if (j->tap.worker == NULL)
        line_tap_init(&j->tap, j->tap.log, self);
    for (unsigned i = 0; i < j->lines; i++)
        line_write(&j->tap);
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
static void write_lines(struct line_log *log, unsigned lines)
{
    struct worker *w = worker_create("worker", 0);
    struct job j = {.mail = {.deliver = job_run, .discard = job_discard}, .tap = {.log = log}, .lines = lines};
    list_init(&j.mail.node);
    worker_post(w, &j.mail);
    OK_INT(worker_start(w), 0);
    worker_stop(w);
    line_tap_done(&j.tap);
    worker_free(&w);
}

static int failure;

static struct line_log *log_of(const char *path)
{
    return line_log_create(
        &(struct line_log_config){.name = "test-log", .where = path, .program = "test", .lost = COUNTER_access_lines_lost}, &failure);
}

static char directory[] = "/tmp/mdm-lines-XXXXXX";

static void lines_arrive(void)
{
    char path[64];
    off_t size;
    snprintf(path, sizeof(path), "%s/log", directory);
    struct line_log *log = log_of(path);
    OK(log != NULL && line_log_start(log) == 0);
    write_lines(log, 10000);
    line_log_stop(log);
    line_log_free(&log);
    OK_INT(lines_of(path, &size), 10000);
    OK_INT(size, 10000 * (off_t)strlen(sample));
    OK_INT(counters_sum(COUNTER_access_lines_lost), 0);
    OK(unlink(path) == 0);
    OK(log_of("/nowhere/there") == NULL);
    OK_INT(failure, ENOENT);
}

/* While nothing is written, no more than LINE_LOG_CHUNKS_MAX wait; the rest is counted. */
static void what_waits_is_bounded(void)
{
    char path[64];
    off_t size;
    unsigned per_chunk = (LINE_LOG_CHUNK_BYTES - LINE_LOG_LINE_MAX) / (unsigned)strlen(sample) + 1;
    unsigned wanted = (LINE_LOG_CHUNKS_MAX + 2) * per_chunk;
    snprintf(path, sizeof(path), "%s/log", directory);
    struct line_log *log = log_of(path);
    write_lines(log, wanted); /* the log's thread has not begun */
    unsigned long lost = counters_sum(COUNTER_access_lines_lost);
    OK_INT(line_log_start(log), 0);
    line_log_stop(log);
    line_log_free(&log);
    OK_INT(lines_of(path, &size), LINE_LOG_CHUNKS_MAX * per_chunk);
    OK_INT(lost, wanted - LINE_LOG_CHUNKS_MAX * per_chunk);
    OK(unlink(path) == 0);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"lines arrive", lines_arrive},
        {"what waits is bounded", what_waits_is_bounded},
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int status = TAP_RUN(cases);
    return rmdir(directory) == 0 ? status : 1;
}
