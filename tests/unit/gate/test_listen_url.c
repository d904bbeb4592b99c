/* SPDX-License-Identifier: Apache-2.0 */
/* Where to listen, and for what. */
#include "gate/listen_url.h"

#include "tap.h"

static struct listen_url url;

static const char *parse(const char *text)
{
    const char *why = listen_url_parse(text, (unsigned)strlen(text), &url);
    return why == NULL ? "" : why;
}

static bool is(const char *text, const char *address, unsigned port, const char *path)
{
    const char *why = parse(text);
    bool ok = why[0] == '\0' && strcmp(url.address, address) == 0 && url.port == port && strcmp(url.path, path) == 0;
    if (!ok)
        printf("#   %s: %s %s %u %s\n", text, why, url.address, url.port, url.path);
    return ok;
}

static void taken(void)
{
    OK(is("mqtt://", "", 1883, "") && !url.tls && !url.websocket);
    OK(is("mqtts://:8883", "", 8883, "") && url.tls && !url.websocket);
    OK(is("mqtts://*", "", 8883, ""));
    OK(is("ws://127.0.0.1", "127.0.0.1", 80, "/mqtt") && !url.tls && url.websocket);
    OK(is("wss://[::1]:0/a/b", "::1", 0, "/a/b") && url.tls && url.websocket);
    OK(is("wss://:443/", "", 443, "/"));
    OK_TEXT(url.scheme, "wss");
    OK(is("http://:8086/messages", "", 8086, "/messages") && url.http && !url.tls && !url.websocket);
    OK(is("https://127.0.0.1", "127.0.0.1", 443, "/") && url.http && url.tls);
}

static void refused(void)
{
    OK(strstr(parse("gopher://:80"), "must begin") != NULL);
    OK(strstr(parse("8883"), "must begin") != NULL);
    OK(strstr(parse("MQTT://"), "must begin") != NULL);
    OK_TEXT(parse("mqtt://[::1"), "the address is not valid");
    OK_TEXT(parse("mqtt://:65536"), "the port is not valid");
    OK_TEXT(parse("mqtt://:"), "the port is not valid");
    OK_TEXT(parse("mqtt://:1/mqtt"), "a path is for ws://, wss://, http:// and https:// only");
    OK_TEXT(parse("mqtt://:1x"), "a path is for ws://, wss://, http:// and https:// only");
    OK_TEXT(parse("ws://:1x"), "the path is not valid");
    OK_TEXT(parse("ws://:1/a b"), "the path is not valid");
    OK_TEXT(parse("ws://:1/a?b"), "the path is not valid");
    char text[600] = "ws://:1/";
    memset(text + 8, 'a', 590);
    OK_TEXT(parse(text), "it is too long");
}

int main(void)
{
    static const struct tap_case cases[] = {{"what is taken", taken}, {"what is refused", refused}};
    return TAP_RUN(cases);
}
