/* SPDX-License-Identifier: Apache-2.0 */
/* What a client offers as objects; what the server makes of rules that it does not like. */
#include "server/edge.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/rules.h"

#include "tap.h"

#define HASH "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"

static const struct edge_limits limits = {.visitors = 10};
static const struct edge_grant none = {0};

static size_t rules_all(uint8_t *bytes, size_t size)
{
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, size);
    OK(rule_write(&w, RULE_auth, "tim:" HASH, strlen("tim:" HASH)) == NULL);
    OK(rule_write(&w, RULE_bearer, "0123456789abcdef0123456789abcdef", 32) == NULL);
    OK(rule_write(&w, RULE_allow, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0\x68", 17) == NULL);
    OK(rule_write(&w, RULE_deny, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\0\0\x70", 17) == NULL);
    OK(rule_write_rate(&w, 1000, 5) == NULL);
    OK(rule_write_number(&w, RULE_max_streams, 4) == NULL);
    OK(rule_write_number(&w, RULE_bandwidth_down, 5000) == NULL);
    OK(rule_write(&w, RULE_request_set, "X-A: b", 6) == NULL);
    OK(rule_write(&w, RULE_response_remove, "Server", 6) == NULL);
    OK(rule_write(&w, RULE_host_header, "a:80", 4) == NULL);
    return bytes_written(&w);
}

static void compiled(void)
{
    uint8_t bytes[512];
    struct edge *e = edge_create(&limits);
    struct service_entry list[] = {{STREAM_KIND_HTTP, "b", bytes, rules_all(bytes, sizeof(bytes))},
                                   {STREAM_KIND_TCP, "a", NULL, 0}, {STREAM_KIND_HTTP, "a", NULL, 0}};
    struct edge_offer *o = edge_offer_create(e, "tim", &none, list, 3);
    memset(bytes, 'x', sizeof(bytes)); /* nothing points there */
    OK(edge_offer_find(o, "c", STREAM_KIND_HTTP) == NULL && edge_offer_find(o, "", STREAM_KIND_HTTP) == NULL);
    OK(edge_offer_find(o, "a", STREAM_KIND_HTTP)->kind == STREAM_KIND_HTTP && edge_offer_find(o, "a", STREAM_KIND_HTTP)->rules == NULL);
    struct edge_rules *r = edge_rules_ref(edge_offer_find(o, "b", STREAM_KIND_HTTP)->rules);
    edge_offer_free(o);
    OK(r->wrong == NULL && r->login_count == 1 && r->bearer_count == 1 && r->allow_count == 1 && r->deny_count == 1);
    OK_TEXT(r->logins[0].user, "tim");
    OK_TEXT(r->logins[0].hash, HASH);
    OK_TEXT(r->service, "b");
    OK(memcmp(r->bearers[0], "0123456789abcdef0123456789abcdef", 32) == 0);
    OK(r->rate_per_1000_s == 1000 && r->rate_burst == 5 && r->max_streams == 4 && r->paced);
    OK(r->request.set_count == 1 && r->response.remove_count == 1 && r->request.host.len == 4);
    OK_TEXT(r->request.set[0].value.at, "b");
    OK_TEXT(r->response.remove[0].at, "Server");
    edge_rules_unref(r);
    edge_free(&e);
}

static void granted(void)
{
    struct edge *e = edge_create(&limits);
    struct service_entry list[] = {{STREAM_KIND_HTTP, "a", NULL, 0}};
    struct edge_offer *o = edge_offer_create(e, "tim", &(struct edge_grant){.streams = 3}, list, 1);
    OK(edge_offer_find(o, "a", STREAM_KIND_HTTP)->rules->grant.streams == 3 && !edge_offer_find(o, "a", STREAM_KIND_HTTP)->rules->paced);
    edge_offer_free(o);
    edge_free(&e);
}

static void rate_of(struct edge *e, unsigned allowed, uint32_t per_1000_s, uint32_t burst, uint32_t rate, uint32_t at_once)
{
    uint8_t bytes[64];
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, sizeof(bytes));
    OK(per_1000_s == 0 || rule_write_rate(&w, per_1000_s, burst) == NULL);
    struct service_entry list[] = {{STREAM_KIND_HTTP, "a", bytes, bytes_written(&w)}};
    struct edge_offer *o = edge_offer_create(e, "tim", &(struct edge_grant){.rate = allowed}, list, 1);
    const struct edge_rules *r = edge_offer_find(o, "a", STREAM_KIND_HTTP)->rules;
    OK_INT(r->rate_per_1000_s, rate);
    OK_INT(r->rate_burst, at_once);
    edge_offer_free(o);
}

static void rates_bounded(void)
{
    struct edge *e = edge_create(&limits);
    rate_of(e, 0, 7000000, 900, 7000000, 900);
    rate_of(e, 20, 0, 0, 20000, 40);    /* no rule: what the server allows */
    rate_of(e, 20, 5000, 7, 5000, 7);   /* a stricter one */
    rate_of(e, 20, 7000000, 900, 20000, 40); /* a looser one */
    rate_of(e, 20, 5000, 900, 5000, 40);
    rate_of(e, 1, 7000000, 900, 1000, 10);
    edge_free(&e);
}

static void wrong(void)
{
    struct edge *e = edge_create(&limits);
    struct service_entry list[] = {{STREAM_KIND_HTTP, "a", (const uint8_t *)"\xf0\0\0", 3},
                                   {STREAM_KIND_HTTP, "b", (const uint8_t *)"\x83\0\1x", 4},
                                   {STREAM_KIND_HTTP, "c", (const uint8_t *)"\x70\0\1x", 4}};
    struct edge_offer *o = edge_offer_create(e, "tim", &none, list, 3);
    OK(edge_offer_find(o, "a", STREAM_KIND_HTTP)->rules->wrong == &error_rule_unknown);
    OK(edge_offer_find(o, "b", STREAM_KIND_HTTP)->rules->wrong == &error_protocol_error);
    OK(edge_offer_find(o, "c", STREAM_KIND_HTTP)->rules->wrong == NULL);
    edge_offer_free(o);
    edge_free(&e);
}

static const char *at(const struct edge_offer *o, const char *path)
{
    const struct edge_service *s = edge_offer_at(o, STREAM_KIND_HTTP, http_text_of(""), http_text_of(path));
    return s == NULL ? "none" : s->name;
}

static size_t path_rule(uint8_t *bytes, size_t size, const char *path)
{
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, size);
    OK(rule_write(&w, RULE_path, path, strlen(path)) == NULL);
    return bytes_written(&w);
}

static void paths(void)
{
    struct edge *e = edge_create(&limits);
    uint8_t api[32], deep[32], root[32];
    struct service_entry list[] = {{STREAM_KIND_HTTP, "a", api, path_rule(api, sizeof(api), "/api")},
                                   {STREAM_KIND_HTTP, "b", deep, path_rule(deep, sizeof(deep), "/api/v2")},
                                   {STREAM_KIND_TCP, "c", deep, path_rule(deep, sizeof(deep), "/api/v2")},
                                   {STREAM_KIND_HTTP, "default", NULL, 0},
                                   {STREAM_KIND_HTTP, "e", root, path_rule(root, sizeof(root), "/")}};
    struct edge_offer *o = edge_offer_create(e, "tim", &none, list, 4);
    OK_TEXT(at(o, "/api"), "a");
    OK_TEXT(at(o, "/api?x=/api/v2"), "a");
    OK_TEXT(at(o, "/api/"), "a");
    OK_TEXT(at(o, "/api/v20"), "a");
    OK_TEXT(at(o, "/api/v2/x"), "b");
    OK_TEXT(at(o, "/apix"), "default");
    OK_TEXT(at(o, "/API"), "default");
    OK_TEXT(at(o, "/%61pi"), "default");
    OK_TEXT(at(o, ""), "default");
    edge_offer_free(o);
    o = edge_offer_create(e, "tim", &none, list, 3);
    OK_TEXT(at(o, "/"), "none");
    edge_offer_free(o);
    o = edge_offer_create(e, "tim", &none, list, 5);
    OK_TEXT(at(o, "/other"), "e");
    edge_offer_free(o);
    edge_free(&e);
}

static const struct tap_case cases[] = {
    {"the longest prefix of whole segments wins, and default has the rest", paths},
    {"rules become objects of their own", compiled},
    {"what the server allows is there without rules", granted},
    {"a rule's rate is bounded by what the server allows", rates_bounded},
    {"rules that are not known or not valid let nobody in", wrong},
};

int main(void)
{
    return TAP_RUN(cases);
}
