/* SPDX-License-Identifier: Apache-2.0 */
/* From pairs and requests to lines. */
#include "proxy/access.h"

#include <string.h>

#include "proxy/access_line.h"
#include "proxy/http.h"

static struct http_text text_of(const char *s) { return s == NULL ? (struct http_text){"", 0} : http_text_of(s); }

static void entry_write(struct proxy_post *post, const struct proxy_access *a)
{
    struct text_line line;
    if (!line_tap_begin(&post->access, &line))
        return;
    proxy_access_write(&line, post->common->access_format, a);
    line_tap_end(&post->access, &line);
}

static const char *version_text(const struct mdm_session *facts)
{
    if (facts == NULL)
        return "";
    return facts->version == MQTT_V3_1 ? "3.1" : facts->version == MQTT_V3_1_1 ? "3.1.1" : facts->version == MQTT_V5 ? "5" : "";
}

void access_pair(const struct pair *p)
{
    if (!line_tap_wanted(&p->post->access))
        return;
    const struct mdm_session *facts = p->session == NULL ? NULL : hook_session_facts(p->session);
    uint64_t total_us = worker_now_us(p->post->worker) - p->began_us;
    entry_write(p->post, &(struct proxy_access){
                             .began = line_time_before(total_us),
                             .kind = "mqtt",
                             .address = p->address,
                             .listener = p->door->kind.name,
                             .version = text_of(version_text(facts)),
                             .client = text_of(facts == NULL ? NULL : facts->client_id),
                             .user = text_of(facts == NULL ? NULL : facts->username),
                             .certificate = text_of(facts == NULL ? NULL : facts->certificate_cn),
                             .answered = p->answered,
                             .code = p->code,
                             .messages_up = p->up_messages,
                             .messages_down = p->down_messages,
                             .bytes_up = p->up_bytes,
                             .bytes_down = p->down_bytes,
                             .total_us = total_us,
                             .end = p->why,
                         });
}

/* Without its query where a password may stand there. */
static struct http_text target_of(const struct gateway_request *r)
{
    struct http_text target = r->request.target;
    const char *query = memchr(target.at, '?', target.len);
    if (query != NULL && memmem(query, target.len - (size_t)(query - target.at), "authorization=", 14) != NULL)
        target.len = (size_t)(query - target.at);
    return target;
}

void access_request(struct gateway *g, unsigned status, const char *why)
{
    const struct gateway_request *r = g->request;
    g->told = true;
    if (g->frames == NULL) /* a WebSocket has been counted */
        counter_add(counters_self(), COUNTER_proxy_requests, 1);
    if (!line_tap_wanted(&g->post->access))
        return;
    const struct mdm_session *facts = g->session == NULL ? NULL : hook_session_facts(g->session);
    uint64_t total_us = r == NULL ? 0 : worker_now_us(g->post->worker) - g->began_us;
    struct proxy_access a = {
        .began = line_time_before(total_us),
        .kind = "http",
        .address = g->address,
        .listener = g->door->kind.name,
        .user = text_of(facts == NULL ? NULL : facts->username),
        .certificate = text_of(facts == NULL ? NULL : facts->certificate_cn),
        .answered = status != 0,
        .code = status,
        .bytes_up = g->up.passed,
        .bytes_down = g->answered ? g->down.passed : 0,
        .total_us = total_us,
        .end = why,
    };
    if (r != NULL) {
        a.version = text_of(r->request.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1");
        a.method = r->request.method;
        a.host = r->facts.host;
        a.target = target_of(r);
    }
    entry_write(g->post, &a);
}
