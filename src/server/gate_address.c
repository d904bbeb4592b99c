/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of visitors against ranges and rates. */
#include "server/gate_address.h"

#include <stdio.h>
#include <string.h>

#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"

/* Of the last in X-Forwarded-For whom no proxy of ours speaks for; our own is the last one there, and trusted. */
static bool address_forwarded(const struct exchange *ex, uint8_t out[static CIDR_ADDRESS_BYTES])
{
    const struct cidr_list *trusted = &ex->front->config.settings->trusted_proxies;
    const struct http_text head = {(const char *)ex->head.data, ex->head.len};
    struct http_text list, element;
    struct cidr one;
    bool found = false;

    if (http_head_find(head, "x-forwarded-for", &list) == 0)
        return false;
    while (http_list_next(&list, &element)) {
        bool valid = cidr_parse(element.at, element.len, &one) && one.bits == 128;
        if (!valid || !cidr_list_has(trusted, one.address)) {
            found = valid;
            memcpy(out, one.address, CIDR_ADDRESS_BYTES);
        }
    }
    return found;
}

void gate_address(const struct exchange *ex, uint8_t out[static CIDR_ADDRESS_BYTES])
{
    memcpy(out, ex->visitor->address.bytes, CIDR_ADDRESS_BYTES);
    if (ex->visitor->trusted && !address_forwarded(ex, out))
        memcpy(out, ex->visitor->address.bytes, CIDR_ADDRESS_BYTES);
}

static bool ranges_have(const struct cidr *list, size_t count, const uint8_t address[static CIDR_ADDRESS_BYTES])
{
    for (size_t i = 0; i < count; i++)
        if (cidr_has(&list[i], address))
            return true;
    return false;
}

/* Of a network of 64 bits where IPv6 is spoken, as a host has all of that. */
uint64_t gate_rate_take(struct edge *e, struct worker *w, const struct gate_rate *rate,
                        const uint8_t address[static CIDR_ADDRESS_BYTES])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct {
        uint8_t address[CIDR_ADDRESS_BYTES];
        char name[METER_NAME_MAX + 17];
    } key;

    memcpy(key.address, address, CIDR_ADDRESS_BYTES);
    if (memcmp(key.address, mapped, sizeof(mapped)) != 0)
        memset(key.address + 8, 0, 8);
    int len = snprintf(key.name, sizeof(key.name), "%s%s", rate->what, rate->name);
    return rates_take(e->rates, &key, sizeof(key.address) + (size_t)len, rate->per_1000_s, rate->burst, worker_now_us(w));
}

const struct error *gate_address_check(const struct edge_rules *rules, struct worker *w,
                                       const uint8_t address[static CIDR_ADDRESS_BYTES], enum counter *counted,
                                       uint64_t *wait_us)
{
    const struct gate_rate requests = {"", rules->of_service->name, rules->rate_per_1000_s, rules->rate_burst};

    *counted = COUNTER_denied_address;
    *wait_us = 0;
    if (ranges_have(rules->deny, rules->deny_count, address) ||
        (rules->allow_count > 0 && !ranges_have(rules->allow, rules->allow_count, address)))
        return &error_address_denied;
    *counted = COUNTER_denied_rate;
    if (rules->rate_burst > 0)
        *wait_us = gate_rate_take(rules->edge, w, &requests, address);
    return *wait_us > 0 ? &error_too_many_requests : NULL;
}

uint64_t gate_open_wait(struct edge *e, struct worker *w, uint32_t opens, const uint8_t address[static CIDR_ADDRESS_BYTES])
{
    const struct gate_rate rate = {"open ", "", opens * 1000, opens * OPENS_BURST_S};
    uint64_t wait_us = opens == 0 ? 0 : gate_rate_take(e, w, &rate, address);

    if (wait_us > 0)
        counter_add(counters_self(), COUNTER_denied_opens, 1);
    return wait_us;
}
