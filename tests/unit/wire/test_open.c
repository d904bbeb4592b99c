/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of OPEN and SERVICES, and names. */
#include "wire/frame.h"

#include "mdm-tunnel/limits.h"
#include "tap.h"

#define DECODE(h, bytes) open_head_decode((h), (const uint8_t *)(bytes), sizeof(bytes) - 1)

static void test_open_bytes(void)
{
    struct open_head h = {.kind = STREAM_KIND_HTTP, .service = "hello", .visitor = "[::1]:80", .host = "a.b"};
    static const char want[] = "\x01\x05hello\x01\x00\x08[::1]:80\x02\x00\x03"
                               "a.b";
    uint8_t out[512];
    size_t len = open_head_encode(&h, out, sizeof(out));
    OK_INT(len, sizeof(want) - 1);
    OK(memcmp(out, want, sizeof(want) - 1) == 0);
    for (size_t size = 0; size < len; size++)
        OK_INT(open_head_encode(&h, out, size), 0);
    OK_INT(open_head_encode(&h, out, len), len);
}

static void test_open_round_trip(void)
{
    struct open_head in = {.kind = STREAM_KIND_TCP, .service = "x"}, out;
    uint8_t bytes[512];
    memset(in.host, 'h', sizeof(in.host) - 1);
    memset(in.visitor, 'v', sizeof(in.visitor) - 1);
    memset(in.service, 's', sizeof(in.service) - 1);
    size_t len = open_head_encode(&in, bytes, sizeof(bytes));
    OK(len > 0);
    OK(open_head_decode(&out, bytes, len) == NULL);
    OK_INT(out.kind, STREAM_KIND_TCP);
    OK_TEXT(out.service, in.service);
    OK_TEXT(out.visitor, in.visitor);
    OK_TEXT(out.host, in.host);
}

static void test_open_without_options(void)
{
    struct open_head h = {.visitor = "?", .host = "?"};
    OK(DECODE(&h, "\x02\x05HELLO") == NULL);
    OK_INT(h.kind, STREAM_KIND_WS);
    OK_TEXT(h.service, "hello");
    OK_TEXT(h.visitor, "");
    OK_TEXT(h.host, "");
}

static void test_open_publish(void)
{
    struct open_head in = {.kind = STREAM_KIND_PUBLISH, .service = "ssh", .seconds = 3600}, out;
    static const char want[] = "\x08\x03ssh\x84\x00\x04\x00\x00\x0e\x10";
    uint8_t bytes[64];
    OK_INT(open_head_encode(&in, bytes, sizeof(bytes)), sizeof(want) - 1);
    OK(memcmp(bytes, want, sizeof(want) - 1) == 0);
    OK(DECODE(&out, want) == NULL);
    OK_INT(out.kind, STREAM_KIND_PUBLISH);
    OK_INT(out.seconds, 3600);
    OK(DECODE(&out, "\x08\x03ssh") == NULL && out.seconds == 0);
    OK(DECODE(&out, "\x08\x03ssh\x84\x00\x04\x00\x00\x00\x00") == &error_protocol_error);
    OK(DECODE(&out, "\x08\x03ssh\x84\x00\x03\x00\x00\x01") == &error_protocol_error);
    OK(DECODE(&out, "\x08\x03ssh\x84\x00\x04\x00\x00\x00\x01\x84\x00\x04\x00\x00\x00\x01") == &error_protocol_error);
}

static void test_open_malformed(void)
{
    struct open_head h = {.service = "as it was"};
    OK(open_head_decode(&h, NULL, 0) == &error_protocol_error);
    OK(DECODE(&h, "\x01") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x05hell") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x01") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x01\x00") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x01\x00\x02v") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x01\x00\x00") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x01\x00\x01 ") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x02\x00\x01\x7f") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x02\x00\x01\0") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x02\x00\x01g\x02\x00\x01g") == &error_protocol_error);
    OK(DECODE(&h, "\x01\x01h\x7f\xff\xffg") == &error_protocol_error);
    OK_TEXT(h.service, "as it was");
}

static void test_open_text_too_long(void)
{
    struct open_head h;
    uint8_t bytes[400] = "\x01\x01h\x01\x00\x40";
    memset(bytes + 6, 'v', 64);
    OK(open_head_decode(&h, bytes, 6 + 64) == &error_protocol_error);
    bytes[5] = 63;
    OK(open_head_decode(&h, bytes, 6 + 63) == NULL);
    memcpy(bytes + 3, "\x02\x01\x00", 3);
    memset(bytes + 6, 'h', 256);
    OK(open_head_decode(&h, bytes, 6 + 256) == &error_protocol_error);
}

