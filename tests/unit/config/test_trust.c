/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints, identities, known_servers, authorized_clients. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/authorized_clients.h"
#include "config/broker_settings.h"
#include "config/credentials.h"
#include "config/identity.h"
#include "config/known_servers.h"
#include "config/psk_file.h"
#include "tap.h"

/* SHA-256 of nothing, of "a", of "b", as openssl dgst and base64 have it. */
#define KEY_NOTHING "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
#define KEY_A "SHA256:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs"
#define KEY_B "SHA256:PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0"

static struct fingerprint key(const char *text)
{
    struct fingerprint f = {{0}};
    OK(fingerprint_parse(text, strlen(text), &f));
    return f;
}

static void test_fingerprint(void)
{
    static const uint8_t nothing[] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                      0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                      0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    struct fingerprint f = key(KEY_NOTHING);
    char text[FINGERPRINT_TEXT_BYTES + 1];
    OK(memcmp(f.bytes, nothing, 32) == 0);
    fingerprint_text(&f, text);
    OK_TEXT(text, KEY_NOTHING);
    memset(f.bytes, 0xff, 32);
    fingerprint_text(&f, text);
    OK_TEXT(text, "SHA256://////////////////////////////////////////8");
    static const char *const bad[] = {
        "", "SHA256:", KEY_A "=", "sha256:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs",
        "SHA256:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSL", "SHA256:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLt",
        "SHA256:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSL=", "SHA256:ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha/uSLs"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        OK(!fingerprint_parse(bad[i], strlen(bad[i]), &f));
}

/* -- identity ------------------------------------------------------------------------------------------------------ */

static char *directory(void)
{
    static char path[64];
    strcpy(path, "/tmp/mdm-trust-XXXXXX");
    return mkdtemp(path);
}

static void directory_remove(const char *path, const char *const *names)
{
    char file[128];
    for (; *names != NULL; names++) {
        snprintf(file, sizeof(file), "%s/%s", path, *names);
        unlink(file);
    }
    OK_INT(rmdir(path), 0);
}

static void test_identity(void)
{
    char *path = directory(), file[128];
    struct state *s;
    struct config_error err;
    struct identity one, two, broken = {0};
    struct stat st;
    OK_INT(state_open(path, &s, &err), 0);
    OK_INT(identity_load(s, "key.pem", &one, &err), 0);
    OK_INT(identity_load(s, "key.pem", &two, &err), 0);
    OK(fingerprint_equal(&one.fingerprint, &two.fingerprint));
    OK_TEXT(one.pem, two.pem);
    snprintf(file, sizeof(file), "%s/key.pem", path);
    OK_INT(stat(file, &st), 0);
    OK_INT(st.st_mode & 0777, 0600);
    identity_done(&two);
    OK_INT(identity_load(s, "other.pem", &two, &err), 0);
    OK(!fingerprint_equal(&one.fingerprint, &two.fingerprint));
    OK_INT(state_write(s, "key.pem", "no key", &err), 0);
    OK_INT(identity_load(s, "key.pem", &broken, &err), -1);
    OK(strstr(err.text, "key.pem: not a key") != NULL);
    OK(broken.pem == NULL);
    /* The key of one with the certificate of the other. */
    char *mixed = malloc(strlen(one.pem) + strlen(two.pem) + 1);
    strcpy(mixed, one.pem);
    strcpy(strstr(mixed, "-----BEGIN CERTIFICATE"), strstr(two.pem, "-----BEGIN CERTIFICATE"));
    OK(!identity_parse(mixed, &broken));
    free(mixed);
    identity_done(&one);
    identity_done(&two);
    state_free(&s);
    directory_remove(path, (const char *const[]){"key.pem", "other.pem", ".lock", NULL});
}

/* -- known_servers ------------------------------------------------------------------------------------------------- */

#define SERVERS "# servers\n\nexample.com:8001 " KEY_A "\n  [::1]:1\t" KEY_B " # mine\r\nexample.com:8001 " KEY_B

static enum known_servers_answer look(const char *address, const char *text, unsigned *line)
{
    enum known_servers_answer answer = KNOWN_SERVERS_NEW;
    struct config_error err;
    struct fingerprint f = key(text);
    OK_INT(known_servers_find(SERVERS, address, &f, &answer, line, &err), 0);
    return answer;
}

static void test_known_servers(void)
{
    unsigned line;
    OK_INT(look("example.com:8001", KEY_A, &line), KNOWN_SERVERS_SAME);
    OK_INT(look("example.com:8001", KEY_B, &line), KNOWN_SERVERS_SAME);
    OK_INT(look("example.com:8001", KEY_NOTHING, &line), KNOWN_SERVERS_OTHER);
    OK_INT(line, 3);
    OK_INT(look("[::1]:1", KEY_A, &line), KNOWN_SERVERS_OTHER);
    OK_INT(line, 4);
    OK_INT(look("example.com:800", KEY_A, &line), KNOWN_SERVERS_NEW);
    struct fingerprint f = key(KEY_NOTHING);
    char *more = known_servers_add(SERVERS, "x:1", &f);
    OK_TEXT(more, SERVERS "\nx:1 " KEY_NOTHING "\n");
    free(more);
    more = known_servers_add("", "x:1", &f);
    OK_TEXT(more, "x:1 " KEY_NOTHING "\n");
    free(more);
    static const char *const bad[] = {"x:1\n", "x:1 " KEY_A " more\n", "\n\nx:1 SHA256:short\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum known_servers_answer answer = KNOWN_SERVERS_NEW;
        struct config_error err;
        OK_INT(known_servers_find(bad[i], "y", &f, &answer, &line, &err), -1);
        OK(strncmp(err.text, i == 2 ? "line 3: " : "line 1: ", 8) == 0);
    }
}

/* -- authorized_clients -------------------------------------------------------------------------------------------- */

static enum authorized_answer ask(const char *text, const char *id, const char *fingerprint)
{
    struct authorized_clients a;
    struct config_error err;
    struct fingerprint f = key(fingerprint);
    if (!OK(authorized_clients_parse(text, &a, &err) == 0)) {
        printf("# %s\n", err.text);
        return AUTHORIZED_NOBODY;
    }
    enum authorized_answer answer = authorized_clients_find(&a, id, &f, 1000000000); /* 2001-09-09 */
    authorized_clients_done(&a);
    return answer;
}

static void test_authorized(void)
{
    static const char text[] = "# who\ntim " KEY_A "\nTom " KEY_B "\ntim " KEY_NOTHING "\nmal none\n"
                               "lab-* " KEY_A "\nlab-7 " KEY_B "\n*-x none\nold " KEY_A " expires=2001-09-09\n"
                               "new " KEY_A " expires=2001-09-10\n";
    OK_INT(ask(text, "tim", KEY_A), AUTHORIZED_YES);
    OK_INT(ask(text, "tim", KEY_NOTHING), AUTHORIZED_YES);
    OK_INT(ask(text, "tim", KEY_B), AUTHORIZED_OTHER);
    OK_INT(ask(text, "tom", KEY_B), AUTHORIZED_YES);
    OK_INT(ask(text, "ti", KEY_A), AUTHORIZED_UNKNOWN);
    OK_INT(ask(text, "timm", KEY_A), AUTHORIZED_UNKNOWN);
    OK_INT(ask(text, "mal", KEY_A), AUTHORIZED_NOBODY);
    OK_INT(ask(text, "lab-1", KEY_A), AUTHORIZED_YES);
    OK_INT(ask(text, "lab-1", KEY_B), AUTHORIZED_OTHER);
    OK_INT(ask(text, "lab-7", KEY_B), AUTHORIZED_YES);
    OK_INT(ask(text, "lab-x", KEY_A), AUTHORIZED_NOBODY);
    OK_INT(ask(text, "old", KEY_A), AUTHORIZED_EXPIRED);
    OK_INT(ask(text, "old", KEY_B), AUTHORIZED_OTHER);
    OK_INT(ask(text, "new", KEY_A), AUTHORIZED_YES);
    OK_INT(ask("", "tim", KEY_A), AUTHORIZED_UNKNOWN);
    OK_INT(ask("*a*b* " KEY_A, "xxaxxbxx", KEY_A), AUTHORIZED_YES);
    OK_INT(ask("*a*b* " KEY_A, "xxbxxaxx", KEY_A), AUTHORIZED_UNKNOWN);
    OK_INT(ask("*aab " KEY_A, "aaaab", KEY_A), AUTHORIZED_YES);
}

static void test_authorized_bad(void)
{
    static const char *const bad[] = {"tim\n",
                                      "ti_m " KEY_A "\n",
                                      "-tim " KEY_A "\n",
                                      "tim SHA256:no\n",
                                      "tim " KEY_A " colour=7\n",
                                      "tim none expires=2030-01-01\n",
                                      "tim " KEY_A " expires=2030-02-30\n",
                                      "tim " KEY_A " expires=2030-2-3x\n",
                                      "tim " KEY_A " expires=2030-01-01 expires=2030-01-02\n",
                                      "a234567890123456789012345678901234567890123456789012345678901234 none\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];
        struct authorized_clients a = {.count = 77};
        struct config_error err;
        snprintf(text, sizeof(text), "tom none\n%s", bad[i]);
        OK_INT(authorized_clients_parse(text, &a, &err), -1);
        OK(strncmp(err.text, "line 2: ", 8) == 0);
        OK_INT(a.count, 77);
    }
}

static void test_authorized_add(void)
{
    struct authorized_clients a;
    struct config_error err;
    struct fingerprint one = key(KEY_A), two = key(KEY_B);
    char id[16];
    OK_INT(authorized_clients_parse("m* none\n", &a, &err), 0);
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "c%d", i * 7919 % 300);
        OK(authorized_clients_add(&a, id, i % 2 ? &one : &two));
    }
    OK(!authorized_clients_add(&a, "x*", &one));
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "c%d", i * 7919 % 300);
        OK_INT(authorized_clients_find(&a, id, &one, 0), i % 2 ? AUTHORIZED_YES : AUTHORIZED_OTHER);
    }
    OK_INT(authorized_clients_find(&a, "mal", &one, 0), AUTHORIZED_NOBODY);
    authorized_clients_done(&a);
}

