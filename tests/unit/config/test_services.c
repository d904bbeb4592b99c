/* SPDX-License-Identifier: Apache-2.0 */
/* The services file and service arguments. */
#include "config/services.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"
#include "wire/rules.h"

static struct config_error error;

/* The error for `text`; "" when it is taken. */
static const char *refused(const char *text)
{
    struct services s = {77, NULL};
    error.text[0] = '\0';
    if (services_parse(text, strlen(text), "f", &s, &error) == 0)
        services_done(&s);
    else if (s.count != 77)
        return "(out was touched)";
    return error.text;
}

static void every_kind_of_target(void)
{
    static const char text[] =
        "\xef\xbb\xbf{\"web\": 9000, \"B\": \"printer.lan:80\", \"sock\": \"unix:/run/a b.sock\",\n"
        " \"six\": \"[fe80::1%eth0]:65535\", \"default\": {\"kind\": \"tls\", \"target\": 1}, \"four\": \"10.0.0.1:22\"}\n";
    static const char *const want[][2] = {
        {"b", "printer.lan:80"},         {"default", "localhost:1"},     {"four", "10.0.0.1:22"},
        {"six", "[fe80::1%eth0]:65535"}, {"sock", "unix:/run/a b.sock"}, {"web", "localhost:9000"},
    };
    struct services s;
    OK_INT(services_parse(text, strlen(text), "f", &s, &error), 0);
    OK_INT(s.count, 6);
    for (size_t i = 0; i < 6; i++) {
        char target[264];
        target_text(&s.list[i].target, target, sizeof(target));
        OK_TEXT(s.list[i].name, want[i][0]);
        OK_TEXT(target, want[i][1]);
        OK(services_find(&s, want[i][0]) == &s.list[i]);
    }
    OK_INT(s.list[4].target.kind, TARGET_UNIX);
    OK(s.list[0].kind == SERVICE_HTTP && s.list[1].kind == SERVICE_TLS);
    OK(services_find(&s, "") == NULL && services_find(&s, "zz") == NULL && services_find(&s, "c") == NULL);
    services_done(&s);
    OK(s.count == 0 && services_find(&s, "web") == NULL);
}

static void no_service_at_all(void)
{
    struct services s;
    OK_INT(services_parse("{}", 2, "f", &s, &error), 0);
    OK_INT(s.count, 0);
    OK(services_find(&s, "a") == NULL);
    services_done(&s);
}

static void errors_name_the_path(void)
{
    OK_TEXT(refused("{\"hello-world\": 70000}"), "f: hello-world.port: 70000 is above 65535");
    OK_TEXT(refused("{\"a\": 0}"), "f: a.port: 0 is below 1");
    OK_TEXT(refused("{\"a\": -5}"), "f: a.port: -5 is below 1");
    OK_TEXT(refused("{\"a\": 80.5}"), "f: a.port: \"80.5\" is not a whole number");
    OK_TEXT(refused("{\"a\": 1e30}"), "f: a.port: \"1e+30\" is not a whole number");
    OK_TEXT(refused("{\"a\": 1e9}"), "f: a.port: 1000000000 is above 65535");
    OK_TEXT(refused("{\"a\": {\"target\": \"h:99999\"}}"), "f: a.target.port: 99999 is above 65535");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"host\": 2}}"), "f: a.host: unknown key");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"kind\": \"ssh\"}}"), "f: a.kind: none of \"http\", \"tls\" and \"tcp\"");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"kind\": 1}}"), "f: a.kind: none of \"http\", \"tls\" and \"tcp\"");
    OK_TEXT(refused("{\"a\": {}}"), "f: a: \"target\" is missing");
    OK_TEXT(refused("{\"a\": null}"), "f: a: not a port, \"HOST:PORT\" or \"unix:/PATH\"");
    OK_TEXT(refused("{\"a\": [1]}"), "f: a: not a port, \"HOST:PORT\" or \"unix:/PATH\"");
    OK_TEXT(refused("{\"a\": {\"target\": {\"target\": 1}}}"),
            "f: a.target: not a port, \"HOST:PORT\" or \"unix:/PATH\"");
    OK_TEXT(refused("{\"a\": \"::1:80\"}"), "f: a.host: \"::1\" is not a host (an IPv6 address stands in brackets)");
    OK_TEXT(refused("{\"a\": \"[::g]:80\"}"), "f: a.host: \"::g\" is not an IPv6 address");
    OK_TEXT(refused("{\"a\": \"h:\"}"), "f: a.port: \"\" is not a whole number");
    OK_TEXT(refused("{\"a\": \"h:8 0\"}"), "f: a.port: \"8 0\" is not a whole number");
    OK_TEXT(refused("{\"a\": \"unix:relative\"}"), "f: a.path: not an absolute path of at most 107 bytes");
    for (const char *const *bad =
             (const char *const[]){"http://h:80", "h", "", "[::1]", "[::1]80", ":80", "-h:80", "a b:80", NULL};
         *bad; bad++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"a\": \"%s\"}", *bad);
        OK(strncmp(refused(text), "f: a", 4) == 0);
    }
}

