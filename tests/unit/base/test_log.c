/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: what is written, and that nothing forges one. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* -- elsewhere ----------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/mdm-log-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static const char *content_of(const char *name)
{
    static char text[4096];
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static bool open_at(const char *where, enum log_format format, const char *socket)
{
    return log_open(&(struct log_target){.program = "prog", .where = where, .format = format, .socket = socket}) == 0;
}

static void a_file_is_opened_again(void)
{
    char moved[128];
    snprintf(moved, sizeof(moved), "%s/moved", directory);
    log_set_level(LOG_LEVEL_INFO);
    OK(open_at(path_of("log"), LOG_FORMAT_TEXT, NULL));
    log_info("who", "one");
    const char *line = content_of("log");
    OK(strlen(line) > 25 && line[4] == '-' && line[10] == 'T' && line[23] == 'Z');
    OK_TEXT(line + 24, " info who: one\n");
    OK(rename(path_of("log"), moved) == 0);
    log_info("who", "two");
    OK(strstr(content_of("moved"), "two") != NULL);
    OK_INT(log_reopen(), 0);
    log_info("who", "three");
    OK(strstr(content_of("moved"), "three") == NULL && strstr(content_of("log"), "three") != NULL);
    capture_start();
    log_fatal("prog", "no more");
    OK_TEXT(capture_end(), "prog: no more\n");
    OK(strstr(content_of("log"), " error no more\n") != NULL);
    log_close();
    OK(unlink(moved) == 0 && unlink(path_of("log")) == 0);
    OK(!open_at("/nowhere/there", LOG_FORMAT_TEXT, NULL));
    OK(!open_at("syslog", LOG_FORMAT_TEXT, "/nowhere/there"));
}

/* The old file goes on, and says so. */
static void a_file_that_cannot_be_opened_again_goes_on(void)
{
    char moved[128], below[128];
    snprintf(below, sizeof(below), "%s/below", directory);
    snprintf(moved, sizeof(moved), "%s/gone", directory);
    OK(mkdir(below, 0700) == 0 && open_at(path_of("below/log"), LOG_FORMAT_TEXT, NULL));
    OK(rename(below, moved) == 0);
    log_rotate();
    OK(strstr(content_of("gone/log"), "cannot be opened again, the old file goes on") != NULL);
    log_close();
    OK(unlink(path_of("gone/log")) == 0 && rmdir(moved) == 0);
}

static void json_is_json_whatever_is_said(void)
{
    char text[2 * LOG_LINE_MAX];
    log_set_level(LOG_LEVEL_INFO);
    OK(open_at("stderr", LOG_FORMAT_JSON, NULL));
    capture_start();
    log_info("a\"b", "c\"\\\n\xff gr\xc3\xbc");
    const char *line = capture_end();
    OK(strncmp(line, "{\"time\":\"20", 11) == 0);
    OK_TEXT(line + strlen("{\"time\":\"2026-11-26T11:43:47.123Z"),
            "\",\"level\":\"info\",\"subject\":\"a\\\"b\",\"text\":\"c\\\"\\\\\\\\x0a\\\\xff gr\xc3\xbc\"}\n");
    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    capture_start();
    log_info("who", "%s", text);
    line = capture_end();
    OK(strlen(line) <= LOG_LINE_MAX && strlen(line) > LOG_LINE_MAX - 4);
    OK(strcmp(line + strlen(line) - 5, "\\\"\"}\n") == 0);
    log_close();
}

/* Somebody at `name` in the directory who gets datagrams. */
static int receiver_open(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", directory, name);
    return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static const char *received(int fd)
{
    static char text[4096];
    ssize_t len = recv(fd, text, sizeof(text) - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void the_journal_gets_fields(void)
{
    int fd = receiver_open("journal");
    log_set_level(LOG_LEVEL_INFO);
    OK(open_at("journal", LOG_FORMAT_TEXT, path_of("journal")));
    log_warning("tim\nPRIORITY=0", "here\nMESSAGE=forged");
    OK_TEXT(received(fd), "PRIORITY=4\nSYSLOG_IDENTIFIER=prog\nMESSAGE=tim\\x0aPRIORITY=0: here\\x0aMESSAGE=forged\n"
                          "MDM_TUNNEL_SUBJECT=tim\\x0aPRIORITY=0\n");
    log_close();
    close(fd);
    OK(unlink(path_of("journal")) == 0);
}

static void the_systems_log_gets_lines(void)
{
    char want[64];
    int fd = receiver_open("syslog");
    log_set_level(LOG_LEVEL_INFO);
    OK(open_at("syslog", LOG_FORMAT_TEXT, path_of("syslog")));
    log_error("tim", "here");
    const char *line = received(fd);
    snprintf(want, sizeof(want), " prog[%ld]: tim: here", (long)getpid());
    OK(strncmp(line, "<27>", 4) == 0 && strlen(line) == 4 + 15 + strlen(want)); /* daemon.err, "Nov 26 11:43:47" */
    OK_TEXT(line + 4 + 15, want);
    log_close();
    close(fd);
    OK(unlink(path_of("syslog")) == 0);
}

static void what_is_lost_is_said(void)
{
    int fd = receiver_open("log.socket");
    log_set_level(LOG_LEVEL_INFO);
    OK(open_at("syslog", LOG_FORMAT_TEXT, path_of("log.socket")));
    close(fd);
    log_info("tim", "one");
    log_info("tim", "two");
    OK(unlink(path_of("log.socket")) == 0);
    fd = receiver_open("log.socket");
    log_info("tim", "three");
    OK(strstr(received(fd), "three") != NULL);
    OK(strstr(received(fd), ": log: 2 lines were lost before this one") != NULL);
    OK_TEXT(received(fd), "");
    log_close();
    close(fd);
    OK(unlink(path_of("log.socket")) == 0);
}

static void levels_have_names(void)
{
    enum log_level level = LOG_LEVEL_NONE;
    OK(log_level_parse("debug", &level) && level == LOG_LEVEL_DEBUG);
    OK(log_level_parse("error", &level) && level == LOG_LEVEL_ERROR);
    OK(!log_level_parse("none", &level) && !log_level_parse("", &level) && level == LOG_LEVEL_ERROR);
    OK_TEXT(log_level_name(LOG_LEVEL_WARNING), "warning");
}

int main(void)
{
    if (mkdtemp(directory) == NULL)
        return 1;
    static const struct tap_case cases[] = {
        {"levels select", levels_select},
        {"a line has time, level and subject", a_line_has_time_level_and_subject},
        {"nothing forges a line", nothing_forges_a_line},
        {"long lines are cut", long_lines_are_cut},
        {"fatal is always written", fatal_is_always_written},
        {"a file is opened again", a_file_is_opened_again},
        {"a file that cannot be opened again goes on", a_file_that_cannot_be_opened_again_goes_on},
        {"JSON is JSON whatever is said", json_is_json_whatever_is_said},
        {"the journal gets fields", the_journal_gets_fields},
        {"the system's log gets lines", the_systems_log_gets_lines},
        {"what is lost is said", what_is_lost_is_said},
        {"levels have names", levels_have_names},
    };
    int status = TAP_RUN(cases);
    return rmdir(directory) == 0 ? status : 1;
}
