/* SPDX-License-Identifier: Apache-2.0 */
/* Two seals with bytes carried between them by hand. */
#include <stdlib.h>

#include "mdm-tunnel/limits.h"
#include "seal_pair.h"
#include "tap.h"

static void test_handshake(void)
{
    struct pair p;
    OK(pair_init(&p, "a/b/tim", "a/b/tim"));
    pair_say(&p.a, "hello", 5);
    pair_say(&p.b, "world", 5);
    OK(pair_carry(&p, 4096, SIZE_MAX));
    OK(seal_established(p.a.seal) && seal_established(p.b.seal));
    OK_INT(p.a.proven, 1);
    OK_INT(p.b.proven, 1);
    OK(fingerprint_equal(&p.a.peer, seal_context_fingerprint(p.b.context)));
    OK(fingerprint_equal(&p.b.peer, seal_context_fingerprint(p.a.context)));
    OK(p.b.got_len == 5 && memcmp(p.b.got, "hello", 5) == 0);
    OK(p.a.got_len == 5 && memcmp(p.a.got, "world", 5) == 0);
    pair_done(&p);
}

/* Whatever the sizes of what is pulled and pushed, the bytes are the same. */
static void test_split_anywhere(void)
{
    static const size_t pulls[] = {87, 512, 1000, 4096, 16384, 16406, 131046}, pushes[] = {1, 2, 5, 21, 22, 23, 1000, SIZE_MAX};
    uint8_t *bulk = malloc(200000);
    for (size_t i = 0; i < 200000; i++)
        bulk[i] = (uint8_t)(i * 31 + i / 251);
    for (size_t i = 0; i < sizeof(pulls) / sizeof(pulls[0]); i++)
        for (size_t j = 0; j < sizeof(pushes) / sizeof(pushes[0]); j++) {
            struct pair p;
            size_t len = pushes[j] < 21 ? 20000 : 200000;
            OK(pair_init(&p, "x", "x"));
            pair_say(&p.a, bulk, len);
            pair_say(&p.b, bulk, len);
            OK(pair_carry(&p, pulls[i], pushes[j]));
            OK(p.a.got_len == len && memcmp(p.a.got, bulk, len) == 0);
            OK(p.b.got_len == len && memcmp(p.b.got, bulk, len) == 0);
            pair_done(&p);
        }
    free(bulk);
}

static void test_nothing_in_clear(void)
{
    struct pair p;
    uint8_t secret[64];
    memset(secret, 'S', sizeof(secret));
    OK(pair_init(&p, "x", "x"));
    p.watch_for = secret;
    p.watch_len = 16;
    pair_say(&p.a, secret, sizeof(secret));
    pair_say(&p.b, secret, sizeof(secret));
    OK(pair_carry(&p, 4096, SIZE_MAX));
    OK_INT(p.a.got_len, 64);
    OK(!p.watch_seen);
    pair_done(&p);
}

static void test_other_names(void)
{
    static const char *const wrong[] = {"a/c/tim", "a/b/tom", "a/b/ti", "a/b/timm", "b/a/tim"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pair p;
        OK(pair_init(&p, "a/b/tim", wrong[i]));
        pair_say(&p.a, "secret", 6);
        OK(!pair_carry(&p, 4096, SIZE_MAX));
        OK(p.why == &error_encryption_failed);
        OK_INT(p.a.got_len + p.b.got_len, 0);
        OK_INT(p.a.proven + p.b.proven, 0);
        pair_done(&p);
    }
}

/* The user's verdict ends it before a byte of the user's has gone. */
static void test_refused_key(void)
{
    for (int side = 0; side < 2; side++) {
        struct pair p;
        OK(pair_init(&p, "x", "x"));
        (side == 0 ? &p.a : &p.b)->verdict = &error_name_taken;
        pair_say(&p.a, "secret", 6);
        pair_say(&p.b, "secret", 6);
        OK(!pair_carry(&p, 4096, SIZE_MAX));
        OK(p.why == &error_name_taken);
        OK_INT(side == 0 ? p.b.got_len : p.a.got_len, 0);
        OK(seal_failed((side == 0 ? &p.a : &p.b)->seal) == &error_name_taken);
        uint8_t more[512];
        OK_INT(seal_pull((side == 0 ? &p.a : &p.b)->seal, more, sizeof(more)), 0);
        pair_done(&p);
    }
}

