/* SPDX-License-Identifier: Apache-2.0 */
/* What an HTTP callback is asked, and which answers are kept. */
#include <string.h>

#include "hook/callback_inner.h"
#include "tap.h"

static struct mdm_header headers[] = {{"", "GET /mqtt HTTP/1.1"}, {"Cookie", "a=\"b\""}};
static struct mdm_session session = {.number = 7,
                                     .client_id = "c\n1",
                                     .username = "tim",
                                     .address = "192.0.2.1:4711",
                                     .listener = "ws",
                                     .version = 5,
                                     .headers = headers,
                                     .header_count = 2};

static void questions(void)
{
    struct mdm_connect connect = {.client_id = "c", .password = {"\0\1\2", 3}, .clean = true, .keep_alive_s = 60};
    struct mdm_publish publish = {.topic = "a/b", .payload = {NULL, 0}, .qos = 1, .will = true};
    struct mdm_subscribe subscribe = {.filter = "a/#", .qos = 2};
    struct text t;
    text_init(&t, 10000);
    callback_question_write(&t, &(struct callback_question){.session = &session, .connect = &connect});
    OK_TEXT(t.at, "{\"event\":\"auth_connect\",\"session\":{\"number\":7,\"id\":\"c\\u000a1\",\"username\":\"tim\",\"address\":\"192.0.2.1:4711\","
                  "\"listener\":\"ws\",\"version\":5,\"certificate\":null,\"headers\":[[\"\",\"GET /mqtt HTTP/1.1\"],"
                  "[\"Cookie\",\"a=\\\"b\\\"\"]]},\"connect\":{\"client_id\":\"c\",\"username\":null,\"password\":\"AAEC\",\"clean\":true,"
                  "\"keep_alive\":60}}");
    callback_text_done(&t);
    session.certificate = "CN=tim";
    session.certificate_names = "";
    session.certificate_fingerprint = "SHA256:x";
    session.header_count = 0;
    callback_question_write(&t, &(struct callback_question){.session = &session, .publish = &publish});
    OK(strstr(t.at, "\"certificate\":{\"subject\":\"CN=tim\",\"cn\":null,\"names\":\"\",\"fingerprint\":\"SHA256:x\"},\"headers\":[]},"
                    "\"publish\":{\"topic\":\"a/b\",\"payload\":\"\",\"qos\":1,\"retain\":false,\"will\":true}}") != NULL);
    callback_text_done(&t);
    callback_question_write(&t, &(struct callback_question){.session = &session, .subscribe = &subscribe});
    OK(strstr(t.at, "\"event\":\"auth_subscribe\"") != NULL && strstr(t.at, ",\"subscribe\":{\"filter\":\"a/#\",\"qos\":2}}") != NULL);
    callback_text_done(&t);
    text_init(&t, 100);
    callback_question_write(&t, &(struct callback_question){.session = &session, .subscribe = &subscribe});
    OK(t.failed);
    callback_text_done(&t);
}

static void key_of(struct callback_known *k, const struct mdm_session *s, const struct mdm_connect *c, const struct mdm_publish *p,
                   uint8_t key[static CALLBACK_KEY_BYTES])
{
    OK(callback_known_key(k, &(struct callback_question){.session = s, .connect = c, .publish = p}, key));
}

