/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: defaults, file, command line, --help. */
#include "config/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

struct values {
    bool verbose;
    unsigned workers, port;
    uint64_t hold;
    char *domain, *id, *path, *file, *bare;
};

#define AT(member) offsetof(struct values, member)

static const struct setting rows[] = {
    {.name = "id",
     .letter = 'i',
     .alias = "user",
     .alias_letter = 'u',
     .kind = SETTING_NAME,
     .offset = AT(id),
     .argument = "ID",
     .help = "the name of this client"},
    {.name = "port",
     .letter = 'p',
     .kind = SETTING_PORT,
     .offset = AT(port),
     .default_text = "8080",
     .argument = "PORT",
     .help = "where visitors come"},
    {.name = "workers",
     .kind = SETTING_NUMBER,
     .offset = AT(workers),
     .min = 1,
     .max = 64,
     .argument = "N",
     .help =
         "threads, each with an event loop of its own; without this option there are as many as the machine has cores"},
    {.name = "hold",
     .kind = SETTING_SECONDS,
     .offset = AT(hold),
     .max = 60,
     .default_text = "2.5",
     .argument = "SECONDS",
     .help = "how long a request waits"},
    {.name = "domain", .kind = SETTING_TEXT, .offset = AT(domain), .argument = "DOMAIN", .help = "the domain"},
    {.name = "a-path-with-a-very-long-name",
     .kind = SETTING_PATH,
     .offset = AT(path),
     .argument = "DIRECTORY",
     .help = "a path"},
    {.name = "bare", .kind = SETTING_TEXT, .offset = AT(bare), .bare_text = "4040", .argument = "[PORT]", .help = "a place"},
    {.name = "config",
     .letter = 'c',
     .kind = SETTING_FILE,
     .offset = AT(file),
     .argument = "FILE",
     .help = "the settings file"},
    {.name = "verbose", .letter = 'v', .kind = SETTING_FLAG, .offset = AT(verbose), .help = "say more"},
    {.name = "version", .letter = 'V', .kind = SETTING_VERSION, .help = "show the version"},
    {.name = "help", .letter = 'h', .kind = SETTING_HELP, .help = "show this"},
    {0},
};

static const struct settings_table table = {"prog", "[options] [NAME ...]", "Does things.", rows, true};

static struct values values;
static struct config_error error;
static int first;
static char shown[4096];

/* Runs the words of `line` through `t`. */
static enum settings_result read_line(const struct settings_table *t, const char *line)
{
    static char words[1024];
    char *argv[64] = {NULL};
    int argc = 0;
    snprintf(words, sizeof(words), "prog %s", line);
    for (char *word = strtok(words, " "); word != NULL && argc < 63; word = strtok(NULL, " "))
        argv[argc++] = word;
    memset(&values, 0, sizeof(values));
    memset(shown, 0, sizeof(shown));
    error.text[0] = '\0';
    FILE *out = fmemopen(shown, sizeof(shown) - 1, "w");
    enum settings_result result = settings_read(t, argc, argv, &values, &first, out, &error);
    fclose(out);
    return result;
}

static const char *bad(const char *line)
{
    if (read_line(&table, line) != SETTINGS_BAD) {
        settings_done(&table, &values);
        return "(taken)";
    }
    return values.id == NULL && values.domain == NULL && values.file == NULL ? error.text : "(values left)";
}

static void defaults(void)
{
    OK_INT(read_line(&table, ""), SETTINGS_RUN);
    OK_INT(values.port, 8080);
    OK_INT(values.hold, 2500000);
    OK_INT(values.workers, 0);
    OK(values.id == NULL && !values.verbose);
    OK_INT(first, 1);
    settings_done(&table, &values);
}