/* One changed byte, wherever it is, ends the session; what was said after it never arrives. */
static void test_corrupt_anywhere(void)
{
    struct pair clean;
    OK(pair_init(&clean, "x", "x"));
    pair_say(&clean.a, "first words", 11);
    pair_say(&clean.b, "other words", 11);
    OK(pair_carry(&clean, 4096, SIZE_MAX));
    size_t total = clean.carried;
    pair_done(&clean);
    unsigned survived = 0;
    for (size_t at = 0; at < total; at++) {
        struct pair p;
        if (!pair_init(&p, "x", "x"))
            break;
        p.corrupt_at = at;
        pair_say(&p.a, "first words", 11);
        pair_say(&p.b, "other words", 11);
        bool carried = pair_carry(&p, 4096, SIZE_MAX);
        bool whole = p.a.got_len == 11 && p.b.got_len == 11;
        /* A record's length that grew waits for bytes that will never come: nothing wrong has arrived then either. */
        survived += carried && whole;
        OK(p.b.got_len == 0 || memcmp(p.b.got, "first words", p.b.got_len) == 0);
        OK(p.a.got_len == 0 || memcmp(p.a.got, "other words", p.a.got_len) == 0);
        pair_done(&p);
    }
    OK(total > 500);
    /* The version at the head of the two records in clear, which nobody reads (RFC 8446 5.1). */
    OK(survived <= 2);
}

static void test_repeated_and_dropped_bytes(void)
{
    for (int drop = 0; drop < 2; drop++) {
        struct pair p;
        OK(pair_init(&p, "x", "x"));
        OK(pair_carry(&p, 4096, SIZE_MAX));
        uint8_t one[256], two[256];
        pair_say(&p.a, "one", 3);
        size_t one_len = seal_pull(p.a.seal, one, sizeof(one));
        pair_say(&p.a, "two", 3);
        size_t two_len = seal_pull(p.a.seal, two, sizeof(two));
        const struct slice first = slice_static(one, one_len), second = slice_static(two, two_len);
        if (drop == 0)
            OK(seal_push(p.b.seal, &first) == NULL);
        OK(seal_push(p.b.seal, drop == 0 ? &first : &second) == &error_encryption_failed);
        OK(seal_push(p.b.seal, &second) == &error_encryption_failed);
        OK_INT(p.b.got_len, drop == 0 ? 3 : 0);
        pair_done(&p);
    }
}

/* What was recorded of one session is worth nothing in another. */
static void test_replay(void)
{
    struct pair p;
    OK(pair_init(&p, "x", "x"));
    p.record = malloc(65536);
    pair_say(&p.a, "pay 100", 7);
    OK(pair_carry(&p, 4096, SIZE_MAX));
    struct pair q;
    OK(pair_init(&q, "x", "x"));
    const struct slice whole = slice_static(p.record, p.record_len);
    seal_push(q.b.seal, &whole);
    OK_INT(q.b.got_len, 0);
    OK_INT(q.b.proven, 0);
    free(p.record);
    pair_done(&p);
    pair_done(&q);
}

static void test_garbage(void)
{
    for (unsigned seed = 0; seed < 200; seed++) {
        struct pair p;
        uint8_t noise[600];
        OK(pair_init(&p, "x", "x"));
        srandom(seed);
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)random();
        if (seed % 2 == 1)
            memcpy(noise, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
        const struct slice bytes = slice_static(noise, sizeof(noise));
        OK(seal_push(p.b.seal, &bytes) == &error_encryption_failed);
        OK_INT(p.b.proven, 0);
        pair_done(&p);
    }
}

/* An error of the user's ends the session with that error. */
static void test_user_refuses_bytes(void)
{
    struct pair p;
    OK(pair_init(&p, "x", "x"));
    p.b.push_says = &error_frame_unknown;
    pair_say(&p.a, "bad frame", 9);
    OK(!pair_carry(&p, 4096, SIZE_MAX));
    OK(p.why == &error_frame_unknown);
    pair_done(&p);
}

static void test_context(void)
{
    struct identity i;
    const char *why = NULL;
    OK(seal_context_create(&(struct seal_config){.pem = ""}, &why) == NULL);
    OK(seal_context_create(&(struct seal_config){.pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, &why) == NULL);
    OK(identity_create(&i));
    struct seal_context *c = seal_context_create(&(struct seal_config){.pem = i.pem}, &why);
    OK(c != NULL && fingerprint_equal(seal_context_fingerprint(c), &i.fingerprint));
    seal_context_free(&c);
    OK(seal_context_create(&(struct seal_config){.pem = i.pem, .authorities = "none"}, &why) == NULL);
    OK_TEXT(why, "no certificate of an authority");
    identity_done(&i);
}

static const struct tap_case cases[] = {
    {"a handshake, and a word each way", test_handshake},
    {"split anywhere", test_split_anywhere},
    {"nothing goes in clear", test_nothing_in_clear},
    {"ends that do not agree on their names", test_other_names},
    {"a key that is refused", test_refused_key},
    {"one corrupt byte, anywhere", test_corrupt_anywhere},
    {"records repeated or dropped", test_repeated_and_dropped_bytes},
    {"a recorded session replayed", test_replay},
    {"garbage instead of a handshake", test_garbage},
    {"the user refuses what came", test_user_refuses_bytes},
    {"contexts", test_context},
};

int main(void) { return TAP_RUN(cases); }
