/* SPDX-License-Identifier: Apache-2.0 */
/* Rules for visitors: what is a value, and that nothing else passes. */
#include "wire/rules.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/password_hash.h"

#include "tap.h"

#define BCRYPT "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
#define DIGITS43 "0123456789012345678901234567890123456789012"
#define DIGITS86 DIGITS43 DIGITS43

static bool takes(enum rule_code code, const char *value)
{
    uint8_t bytes[512];
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, sizeof(bytes));
    bool taken = rule_write(&w, code, value, strlen(value)) == NULL;
    OK(taken == (bytes_written(&w) > 0));
    OK(rules_check(bytes, bytes_written(&w)) == NULL);
    return taken;
}

static void hashes(void)
{
    static const char *const good[] = {BCRYPT, "$6$saltsalt$" DIGITS86, "$6$rounds=200000$s$" DIGITS86, "$5$$" DIGITS43,
                                       "$y$j9T$abc./$" DIGITS43, "$y$j75$salt$" DIGITS43};
    static const char *const bad[] = {"", "plain", "$1$salt$" DIGITS43, "$2b$3$" DIGITS86, "$6$saltsalt$" DIGITS43,
                                      "$6$rounds=$s$" DIGITS86, "$6$12345678901234567$" DIGITS86, "$y$j9T$a$b$" DIGITS43,
                                      "$y$x9T$a$" DIGITS43, "$7$abc", "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/c:"};
    static const char *const slow[] = {"$6$rounds=200001$s$" DIGITS86, "$6$rounds=999999999$s$" DIGITS86, "$y$jBT$a$" DIGITS43};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        OK(password_hash_wrong(http_text_of(good[i])) == NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        OK(password_hash_wrong(http_text_of(bad[i])) != NULL);
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
        OK(strncmp(password_hash_wrong(http_text_of(slow[i])), "the hash is too costly", 22) == 0);
    OK(takes(RULE_auth, "tim:" BCRYPT));
    OK(!takes(RULE_auth, ":" BCRYPT));
    OK(!takes(RULE_auth, "tim" BCRYPT));
    OK(!takes(RULE_auth, "t\nm:" BCRYPT));
}

static void fields(void)
{
    OK(takes(RULE_request_set, "X-A: b"));
    OK(takes(RULE_response_set, "Content-Security-Policy: default-src 'self'"));
    OK(!takes(RULE_request_set, "X-A:"));
    OK(!takes(RULE_request_set, "X A: b"));
    OK(!takes(RULE_request_set, "X-A: b\r\nX-B: c"));
    OK(takes(RULE_response_remove, "server"));
    static const char *const ours[] = {"Host", "content-length", "Transfer-Encoding", "Connection", "UPGRADE", "TE", "Trailer",
                                       "Sec-WebSocket-Accept", "X-Mdm-Tunnel-Error", "Expect", ""};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        OK(!takes(RULE_response_remove, ours[i]));
    OK(takes(RULE_host_header, "localhost:9000"));
    OK(takes(RULE_host_header, "[::1]:80"));
    OK(!takes(RULE_host_header, "a b"));
    OK(!takes(RULE_host_header, ""));
}

static void numbers(void)
{
    uint8_t bytes[64];
    struct bytes_writer w;
    struct bytes_reader r;
    struct rule rule;
    uint32_t rate, burst;
    bytes_writer_init(&w, bytes, sizeof(bytes));
    OK(rule_write_number(&w, RULE_max_streams, 7) == NULL);
    OK(rule_write_number(&w, RULE_bandwidth_up, 0) != NULL);
    OK(rule_write_rate(&w, 500, 3) == NULL);
    OK(rule_write_rate(&w, 0, 3) != NULL);
    OK(rule_write_rate(&w, 1, 0) != NULL);
    bytes_reader_init(&r, bytes, bytes_written(&w));
    OK(rules_next(&r, &rule) && rule.code == RULE_max_streams && rule_number(&rule) == 7);
    OK(rules_next(&r, &rule) && rule.code == RULE_rate);
    rule_rate(&rule, &rate, &burst);
    OK(rate == 500 && burst == 3);
    OK(!rules_next(&r, &rule));
    OK(rules_check(bytes, bytes_written(&w)) == NULL);
    OK(rules_check(bytes, bytes_written(&w) - 1) == &error_protocol_error);
    OK(rule_write_number(&w, RULE_max_streams, 8) == NULL);
    OK(rules_check(bytes, bytes_written(&w)) == &error_protocol_error); /* twice */
}

#define CHECK(text) rules_check((const uint8_t *)(text), sizeof(text) - 1)

static void strangers(void)
{
    OK(CHECK("") == NULL);
    OK(CHECK("\x70\0\3abc") == NULL); /* not critical: skipped */
    OK(CHECK("\xf0\0\3abc") == &error_rule_unknown);
    OK(CHECK("\xf0\0\4abc") == &error_protocol_error);
    OK(CHECK("\x83\0\1a") == &error_protocol_error); /* a malformed one goes first */
    OK(CHECK("\xf0\0\0\x83\0\1a") == &error_protocol_error);
    OK(CHECK("\x8f\0\2\x08\xae") == NULL && CHECK("\x8f\0\2\0\0") == NULL);
    OK(CHECK("\x8f\0\1\1") == &error_protocol_error && CHECK("\x8f\0\2\0\0\x8f\0\2\0\0") == &error_protocol_error);
    OK(CHECK("\x10\0\1/") == NULL && CHECK("\x10\0\4/a/b") == NULL);
    OK(CHECK("\x10\0\3/a/") == &error_protocol_error && CHECK("\x10\0\3/a?") == &error_protocol_error);
    OK(CHECK("\x10\0\1a") == &error_protocol_error && CHECK("\x10\0\0") == &error_protocol_error);
    OK(CHECK("\x10\0\3/\r\n") == &error_protocol_error && CHECK("\x10\0\1/\x10\0\1/") == &error_protocol_error);
    OK(CHECK("\x83\0\x11" "0123456789abcdef" "\x80") == NULL);
    OK(CHECK("\x83\0\x11" "0123456789abcdef" "\x81") == &error_protocol_error);
    OK(CHECK("\x82\0\x1f" "0123456789abcdef0123456789abcde") == &error_protocol_error);
}

static const struct tap_case cases[] = {
    {"hashes of passwords that are taken, and what they may cost", hashes},
    {"fields that may be changed", fields},
    {"numbers and rates", numbers},
    {"what a stranger may send", strangers},
};

int main(void)
{
    return TAP_RUN(cases);
}
