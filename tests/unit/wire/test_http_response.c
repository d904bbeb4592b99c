/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of responses. */
#include "wire/http.h"

#include <stdlib.h>

#include "tap.h"

static struct http_response r;
static const char *why;
static size_t used;

static enum http_parse parse_bytes(const char *data, size_t len, bool to_head)
{
    size_t scanned = 0;
    why = "";
    used = 0;
    return http_response_parse(&r, data, len, to_head, &scanned, &used, &why);
}

static bool is_done(const char *head)
{
    bool ok = parse_bytes(head, strlen(head), false) == HTTP_PARSE_DONE;
    if (!ok)
        printf("# %s\n", why);
    return ok && used == strlen(head);
}

static bool is_bad(const char *head, const char *words)
{
    bool ok = parse_bytes(head, strlen(head), false) == HTTP_PARSE_BAD && strcmp(why, words) == 0;
    if (!ok)
        printf("# said: %s\n", why);
    return ok;
}

static void test_head(void)
{
    static const char head[] = "HTTP/1.1 404 Not  Found\r\nServer: x\r\nset-cookie:a=1\r\nSet-Cookie: \t b=2 \t\r\n"
                               "Empty:\r\nContent-Length: 3\r\n\r\nabcHTTP";
    OK_INT(parse_bytes(head, sizeof(head) - 1, false), HTTP_PARSE_DONE);
    OK_INT(used, sizeof(head) - 1 - 7);
    OK_INT(r.minor_version, 1);
    OK_INT(r.status, 404);
    OK(http_text_is(r.reason, "not  found"));
    OK_INT(r.field_count, 5);
    OK(http_text_is(r.fields[1].name, "set-cookie") && http_text_is(r.fields[1].value, "a=1"));
    OK(http_text_is(r.fields[2].value, "b=2"));
    OK_INT(r.fields[3].value.len, 0);
    OK_INT(r.framing, HTTP_FRAMING_LENGTH);
    OK_INT(r.content_length, 3);
    OK(r.keep_alive);
}

static void test_status_lines(void)
{
    OK(is_done("HTTP/1.1 200\r\n\r\n") && r.reason.len == 0);
    OK(is_done("HTTP/1.1 200 \r\n\r\n") && r.reason.len == 0);
    OK(is_done("HTTP/1.1 999 \xc3\xa4\r\n\r\n") && r.status == 999);
    OK(is_done("HTTP/1.9 200 OK\r\n\r\n") && r.minor_version == 9);
    OK(is_bad("HTTP/1.1  200 OK\r\n\r\n", "a status that is not three digits"));
    OK(is_bad("HTTP/1.1 2000\r\n\r\n", "a status that is not three digits"));
    OK(is_bad("HTTP/1.1 20 OK\r\n\r\n", "a status that is not three digits"));
    OK(is_bad("HTTP/1.1 200\tOK\r\n\r\n", "a status that is not three digits"));
    OK(is_bad("HTTP/1.1 099 X\r\n\r\n", "a status below 100"));
    OK(is_bad("HTTP/1.1\r\n\r\n", "a status line that is not one"));
    OK(is_bad("HTTP/1.12 200 OK\r\n\r\n", "a status line that is not one"));
    OK(is_bad("HTTP/1.x 200 OK\r\n\r\n", "a status line that is not one"));
    OK(is_bad("HTTP/1.1 200 O\rK\r\n\r\n", "a control byte in the status line"));
}

static void test_not_http(void)
{
    OK(is_bad("SSH-2.0-OpenSSH_9.2", "bytes that are not HTTP/1"));
    OK(is_bad("HTTP/2.0 200 OK\r\n", "bytes that are not HTTP/1"));
    OK(is_bad("http/1.1 200 OK\r\n", "bytes that are not HTTP/1"));
    OK(is_bad("\r\nHTTP/1.1 200 OK\r\n\r\n", "bytes that are not HTTP/1"));
    OK(is_bad("HX", "bytes that are not HTTP/1"));
    OK_INT(parse_bytes("HTTP", 4, false), HTTP_PARSE_MORE);
    OK_INT(parse_bytes(NULL, 0, false), HTTP_PARSE_MORE);
}

