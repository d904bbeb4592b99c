/* SPDX-License-Identifier: Apache-2.0 */
/* Options of lines of authorized_clients. */
#include "config/client_grant.h"

#include <stdlib.h>
#include <string.h>

#include "config/authorized_clients.h"
#include "tap.h"

#define KEY_B "SHA256:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs"
#define KEY_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const char *wrong(const char *text)
{
    struct client_grant g = CLIENT_GRANT_NONE;
    const char *why = client_grant_option(&g, text, strlen(text));
    return why == NULL ? "" : why;
}

static void options(void)
{
    struct client_grant g = CLIENT_GRANT_NONE;
    char text[CLIENT_GRANT_TEXT_MAX + 1];
    static const char *const said[] = {"ports=22,80-90", "streams=4", "services=web*,api", "bandwidth=5000", "expires=2001-09-09",
                                       "rate=7"};
    client_grant_text(&g, text, sizeof(text));
    OK_TEXT(text, "");
    OK(client_grant_service(&g, "any") && client_grant_port(&g, 1));
    for (size_t i = 0; i < 6; i++)
        OK(client_grant_option(&g, said[i], strlen(said[i])) == NULL);
    client_grant_text(&g, text, sizeof(text));
    OK_TEXT(text, " expires=2001-09-09 services=web*,api streams=4 bandwidth=5000 rate=7 ports=22,80-90");
    OK_TEXT(client_grant_option(&g, "streams=5", 9), "stands twice");
    OK(client_grant_service(&g, "web") && client_grant_service(&g, "web-2") && client_grant_service(&g, "api"));
    OK(!client_grant_service(&g, "api2") && !client_grant_service(&g, "we") && !client_grant_service(&g, ""));
    OK(client_grant_port(&g, 22) && client_grant_port(&g, 80) && client_grant_port(&g, 90));
    OK(!client_grant_port(&g, 21) && !client_grant_port(&g, 91) && !client_grant_port(&g, 0));
    OK_INT(g.expires, 999993600);
}

static void refused(void)
{
    static const char *const bad[] = {"", "streams", "streams=", "streams=0", "streams=-1", "streams=1x", "bandwidth=10", "services=",
                                      "services=a b", "services=A", "ports=", "ports=0", "ports=1,", "ports=2-1", "ports=65536",
                                      "ports=-1", "ports=1-", "ports=host:80", "colour=1", "rate=0", "rate=0.5", "rate=1000001",
                                      "expires=2030-02-30", "expires=2030-2-3x", "expires=", "expires=1960-01-01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!OK(wrong(bad[i])[0] != '\0'))
            printf("# %s\n", bad[i]);
    OK_TEXT(wrong("ports=none"), "");
    struct client_grant g = CLIENT_GRANT_NONE;
    OK(client_grant_option(&g, "ports=none", 10) == NULL && !client_grant_port(&g, 80));
}

static unsigned streams_of(const struct authorized_clients *a, const char *id, const struct fingerprint *key, int64_t now)
{
    struct client_grant g;
    authorized_clients_grant(a, id, key, now, &g);
    return g.streams;
}

/* Lines that are about an id, however it is proven. */
static void anybody(void)
{
    static const struct fingerprint none;
    struct authorized_clients a;
    struct config_error err;
    struct fingerprint key;
    struct client_grant g;
    OK(fingerprint_parse(KEY_B, strlen(KEY_B), &key));
    OK_INT(authorized_clients_parse("cam-* any streams=5 services=web rate=3\ncam-1 any streams=6 expires=2001-09-10\n"
                                    "cam-2 " KEY_B " streams=7\n", &a, &err), 0);
    OK_INT(streams_of(&a, "cam-9", &none, 0), 5);
    OK_INT(streams_of(&a, "cam-1", &none, 0), 6);
    OK_INT(streams_of(&a, "cam-1", &none, 2000000000), 5);
    OK_INT(streams_of(&a, "tim", &none, 0), 0);
    authorized_clients_grant(&a, "cam-2", &key, 0, &g);
    OK(g.streams == 7 && g.rate == 3 && strcmp(g.services, "web") == 0 && g.bandwidth == 0);
    OK_INT(authorized_clients_find(&a, "cam-9", &key, 0), AUTHORIZED_UNKNOWN); /* it admits nobody */
    OK_INT(authorized_clients_find(&a, "cam-1", &key, 0), AUTHORIZED_UNKNOWN);
    OK_INT(authorized_clients_find(&a, "cam-1", &key, 2000000000), AUTHORIZED_EXPIRED);
    OK_INT(authorized_clients_find(&a, "cam-2", &key, 2000000000), AUTHORIZED_YES);
    OK_INT(authorized_clients_find(&a, "cam-2", &none, 0), AUTHORIZED_OTHER);
    authorized_clients_done(&a);
    char *text = authorized_clients_edit("a none\na any rate=1\na " KEY_B "\n", AUTHORIZED_ALLOW, "a", NULL,
                                         &(struct client_grant){.expires = INT64_MAX, .streams = 2});
    OK_TEXT(text, "a none\na " KEY_B "\na any streams=2\n");
    free(text);
    text = authorized_clients_edit("a any rate=1\na none\n", AUTHORIZED_ALLOW, "a", &key, NULL);
    OK_TEXT(text, "a any rate=1\na " KEY_B "\n");
    free(text);
}

static void lines(void)
{
    struct authorized_clients a;
    struct config_error err;
    struct fingerprint key;
    OK(fingerprint_parse(KEY_A, strlen(KEY_A), &key));
    OK_INT(authorized_clients_parse("t* " KEY_A " streams=1\ntim " KEY_A " streams=2 expires=2001-09-10\ntom none\n", &a, &err), 0);
    OK_INT(streams_of(&a, "tim", &key, 0), 2);
    OK_INT(streams_of(&a, "tim", &key, 2000000000), 1); /* the other line still holds */
    OK_INT(streams_of(&a, "tam", &key, 0), 1);
    OK_INT(streams_of(&a, "sam", &key, 0), 0);
    OK_INT(authorized_clients_next_expiry(&a, 0), 1000080000);
    OK(authorized_clients_next_expiry(&a, 1000080000) == INT64_MAX);
    authorized_clients_done(&a);
    OK_INT(authorized_clients_parse("tim " KEY_A " streams=0\n", &a, &err), -1);
    OK_TEXT(err.text, "line 1: 'streams=0': not a number of streams");
}

static const struct tap_case cases[] = {
    {"options are read and written", options},
    {"what is no option", refused},
    {"the line that is about a client says", lines},
    {"options of lines for any proof", anybody},
};

int main(void)
{
    return TAP_RUN(cases);
}