static void public_ports(void)
{
    static const char text[] = "{\"auto\": {\"tcp\": \"auto\", \"target\": 22, \"proxy_protocol\": 2, \"rate\": 5},"
                               " \"fixed\": {\"target\": 22, \"tcp\": 2222}, \"own\": {\"target\": 22, \"kind\": \"tcp\"}}";
    static const uint8_t any[] = {0x8f, 0, 2, 0, 0, 0x85}, fixed[] = {0x8f, 0, 2, 2222 >> 8, 2222 & 255};
    struct services s;
    OK_INT(services_parse(text, strlen(text), "f", &s, &error), 0);
    OK(s.list[0].kind == SERVICE_TCP && s.list[0].wants_port && s.list[0].public_port == 0);
    OK(s.list[1].kind == SERVICE_TCP && s.list[1].wants_port && s.list[1].public_port == 2222);
    OK(s.list[2].kind == SERVICE_TCP && !s.list[2].wants_port && s.list[2].rules_len == 0);
    struct services copy;
    OK(services_copy(&s, &copy) && copy.count == 3 && copy.list[0].rules != s.list[0].rules);
    OK(memcmp(copy.list[0].rules, s.list[0].rules, s.list[0].rules_len) == 0);
    OK_TEXT(copy.list[2].name, "own");
    services_done(&copy);
    OK(memcmp(s.list[0].rules, any, sizeof(any)) == 0); /* a connection is one visitor's anyway: no rule says so */
    OK(s.list[1].rules_len == sizeof(fixed) && memcmp(s.list[1].rules, fixed, sizeof(fixed)) == 0);
    services_done(&s);
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"tcp\": 70000}}"), "f: a.tcp: 70000 is above 65535");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"tcp\": 0}}"), "f: a.tcp: 0 is below 1");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"tcp\": \"any\"}}"), "f: a.tcp: expected a port, or \"auto\"");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"tcp\": 1, \"kind\": \"tls\"}}"),
            "f: a.tcp: a service with a public port is of kind tcp");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"tcp\": 1, \"bearer\": \"12345678\"}}"),
            "f: a.bearer: the server does not read what passes to a service of kind tcp");
    char many[8192] = "{", *at = many + 1;
    for (unsigned i = 0; i <= PORTS_PER_CLIENT_MAX; i++)
        at += sprintf(at, "%s\"s%02u\": {\"target\": 1, \"tcp\": \"auto\"}", i > 0 ? ", " : "", i);
    strcpy(at, "}");
    OK_TEXT(refused(many), "f: s64.tcp: more than 64 services with public ports");
}

static void names_are_labels(void)
{
    static const char *const bad[] = {"", "-a", "a-", "a--b", "a.b", "a_b", "\\u00e4", "a b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"%s\": 1}", bad[i]);
        OK(strstr(refused(text), "a name is 1 to 63 letters") != NULL);
    }
}

static void names_stand_once(void)
{
    OK_TEXT(refused("{\"a\": 1, \"b\": 2, \"a\": 3}"), "f: key \"a\" stands twice");
    OK_TEXT(refused("{\"a\": 1, \"b\": 2, \"A\": 3}"), "f: a: stands twice");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"target\": 2}}"), "f: a: key \"target\" stands twice");
}

