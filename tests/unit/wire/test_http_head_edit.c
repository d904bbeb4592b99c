/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests that are looked at and changed; credentials. */
#include "wire/http_head_edit.h"

#include <string.h>

#include "base/bytes.h"

#include "tap.h"

#define HEAD "GET /a?b HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nCookie: c=d\r\nX-A: 2\r\nX-Empty: \r\n\r\n"

static void finds(void)
{
    struct http_text head = http_text_of(HEAD), value;
    OK_INT(http_head_find(head, "cookie", &value), 1);
    OK(value.len == 3 && memcmp(value.at, "c=d", 3) == 0);
    OK_INT(http_head_find(head, "x-a", &value), 2);
    OK(value.len == 1 && value.at[0] == '2');
    OK_INT(http_head_find(head, "x-empty", &value), 1);
    OK_INT(value.len, 0);
    OK_INT(http_head_find(head, "get /a?b http/1.1", &value), 0);
    OK_INT(http_head_find(head, "x", &value), 0);
    OK_INT(http_head_find(http_text_of(""), "x", &value), 0);
}

static void edited(const struct http_edit *e, const char *want)
{
    char out[512];
    struct bytes_writer w;
    bytes_writer_init(&w, out, sizeof(out));
    http_head_edit(&w, http_text_of(HEAD), e);
    bytes_write_u8(&w, 0);
    OK(!w.failed);
    OK_TEXT(out, want);
    bytes_writer_init(&w, out, strlen(want) - 1);
    http_head_edit(&w, http_text_of(HEAD), e);
    OK(w.failed);
}

static void changes(void)
{
    struct http_field set[] = {{http_text_of("x-a"), http_text_of("3")}, {http_text_of("X-New"), http_text_of("a: b")}};
    struct http_text removed[] = {http_text_of("COOKIE"), http_text_of("X-None")};
    edited(&(struct http_edit){.set_count = 0}, HEAD);
    edited(&(struct http_edit){.set = set, .set_count = 2, .remove = removed, .remove_count = 2},
           "GET /a?b HTTP/1.1\r\nHost: a.example\r\nX-Empty: \r\nx-a: 3\r\nX-New: a: b\r\n\r\n");
    edited(&(struct http_edit){.host = http_text_of("[::1]:80")},
           "GET /a?b HTTP/1.1\r\nHost: [::1]:80\r\nX-A: 1\r\nCookie: c=d\r\nX-A: 2\r\nX-Empty: \r\n\r\n");
    edited(&(struct http_edit){.strip = 2},
           "GET /?b HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nCookie: c=d\r\nX-A: 2\r\nX-Empty: \r\n\r\n");
}

static bool basic(const char *value, const char *user, const char *password)
{
    char out[32];
    const char *u, *p;
    return http_basic_parse(http_text_of(value), out, sizeof(out), &u, &p) && strcmp(u, user) == 0 && strcmp(p, password) == 0;
}

static void credentials(void)
{
    struct http_text token;
    OK(basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"));
    OK(basic("bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Aladdin", "open sesame"));
    OK(basic("Basic OmE6Yg==", "", "a:b"));
    static const char *const bad[] = {"", "Basic", "Basic ", "Basic !!!!", "Basic QWxhZGRpbg==", "Basic Q", "Digest OmE6Yg==",
                                      "Basic OgAA", "Basic OmE6Yg== x",
                                      "Basic QWxhZGRpbjpvcGVuIHNlc2FtZSBhbmQgbW9yZSBhbmQgbW9yZQ=="};
    char out[32];
    const char *u, *p;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        OK(!http_basic_parse(http_text_of(bad[i]), out, sizeof(out), &u, &p));
    OK(http_bearer_parse(http_text_of("Bearer abc"), &token) && token.len == 3);
    OK(!http_bearer_parse(http_text_of("Bearer a b"), &token));
    OK(!http_bearer_parse(http_text_of("Bearer"), &token));
    OK(!http_bearer_parse(http_text_of("Bearer "), &token));
    OK(!http_bearer_parse(http_text_of("Bearerabc"), &token));
}

static const struct tap_case cases[] = {
    {"fields are found by name", finds},
    {"fields are set and removed, the Host is replaced", changes},
    {"Basic and Bearer", credentials},
};

int main(void)
{
    return TAP_RUN(cases);
}
