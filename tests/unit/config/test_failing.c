/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of this layer fails once. */
#include "failing.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/authorized_clients.h"
#include "config/broker_settings.h"
#include "config/credentials.h"
#include "config/known_servers.h"
#include "config/services.h"
#include "tap.h"

static char dir[48], file[64];

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");
    OK(f != NULL && fputs(text, f) >= 0 && fchmod(fileno(f), 0600) == 0);
    if (f != NULL)
        fclose(f);
}

static bool services_run(void)
{
    struct services services = {0};
    struct config_error err;
    if (services_load(file, &services, &err) != 0)
        return false;
    services_done(&services);
    return true;
}

static bool authorized_run(void)
{
    static const struct fingerprint key = {{1}};
    struct authorized_clients a;
    struct config_error err;
    if (authorized_clients_parse("# who\ntim none\nt*m none\n", &a, &err) != 0)
        return false;
    bool added = true;
    for (char id[] = "aa"; added && id[1] <= 'z'; id[1]++)
        added = authorized_clients_add(&a, id, &key);
    authorized_clients_done(&a);
    char *text = added ? authorized_clients_edit("tim none\n", AUTHORIZED_ALLOW, "eva", &key, NULL) : NULL;
    char *longer = text == NULL ? NULL : known_servers_add("", "host:1", &key);
    bool whole = longer != NULL;
    free(text);
    free(longer);
    return whole;
}

struct values {
    bool flag;
    char *text, *file;
    struct credential_settings credentials;
    struct broker_settings broker;
};

static bool settings_run(void)
{
    static const struct setting rows[] = {
        {.name = "text", .letter = 't', .kind = SETTING_TEXT, .offset = offsetof(struct values, text), .default_text = "x"},
        {.name = "settings", .kind = SETTING_FILE, .offset = offsetof(struct values, file), .argument = "FILE"},
        CREDENTIAL_SETTINGS(struct values, credentials, PSK_VARIABLE),
        BROKER_SETTINGS(struct values, broker),
        {.name = NULL},
    };
    static const struct settings_table table = {.program = "p", .rows = rows};
    static char words[8][16] = {"p", "--settings", "-t", "y", "--username", "u", "--password", "secret"};
    char *argv[] = {words[0], words[1], file, words[2], words[3], words[4], words[5], words[6], words[7], NULL};
    struct values v = {0};
    struct config_error err;
    int first;
    if (settings_read(&table, 9, argv, &v, &first, stdout, &err) != SETTINGS_RUN)
        return false;
    bool whole = broker_settings_finish(&v.broker, &err);
    settings_done(&table, &v);
    return whole;
}

static bool credentials_run(void)
{
    struct state *s;
    struct credentials c;
    struct config_error err;
    const struct credential_settings settings = {.psk_file = file};
    if (state_open(dir, &s, &err) != 0)
        return false;
    bool whole = credentials_load(s, "key.pem", &settings, &c, &err) == 0;
    if (whole) {
        whole = c.psk_count == 2 && state_write(s, "note", "text", &err) == 0;
        credentials_done(&c);
    }
    state_free(&s);
    return whole;
}

static void each(bool (*run)(void), const char *text, unsigned long least)
{
    bool whole;
    write_file(text);
    unsigned long count = failing_each(run, &whole);
    OK(whole);
    OK(count >= least && count < FAILING_MAX - 1);
}

static void test_services(void)
{
    each(services_run, "{\"hello\": 9000, \"other\": \"[::1]:1\", \"third\": \"unix:/tmp/x\"}", 3);
}

static void test_authorized(void) { each(authorized_run, "", 3); }
static void test_settings(void) { each(settings_run, "{\"text\": \"z\", \"prefix\": \"abc\"}", 8); }

static void test_credentials(void)
{
    each(credentials_run, "tim 00112233445566778899aabbccddeeff\nfleet 00112233445566778899aabbccddeeff c*\n", 5);
}

static const struct tap_case cases[] = {
    {"the services file", test_services},
    {"authorized clients, known servers", test_authorized},
    {"settings", test_settings},
    {"keys, state, pre-shared keys", test_credentials},
};

int main(void)
{
    char cleanup[160];
    snprintf(dir, sizeof(dir), "/tmp/mdm-failing-%ld", (long)getpid());
    snprintf(file, sizeof(file), "%s.file", dir);
    int status = TAP_RUN(cases);
    snprintf(cleanup, sizeof(cleanup), "rm -rf '%s' '%s'", dir, file);
    return system(cleanup) == 0 ? status : 1;
}