static void command_line(void)
{
    OK_INT(read_line(&table, "one -u TIM --port=0 two --workers 64 -vvv --hold 0.25 --domain x --domain y -- -three"),
           SETTINGS_RUN);
    OK_TEXT(values.id, "tim");
    OK_TEXT(values.domain, "y");
    OK_INT(values.port, 0);
    OK_INT(values.workers, 64);
    OK_INT(values.hold, 250000);
    OK(values.verbose);
    settings_done(&table, &values);
    OK(values.id == NULL);
    settings_done(&table, &values);
    OK_INT(read_line(&table, "--user a -p 1 b -i c d"), SETTINGS_RUN);
    OK_TEXT(values.id, "c");
    OK_INT(first, 7);
    settings_done(&table, &values);
}

static void alone(const char *line, const char *value, int words)
{
    OK_INT(read_line(&table, line), SETTINGS_RUN);
    OK_TEXT(values.bare, value);
    OK_INT(first, words);
    settings_done(&table, &values);
}

static void argument_left_out(void)
{
    alone("--bare", "4040", 2);
    alone("--bare 80 a=1", "80", 3);
    alone("--bare=80", "80", 2);
    alone("--bare [::1]:80", "[::1]:80", 3);
    alone("--bare word", "4040", 2);
    alone("--bare 1=80", "4040", 2);
    alone("a --bare 80 b", "80", 3);
    alone("--bare --verbose", "4040", 3);
}

static void paths_expand(void)
{
    setenv("HOME", "/home/someone", 1);
    OK_INT(read_line(&table, "--a-path-with ~/x"), SETTINGS_RUN);
    OK_TEXT(values.path, "/home/someone/x");
    settings_done(&table, &values);
    OK_INT(read_line(&table, "--a-path-with ~x/y"), SETTINGS_RUN);
    OK_TEXT(values.path, "~x/y");
    settings_done(&table, &values);
}

static void what_is_refused(void)
{
    OK_TEXT(bad("--port 70000"), "--port: 70000 is above 65535");
    OK_TEXT(bad("-p -1"), "--port: -1 is below 0");
    OK_TEXT(bad("-p 1x"), "--port: \"1x\" is not a whole number");
    OK_TEXT(bad("-p 99999999999999999999999999"), "--port: 99999999999999999999999999 is above 65535");
    OK_TEXT(bad("--workers 0"), "--workers: 0 is below 1");
    OK_TEXT(bad("--workers 65"), "--workers: 65 is above 64");
    OK_TEXT(bad("--hold 60.000001"), "--hold: 60.000001 is above 60");
    OK_TEXT(bad("--hold ."), "--hold: \".\" is not a number of seconds");
    OK_TEXT(bad("--hold 1e3"), "--hold: \"1e3\" is not a number of seconds");
    OK_TEXT(bad("--hold -1"), "--hold: -1 is below 0");
    OK_TEXT(bad("--hold 99999999999999999999"), "--hold: 99999999999999999999 is above 60");
    OK_TEXT(bad("--id a--b"), "--id: \"a--b\" is not 1 to 63 letters, digits and single hyphens inside");
    OK_TEXT(bad("--domain x --nonsense"), "unknown option --nonsense (--help shows all)");
    OK_TEXT(bad("-x"), "unknown option -x (--help shows all)");
    OK_TEXT(bad("-vx"), "unknown option -x (--help shows all)");
    OK_TEXT(bad("-p"), "--port: PORT is missing");
    OK_TEXT(bad("-i a --port"), "--port: PORT is missing");
    OK_TEXT(bad("--verbose=yes"), "--verbose: takes no argument");
    OK_TEXT(bad("--a-path-with="), "--a-path-with-a-very-long-name: empty path");
    OK_TEXT(bad("--config /nonexistent/file"), "/nonexistent/file: No such file or directory");
    struct settings_table none = table;
    none.positionals = false;
    OK_INT(read_line(&none, "-v extra"), SETTINGS_BAD);
    OK_TEXT(error.text, "unexpected argument extra");
}

