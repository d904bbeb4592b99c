/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/show.h"

#include <cjson/cJSON.h>

#include "inspect/resend.h"
#include "inspect/secret.h"
#include "tap.h"
#include "talk.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct talk login[] = {
    {'>', "POST /log'in?a=1&b=%20x&c HTTP/1.1\r\nHost: shop.tim.example.com\r\nAuthorization: Bearer xyzzy\r\nX-Forwarded-Proto: https\r\n"
          "Cookie: a=1\r\nCookie: b=2\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nX-Forwarded-For: 192.0.2.1\r\n\r\nit's", 0},
    {'<', "HTTP/1.1 302 Found Here\r\nLocation: /home\r\nSet-Cookie: s=1\r\nContent-Type: text/html; charset=utf-8\r\n"
          "Content-Length: 9\r\n\r\n<p>\xc3\xbc</p>", 0},
};

static struct book *book_with(const struct talk *talk, size_t count)
{
    struct book *b = book_create(&(struct book_limits){100, MIB});
    talk_play(b, talk, count, 1000, "cut");
    return b;
}

typedef void shower(struct text *t, const struct record *r, const struct show *how);

/* Heap. */
static char *shown(struct book *b, shower *show, bool reveal)
{
    struct text t;
    const struct show how = {.reveal = reveal};
    text_init(&t, MIB);
    show(&t, talk_record(b, 1), &how);
    OK(!t.failed);
    cJSON *json = show == show_curl ? NULL : cJSON_Parse(t.at);
    OK(show == show_curl || json != NULL);
    cJSON_Delete(json);
    return t.at;
}

static bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }

static void test_json(void)
{
    struct book *b = book_with(login, COUNT(login));
    char *t = shown(b, show_record, false);
    OK(has(t, "\"method\":\"POST\",\"path\":\"/log'in?a=1\\u0026b=%20x\\u0026c\""));
    OK(has(t, "\"url\":\"https://shop.tim.example.com/log'in?a=1"));
    OK(has(t, "[\"Authorization\",\"(hidden)\"],"));
    OK(has(t, "[\"Cookie\",\"(hidden)\"],[\"Cookie\",\"(hidden)\"]"));
    OK(has(t, "[\"Set-Cookie\",\"(hidden)\"]"));
    OK(has(t, "\"text\":\"it's\""));
    OK(has(t, "\"text\":\"\\u003cp\\u003e\xc3\xbc\\u003c/p\\u003e\""));
    OK(has(t, "\"status\":302"));
    OK(!has(t, "xyzzy"));
    free(t);
    t = shown(b, show_record, true);
    OK(has(t, "[\"Authorization\",\"Bearer xyzzy\"]"));
    OK(has(t, "[\"Cookie\",\"b=2\"]"));
    free(t);
    book_free(&b);
}

static void test_har(void)
{
    struct book *b = book_with(login, COUNT(login));
    char *t = shown(b, show_har_entry, false);
    OK(has(t, "\"queryString\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":\" x\"},{\"name\":\"c\",\"value\":\"\"}]"));
    OK(has(t, "\"statusText\":\"Found Here\""));
    OK(has(t, "\"redirectURL\":\"/home\""));
    OK(has(t, "\"postData\":{\"mimeType\":\"text/plain\",\"text\":\"it's\"}"));
    OK(has(t, "\"timings\":{\"send\":"));
    OK(!has(t, "xyzzy"));
    free(t);
    book_free(&b);
}

static void test_curl(void)
{
    struct book *b = book_with(login, COUNT(login));
    char *t = shown(b, show_curl, true);
    OK_TEXT(t, "curl --globoff --path-as-is -X 'POST' 'https://shop.tim.example.com/log'\\''in?a=1&b=%20x&c' \\\n"
               "  -H 'Authorization: Bearer xyzzy' \\\n  -H 'Cookie: a=1' \\\n  -H 'Cookie: b=2' \\\n"
               "  -H 'Content-Type: text/plain' \\\n  --data-raw 'it'\\''s'\n");
    free(t);
    t = shown(b, show_curl, false);
    OK(has(t, "-H 'Authorization: (hidden)'"));
    free(t);
    book_free(&b);
}

/* A pasted line must not be able to tell the terminal anything. */
static void test_curl_hostile(void)
{
    const struct talk talk[] = {
        {'>', "PUT /\xc2\x9b HTTP/1.1\r\nHost: a\r\nA: x\xc2\x9b" "201~\r\nB:\r\nContent-Length: 8\r\n\r\n\x1b[201~\n\0", 0},
    };
    struct talk whole = talk[0];
    whole.len = strlen(whole.bytes) + 1;
    struct book *b = book_with(&whole, 1);
    char *t = shown(b, show_curl, true);
    OK_TEXT(t, "# fields with bytes that are no text are left out\n"
               "printf '\\033\\133\\062\\060\\061\\176\\012\\000' | curl --globoff --path-as-is -X 'PUT' 'http://a/%C2%9B' \\\n"
               "  -H 'B;' \\\n  --data-binary @-\n");
    free(t);
    book_free(&b);
}