static void edited(const char *text, enum authorized_edit edit, const char *pattern, const char *fingerprint,
                   const char *want)
{
    struct fingerprint f = key(fingerprint);
    char *made = authorized_clients_edit(text, edit, pattern, &f, NULL);
    OK_TEXT(made, want);
    free(made);
}

static void test_authorized_edit(void)
{
    static const char text[] = "# who\ntim " KEY_A " # at home\nTIM none\n\ntom " KEY_A;
    edited(text, AUTHORIZED_ALLOW, "tim", KEY_B,
           "# who\ntim " KEY_A " # at home\n\ntom " KEY_A "\ntim " KEY_B "\n");
    edited(text, AUTHORIZED_ALLOW, "tim", KEY_A, "# who\n\ntom " KEY_A "\ntim " KEY_A "\n");
    edited(text, AUTHORIZED_DENY, "tim", KEY_A, "# who\n\ntom " KEY_A "\ntim none\n");
    edited(text, AUTHORIZED_FORGET, "tim", KEY_A, "# who\n\ntom " KEY_A "\n");
    edited(text, AUTHORIZED_FORGET, "nobody", KEY_A, "# who\ntim " KEY_A " # at home\nTIM none\n\ntom " KEY_A "\n");
    edited("", AUTHORIZED_ALLOW, "lab-*", KEY_A, "lab-* " KEY_A "\n");
    edited("", AUTHORIZED_FORGET, "tim", KEY_A, "");
}