/* Reads `json` as the settings file, then `line`. */
static enum settings_result read_file(const char *json, const char *line)
{
    static char path[] = "/tmp/mdm-settings-XXXXXX";
    char with_file[256];
    strcpy(path + sizeof(path) - 7, "XXXXXX");
    int fd = mkstemp(path);
    OK(write(fd, json, strlen(json)) == (ssize_t)strlen(json));
    close(fd);
    snprintf(with_file, sizeof(with_file), "%s -c %s", line, path);
    enum settings_result result = read_line(&table, with_file);
    unlink(path);
    return result;
}

/* Behind the file's name. */
static const char *bad_file(const char *json)
{
    if (read_file(json, "") != SETTINGS_BAD) {
        settings_done(&table, &values);
        return "(taken)";
    }
    const char *colon = strstr(error.text, ": ");
    return colon != NULL ? colon + 2 : error.text;
}

static void the_file_stands_between(void)
{
    OK_INT(
        read_file("{\"port\": 1, \"workers\": 3, \"hold\": 0.1, \"id\": \"Bob\", \"verbose\": true, \"domain\": \"\"}",
                  "-p 2"),
        SETTINGS_RUN);
    OK_INT(values.port, 2);
    OK_INT(values.workers, 3);
    OK_INT(values.hold, 100000);
    OK_TEXT(values.id, "bob");
    OK_TEXT(values.domain, "");
    OK(values.verbose);
    settings_done(&table, &values);
    OK_INT(read_file("{\"bare\": true}", ""), SETTINGS_RUN);
    OK_TEXT(values.bare, "4040");
    settings_done(&table, &values);
    OK_INT(read_file("{\"bare\": 80}", ""), SETTINGS_RUN);
    OK_TEXT(values.bare, "80");
    settings_done(&table, &values);
    OK_INT(read_file("{\"bare\": false}", ""), SETTINGS_RUN);
    OK(values.bare == NULL);
    settings_done(&table, &values);
    OK_INT(read_file("{\"verbose\": false}", ""), SETTINGS_RUN);
    OK(!values.verbose);
    OK_INT(values.port, 8080);
    settings_done(&table, &values);
}

static void what_a_file_may_not_say(void)
{
    OK_TEXT(bad_file("{\"prot\": 1}"), "prot: unknown key");
    OK_TEXT(bad_file("{\"user\": \"x\"}"), "user: unknown key");
    OK_TEXT(bad_file("{\"port\": 70000}"), "port: 70000 is above 65535");
    OK_TEXT(bad_file("{\"port\": \"80\"}"), "port: not a number");
    OK_TEXT(bad_file("{\"port\": 80.5}"), "port: \"80.5\" is not a whole number");
    OK_TEXT(bad_file("{\"verbose\": 1}"), "verbose: not true or false");
    OK_TEXT(bad_file("{\"domain\": 1}"), "domain: not a string");
    OK_TEXT(bad_file("{\"config\": \"x\"}"), "config: for the command line only");
    OK_TEXT(bad_file("{\"help\": true}"), "help: for the command line only");
    OK_TEXT(bad_file("{\"port\": 1, \"port\": 1}"), "key \"port\" stands twice");
    OK_TEXT(bad_file("{\"port\": 1,}"), "line 1, column 12: not valid JSON");
}

static void a_default_file_may_be_missing(void)
{
    struct setting with_default[sizeof(rows) / sizeof(*rows)];
    memcpy(with_default, rows, sizeof(rows));
    for (struct setting *row = with_default; row->name != NULL; row++)
        if (row->kind == SETTING_FILE)
            row->default_text = "/nonexistent/default.json";
    struct settings_table t = table;
    t.rows = with_default;
    OK_INT(read_line(&t, "-v"), SETTINGS_RUN);
    OK(values.verbose);
    settings_done(&t, &values);
    OK_INT(read_line(&t, "-c /nonexistent/default.json"), SETTINGS_BAD);
}

