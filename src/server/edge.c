/* SPDX-License-Identifier: Apache-2.0 */
/* Offers of clients as objects. */
#include "server/edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/log.h"
#include "server/names.h"
#include "wire/rules.h"

#define EDGE_MAGIC 0x65646765
#define RULES_MAGIC 0x72756c65
#define OFFER_MAGIC 0x6f666665

/* -- the program's ------------------------------------------------------------------------------------------------- */

struct edge *edge_create(const struct edge_limits *limits)
{
    struct edge *e;

    ALLOC_OBJECT(e, EDGE_MAGIC);
    if (e == NULL)
        return NULL;
    bool made = getrandom(e->key, sizeof(e->key), 0) == sizeof(e->key);
    made &= meters_init(&e->meters, e->key);
    e->rates = rates_create(e->key);
    e->verifier = verifier_create();
    e->visitors = crowd_create(limits->visitors, limits->visitors_per_address);
    if (!made || e->visitors == NULL || e->rates == NULL || e->verifier == NULL)
        edge_free(&e);
    return e;
}

void edge_stop(struct edge *e) { verifier_stop(e->verifier); }

void edge_free(struct edge **ep)
{
    struct edge *e;

    TAKE_OBJECT(e, ep, EDGE_MAGIC);
    if (e->verifier != NULL)
        verifier_free(&e->verifier);
    if (e->rates != NULL)
        rates_free(&e->rates);
    crowd_free(&e->visitors);
    meters_done(&e->meters);
    FREE_OBJECT(e);
}

/* -- rules of one service ------------------------------------------------------------------------------------------ */

/* Where the next text goes, and how many there are of each kind. */
struct compiler {
    struct edge_rules *rules;
    char *at;
    struct http_field *request_set, *response_set;
    struct http_text *request_remove, *response_remove;
};

static struct http_text text_keep(struct compiler *c, struct http_text t)
{
    struct http_text kept = {c->at, t.len};

    memcpy(c->at, t.at, t.len);
    c->at[t.len] = '\0';
    c->at += t.len + 1;
    return kept;
}

static struct http_field field_keep(struct compiler *c, const struct rule *rule)
{
    struct http_field f = rule_field(rule);

    return (struct http_field){text_keep(c, f.name), text_keep(c, f.value)};
}

static struct cidr range_read(const struct rule *rule)
{
    struct cidr range = {.bits = rule->value[CIDR_ADDRESS_BYTES]};

    memcpy(range.address, rule->value, CIDR_ADDRESS_BYTES);
    return range;
}

static void login_add(struct compiler *c, const struct rule *rule)
{
    struct http_text user, hash;

    rule_login(rule, &user, &hash);
    c->rules->logins[c->rules->login_count++] =
        (struct edge_login){text_keep(c, user).at, text_keep(c, hash).at};
}

static void response_set_add(struct compiler *c, const struct rule *rule)
{
    struct http_edit *e = &c->rules->response;
    struct http_field f = field_keep(c, rule);

    c->response_set[e->set_count++] = f;
    c->rules->response_bytes += f.name.len + f.value.len + 4;
}