static void test_psks(void)
{
    static const struct {
        const char *text, *err;
    } bad[] = {
        {"", "there is no key"},
        {"tim", "line 1: not NAME KEY [PATTERN]"},
        {"tim 00112233445566778899aabbccddee", "line 1: the key is not 32 to 128 hexadecimal digits"},
        {"tim 00112233445566778899aabbccddeefg", "line 1: the key is not 32 to 128 hexadecimal digits"},
        {"tim 00112233445566778899aabbccddeefff", "line 1: the key is not 32 to 128 hexadecimal digits"},
        {"a b\n", "line 1: the key is not 32 to 128 hexadecimal digits"},
        {"-a 00112233445566778899aabbccddeeff", "line 1: the name is not 1 to 63 letters, digits and hyphens"},
        {"a 00112233445566778899aabbccddeeff b_*", "line 1: the pattern is not a client id or one with '*'"},
        {"a 00112233445566778899aabbccddeeff\nA 00112233445566778899aabbccddeeff", "a name is given twice"},
    };
    struct psk *psks = NULL;
    struct config_error err;
    size_t count = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        OK_INT(psks_parse(bad[i].text, &psks, &count, &err), -1);
        OK_TEXT(err.text, bad[i].err);
        OK(psks == NULL && count == 7);
    }
    OK_INT(psks_parse("# keys\n\nFleet 00112233445566778899AABBCCDDEEFF Cam-* # comment\n"
                      "tim ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", &psks, &count, &err), 0);
    OK_INT(count, 2);
    OK_TEXT(psks[0].name, "fleet");
    OK_TEXT(psks[0].pattern, "cam-*");
    OK_INT(psks[0].len, 16);
    OK_INT(psks[0].bytes[15], 0xff);
    OK_TEXT(psks[1].pattern, "tim");
    OK_INT(psks[1].len, 32);
    psks_free(psks, count);
}

/* -- what gotthard's users have ------------------------------------------------------------------------------------------ */

#define CRYPT_TEXT "0123456789abcdefghijklmnopqrstuv"

