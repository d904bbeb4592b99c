/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook may put in the place of a packet, and hooks of an older header. */
#include <stddef.h>

#include "hook/chain.h"
#include "hook/packet_shape.h"
#include "tap.h"

static bool fits(unsigned type, const char *was, const char *value)
{
    return hook_packet_fits(type, mqtt_span_of(was), mqtt_span_of(value));
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
#define UPGRADE GET "Connection: Upgrade\r\nUpgrade: websocket\r\n"

static void requests(void)
{
    OK(fits(MDM_HTTP_REQUEST, GET "\r\n", "DELETE /x HTTP/1.1\r\nHost: y\r\nX: y\r\n\r\n"));
    OK(fits(MDM_HTTP_REQUEST, POST "\r\n", "PUT /x HTTP/1.1\r\nContent-Length: 4\r\nHost: x\r\n\r\n"));
    OK(fits(MDM_HTTP_REQUEST, UPGRADE "\r\n", UPGRADE "X: y\r\n\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", POST "\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", UPGRADE "\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, UPGRADE "\r\n", GET "\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, POST "\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, POST "\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", GET));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", GET "\r\nx"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", GET "\r\n" GET "\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", "GET / HTTP/1.1\r\n\r\n"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", "x"));
    OK(!fits(MDM_HTTP_REQUEST, GET "\r\n", ""));
}

static void responses(void)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", early[] = "HTTP/1.1 103 Early Hints\r\n\r\n";
    OK(fits(MDM_HTTP_RESPONSE, ok, "HTTP/1.1 404 No\r\nX: y\r\nContent-Length: 4\r\n\r\n"));
    OK(fits(MDM_HTTP_RESPONSE, early, "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"));
    OK(!fits(MDM_HTTP_RESPONSE, ok, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
    OK(!fits(MDM_HTTP_RESPONSE, ok, "HTTP/1.1 204 No Content\r\n\r\n"));
    OK(!fits(MDM_HTTP_RESPONSE, ok, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    OK(!fits(MDM_HTTP_RESPONSE, ok, "HTTP/1.1 200 OK\nContent-Length: 4\n\n"));
    OK(!fits(MDM_HTTP_RESPONSE, ok, early));
    OK(!fits(MDM_HTTP_RESPONSE, early, ok));
    OK(!fits(MDM_HTTP_RESPONSE, early, "HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    OK(!fits(MDM_HTTP_RESPONSE, ok, ""));
}

static void messages(void)
{
    OK(fits(MDM_WEBSOCKET_TEXT, "x", "\xc3\xa4"));
    OK(fits(MDM_WEBSOCKET_TEXT, "x", ""));
    OK(!fits(MDM_WEBSOCKET_TEXT, "x", "a\xc3"));
    OK(fits(MDM_WEBSOCKET_BINARY, "x", "a\xc3"));
    OK(fits(12, "\xc0\x01x", "\xc1\x01y"));
    OK(!fits(12, "\xc0\x01x", "\xd0\x01x"));
    OK(!fits(12, "\xc0\x01x", "\xc0\x02x"));
    OK(!fits(12, "\xc0\x01x", ""));
}

/* -- hooks of an older header ----------------------------------------------------------------------------------------- */

static unsigned closed;
static enum mdm_verdict never(void *ctx, struct mdm_question *q, const struct mdm_request *r) { return (void)ctx, (void)q, (void)r, MDM_DENY; }
static void count(void *ctx) { ++*(unsigned *)ctx; }

/* What stands behind its end is not looked at. */
static void older(void)
{
    struct mdm_hook hook = {.version = MDM_HOOK_VERSION, .ctx = &closed, .auth_request = never, .close = count};
    struct hook_chain *c = hook_chain_create();
    hook.size = offsetof(struct mdm_hook, auth_connect) - 1;
    OK(!hook_chain_add(c, &hook));
    hook.size = offsetof(struct mdm_hook, auth_request);
    OK(hook_chain_add(c, &hook));
    OK(!hook_chain_wants(c)->auth_request);
    hook.size = sizeof(hook) + 100;
    OK(hook_chain_add(c, &hook));
    OK(hook_chain_wants(c)->auth_request);
    hook.version = MDM_HOOK_VERSION + 1;
    OK(!hook_chain_add(c, &hook));
    hook_chain_free(&c);
    OK_INT(closed, 1);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"heads of requests", requests}, {"heads of answers", responses}, {"messages and packets", messages}, {"hooks of an older header", older}};
    return TAP_RUN(cases);
}