static void rule_add(struct compiler *c, const struct rule *rule)
{
    struct edge_rules *r = c->rules;

    switch ((enum rule_code)rule->code) {
    case RULE_auth:
        login_add(c, rule);
        break;
    case RULE_bearer:
        memcpy(c->at, rule->value, RULE_DIGEST_BYTES);
        r->bearers[r->bearer_count++] = (const uint8_t *)c->at;
        c->at += RULE_DIGEST_BYTES;
        break;
    case RULE_allow:
        r->allow[r->allow_count++] = range_read(rule);
        break;
    case RULE_deny:
        r->deny[r->deny_count++] = range_read(rule);
        break;
    case RULE_rate:
        rule_rate(rule, &r->rate_per_1000_s, &r->rate_burst);
        break;
    case RULE_one_visitor:
        r->one_visitor = true;
        break;
    case RULE_path:
        r->path = text_keep(c, rule_text(rule));
        break;
    case RULE_domain:
        r->domains[r->domain_count++] = text_keep(c, rule_text(rule));
        break;
    case RULE_maintenance:
        r->maintenance = text_keep(c, rule_text(rule)).at;
        break;
    case RULE_strip_path:
        r->strip = true;
        break;
    case RULE_public_port: /* port_keeper.c asks what was said */
        break;
    case RULE_max_streams:
        r->max_streams = rule_number(rule) < UINT32_MAX ? (unsigned)rule_number(rule) : UINT32_MAX;
        break;
    case RULE_bandwidth_up:
        r->bandwidth[METER_UP] = rule_number(rule);
        break;
    case RULE_bandwidth_down:
        r->bandwidth[METER_DOWN] = rule_number(rule);
        break;
    case RULE_request_set:
        c->request_set[r->request.set_count++] = field_keep(c, rule);
        break;
    case RULE_request_remove:
        c->request_remove[r->request.remove_count++] = text_keep(c, rule_text(rule));
        break;
    case RULE_response_set:
        response_set_add(c, rule);
        break;
    case RULE_response_remove:
        c->response_remove[r->response.remove_count++] = text_keep(c, rule_text(rule));
        break;
    case RULE_host_header:
        r->request.host = text_keep(c, rule_text(rule));
        break;
    }
}

/* Room for everything that `count` rules in `len` bytes can be. */
static bool compiler_reserve(struct compiler *c, size_t count, size_t len)
{
    struct edge_rules *r = c->rules;

    r->bytes = c->at = malloc(len + 2 * count + 1);
    r->domains = calloc(count, sizeof(*r->domains));
    r->logins = calloc(count, sizeof(*r->logins));
    r->bearers = calloc(count, sizeof(*r->bearers));
    r->allow = calloc(count, sizeof(*r->allow));
    r->deny = calloc(count, sizeof(*r->deny));
    r->request.set = c->request_set = calloc(count, sizeof(*c->request_set));
    r->request.remove = c->request_remove = calloc(count, sizeof(*c->request_remove));
    r->response.set = c->response_set = calloc(count, sizeof(*c->response_set));
    r->response.remove = c->response_remove = calloc(count, sizeof(*c->response_remove));
    return r->bytes != NULL && r->domains != NULL && r->logins != NULL && r->bearers != NULL && r->allow != NULL && r->deny != NULL &&
           c->request_set != NULL && c->request_remove != NULL && c->response_set != NULL && c->response_remove != NULL;
}

/* A rule may be stricter than what the server allows, and not looser. */
static void rate_bound(struct edge_rules *r)
{
    uint32_t most = r->grant.rate * 1000, burst = r->grant.rate > RATE_BURST_LEAST / 2 ? 2 * r->grant.rate : RATE_BURST_LEAST;

    if (most == 0)
        return;
    if (r->rate_per_1000_s == 0 || r->rate_per_1000_s > most)
        r->rate_per_1000_s = most;
    if (r->rate_burst == 0 || r->rate_burst > burst)
        r->rate_burst = burst;
}

static bool rules_compile(struct edge_rules *r, const uint8_t *data, size_t len)
{
    struct compiler c = {.rules = r};
    struct bytes_reader reader;
    struct rule rule;
    size_t count = 1;

    bytes_reader_init(&reader, data, len);
    while (rules_next(&reader, &rule))
        count++;
    if (!compiler_reserve(&c, count, len))
        return false;
    bytes_reader_init(&reader, data, len);
    while (rules_next(&reader, &rule))
        rule_add(&c, &rule);
    rate_bound(r);
    r->paced = r->bandwidth[METER_UP] > 0 || r->bandwidth[METER_DOWN] > 0 || r->grant.bandwidth > 0;
    return true;
}