/* Each of these makes another question; what only says which one it was does not. */
static void keys(void)
{
    struct callback_known *k = callback_known_create(1000000);
    uint8_t first[CALLBACK_KEY_BYTES], other[CALLBACK_KEY_BYTES];
    struct mdm_connect connect = {.client_id = "c", .username = "tim", .password = {"word", 4}};
    key_of(k, &session, &connect, NULL, first);
    struct mdm_session same = session;
    same.number = 8;
    same.address = "192.0.2.1:4712";
    key_of(k, &same, &connect, NULL, other);
    OK(memcmp(first, other, sizeof(first)) == 0);
    struct mdm_connect passwords[] = {connect, connect, connect};
    passwords[0].password = (struct mdm_bytes){"worm", 4};
    passwords[1].password = (struct mdm_bytes){NULL, 0};
    passwords[2].password = (struct mdm_bytes){"", 0};
    for (int i = 0; i < 3; i++) {
        key_of(k, &session, &passwords[i], NULL, other);
        OK(memcmp(first, other, sizeof(first)) != 0);
    }
    struct mdm_session others[5] = {session, session, session, session, session};
    others[0].client_id = "c2";
    others[1].username = NULL;
    others[2].address = "192.0.2.2:4711";
    others[3].certificate_fingerprint = "SHA256:y";
    others[4].listener = "mqtt";
    for (int i = 0; i < 5; i++) {
        key_of(k, &others[i], &connect, NULL, other);
        OK(memcmp(first, other, sizeof(first)) != 0);
    }
    struct mdm_publish one = {.topic = "a", .payload = {"x", 1}}, two = {.topic = "a", .payload = {"y", 1}}, kept = {.topic = "a", .retain = true};
    key_of(k, &session, NULL, &one, first);
    key_of(k, &session, NULL, &two, other);
    OK(memcmp(first, other, sizeof(first)) == 0);
    key_of(k, &session, NULL, &kept, other);
    OK(memcmp(first, other, sizeof(first)) != 0);
    callback_known_free(&k);
}

static void answers(void)
{
    struct callback_known *k = callback_known_create(3600 * UINT64_C(1000000)), *brief = callback_known_create(0);
    uint8_t key[CALLBACK_KEY_BYTES] = {1};
    unsigned reason = 1;
    OK_INT(callback_known_find(k, key, &reason), MDM_LATER);
    callback_known_add(k, key, MDM_ALLOW, 0);
    OK(callback_known_find(k, key, &reason) == MDM_ALLOW && reason == 0);
    callback_known_add(k, key, MDM_DENY, 151);
    OK(callback_known_find(k, key, &reason) == MDM_DENY && reason == 151);
    callback_known_add(brief, key, MDM_ALLOW, 0);
    OK_INT(callback_known_find(brief, key, &reason), MDM_LATER);
    for (uint32_t i = 2; i < CALLBACK_KNOWN_MAX + 2; i++) {
        uint8_t more[CALLBACK_KEY_BYTES] = {0, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
        callback_known_add(k, more, MDM_ALLOW, 0);
    }
    OK_INT(callback_known_find(k, key, &reason), MDM_LATER); /* the oldest has gone, the newest are there */
    uint8_t second[CALLBACK_KEY_BYTES] = {0, 2};
    OK_INT(callback_known_find(k, second, &reason), MDM_ALLOW);
    callback_known_free(&k);
    callback_known_free(&brief);
}

static void settings(void)
{
    static const char *const rows[][3] = {
        {"ftp://x/", NULL, "hook-url: \"ftp://x/\": neither http:// nor https://"},
        {"", NULL, "hook-url: \"\": not a URL"},
        {"http://[::1", NULL, "hook-url: \"http://[::1\": not a URL"},
        {"http://localhost/", "connect,", "hook-events: \"\" is none of connect, publish and subscribe"},
        {"http://localhost/", "connects", "hook-events: \"connects\" is none of connect, publish and subscribe"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hook_chain *c = hook_chain_create();
        struct config_error err = {""};
        OK(callback_create(c, &(struct callback_config){.url = rows[i][0], .events = rows[i][1]}, &err) == NULL);
        OK_TEXT(err.text, rows[i][2]);
        hook_chain_free(&c);
    }
    struct hook_chain *c = hook_chain_create();
    struct config_error err = {""};
    struct callback *cb = callback_create(c, &(struct callback_config){.url = "http://localhost/", .events = "publish,connect"}, &err);
    OK(cb != NULL && hook_chain_wants(c)->auth_publish && hook_chain_wants(c)->auth_connect && !hook_chain_wants(c)->auth_subscribe);
    callback_stop(cb);
    callback_stop(cb);
    hook_chain_free(&c);
    callback_free(&cb);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"questions in JSON", questions},
        {"what makes two questions the same", keys},
        {"answers are kept for their time, and the oldest goes", answers},
        {"settings", settings},
    };
    return TAP_RUN(cases);
}
