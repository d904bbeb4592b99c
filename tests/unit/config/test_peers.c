/* SPDX-License-Identifier: Apache-2.0 */
/* authorized_peers, and lists of ports. */
#include "config/authorized_peers.h"
#include "config/port_list.h"

#include "tap.h"

#define KEY_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "SHA256:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct fingerprint a = {{0}}, b = {{1}}, c = {{2}};

static bool has(const char *list, const char *host, unsigned port)
{
    struct config_error err;
    OK_INT(port_list_check(list, strlen(list), &err), 0);
    return port_list_has(list, strlen(list), host, (uint16_t)port, PORT_TCP);
}

static void test_port_list(void)
{
    OK(has("22", "localhost", 22) && has("22", "127.0.0.1", 22) && has("22", "::1", 22) && has("127.0.0.1:22", "LOCALHOST", 22));
    OK(!has("22", "localhost", 23) && !has("22", "router", 22) && !has("22", "127.0.0.2", 22));
    OK(has("80,8000-8010", "localhost", 8000) && has("80,8000-8010", "localhost", 8010));
    OK(!has("80,8000-8010", "localhost", 8011) && !has("80,8000-8010", "localhost", 7999));
    OK(has("printer:631", "Printer", 631) && !has("printer:631", "localhost", 631) && !has("printer:631", "printers", 631));
    OK(has("[fd00::2]:80-90", "fd00::2", 85) && has("*:443", "anything", 443) && has("*:443", "localhost", 443));
    OK(has("1-65535", "localhost", 65535));
    OK(!has("53/udp", "localhost", 53) && has("53/udp,53", "localhost", 53) && !has("dns:53-54/udp", "dns", 53));
    OK(port_list_has("dns:53-54/udp", 13, "dns", 54, PORT_UDP) && !port_list_has("53", 2, "localhost", 53, PORT_UDP));
}

static void test_port_list_bad(void)
{
    static const char *const wrong[] = {"",     ",",   "0",     "65536",  "22,",  "90-80", "-",       "1-",     "a",
                                        "a:",   ":80", "a b:1", "::1:80", "[]:1", "*",     "fd00::1", "22-23-24", "+22", "/udp", "53/tcp", "53/udp/udp"};
    struct config_error err;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!OK(port_list_check(wrong[i], strlen(wrong[i]), &err) != 0))
            printf("#   '%s' is taken\n", wrong[i]);
}

static enum peer_answer ask(const char *text, const struct fingerprint *key, int64_t now_s, const struct peer_wish *wish)
{
    struct authorized_peers peers;
    const struct authorized_peer *line = NULL;
    struct config_error err;
    err.text[0] = '\0';
    OK_INT(authorized_peers_parse(text, &peers, &err), 0);
    OK_TEXT(err.text, "");
    enum peer_answer answer = authorized_peers_ask(&peers, key, now_s, wish, &line);
    OK((line == NULL) == (answer == PEER_UNKNOWN));
    authorized_peers_done(&peers);
    return answer;
}

static void test_peers(void)
{
    static const char text[] = "# who\noli " KEY_A "\n\n"
                               "guest " KEY_B " services=ssh,web ports=22,80-90 expires=2030-01-02 # for a while\n"
                               "guest-2 " KEY_B " services=db public expires=2031-01-01\n";
    const int64_t day = INT64_C(1893542400); /* 2030-01-02 */
    const struct peer_wish in = {0}, ssh = {PEER_WISH_SERVICE, .service = "ssh"};
    const struct peer_wish web = {PEER_WISH_SERVICE, .service = "we"}, db = {PEER_WISH_SERVICE, .service = "db"};
    const struct peer_wish port = {PEER_WISH_PORT, .host = "localhost", .port = 85};
    const struct peer_wish other = {PEER_WISH_PORT, .host = "localhost", .port = 91};
    const struct peer_wish listen = {PEER_WISH_LISTEN, .host = "localhost", .port = 91}, end = {.kind = PEER_WISH_END};
    OK_INT(ask("x " KEY_A " disconnect listen=90-91", &a, 0, &end), PEER_YES);
    OK_INT(ask("x " KEY_A " disconnect listen=90-91", &a, 0, &listen), PEER_YES);
    OK_INT(ask("x " KEY_A " listen=90", &a, 0, &listen), PEER_NOT_THIS);
    OK_INT(ask("x " KEY_A, &a, 0, &listen), PEER_YES);
    OK_INT(ask("x " KEY_A, &a, 0, &end), PEER_NOT_THIS);
    const struct peer_wish public_db = {PEER_WISH_PUBLIC, .service = "db"}, public_ssh = {PEER_WISH_PUBLIC, .service = "ssh"};
    OK_INT(ask(text, &a, 0, &public_db), PEER_NOT_THIS); /* all services, and none for everybody */
    OK_INT(ask(text, &b, 0, &public_db), PEER_YES);
    OK_INT(ask(text, &b, 0, &public_ssh), PEER_NOT_THIS);
    OK_INT(ask(text, &c, 0, &in), PEER_UNKNOWN);
    OK_INT(ask("", &a, 0, &in), PEER_UNKNOWN);
    OK_INT(ask(text, &a, day, &in), PEER_YES);
    OK_INT(ask(text, &a, day, &db), PEER_YES);
    OK_INT(ask(text, &a, day, &other), PEER_YES);
    OK_INT(ask(text, &b, day - 1, &ssh), PEER_YES);
    OK_INT(ask(text, &b, day - 1, &web), PEER_NOT_THIS);
    OK_INT(ask(text, &b, day - 1, &port), PEER_YES);
    OK_INT(ask(text, &b, day, &ssh), PEER_NOT_THIS); /* the first line has expired, the second has another service */
    OK_INT(ask(text, &b, day, &db), PEER_YES);
    OK_INT(ask(text, &b, day + 366 * 86400, &in), PEER_EXPIRED);
}

static void test_peers_bad(void)
{
    static const char *const wrong[] = {"oli", "oli x", "o--li " KEY_A, "oli " KEY_A " services=", "oli " KEY_A " services=a,",
                                        "oli " KEY_A " services=A", "oli " KEY_A " ports=0", "oli " KEY_A " expires=2030-02-30",
                                        "oli " KEY_A " expires=x", "oli " KEY_A " services=a services=b", "oli " KEY_A " x",
                                        "oli none", "oli " KEY_A " public public"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct authorized_peers peers = {.count = 77};
        struct config_error err;
        OK_INT(authorized_peers_parse(wrong[i], &peers, &err), -1);
        OK(strncmp(err.text, "line 1: ", 8) == 0);
        OK_INT(peers.count, 77);
    }
}

static const struct tap_case cases[] = {
    {"lists of ports", test_port_list},
    {"lists of ports that are none", test_port_list_bad},
    {"authorized_peers: who may what", test_peers},
    {"authorized_peers: bad lines", test_peers_bad},
};

int main(void) { return TAP_RUN(cases); }