static bool rules_init(struct edge_rules *r, struct edge *e, const char *client, const struct edge_grant *grant,
                       const struct service_entry *entry)
{
    char name[METER_NAME_MAX + 1];

    atomic_init(&r->refs, 1);
    r->edge = e;
    r->grant = *grant;
    snprintf(name, sizeof(name), "%s/%s", client, entry->name);
    r->of_client = meter_get(&e->meters, client);
    r->of_service = meter_get(&e->meters, name);
    if (r->of_client == NULL || r->of_service == NULL)
        return false;
    r->service = strchr(r->of_service->name, '/') + 1;
    r->wrong = rules_check(entry->options, entry->options_len);
    if (r->wrong != NULL)
        log_warning(name, "%s", r->wrong->text);
    return r->wrong != NULL || rules_compile(r, entry->options, entry->options_len);
}

static struct edge_rules *rules_create(struct edge *e, const char *client, const struct edge_grant *grant,
                                       const struct service_entry *entry)
{
    struct edge_rules *r;

    ALLOC_OBJECT(r, RULES_MAGIC);
    if (r != NULL && !rules_init(r, e, client, grant, entry)) {
        edge_rules_unref(r);
        return NULL;
    }
    return r;
}

struct edge_rules *edge_rules_ref(struct edge_rules *r)
{
    CHECK_OBJECT(r, RULES_MAGIC);
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void edge_rules_unref(struct edge_rules *r)
{
    if (r == NULL)
        return;
    CHECK_OBJECT(r, RULES_MAGIC);
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    meter_unref(r->of_service);
    meter_unref(r->of_client);
    free(r->domains);
    free(r->logins);
    free(r->bearers);
    free(r->allow);
    free(r->deny);
    free((void *)(uintptr_t)r->request.set);
    free((void *)(uintptr_t)r->request.remove);
    free((void *)(uintptr_t)r->response.set);
    free((void *)(uintptr_t)r->response.remove);
    free(r->bytes);
    FREE_OBJECT(r);
}

/* -- all services of a client -------------------------------------------------------------------------------------- */

static int compare(const void *one, const void *two)
{
    return strcmp(((const struct edge_service *)one)->name, ((const struct edge_service *)two)->name);
}

struct edge_offer *edge_offer_create(struct edge *e, const char *client, const struct edge_grant *grant,
                                     const struct service_entry *list, size_t count)
{
    struct edge_offer *o;
    bool limited = grant->streams > 0 || grant->bandwidth > 0 || grant->rate > 0;

    CHECK_OBJECT(e, EDGE_MAGIC);
    ALLOC_OBJECT(o, OFFER_MAGIC);
    if (o == NULL)
        return NULL;
    o->list = calloc(count + 1, sizeof(*o->list));
    for (size_t i = 0; i < count && o->list != NULL; i++) {
        struct edge_service *s = &o->list[o->count];
        memcpy(s->name, list[i].name, sizeof(s->name));
        s->kind = list[i].kind;
        if ((limited || list[i].options_len > 0) && (s->rules = rules_create(e, client, grant, &list[i])) == NULL)
            break;
        o->count++;
    }
    if (o->list == NULL || o->count < count) {
        edge_offer_free(o);
        return NULL;
    }
    qsort(o->list, o->count, sizeof(*o->list), compare);
    return o;
}

struct edge_offer *edge_offered(struct edge *e, const struct edge_terms *terms, const char *client, const struct fingerprint *key,
                                const struct service_entry *list, size_t count)
{
    struct client_grant of_line;
    struct service_entry *allowed = calloc(count + 1, sizeof(*allowed));
    size_t allowed_count = 0;

    CHECK_OBJECT(e, EDGE_MAGIC);
    if (allowed == NULL)
        return NULL;
    admission_grant(e->admission, client, key, &of_line);
    for (size_t i = 0; i < count; i++) {
        if (reserved_has(terms->reserved, client) || reserved_has(terms->reserved, list[i].name))
            log_warning(client, "offers %s, a name that is reserved (--reserved)", list[i].name);
        else if (client_grant_service(&of_line, list[i].name))
            allowed[allowed_count++] = list[i];
        else
            log_warning(client, "offers %s, which its line in " AUTHORIZED_FILE " does not allow", list[i].name);
    }
    const struct edge_grant *each = terms->each;
    const struct edge_grant grant = {.streams = of_line.streams > 0 ? of_line.streams : each->streams,
                                     .bandwidth = of_line.bandwidth > 0 ? of_line.bandwidth : each->bandwidth,
                                     .rate = of_line.rate > 0 ? of_line.rate : each->rate};
    struct edge_offer *o = edge_offer_create(e, client, &grant, allowed, allowed_count);
    free(allowed);
    if (o != NULL) {
        memcpy(o->ports, of_line.ports, sizeof(o->ports));
        if (key != NULL)
            o->key = *key;
    }
    return o;
}

void edge_offer_free(void *offer)
{
    struct edge_offer *o = offer;

    CHECK_OBJECT(o, OFFER_MAGIC);
    for (size_t i = 0; i < o->count; i++)
        edge_rules_unref(o->list[i].rules);
    free(o->list);
    FREE_OBJECT(o);
}

const struct edge_service *edge_offer_find(const struct edge_offer *o, const char *name, enum stream_kind kind)
{
    size_t low = 0, high = o->count;

    CHECK_OBJECT(o, OFFER_MAGIC);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(o->list[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < o->count && strcmp(o->list[low].name, name) == 0 && o->list[low].kind != kind)
        low++;
    return low < o->count && strcmp(o->list[low].name, name) == 0 ? &o->list[low] : NULL;
}

/* Whole segments: "/api" has "/api", "/api/x" and "/api?x", and not "/apix". */
static bool path_begins(struct http_text path, struct http_text prefix)
{
    if (prefix.len == 1)
        return true;
    if (path.len < prefix.len || memcmp(path.at, prefix.at, prefix.len) != 0)
        return false;
    return path.len == prefix.len || path.at[prefix.len] == '/' || path.at[prefix.len] == '?';
}

static enum domain_match rules_domain(const struct edge_rules *r, struct http_text host)
{
    enum domain_match best = DOMAIN_NOT;

    for (size_t i = 0; r != NULL && i < r->domain_count; i++) {
        enum domain_match m = domain_match(r->domains[i], host);
        best = m > best ? m : best;
    }
    return best;
}

/* How well it fits; 0: not at all. */
static size_t service_fits(const struct edge_service *s, struct http_text host, struct http_text path)
{
    const struct edge_rules *r = s->rules;
    bool prefix = r != NULL && r->path.len > 0;
    enum domain_match m = host.len == 0 ? DOMAIN_EXACT : rules_domain(r, host);

    if (m == DOMAIN_NOT || (prefix && !path_begins(path, r->path)))
        return 0;
    if (!prefix && host.len == 0)
        return strcmp(s->name, "default") == 0 ? 1 : 0;
    return (m == DOMAIN_EXACT ? 2 * RULE_PATH_MAX : 0) + 1 + (prefix ? r->path.len : 0);
}

const struct edge_service *edge_offer_at(const struct edge_offer *o, enum stream_kind kind, struct http_text host,
                                         struct http_text path)
{
    const struct edge_service *best = NULL;
    size_t most = 0;

    CHECK_OBJECT(o, OFFER_MAGIC);
    for (size_t i = 0; i < o->count; i++) {
        size_t fits = o->list[i].kind == kind ? service_fits(&o->list[i], host, path) : 0;
        if (fits <= most)
            continue;
        most = fits;
        best = &o->list[i];
    }
    return best;
}

bool edge_offer_has(const struct edge_offer *o, struct http_text host)
{
    CHECK_OBJECT(o, OFFER_MAGIC);
    for (size_t i = 0; i < o->count; i++)
        if (rules_domain(o->list[i].rules, host) != DOMAIN_NOT)
            return true;
    return false;
}