static void test_open_refused(void)
{
    struct open_head h;
    OK(DECODE(&h, "\x01\x00") == &error_unknown_service);
    OK(DECODE(&h, "\x01\x03-ab") == &error_unknown_service);
    OK(DECODE(&h, "\x00\x01h") == &error_kind_not_offered);
    OK(DECODE(&h, "\x7f\x01h") == &error_kind_not_offered);
    OK(DECODE(&h, "\x01\x01h\x80\x00\x00") == &error_kind_not_offered);
    OK(DECODE(&h, "\x01\x01h\x7f\x00\x02xy") == NULL);
    /* a broken peer is worse than an unknown option */
    OK(DECODE(&h, "\x01\x01h\x80\x00\x00\x01") == &error_protocol_error);
}

static void test_services(void)
{
    static const struct service_entry in[] = {{STREAM_KIND_HTTP, "one", NULL, 0},
                                              {STREAM_KIND_TCP, "two-2", (const uint8_t *)"abc", 3}};
    struct service_entry out[2];
    uint8_t bytes[64];
    size_t count = 99, len = services_encode(in, 2, bytes, sizeof(bytes));
    OK_INT(len, 19);
    OK_INT(services_size(in, 2), len);
    OK(memcmp(bytes, "\x01\x03one\0\0\x03\x05two-2\0\3abc", len) == 0);
    OK_INT(services_encode(in, 2, bytes, len - 1), 0);
    OK(services_decode(out, 2, &count, bytes, len) == NULL);
    OK_INT(count, 2);
    OK_TEXT(out[0].name, "one");
    OK_INT(out[1].kind, STREAM_KIND_TCP);
    OK_TEXT(out[1].name, "two-2");
    OK(out[1].options_len == 3 && memcmp(out[1].options, "abc", 3) == 0);
    count = 99;
    OK(services_decode(out, 1, &count, bytes, len) == &error_protocol_error);
    OK_INT(count, 99);
    OK(services_decode(out, 2, &count, bytes, len - 1) == &error_protocol_error);
    OK(services_decode(out, 2, &count, bytes, 0) == NULL);
    OK_INT(count, 0);
}

static void test_services_of_later_kinds(void)
{
    struct service_entry out[1];
    size_t count;
    OK(services_decode(out, 1, &count, (const uint8_t *)"\x09\x01q\0\0\x01\x01h\0\0\x63\x01z\0\0", 15) == NULL);
    OK_INT(count, 1);
    OK_TEXT(out[0].name, "h");
    OK(services_decode(out, 1, &count, (const uint8_t *)"\x01\x01_\0\0", 5) == &error_protocol_error);
}

static void test_services_with_too_many_rules(void)
{
    static uint8_t data[5 + SERVICE_RULES_MAX + 1] = "\x01\x01h\x40\x00";
    struct service_entry out[1];
    size_t count;
    OK_INT(SERVICE_RULES_MAX, 0x4000);
    OK(services_decode(out, 1, &count, data, 5 + SERVICE_RULES_MAX) == NULL);
    OK(services_decode(out, 1, &count, data, 4 + SERVICE_RULES_MAX) == &error_protocol_error);
    data[4] = 1;
    OK(services_decode(out, 1, &count, data, sizeof(data)) == &error_protocol_error);
}

static bool name_is(const char *text, const char *want)
{
    char out[64] = "untouched";
    bool ok = name_normalise(text, strlen(text), out);
    return want == NULL ? !ok && strcmp(out, "untouched") == 0 : ok && strcmp(out, want) == 0;
}

static void test_names(void)
{
    char label[65];
    OK(name_is("a", "a"));
    OK(name_is("Hello-World2", "hello-world2"));
    OK(name_is("0", "0"));
    OK(name_is("", NULL));
    OK(name_is("-a", NULL));
    OK(name_is("a-", NULL));
    OK(name_is("a--b", NULL));
    OK(name_is("a_b", NULL));
    OK(name_is("a.b", NULL));
    OK(name_is("\xc3\xa4", NULL));
    memset(label, 'x', sizeof(label));
    label[64] = '\0';
    OK(name_is(label, NULL));
    label[63] = '\0';
    OK(name_is(label, label));
    OK(!name_normalise("a\0b", 3, label));
}