static void help_is_the_table(void)
{
    OK_INT(read_line(&table, "-p 1 --help --nonsense"), SETTINGS_SHOWN);
    OK_TEXT(shown, "Usage: prog [options] [NAME ...]\n"
                   "Does things.\n"
                   "\n"
                   "Options:\n"
                   "  -i, -u, --id, --user ID  the name of this client\n"
                   "  -p, --port PORT          where visitors come (default: 8080)\n"
                   "  --workers N              threads, each with an event loop of its own; without\n"
                   "                           this option there are as many as the machine has\n"
                   "                           cores\n"
                   "  --hold SECONDS           how long a request waits (default: 2.5)\n"
                   "  --domain DOMAIN          the domain\n"
                   "  --a-path-with-a-very-long-name DIRECTORY\n"
                   "                           a path\n"
                   "  --bare [PORT]            a place\n"
                   "  -c, --config FILE        the settings file\n"
                   "  -v, --verbose            say more\n"
                   "  -V, --version            show the version\n"
                   "  -h, --help               show this\n");
    OK_INT(read_line(&table, "-vV"), SETTINGS_SHOWN);
    OK_TEXT(shown, "prog " PACKAGE_VERSION "\n");
}

/* File, environment, command line: the later one counts. A list grows with each. */
static void environment_and_lists(void)
{
    static const struct setting few[] = {
        {.name = "domain", .kind = SETTING_TEXT, .offset = AT(domain), .environment = "MDM_TEST_DOMAIN", .argument = "D"},
        {.name = "list", .letter = 'L', .kind = SETTING_LIST, .offset = AT(id), .instead = "MDM_TEST_OTHER MDM_TEST_LIST",
         .argument = "L"},
        {.name = "config", .letter = 'c', .kind = SETTING_FILE, .offset = AT(file), .argument = "F"},
        {0},
    };
    const struct settings_table t = {"prog", "", "", few, false};
    char path[] = "/tmp/mdm-settings-XXXXXX", line[128];
    int fd = mkstemp(path);
    static const char text[] = "{\"domain\": \"file\", \"list\": \"0\"}";
    OK(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
    close(fd);
    snprintf(line, sizeof(line), "-L 1 -L 2:3 -c %s", path);
    unsetenv("MDM_TEST_DOMAIN");
    OK_INT(read_line(&t, line), SETTINGS_RUN);
    OK_TEXT(values.domain, "file");
    OK_TEXT(values.id, "0\n1\n2:3\n");
    settings_done(&t, &values);
    setenv("MDM_TEST_DOMAIN", "environment", 1);
    OK_INT(read_line(&t, line), SETTINGS_RUN);
    OK_TEXT(values.domain, "environment");
    settings_done(&t, &values);
    strcat(line, " --domain said");
    OK_INT(read_line(&t, line), SETTINGS_RUN);
    OK_TEXT(values.domain, "said");
    settings_done(&t, &values);
    setenv("MDM_TEST_LIST", "said in another way", 1);
    OK_INT(read_line(&t, line), SETTINGS_RUN);
    OK_TEXT(values.id, "1\n2:3\n");
    settings_done(&t, &values);
    unsetenv("MDM_TEST_LIST");
    setenv("MDM_TEST_DOMAIN", "", 1);
    OK_INT(read_line(&t, line), SETTINGS_RUN);
    settings_done(&t, &values);
    OK_INT(read_line(&t, "-L \n"), SETTINGS_BAD);
    unlink(path);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"defaults", defaults},
        {"command line", command_line},
        {"paths expand", paths_expand},
        {"an argument that may be left out", argument_left_out},
        {"what is refused", what_is_refused},
        {"the file stands between defaults and command line", the_file_stands_between},
        {"what a file may not say", what_a_file_may_not_say},
        {"a default file may be missing", a_default_file_may_be_missing},
        {"help is the table", help_is_the_table},
        {"the environment, and lists", environment_and_lists},
    };
    return TAP_RUN(cases);
}
