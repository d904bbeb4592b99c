/* SPDX-License-Identifier: Apache-2.0 */
/* The access log: what a line says, and that nothing forges one. */
#include "server/access_line.h"

#include <stdlib.h>
#include <string.h>

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
    static char bytes[LINE_LOG_LINE_MAX + 1];
    struct text_line line;
    text_line_init(&line, bytes, LINE_LOG_LINE_MAX);
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
        OK(strlen(line) < LINE_LOG_LINE_MAX - 256);
        OK(strcmp(line + strlen(line) - 2, format == ACCESS_JSON ? "}\n" : "_\n") == 0);
        OK(strstr(line, format == ACCESS_JSON ? "\",\"secure\":false,\"status\":200," : "\" 200 1234 \"") != NULL);
    }
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"combined has its fields", combined_has_its_fields},
        {"JSON has its keys", json_has_its_keys},
        {"nothing forges a line or a field", nothing_forges_a_line_or_a_field},
        {"long fields are cut", long_fields_are_cut},
    };
    return TAP_RUN(cases);
}
