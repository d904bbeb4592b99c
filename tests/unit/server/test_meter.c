/* SPDX-License-Identifier: Apache-2.0 */
/* Meters and rates: time is an argument. */
#include "server/meter.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rates.h"

#include "tap.h"

static const uint64_t key[2] = {1, 2};

static void streams(void)
{
    struct meters all;
    OK(meters_init(&all, key));
    struct meter *one = meter_get(&all, "tim/hello"), *same = meter_get(&all, "tim/hello"), *other = meter_get(&all, "tim");
    OK(one == same && one != other);
    OK(meter_take(one, 2) && meter_take(same, 2) && !meter_take(one, 2));
    OK(meter_take(other, 1) && !meter_take(other, 1) && meter_take(other, 0));
    meter_give(one);
    OK(meter_take(one, 2));
    meter_unref(same);
    OK(!meter_take(one, 2)); /* it is still there, and so is what was taken */
    meter_unref(one);
    meter_unref(other);
    meter_unref(NULL);
    OK_INT(all.by_name.count, 0);
    meters_done(&all);
}

static void bandwidth(void)
{
    struct meters all;
    OK(meters_init(&all, key));
    struct meter *m = meter_get(&all, "tim");
    uint64_t now = 1000 * US_PER_S, passed = 0, began = now;
    while (passed < 1000000) { /* two that take turns, 100 kB/s together */
        passed += 5000;
        now += meter_charge(m, METER_DOWN, 100000, 5000, now);
    }
    OK(now - began > 9 * US_PER_S && now - began < 11 * US_PER_S);
    OK_INT(meter_charge(m, METER_UP, 100000, 5000, now), 0); /* the other way has its own */
    now += 3600 * US_PER_S;
    OK_INT(meter_charge(m, METER_DOWN, 100000, 10000, now), 0); /* an idle hour is worth a tenth of a second */
    OK(meter_charge(m, METER_DOWN, 100000, 10000, now) >= 99 * US_PER_MS);
    meter_unref(m);
    meters_done(&all);
}

static void rates(void)
{
    struct rates *r = rates_create(key);
    uint64_t now = 5 * US_PER_S;
    for (unsigned i = 0; i < 3; i++)
        OK_INT(rates_take(r, "a", 1, 100, 3, now), 0);
    OK_INT(rates_take(r, "a", 1, 100, 3, now), 10 * US_PER_S);
    OK_INT(rates_take(r, "b", 1, 100, 3, now), 0);
    OK_INT(rates_take(r, "a", 1, 100, 3, now + 10 * US_PER_S), 0);
    OK_INT(rates_take(r, "a", 1, 100, 3, now + 10 * US_PER_S), 10 * US_PER_S);
    rates_free(&r);
}

static void many_keys(void)
{
    struct rates *r = rates_create(key);
    unsigned refused = 0;
    OK_INT(rates_take(r, "mine", 4, 1, 1, US_PER_S), 0);
    for (unsigned i = 0; i < 4 * RATE_KEYS_MAX; i++)
        refused += rates_take(r, &i, sizeof(i), 1, 1, US_PER_S) > 0;
    OK_INT(refused, 0); /* nobody pays for the flood */
    rates_free(&r);
}

static const struct tap_case cases[] = {
    {"streams are counted by name, and a meter outlives its first user", streams},
    {"bandwidth is kept, each way", bandwidth},
    {"so many at once, then as the rate says", rates},
    {"a flood of keys makes nobody wait", many_keys},
};

int main(void)
{
    return TAP_RUN(cases);
}