static void syntax_errors_have_a_place(void)
{
    OK_TEXT(refused("{\n  \"a\": 1,\n  \"b\" 2\n}"), "f: line 3, column 7: not valid JSON");
    OK_TEXT(refused("{\"a\": 1} x"), "f: line 1, column 10: not valid JSON");
    OK(strstr(refused("{\"a\": 1"), "not valid JSON") != NULL);
    OK(strstr(refused(""), "line 1, column 1: not valid JSON") != NULL);
    OK_TEXT(refused("[1]"), "f: not a JSON object");
    OK_TEXT(refused("3"), "f: not a JSON object");
    OK_TEXT(refused("{\"a\\u0000b\": 1}"), "f: line 1, column 5: NUL character in a string");
    OK_TEXT(refused("{\"a\tb\": 1}"), "f: line 1, column 4: control character in a string");
    OK_TEXT(refused("{\"a\\\\u0000\": 1}"),
            "f: \"a\\u0000\": a name is 1 to 63 letters, digits and single hyphens inside");
    struct services s;
    OK_INT(services_parse("{}\0", 3, "f", &s, &error), -1);
    OK_TEXT(error.text, "f: line 1, column 3: NUL byte");
}

static void sizes_are_bounded(void)
{
    OK_TEXT(refused("{\"a\": [[[[[[[[1]]]]]]]]}"), "f: line 1, column 14: nested too deep");
    char *text = malloc(CONFIG_FILE_MAX + 2);
    memset(text, ' ', CONFIG_FILE_MAX + 1);
    memcpy(text, "{}", 2);
    struct services s;
    OK_INT(services_parse(text, CONFIG_FILE_MAX + 1, "f", &s, &error), -1);
    OK_TEXT(error.text, "f: File too large");
    OK_INT(services_parse(text, CONFIG_FILE_MAX, "f", &s, &error), 0);
    services_done(&s);
    for (unsigned count = SERVICES_MAX; count <= SERVICES_MAX + 1; count++) {
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += (size_t)sprintf(text + len, "%c\"s%u\": %u", i == 0 ? '{' : ',', i, i + 1);
        len += (size_t)sprintf(text + len, "}");
        OK_INT(services_parse(text, len, "f", &s, &error), count > SERVICES_MAX ? -1 : 0);
    }
    OK_TEXT(error.text, "f: more than 1024 members");
    OK_INT(s.count, SERVICES_MAX);
    OK_INT(services_add_argument(&s, "more=1", &error), -1);
    OK_TEXT(error.text, "more: too many services");
    services_done(&s);
    free(text);
}

static void arguments_add(void)
{
    struct services s = {0, NULL};
    OK_INT(services_add_argument(&s, "Web=9000", &error), 0);
    OK_INT(services_add_argument(&s, "api=10.1.2.3:80", &error), 0);
    OK_INT(services_add_argument(&s, "sock=unix:/a=b", &error), 0);
    OK_INT(s.count, 3);
    OK_TEXT(s.list[0].name, "api");
    OK_TEXT(s.list[1].name, "sock");
    OK_TEXT(s.list[1].target.path, "/a=b");
    OK_TEXT(s.list[2].name, "web");
    OK_TEXT(s.list[2].target.host, "localhost");
    OK_INT(services_add_argument(&s, "WEB=1", &error), -1);
    OK_TEXT(error.text, "web: stands twice");
    OK_INT(services_add_argument(&s, "web", &error), -1);
    OK_TEXT(error.text, "web: not NAME=PORT, NAME=HOST:PORT or NAME=unix:/PATH");
    OK_INT(services_add_argument(&s, "=1", &error), -1);
    OK_INT(services_add_argument(&s, "x=", &error), -1);
    OK_TEXT(error.text, "x: expected PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH");
    OK_INT(services_add_argument(&s, "x=70000", &error), -1);
    OK_TEXT(error.text, "x.port: 70000 is above 65535");
    OK_INT(s.count, 3);
    services_done(&s);
}

