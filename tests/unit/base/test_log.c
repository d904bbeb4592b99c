/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: what is written, and that nothing forges one. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

static int kept_stderr, pipe_ends[2];

static void capture_start(void)
{
    if (pipe2(pipe_ends, O_NONBLOCK) != 0)
        exit(1);
    kept_stderr = dup(STDERR_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
}

/* What came, as text; "" when nothing did. */
static const char *capture_end(void)
{
    static char text[8192];
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    ssize_t n = read(pipe_ends[0], text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return text;
}

/* Behind "HH:MM:SS.mmm ". */
static const char *behind_time(const char *line)
{
    return strlen(line) > 13 ? line + 13 : line;
}

static void levels_select(void)
{
    capture_start();
    OK(!log_wanted(LOG_LEVEL_ERROR));
    log_error("who", "silence at the start");
    log_set_level(LOG_LEVEL_WARNING);
    OK(log_wanted(LOG_LEVEL_WARNING) && !log_wanted(LOG_LEVEL_INFO) && !log_wanted(LOG_LEVEL_NONE));
    log_info("who", "not wanted");
    log_write(LOG_LEVEL_DEBUG, "who", "not wanted either");
    OK_TEXT(capture_end(), "");
}

static void a_line_has_time_level_and_subject(void)
{
    log_set_level(LOG_LEVEL_DEBUG);
    capture_start();
    errno = ENOENT;
    log_info("tim/hello-world#17", "%d of %s", 3, "them");
    OK_INT(errno, ENOENT);
    const char *line = capture_end();
    OK(strlen(line) > 13 && line[2] == ':' && line[5] == ':' && line[8] == '.' && line[12] == ' ');
    OK_TEXT(behind_time(line), "info tim/hello-world#17: 3 of them\n");
    capture_start();
    log_warning(NULL, "no subject");
    OK_TEXT(behind_time(capture_end()), "warning no subject\n");
}

static const char *logged(const char *text)
{
    capture_start();
    log_error("x", "%s", text);
    return behind_time(capture_end());
}

static void nothing_forges_a_line(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    OK_TEXT(logged("a\nb\r\t\x1b[2J\x7f"), "error x: a\\x0ab\\x0d\\x09\\x1b[2J\\x7f\n");
    OK_TEXT(logged("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "error x: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\n");
    OK_TEXT(logged("\xff\xc3(\xc3"), "error x: \\xff\\xc3(\\xc3\n");
    OK_TEXT(logged("\xc0\xaf\xe0\x80\xaf"), "error x: \\xc0\\xaf\\xe0\\x80\\xaf\n"); /* overlong */
    OK_TEXT(logged("\xed\xa0\x80\xf4\x90\x80\x80"),
            "error x: \\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\n"); /* surrogate, too high */
    OK_TEXT(logged("\xc2\x9b"
                   "31m"),
            "error x: \\xc2\\x9b31m\n");                                                      /* a terminal's CSI */
    OK_TEXT(logged("\xe2\x80\xa8\xe2\x80\xae"), "error x: \\xe2\\x80\\xa8\\xe2\\x80\\xae\n"); /* separator, override */
    capture_start();
    log_error("a\nb", "c");
    OK_TEXT(behind_time(capture_end()), "error a\\x0ab: c\n");
}

static void long_lines_are_cut(void)
{
    char text[2 * LOG_LINE_MAX];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const char *line = logged(text);
    OK_INT(strlen(line), LOG_LINE_MAX - 13);
    OK(line[strlen(line) - 1] == '\n');
    memset(text, '\n', sizeof(text) - 1);
    line = logged(text);
    OK(strlen(line) <= LOG_LINE_MAX - 13 && strlen(line) > LOG_LINE_MAX - 18);
    OK(strchr(line, '\n') == line + strlen(line) - 1);
}

static void fatal_is_always_written(void)
{
    log_set_level(LOG_LEVEL_NONE);
    capture_start();
    log_fatal("program", "port %u: %s", 80, "denied\n");
    OK_TEXT(capture_end(), "program: port 80: denied\\x0a\n");
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"levels select", levels_select},
        {"a line has time, level and subject", a_line_has_time_level_and_subject},
        {"nothing forges a line", nothing_forges_a_line},
        {"long lines are cut", long_lines_are_cut},
        {"fatal is always written", fatal_is_always_written},
    };
    return TAP_RUN(cases);
}