static void test_public(void)
{
    static const char bytes[] = "\0\0\x08\xae\0\3ssh" "example.com";
    const struct public_port in = {.why = &error_none, .port = 2222, .service = "ssh", .host = "example.com"};
    struct public_port out;
    uint8_t written[FRAME_PUBLIC_MAX];
    OK_INT(public_port_encode(&in, written), sizeof(bytes) - 1);
    OK(memcmp(written, bytes, sizeof(bytes) - 1) == 0);
    OK(public_port_decode(&out, written, sizeof(bytes) - 1) == NULL);
    OK(out.why == &error_none && out.port == 2222);
    OK_TEXT(out.service, "ssh");
    OK_TEXT(out.host, "example.com");
    OK(public_port_decode(&out, (const uint8_t *)"\0\x35\0\0\0\1a", 7) == NULL && out.why == &error_port_taken && out.port == 0);
    OK_TEXT(out.host, "");
#define BAD(text) (public_port_decode(&out, (const uint8_t *)(text), sizeof(text) - 1) == &error_protocol_error)
    OK(BAD("") && BAD("\0\0\x08\xae") && BAD("\0\0\x08\xae\0") && BAD("\0\0\x08\xae\0\4ssh") && BAD("\0\0\x08\xae\0\3s_h"));
    OK(BAD("\0\0\0\0\0\3ssh") && BAD("\0\0\0\1\0\3ssha b") && BAD("\0\0\0\1\0\3ssha\n"));
    uint8_t longest[FRAME_PUBLIC_MAX + 1] = {0, 0, 0, 1, 0, 1, 'a'};
    memset(longest + 7, 'x', sizeof(longest) - 7);
    OK(public_port_decode(&out, longest, 7 + PUBLIC_HOST_MAX) == NULL);
    OK_INT(strlen(out.host), PUBLIC_HOST_MAX);
    OK(public_port_decode(&out, longest, 7 + PUBLIC_HOST_MAX + 1) == &error_protocol_error);
}

/* A domain of the client's own is the host, without a service and a port. */
static void test_public_domain(void)
{
    static const char bytes[] = "\0\x3a\0\0\3\0" "*.tim.org";
    const struct public_port in = {.why = &error_domain_unproven, .scheme = PUBLIC_DOMAIN, .host = "*.tim.org"};
    struct public_port out;
    uint8_t written[FRAME_PUBLIC_MAX];
    OK_INT(public_port_encode(&in, written), sizeof(bytes) - 1);
    OK(memcmp(written, bytes, sizeof(bytes) - 1) == 0);
    OK(public_port_decode(&out, written, sizeof(bytes) - 1) == NULL);
    OK(out.scheme == PUBLIC_DOMAIN && out.why == &error_domain_unproven && out.port == 0);
    OK_TEXT(out.host, "*.tim.org");
    OK(public_port_decode(&out, (const uint8_t *)"\0\0\0\0\3\0a.b", 9) == NULL && out.why == &error_none);
    OK(public_port_decode(&out, written, 6) == &error_protocol_error);
    OK(BAD("\0\0\0\0\3\1aa.b") && BAD("\0\0\0\0\4\0a.b") && BAD("\0\0\0\0\3\0a\nb"));
}

/* For visitors of HTTP the domain of all services is said, without a service's name. */
static void test_public_web(void)
{
    static const char bytes[] = "\0\0\x01\xbb\2\0" "example.com";
    const struct public_port in = {.why = &error_none, .port = 443, .scheme = PUBLIC_HTTPS, .host = "example.com"};
    struct public_port out;
    uint8_t written[FRAME_PUBLIC_MAX];
    OK_INT(public_port_encode(&in, written), sizeof(bytes) - 1);
    OK(memcmp(written, bytes, sizeof(bytes) - 1) == 0);
    OK(public_port_decode(&out, written, sizeof(bytes) - 1) == NULL);
    OK(out.scheme == PUBLIC_HTTPS && out.port == 443);
    OK_TEXT(out.service, "");
    OK_TEXT(out.host, "example.com");
    OK(BAD("\0\0\0\1\0\0") && BAD("\0\0\0\1\1\1a") && BAD("\0\0\0\1\3\0") && BAD("\0\0\0\0\1\0"));
}

static void test_kinds(void)
{
    OK_TEXT(stream_kind_name(STREAM_KIND_HTTP), "http");
    OK_TEXT(stream_kind_name(STREAM_KIND_WS), "ws");
    OK_TEXT(stream_kind_name(STREAM_KIND_TCP), "tcp");
    OK(stream_kind_name((enum stream_kind)0) == NULL);
}

static const struct tap_case cases[] = {
    {"OPEN is these bytes, or does not fit", test_open_bytes},
    {"OPEN with the longest texts comes back", test_open_round_trip},
    {"options may be missing", test_open_without_options},
    {"OPEN that has a service made public", test_open_publish},
    {"a malformed OPEN is the peer's fault", test_open_malformed},
    {"texts have a maximum", test_open_text_too_long},
    {"no name, no kind, a critical option: the stream is refused", test_open_refused},
    {"SERVICES is these bytes and comes back", test_services},
    {"services of kinds that are not known here are left out", test_services_of_later_kinds},
    {"a service with too many rules is refused", test_services_with_too_many_rules},
    {"a name is one label", test_names},
    {"PUBLIC is these bytes and comes back", test_public},
    {"PUBLIC says where visitors of HTTP come", test_public_web},
    {"PUBLIC of a domain", test_public_domain},
    {"kinds have names", test_kinds},
};

int main(void)
{
    return TAP_RUN(cases);
}
