/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, the id that is remembered, and where the services come from. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/inspector.h"
#include "client/options.h"
#include "tap.h"

static char directory[] = "/tmp/test-options-XXXXXX";
static char state_dir[64];

static enum settings_result read_options(struct options *o, int *first, char **argv)
{
    struct config_error err;
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    memset(o, 0, sizeof(*o));
    FILE *null = fopen("/dev/null", "w");
    enum settings_result r = settings_read(&options_table, argc, argv, o, first, null, &err);
    fclose(null);
    return r;
}

#define READ(o, first, ...) \
    read_options((o), (first), (char *[]){(char[]){"mdm-tunnel-client"}, ##__VA_ARGS__, NULL})
#define W(text) ((char[]){text})

static void defaults(void)
{
    struct options o;
    int first;
    OK(READ(&o, &first) == SETTINGS_RUN);
    OK(o.id == NULL && o.services_file == NULL && o.state_dir == NULL);
    OK_TEXT(o.way.host, "localhost");
    OK_INT(o.way.port, 8001);
    OK_INT(o.max_attempts, 0);
    OK_INT(o.drain_us, 10000000);
    OK_INT(o.workers, 1);
    OK(!o.log.verbose);
    settings_done(&options_table, &o);
}

/* Off unless it is wanted, and then at an address of this machine alone. */
static void inspector_default(void)
{
    struct config_error err;
    struct options o;
    int first;
    OK(READ(&o, &first) == SETTINGS_RUN && o.inspect == NULL && !o.inspect_secrets);
    settings_done(&options_table, &o);
    OK(READ(&o, &first, W("--inspect"), W("a=1")) == SETTINGS_RUN);
    OK_TEXT(o.inspect, "4040");
    settings_done(&options_table, &o);
    static const char *const fit[] = {"4040", "0", "127.0.0.1:1", "[::1]:1"}, *const unfit[] = {"0.0.0.0:4040", "[::]:4040", "192.0.2.1:1", "x"};
    for (size_t i = 0; i < sizeof(fit) / sizeof(fit[0]); i++)
        OK(inspector_may_listen(fit[i], &err) && !inspector_may_listen(unfit[i], &err));
}

static void letters_and_aliases(void)
{
    struct options o;
    int first;
    OK(READ(&o, &first, W("-u"), W("Tim"), W("-s"), W("/x"), W("-H"), W("h"), W("-p"), W("1"),
            W("-v")) == SETTINGS_RUN);
    OK_TEXT(o.id, "tim");
    OK_TEXT(o.services_file, "/x");
    OK_TEXT(o.way.host, "h");
    OK_INT(o.way.port, 1);
    OK(o.log.verbose);
    settings_done(&options_table, &o);
    OK(READ(&o, &first, W("--services"), W("/y"), W("--drain"), W("0.5"), W("a=1")) == SETTINGS_RUN);
    OK_TEXT(o.services_file, "/y");
    OK_INT(o.drain_us, 500000);
    settings_done(&options_table, &o);
    OK(READ(&o, &first, W("-h")) == SETTINGS_SHOWN);
    OK(READ(&o, &first, W("-V")) == SETTINGS_SHOWN);
}

static void what_is_refused(void)
{
    struct options o;
    int first;
    OK(READ(&o, &first, W("-i"), W("a--b")) == SETTINGS_BAD);
    OK(READ(&o, &first, W("-p"), W("65536")) == SETTINGS_BAD);
    OK(READ(&o, &first, W("--workers"), W("0")) == SETTINGS_BAD);
    OK(READ(&o, &first, W("--no-such")) == SETTINGS_BAD);
}

static void remembers_the_id(void)
{
    struct config_error err;
    char *id = NULL;
    struct options o = {.state_dir = state_dir};
    OK_INT(options_id(&o, &id, &err), EXIT_USAGE);
    OK(id == NULL && strstr(err.text, "-i ID") != NULL);
    char tim[] = "tim";
    o.id = tim;
    OK_INT(options_id(&o, &id, &err), 0);
    OK_TEXT(id, "tim");
    free(id);
    o.id = NULL;
    OK_INT(options_id(&o, &id, &err), 0);
    OK_TEXT(id, "tim");
    free(id);
}

static void a_spoiled_id_is_none(void)
{
    struct config_error err;
    char path[128], *id = NULL;
    struct options o = {.state_dir = state_dir};
    snprintf(path, sizeof(path), "%s/client-id", state_dir);
    FILE *f = fopen(path, "w");
    fputs("../../etc\n", f);
    fclose(f);
    OK_INT(options_id(&o, &id, &err), EXIT_USAGE);
    unlink(path);
}

static void an_id_works_without_a_place_for_it(void)
{
    struct config_error err;
    char *id = NULL, tim[] = "tim", nowhere[] = "/proc/no/such";
    struct options o = {.state_dir = nowhere, .id = tim};
    OK_INT(options_id(&o, &id, &err), 0);
    OK_TEXT(id, "tim");
    free(id);
}

static void services_on_the_command_line(void)
{
    struct config_error err;
    struct services s = {0, NULL};
    struct options o = {0};
    char *good[] = {W("b=9001"), W("a=unix:/s")}, *bad[] = {W("a=1"), W("a=x")};
    OK_INT(options_services(&o, good, 2, &s, &err), 0);
    OK_INT(s.count, 2);
    OK(o.services_file == NULL);
    services_done(&s);
    OK_INT(options_services(&o, bad, 2, &s, &err), EXIT_USAGE);
    char file[] = "/x";
    o.services_file = file;
    OK_INT(options_services(&o, good, 2, &s, &err), EXIT_USAGE);
    OK(strstr(err.text, "twice") != NULL);
}

static void services_in_the_default_file(void)
{
    struct config_error err;
    struct services s = {0, NULL};
    struct options o = {0};
    char path[128];
    setenv("HOME", directory, 1);
    snprintf(path, sizeof(path), "%s/.tunnel-services.json", directory);
    OK_INT(options_services(&o, NULL, 0, &s, &err), EXIT_FAILED);
    OK(strstr(err.text, path) != NULL && strstr(err.text, "write one") != NULL);
    OK_TEXT(o.services_file, path);
    FILE *f = fopen(path, "w");
    fputs("{\"hello-world\": 9000}", f);
    fclose(f);
    OK_INT(options_services(&o, NULL, 0, &s, &err), 0);
    OK_INT(s.count, 1);
    services_done(&s);
    f = fopen(path, "w");
    fputs("{\"hello-world\": 70000}", f);
    fclose(f);
    OK_INT(options_services(&o, NULL, 0, &s, &err), EXIT_FAILED);
    OK(strstr(err.text, "70000") != NULL);
    unlink(path);
    free(o.services_file);
}

int main(void)
{
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(state_dir, sizeof(state_dir), "%s/state", directory);
    const struct tap_case cases[] = {
        {"defaults", defaults},
        {"the inspector is off", inspector_default},
        {"letters and aliases", letters_and_aliases},
        {"what is refused", what_is_refused},
        {"remembers the id", remembers_the_id},
        {"a spoiled id is none", a_spoiled_id_is_none},
        {"an id works without a place for it", an_id_works_without_a_place_for_it},
        {"services on the command line", services_on_the_command_line},
        {"services in the default file", services_in_the_default_file},
    };
    int status = TAP_RUN(cases);
    rmdir(state_dir);
    rmdir(directory);
    return status;
}