/* Loads with the environment's variables set to these, NULL: not set. The result; *c is filled in with 0. */
static int load_with(const char *key, const char *iv, const char *ours, bool takes, struct credentials *c, struct config_error *err)
{
    static const char *const files[] = {"key.pem", ".lock", NULL};
    const struct credential_settings settings = {.crypt_key = takes};
    const char *const names[] = {CRYPT_KEY_VARIABLE, CRYPT_IV_VARIABLE, PSK_VARIABLE}, *const texts[] = {key, iv, ours};
    struct state *s;
    const char *dir = directory();
    for (size_t i = 0; i < 3; i++) {
        if (texts[i] == NULL)
            unsetenv(names[i]);
        else
            setenv(names[i], texts[i], 1);
    }
    OK_INT(state_open(dir, &s, err), 0);
    int result = credentials_load(s, "key.pem", &settings, c, err);
    state_free(&s);
    directory_remove(dir, files);
    return result;
}

static void test_crypt_key(void)
{
    struct credentials c = {0};
    struct config_error err;
    OK_INT(load_with(CRYPT_TEXT, "00ff", NULL, true, &c, &err), 0);
    OK_INT(c.psk_count, 1);
    OK_TEXT(c.psks[0].name, "crypt-key");
    OK_TEXT(c.psks[0].pattern, "*");
    OK_INT(c.psks[0].len, 32);
    OK(memcmp(c.psks[0].bytes, CRYPT_TEXT, 32) == 0);
    OK(c.from_crypt_key && c.crypt_iv);
    OK(getenv(CRYPT_KEY_VARIABLE) == NULL && getenv(CRYPT_IV_VARIABLE) == NULL);
    credentials_done(&c);
    OK_INT(load_with(CRYPT_TEXT, NULL, "tim 00112233445566778899aabbccddeeff", true, &c, &err), 0);
    OK_TEXT(c.psks[0].name, "tim");
    OK(!c.from_crypt_key && getenv(CRYPT_KEY_VARIABLE) == NULL && getenv(PSK_VARIABLE) == NULL);
    credentials_done(&c);
    OK_INT(load_with(CRYPT_TEXT, NULL, NULL, false, &c, &err), 0);
    OK(c.psk_count == 0 && getenv(CRYPT_KEY_VARIABLE) != NULL);
    credentials_done(&c);
    OK_INT(load_with("too short", NULL, NULL, true, &c, &err), -1);
    OK_TEXT(err.text, "CRYPT_KEY: has not 16 to 64 bytes");
    unsetenv(CRYPT_KEY_VARIABLE);
}

/* A member of broker_settings on the heap, as the table makes it. */
static char *heap(const char *text) { return text != NULL ? strdup(text) : NULL; }

static void test_certs(void)
{
    static const struct {
        const char *ca, *cert, *key; /* what was said */
        const char *want_ca, *want_cert, *want_key;
    } cases[] = {
        {NULL, NULL, NULL, "/c/ca.crt", "/c/cert.pem", "/c/private.key"},
        {"/ca", NULL, NULL, "/ca", "/c/cert.pem", "/c/private.key"},
        {NULL, NULL, "/key", "/c/ca.crt", "/c/cert.pem", "/key"},
        {NULL, "/both", NULL, "/c/ca.crt", "/both", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct broker_settings b = {.certs = heap("/c"), .prefix = heap("mdm"), .ca_cert = heap(cases[i].ca),
                                    .client_cert = heap(cases[i].cert), .private_key = heap(cases[i].key)};
        struct config_error err;
        OK(broker_settings_finish(&b, &err));
        OK_TEXT(b.ca_cert, cases[i].want_ca);
        OK_TEXT(b.client_cert, cases[i].want_cert);
        OK_TEXT(b.private_key != NULL ? b.private_key : "", cases[i].want_key);
        free(b.certs);
        free(b.prefix);
        free(b.ca_cert);
        free(b.client_cert);
        free(b.private_key);
    }
}

static const struct tap_case cases[] = {
    {"gotthard's CRYPT_KEY", test_crypt_key},
    {"gotthard's names of certificates", test_certs},
    {"pre-shared keys", test_psks},
    {"fingerprints as text", test_fingerprint},
    {"an identity is made once", test_identity},
    {"known_servers", test_known_servers},
    {"authorized_clients: who may be whom", test_authorized},
    {"authorized_clients: bad lines", test_authorized_bad},
    {"authorized_clients: first use", test_authorized_add},
    {"authorized_clients: edits", test_authorized_edit},
};

int main(void) { return TAP_RUN(cases); }