static void files(void)
{
    struct services s;
    errno = 0;
    OK_INT(services_load("/nonexistent/f.json", &s, &error), -1);
    OK_INT(errno, ENOENT);
    OK_TEXT(error.text, "/nonexistent/f.json: No such file or directory");
    OK_INT(services_load("/", &s, &error), -1);
    OK_TEXT(error.text, "/: Is a directory");
    OK_INT(services_load("/dev/zero", &s, &error), -1);
    OK_TEXT(error.text, "/dev/zero: File too large");
    char path[] = "/tmp/mdm-services-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "{\"a\": 1}";
    OK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    OK_INT(services_load(path, &s, &error), 0);
    OK_INT(s.count, 1);
    services_done(&s);
    unlink(path);
}

#define HASH "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"

static void rules_are_written(void)
{
    static const char text[] =
        "{\"a\": {\"target\": 9000, \"auth\": {\"tim\": \"" HASH "\"}, \"bearer\": [\"12345678\"], \"allow\": \"10.0.0.0/8\","
        "\"deny\": [\"10.1.0.0/16\"], \"rate\": 2.5, \"max_streams\": 4, \"bandwidth\": {\"up\": 2000}, \"headers\": {\"request\":"
        "{\"set\": {\"X-A\": \"b\"}, \"remove\": [\"Cookie\"]}}, \"host_header\": \"target\"}, \"b\": {\"target\": 1}}";
    struct services s;
    OK_INT(services_parse(text, strlen(text), "f", &s, &error), 0);
    struct config_error why;
    OK(services_may_be_offered(&s, true, &why) && !services_may_be_offered(&s, false, &why));
    OK(strncmp(why.text, "a: ", 3) == 0);
    OK(services_find(&s, "b")->rules == NULL);
    const struct service *a = services_find(&s, "a");
    OK(rules_check(a->rules, a->rules_len) == NULL);
    static const enum rule_code want[] = {RULE_auth,        RULE_bearer,       RULE_allow,       RULE_deny,
                                          RULE_rate,        RULE_max_streams,  RULE_bandwidth_up, RULE_request_set,
                                          RULE_request_remove, RULE_host_header};
    struct bytes_reader r;
    struct rule rule;
    bytes_reader_init(&r, a->rules, a->rules_len);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        uint32_t rate, burst;
        OK(rules_next(&r, &rule) && rule.code == want[i]);
        if (rule.code == RULE_rate) {
            rule_rate(&rule, &rate, &burst);
            OK(rate == 2500 && burst == 10);
        }
        if (rule.code == RULE_host_header)
            OK(rule.len == 14 && memcmp(rule.value, "localhost:9000", 14) == 0);
    }
    OK(!rules_next(&r, &rule));
    services_done(&s);
}

#define RULE(text) refused("{\"a\": {\"target\": 1, " text "}}")

static void domains_of_the_client(void)
{
    static const char file[] = "{\"b\": 1, \"a\": {\"target\": 2, \"path\": \"/a\", \"domains\": \"A.org\"}, \"c\": {\"target\": 3, \"kind\": \"tcp\"},"
                               "\"default\": 4, \"domains\": [\"Tim.org\", \"*.tim.org\"]}";
    static const char *const want[] = {"a a.org", "a tim.org", "a a.tim.org", "b b.tim.org", "default tim.org", "default default.tim.org"};
    struct config_error err;
    struct services s;
    size_t found = 0;
    OK(services_parse(file, strlen(file), "f", &s, &err) == 0 && s.count == 4);
    for (size_t i = 0; i < s.count; i++) {
        struct bytes_reader r;
        struct rule rule;
        bytes_reader_init(&r, s.list[i].rules, s.list[i].rules_len);
        while (rules_next(&r, &rule)) {
            char text[128];
            if (rule.code != RULE_domain)
                continue;
            snprintf(text, sizeof(text), "%s %.*s", s.list[i].name, (int)rule.len, (const char *)rule.value);
            OK_TEXT(text, found < 6 ? want[found] : "no more");
            found++;
        }
    }
    OK_INT(found, 6);
    services_done(&s);
    OK_TEXT(refused("{\"a\": 1, \"domains\": [\"tim.org\"]}"), "f: domains[0]: no service has a path or is named default");
    OK_TEXT(refused("{\"default\": 1, \"domains\": [\"a.org\", 7]}"), "f: domains[1]: not a host name, or \"*.\" and one");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"domains\": [\"a.org\", \"b\"]}}"), "f: a.domains[1]: not a host name, or \"*.\" and one");
    OK_TEXT(refused("{\"a\": {\"target\": 1, \"kind\": \"tcp\", \"domains\": \"a.org\"}}"),
            "f: a.domains: a service of kind tcp is reached at a port, not by a name");
}