static void test_bad_fields(void)
{
    OK(is_bad("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "white space before a colon"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "a folded line"));
    OK(is_bad("HTTP/1.1 200 OK\r\n\tA: b\r\n\r\n", "a folded line"));
    OK(is_bad("HTTP/1.1 200 OK\r\n: b\r\n\r\n", "a field without a name"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA(: b\r\n\r\n", "a field name that is not a token"));
    OK(is_bad("HTTP/1.1 200 OK\r\nAb\r\n\r\n", "a line that is not a field"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "a control byte in a field"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", "a control byte in a field"));
    static const char nul[] = "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n";
    OK_INT(parse_bytes(nul, sizeof(nul) - 1, false), HTTP_PARSE_BAD);
}

static void test_line_ends(void)
{
    OK(is_done("HTTP/1.1 200 OK\nA: b\nContent-Length: 0\n\n"));
    OK_INT(r.field_count, 2);
    OK(http_text_is(r.fields[0].value, "b"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA: b\n\r\n", "a line that ends with LF alone"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA: b\r\n\n", "a line that ends with LF alone"));
    OK(is_bad("HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", "a line that ends with LF alone"));
    OK(is_bad("HTTP/1.1 200 OK\nA: b\r\n\r\n", "a control byte in a field"));
    OK(is_bad("HTTP/1.1 200 OK\nA: b\n\r\n", "a line that is not a field"));
}

static bool framing_is(const char *fields, enum http_framing framing)
{
    char head[512];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%s\r\n", fields);
    return is_done(head) && r.framing == framing;
}

static bool framing_is_bad(const char *fields, const char *words)
{
    char head[512];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%s\r\n", fields);
    return is_bad(head, words);
}

static void test_framing(void)
{
    OK(framing_is("", HTTP_FRAMING_CLOSE) && !r.keep_alive && !r.has_content_length);
    OK(framing_is("Content-Length: 7\r\n", HTTP_FRAMING_LENGTH) && r.content_length == 7);
    OK(framing_is("Content-Length: 7\r\nCONTENT-LENGTH: 7, 7\r\n", HTTP_FRAMING_LENGTH) && r.content_length == 7);
    OK(framing_is("Transfer-Encoding: Chunked\r\n", HTTP_FRAMING_CHUNKED) && r.keep_alive);
    OK(framing_is_bad("Content-Length: 7\r\nContent-Length: 8\r\n", "two values of Content-Length"));
    OK(framing_is_bad("Content-Length: 7x\r\n", "a Content-Length that is not a number"));
    OK(framing_is_bad("Content-Length:\r\n", "a Content-Length that is not a number"));
    OK(framing_is_bad("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding and Content-Length"));
    OK(framing_is_bad("Transfer-Encoding: gzip, chunked\r\n", "a transfer coding that is not chunked"));
    OK(framing_is_bad("Transfer-Encoding: chunked, gzip\r\n", "a transfer coding that is not chunked"));
    OK(framing_is_bad("Transfer-Encoding: identity\r\n", "a transfer coding that is not chunked"));
    OK(framing_is_bad("Transfer-Encoding:\r\n", "a transfer coding that is not chunked"));
    OK(framing_is_bad("Transfer-Encoding: \"chunked\"\r\n", "a transfer coding that is not chunked"));
    OK(framing_is_bad("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                      "a transfer coding that is not chunked"));
    OK(is_bad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"));
}

static void test_no_body(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    OK_INT(parse_bytes(head, sizeof(head) - 1, true), HTTP_PARSE_DONE);
    OK(r.framing == HTTP_FRAMING_NONE && r.has_content_length && r.content_length == 5 && r.keep_alive);
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    OK_INT(parse_bytes(chunked, sizeof(chunked) - 1, true), HTTP_PARSE_DONE);
    OK(r.framing == HTTP_FRAMING_NONE && r.keep_alive);
    OK(is_done("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"));
    OK(r.framing == HTTP_FRAMING_NONE && r.content_length == 5 && r.keep_alive);
    OK(is_done("HTTP/1.1 204 No Content\r\n\r\n") && r.framing == HTTP_FRAMING_NONE && r.keep_alive);
    OK(is_done("HTTP/1.1 100 Continue\r\n\r\n") && r.framing == HTTP_FRAMING_NONE);
    OK(is_done("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n") && r.framing == HTTP_FRAMING_NONE);
    OK(!r.keep_alive);
}

/* What such services send behind the head would be read as the next response. */
static void test_body_of_204_ends_the_connection(void)
{
    OK(is_done("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n") && r.keep_alive);
    OK(is_done("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n") && !r.keep_alive);
    OK(is_done("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n") && !r.keep_alive);
}

static void test_keep_alive(void)
{
    OK(is_done("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n") && !r.keep_alive);
    OK(is_done("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n") && !r.keep_alive);
    OK(is_done("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n") && r.keep_alive);
    OK(is_done("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n") && !r.keep_alive);
}

static bool passes(size_t i)
{
    return http_response_passes(&r, &r.fields[i]);
}

static void test_what_goes_on(void)
{
    OK(is_done("HTTP/1.1 200 OK\r\nX-Hop: 1\r\nConnection: x-hop, Content-Type\r\nKeep-Alive: 5\r\n"
               "Content-Length: 1\r\nTrailer: x\r\nUpgrade: h2c\r\nDate: now\r\nContent-Type: a/b\r\n\r\n"));
    OK(!passes(0) && !passes(1) && !passes(2) && !passes(3));
    OK(passes(4) && !passes(5) && passes(6) && !passes(7));
    OK(is_done("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") && !passes(0));
    OK(is_done("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    OK(!passes(0) && passes(1));
}

static void test_in_pieces(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 12\r\n\r\nbody";
    size_t end = sizeof(head) - 1 - 4;
    for (size_t split = 0; split < end; split++) {
        size_t scanned = 0;
        OK_INT(http_response_parse(&r, head, split, false, &scanned, &used, &why), HTTP_PARSE_MORE);
        OK(scanned <= split);
        OK_INT(http_response_parse(&r, head, sizeof(head) - 1, false, &scanned, &used, &why), HTTP_PARSE_DONE);
        OK_INT(used, end);
        OK_INT(r.content_length, 12);
    }
}

static void test_too_many_fields(void)
{
    char head[8192] = "HTTP/1.1 200 OK\r\n";
    size_t len = strlen(head);
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        len += (size_t)sprintf(head + len, "A%d: b\r\n", i);
    strcpy(head + len, "\r\n");
    OK(is_done(head));
    OK_INT(r.field_count, HTTP_FIELDS_MAX);
    strcpy(head + len, "B: c\r\n\r\n");
    OK(is_bad(head, "too many fields"));
}

static void test_too_large(void)
{
    static const char start[] = "HTTP/1.1 200 OK\r\nA: ";
    size_t size = HTTP_RESPONSE_HEAD_MAX + 16;
    char *head = malloc(size);
    memset(head, 'x', size);
    memcpy(head, start, sizeof(start) - 1);
    memcpy(head + HTTP_RESPONSE_HEAD_MAX - 4, "\r\n\r\n", 4);
    OK_INT(parse_bytes(head, HTTP_RESPONSE_HEAD_MAX - 1, false), HTTP_PARSE_MORE);
    OK_INT(parse_bytes(head, size, false), HTTP_PARSE_DONE);
    OK_INT(used, HTTP_RESPONSE_HEAD_MAX);
    memcpy(head + HTTP_RESPONSE_HEAD_MAX - 4, "x\r\n\r\n", 5);
    OK_INT(parse_bytes(head, HTTP_RESPONSE_HEAD_MAX, false), HTTP_PARSE_BAD);
    OK_INT(parse_bytes(head, size, false), HTTP_PARSE_BAD);
    OK_TEXT(why, "a head that is too large");
    free(head);
}

static const struct tap_case cases[] = {
    {"a head and what follows", test_head},
    {"status lines", test_status_lines},
    {"what is no HTTP is known by its first bytes", test_not_http},
    {"fields that two parsers could read differently", test_bad_fields},
    {"lines end with CRLF, or all with LF", test_line_ends},
    {"how long the body is", test_framing},
    {"HEAD, 1xx, 204 and 304 have no body", test_no_body},
    {"a 204 that announces a body ends the connection", test_body_of_204_ends_the_connection},
    {"whether the connection serves again", test_keep_alive},
    {"which fields go on to the visitor", test_what_goes_on},
    {"a head in two pieces", test_in_pieces},
    {"as many fields as may be", test_too_many_fields},
    {"as large as may be", test_too_large},
};

int main(void)
{
    return TAP_RUN(cases);
}
