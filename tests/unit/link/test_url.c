/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of brokers. */
#include "link/url.h"
#include "tap.h"

#include <string.h>

static void addresses(void)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        bool tls, websocket;
        const char *path;
    } rows[] = {
        {"mqtt://localhost", "localhost", 1883, false, false, ""},
        {"mqtt://localhost/", "localhost", 1883, false, false, ""},
        {"mqtt://10.0.0.1:65535", "10.0.0.1", 65535, false, false, ""},
        {"mqtts://broker.example.com", "broker.example.com", 8883, true, false, ""},
        {"mqtts://[2001:db8::1]", "2001:db8::1", 8883, true, false, ""},
        {"mqtts://[::1]:1", "::1", 1, true, false, ""},
        {"ws://a", "a", 80, false, true, "/mqtt"},
        {"ws://a:8080/", "a", 8080, false, true, "/"},
        {"wss://a/x/y?z", "a", 443, true, true, "/x/y?z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct link_url url;
        OK(link_url_parse(rows[i].text, &url) == NULL);
        OK_TEXT(url.host, rows[i].host);
        OK_INT(url.port, rows[i].port);
        OK(url.tls == rows[i].tls && url.websocket == rows[i].websocket);
        OK_TEXT(url.path, rows[i].path);
    }
}

static void what_is_none(void)
{
    static const char *const rows[] = {
        "", "localhost", "localhost:1883", "http://a", "mqtt:/a", "MQTT://a", "mqtt://", "mqtt://:1883", "mqtt:///x",
        "mqtt://a:", "mqtt://a:0", "mqtt://a:65536", "mqtt://a:1x", "mqtt://a:123456", "mqtt://a:-1", "mqtt://a/x",
        "mqtt://user@a", "mqtt://user:secret@a", "mqtt://[::1", "mqtt://[::1]x", "mqtt://[]", "mqtt://[g]", "mqtt://a b",
        "ws://a?x", "ws://a/ x", "ws://a/\x7f", "ws://a/\xc3\xa4",
    };
    struct link_url url;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        OK(link_url_parse(rows[i], &url) != NULL);
}

static void lengths(void)
{
    struct link_url url;
    char text[700] = "ws://";
    memset(text + 5, 'a', LINK_HOST_MAX);
    OK(link_url_parse(text, &url) == NULL);
    OK_INT(strlen(url.host), LINK_HOST_MAX);
    text[5 + LINK_HOST_MAX] = '/';
    memset(text + 6 + LINK_HOST_MAX, 'b', LINK_PATH_MAX - 1);
    OK(link_url_parse(text, &url) == NULL);
    OK_INT(strlen(url.path), LINK_PATH_MAX);
    text[5 + LINK_HOST_MAX + LINK_PATH_MAX] = 'b';
    OK(link_url_parse(text, &url) != NULL);
    memset(text + 5, 'a', LINK_HOST_MAX + 1);
    OK(link_url_parse(text, &url) != NULL);
}

static void several(void)
{
    struct link_urls urls;
    char many[16 * LINK_URLS_MAX + 32] = "mqtt://a";
    OK(link_urls_parse("mqtt://a", &urls) == NULL);
    OK_INT(urls.count, 1);
    OK(link_urls_parse("mqtt://a,mqtts://b:1,wss://c/x", &urls) == NULL);
    OK_INT(urls.count, 3);
    OK_TEXT(urls.list[0].host, "a");
    OK(urls.list[1].tls && urls.list[1].port == 1);
    OK_TEXT(urls.list[2].path, "/x");
    OK(link_urls_parse("wss://a/,mqtt://b/,wss://c", &urls) == NULL);
    OK_TEXT(urls.list[0].path, "/mqtt");
    OK_TEXT(urls.list[1].path, "");
    OK_TEXT(urls.list[2].path, "/mqtt");
    OK(link_urls_parse("", &urls) != NULL);
    OK(link_urls_parse("mqtt://a,", &urls) != NULL);
    OK(link_urls_parse(",mqtt://a", &urls) != NULL);
    OK(link_urls_parse("mqtt://a,b", &urls) != NULL);
    OK(link_urls_parse("mqtt://a, mqtt://b", &urls) != NULL);
    for (unsigned i = 1; i < LINK_URLS_MAX; i++)
        strcat(many, ",mqtt://a");
    OK(link_urls_parse(many, &urls) == NULL);
    OK_INT(urls.count, LINK_URLS_MAX);
    OK(link_urls_parse(strcat(many, ",mqtt://a"), &urls) != NULL);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"addresses", addresses},
        {"what is none", what_is_none},
        {"several", several},
        {"lengths", lengths},
    };
    return TAP_RUN(cases);
}
