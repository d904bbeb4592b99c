/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "tap.h"

static void json_of(const char *bytes, size_t len, const char *want)
{
    struct text t;
    text_init(&t, 1000);
    text_add(&t, "", 0);
    text_add_json_bytes(&t, bytes, len);
    OK(!t.failed);
    OK_TEXT(t.at, want);
    text_done(&t);
}

static void test_json(void)
{
    json_of("plain", 5, "plain");
    json_of("", 0, "");
    json_of(NULL, 0, "");
    json_of("a\"b\\c", 5, "a\\\"b\\\\c");
    json_of("\0\n\x7f", 3, "\\u0000\\u000a\\u007f");
    json_of("</script>", 9, "\\u003c/script\\u003e");
    json_of("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f");
    json_of("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80");
    json_of("\xc3", 1, "\\u00c3"); /* cut */
    json_of("\xfc" "x", 2, "\\u00fcx");
    json_of("\xed\xa0\x80", 3, "\\u00ed\\u00a0\\u0080"); /* a surrogate */
}

static void base64_of(const char *bytes, const char *want)
{
    struct text t;
    text_init(&t, 1000);
    text_add(&t, "", 0);
    text_add_base64(&t, bytes, strlen(bytes));
    OK_TEXT(t.at, want);
    text_done(&t);
}

/* RFC 4648 10 */
static void test_base64(void)
{
    base64_of("", "");
    base64_of("f", "Zg==");
    base64_of("fo", "Zm8=");
    base64_of("foo", "Zm9v");
    base64_of("foob", "Zm9vYg==");
    base64_of("foobar", "Zm9vYmFy");
    base64_of("\xff\xfe\xfd\xfc", "//79/A==");
}

static void test_maximum(void)
{
    struct text t;
    text_init(&t, 4);
    text_add(&t, "1234", 4);
    OK(!t.failed);
    text_add_base64(&t, "x", 1);
    OK(t.failed);
    OK_TEXT(t.at, "1234");
    text_done(&t);
}

static const struct tap_case cases[] = {
    {"any bytes inside a JSON string", test_json},
    {"base64", test_base64},
    {"no more than the maximum", test_maximum},
};

int main(void) { return TAP_RUN(cases); }