static void errors_of_rules_name_the_path(void)
{
    OK_TEXT(RULE("\"auth\": \"x\""), "f: a.auth: expected {\"USER\": \"HASH\", ...}");
    OK_TEXT(RULE("\"auth\": {}"), "f: a.auth: expected {\"USER\": \"HASH\", ...}");
    OK_TEXT(RULE("\"auth\": {\"tim\": \"plain\"}"),
            "f: a.auth.tim: not a hash of bcrypt, sha256crypt, sha512crypt or yescrypt (see mkpasswd(1))");
    OK_TEXT(RULE("\"bearer\": \"short\""), "f: a.bearer: not a token of at least 8 bytes of visible ASCII");
    OK_TEXT(RULE("\"bearer\": [\"sha256:00\"]"), "f: a.bearer[0]: not 64 hexadecimal digits behind \"sha256:\"");
    OK_TEXT(RULE("\"allow\": [\"::1\", \"10.0.0.0/33\"]"), "f: a.allow[1]: not an address or ADDRESS/BITS");
    OK_TEXT(RULE("\"allow\": []"), "f: a.allow: an empty list would let nobody in");
    OK_TEXT(RULE("\"rate\": 0"), "f: a.rate: less than one in 1000 s");
    OK_TEXT(RULE("\"rate\": \"10\""), "f: a.rate: expected N or {\"requests\": N, \"burst\": N}");
    OK_TEXT(RULE("\"rate\": {\"burst\": 1}"), "f: a.rate: \"requests\" is missing");
    OK_TEXT(RULE("\"rate\": {\"requests\": 1, \"burst\": 0}"), "f: a.rate.burst: 0 is below 1");
    OK_TEXT(RULE("\"path\": \"api\""), "f: a.path: not the beginning of a path (\"/\" and up to 254 bytes of visible ASCII without "
                                        "\"?\" and \"#\")");
    OK_TEXT(RULE("\"path\": 1"), "f: a.path: expected \"/PREFIX\" or {\"prefix\": \"/PREFIX\", \"strip\": true}");
    OK_TEXT(RULE("\"path\": {\"strip\": true}"), "f: a.path: \"prefix\" is missing");
    OK_TEXT(RULE("\"path\": {\"prefix\": \"/\", \"strip\": 1}"), "f: a.path.strip: neither true nor false");
    OK_TEXT(RULE("\"maintenance\": 1"), "f: a.maintenance: expected true, false or what visitors are told");
    OK_TEXT(RULE("\"maintenance\": \"a\\nb\""), "f: a.maintenance: has control characters");
    OK_TEXT(RULE("\"max_streams\": -1"), "f: a.max_streams: -1 is below 1");
    OK_TEXT(RULE("\"bandwidth\": {\"up\": 10}"), "f: a.bandwidth.up: 10 is below 1024");
    OK_TEXT(RULE("\"bandwidth\": {\"left\": 10}"), "f: a.bandwidth.left: unknown key");
    OK_TEXT(RULE("\"headers\": {\"request\": {\"set\": {\"A\": 1}}}"),
            "f: a.headers.request.set.A: not a field: \"NAME\": \"VALUE\"");
    OK_TEXT(RULE("\"headers\": {\"response\": {\"remove\": [\"Connection\"]}}"),
            "f: a.headers.response.remove[0]: this field is not to be changed");
    OK_TEXT(RULE("\"host_header\": \"a b\""), "f: a.host_header: not a host");
    OK_TEXT(refused("{\"a\": {\"target\": \"unix:/x\", \"host_header\": \"target\"}}"), "f: a.host_header: the target has no host");
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"every kind of target", every_kind_of_target},
        {"no service at all", no_service_at_all},
        {"errors name the path", errors_name_the_path},
        {"public ports", public_ports},
        {"names are labels", names_are_labels},
        {"names stand once", names_stand_once},
        {"syntax errors have a place", syntax_errors_have_a_place},
        {"sizes are bounded", sizes_are_bounded},
        {"arguments add", arguments_add},
        {"rules are written as they travel", rules_are_written},
        {"domains of the client become its services'", domains_of_the_client},
        {"errors of rules name the path", errors_of_rules_name_the_path},
        {"files", files},
    };
    return TAP_RUN(cases);
}