static void test_websocket(void)
{
    const struct talk talk[] = {
        {'>', "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0},
        {'<', "HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi\x82\x01\xff", 0},
    };
    struct book *b = book_with(talk, COUNT(talk));
    char *t = shown(b, show_record, false);
    OK(has(t, "\"frames_seen\":2"));
    OK(has(t, "\"from\":\"service\",\"opcode\":1,\"fin\":true,\"compressed\":false,\"bytes\":2,\"text\":\"hi\"}"));
    OK(has(t, "\"base64\":\"/w==\"}"));
    free(t);
    t = shown(b, show_har_entry, false);
    OK(has(t, "\"_webSocketMessages\":[{\"type\":\"receive\""));
    free(t);
    book_free(&b);
}

static void test_secrets(void)
{
    static const char *const secret[] = {"Authorization", "proxy-authorization", "COOKIE", "Set-Cookie", "X-Api-Key", "X-Auth-Token"};
    static const char *const open[] = {"Host", "Accept", "Content-Type", "Authority", "", "X-Request-Id", "Cooki"};
    for (size_t i = 0; i < COUNT(secret); i++)
        OK(secret_field(http_text_of(secret[i])));
    for (size_t i = 0; i < COUNT(open); i++)
        OK(!secret_field(http_text_of(open[i])));
}

/* -- sent again ------------------------------------------------------------------------------------------------------ */

static void resent(struct book *b, const char *edit, const char *want)
{
    struct request_edit e;
    struct config_error err;
    struct text t;
    text_init(&t, MIB);
    if (!OK(request_edit_parse(edit, strlen(edit), &e, &err) == 0)) {
        printf("# %s\n", err.text);
        return;
    }
    const char *why = resend_write(&t, talk_record(b, 1), &e);
    OK_TEXT(why != NULL ? why : t.at, want);
    request_edit_done(&e);
    text_done(&t);
}

static void test_resend(void)
{
    struct book *b = book_with(login, COUNT(login));
    resent(b, "", "POST /log'in?a=1&b=%20x&c HTTP/1.1\r\nHost: shop.tim.example.com\r\nAuthorization: Bearer xyzzy\r\n"
                  "X-Forwarded-Proto: https\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Type: text/plain\r\n"
                  "X-Forwarded-For: 192.0.2.1\r\nContent-Length: 4\r\nConnection: close\r\n\r\nit's");
    resent(b, "{\"method\": \"PUT\", \"path\": \"/x\", \"headers\": [[\"Host\", \"h\"], [\"Cookie\", \"new\"], [\"Cookie\", \"(hidden)\"],"
              " [\"X\", \" y \"], [\"Content-Length\", \"99\"], [\"Transfer-Encoding\", \"chunked\"]], \"body\": \"\"}",
           "PUT /x HTTP/1.1\r\nHost: h\r\nCookie: new\r\nCookie: b=2\r\nX: y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    resent(b, "{\"headers\": [[\"Host\", \"h\"]], \"body_base64\": \"aGk=\"}",
           "POST /log'in?a=1&b=%20x&c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    resent(b, "{\"path\": \"http://else/\"}", "the path is not valid");
    resent(b, "{\"path\": \"/a b\"}", "the path is not valid");
    resent(b, "{\"method\": \"A B\"}", "the method is not valid");
    resent(b, "{\"method\": \"CONNECT\"}", "the method is not valid");
    resent(b, "{\"headers\": []}", "there has to be one Host");
    resent(b, "{\"headers\": [[\"Host\", \"a\\r\\nb\"]]}", "a header's value is not valid");
    resent(b, "{\"headers\": [[\"Ho st\", \"a\"]]}", "a header's name is not valid");
    book_free(&b);
}

static void test_resend_not(void)
{
    static char body[INSPECT_BODY_MAX + 1];
    const struct talk big[] = {
        {'>', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 0},
        {'>', body, sizeof(body)},
    };
    struct book *b = book_with(big, COUNT(big));
    resent(b, "", "its body was not kept as a whole");
    resent(b, "{\"body\": \"x\"}", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    book_free(&b);
    b = book_with((const struct talk[]){{'>', "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 0},
                                        {'<', "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 0}}, 2);
    resent(b, "", "a connection of another protocol cannot be sent again");
    book_free(&b);
}

static void edit_wrong(const char *text, const char *want)
{
    struct request_edit e;
    struct config_error err;
    if (OK(request_edit_parse(text, strlen(text), &e, &err) != 0))
        OK_TEXT(err.text, want);
}

static void test_edit_wrong(void)
{
    edit_wrong("{\"path\": 3}", "request: path: not a text");
    edit_wrong("{\"x\": 3}", "request: x: unknown key");
    edit_wrong("{\"headers\": {}}", "request: headers: not a list of pairs");
    edit_wrong("{\"headers\": [[\"a\", \"b\"], [\"a\"]]}", "request: headers[1]: not a pair of texts");
    edit_wrong("{\"headers\": [[\"a\", \"b\", \"c\"]]}", "request: headers[0]: not a pair of texts");
    edit_wrong("{\"body\": \"a\", \"body_base64\": \"\"}", "request: body, body_base64: give one of them");
    edit_wrong("{\"body_base64\": \"abc\"}", "request: body_base64: not base64");
    edit_wrong("{\"body_base64\": \"ab=c\"}", "request: body_base64: not base64");
    edit_wrong("[]", "request: not a JSON object");
}

static const struct tap_case cases[] = {
    {"JSON, without secrets and with them", test_json},
    {"HAR", test_har},
    {"a command line for curl", test_curl},
    {"and a hostile one", test_curl_hostile},
    {"frames", test_websocket},
    {"which fields are secret", test_secrets},
    {"a request that is sent again", test_resend},
    {"and one that is not", test_resend_not},
    {"edits that are wrong", test_edit_wrong},
};

int main(void) { return TAP_RUN(cases); }
