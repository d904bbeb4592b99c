/* SPDX-License-Identifier: Apache-2.0 */
/* From the command line to wishes. */
#include "connect/wish.h"

#include "tap.h"

static struct wishes wishes;
static struct config_error err;

static int parse(const struct wish_options *o, int count, const char *a, const char *b)
{
    char *devices[] = {(char *)a, (char *)b};
    err.text[0] = '\0';
    return wishes_parse(devices, count, o, &wishes, &err);
}

static void test_devices(void)
{
    const struct wish_options none = {.listen = NULL};
    OK_INT(parse(&none, 2, "Gateway-Oli", "b/ssh"), 0);
    OK_INT(wishes.count, 2);
    OK_TEXT(wishes.list[0].device, "gateway-oli");
    OK_TEXT(wishes.list[0].service, "");
    OK_TEXT(wishes.list[0].address, "127.0.0.1");
    OK_INT(wishes.list[0].port, 0);
    OK_TEXT(wishes.list[1].service, "ssh");
    OK_INT(parse(&none, 0, NULL, NULL), -1);
    static const char *const wrong[] = {"", "a/", "a/b/c", "/b", "a b", "a--b"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        OK_INT(parse(&none, 1, wrong[i], NULL), -1);
}

static void test_listen(void)
{
    OK_INT(parse(&(struct wish_options){.listen = "2022", .remote = "22"}, 1, "a", NULL), 0);
    OK_INT(wishes.list[0].port, 2022);
    OK_TEXT(wishes.list[0].target, "localhost:22");
    OK_INT(parse(&(struct wish_options){.listen = "[::1]:0", .remote = "[fd00::2]:80"}, 1, "a", NULL), 0);
    OK_TEXT(wishes.list[0].address, "::1");
    OK_TEXT(wishes.list[0].target, "[fd00::2]:80");
    OK_INT(parse(&(struct wish_options){.listen = "1"}, 2, "a", "b"), -1);
    OK_INT(parse(&(struct wish_options){.remote = "22"}, 1, "a/ssh", NULL), -1);
    static const char *const wrong[] = {"", "65536", "a:b:1", "[::1", "[::1]1", ":1", "-1", "1x"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        OK_INT(parse(&(struct wish_options){.listen = wrong[i]}, 1, "a", NULL), -1);
    static const char *const wrong_remote[] = {"", "0", "a:", "unix:/x", "a:b:1", "a b:1"};
    for (unsigned i = 0; i < sizeof(wrong_remote) / sizeof(wrong_remote[0]); i++)
        OK_INT(parse(&(struct wish_options){.remote = wrong_remote[i]}, 1, "a", NULL), -1);
}

static void test_forwards(void)
{
    const struct wish_options o = {.forwards = "8080:80\n6310:192.168.1.20:631\n0.0.0.0:1:h:2\n[::1]:3:[::2]:4\n"};
    OK_INT(parse(&o, 1, "a", NULL), 0);
    OK_INT(wishes.count, 4);
    OK_INT(wishes.list[0].port, 8080);
    OK_TEXT(wishes.list[0].target, "localhost:80");
    OK_TEXT(wishes.list[1].target, "192.168.1.20:631");
    OK_TEXT(wishes.list[2].address, "0.0.0.0");
    OK_TEXT(wishes.list[2].target, "h:2");
    OK_TEXT(wishes.list[3].address, "::1");
    OK_TEXT(wishes.list[3].target, "[::2]:4");
    OK_TEXT(wishes.list[3].device, "a");
    OK_INT(parse(&o, 1, "a/ssh", NULL), 0);
    OK_INT(wishes.count, 5);
    static const char *const wrong[] = {"80\n", "a:80\n", "1:2:3:4:5\n", "1:0\n", "1:h:\n", "[:1:2\n", "1::2\n", "1:-h:2\n"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        OK_INT(parse(&(struct wish_options){.forwards = wrong[i]}, 1, "a", NULL), -1);
}

static void test_stdio(void)
{
    OK_INT(parse(&(struct wish_options){.stdio = true}, 1, "a/ssh", NULL), 0);
    OK_INT(wishes.list[0].kind, WISH_STDIO);
    OK_INT(parse(&(struct wish_options){.stdio = true}, 2, "a", "b"), -1);
    OK_INT(parse(&(struct wish_options){.stdio = true, .listen = "1"}, 1, "a", NULL), -1);
}

static void test_public(void)
{
    OK_INT(parse(&(struct wish_options){.public_for = "90"}, 2, "a/ssh", "b"), 0);
    OK(wishes.count == 2 && wishes.list[0].kind == WISH_PUBLIC && wishes.list[0].public_s == 90 && wishes.list[1].public_s == 90);
    static const struct {
        const char *text;
        unsigned seconds;
    } good[] = {{"0", 0}, {"2s", 2}, {"30m", 1800}, {"1.5h", 5400}, {"7d", 604800}};
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        OK_INT(parse(&(struct wish_options){.public_for = good[i].text}, 1, "a", NULL), 0);
        OK_INT(wishes.list[0].public_s, good[i].seconds);
    }
    static const char *const wrong[] = {"", "h", "0.5s", "8d", "169h", "1w", "-1h", "1h30m", "99999999999999999999999999999999h"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        OK_INT(parse(&(struct wish_options){.public_for = wrong[i]}, 1, "a", NULL), -1);
    OK_INT(parse(&(struct wish_options){.public_for = "1h", .stdio = true}, 1, "a", NULL), -1);
    OK_INT(parse(&(struct wish_options){.public_for = "1h", .listen = "1"}, 1, "a", NULL), -1);
}

static void test_too_many(void)
{
    char many[WISHES_MAX * 4 + 8] = "", *at = many;
    for (unsigned i = 0; i <= WISHES_MAX; i++)
        at = stpcpy(at, "0:1\n");
    OK_INT(parse(&(struct wish_options){.forwards = many}, 1, "a", NULL), -1);
    many[WISHES_MAX * 4] = '\0';
    OK_INT(parse(&(struct wish_options){.forwards = many}, 1, "a", NULL), 0);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"devices and services", test_devices},       {"local and remote ports", test_listen},
        {"forwards", test_forwards},                  {"standard input and output", test_stdio},
        {"what is made public, and for how long", test_public},
        {"more ways than there may be", test_too_many},
    };
    return TAP_RUN(cases);
}
