/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of settings as text. */
#include "config/number.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

/* More digits than this are too many for any setting, and fewer cannot overflow. */
#define DIGITS_MAX 15

static int out_of_bounds(struct config_error *err, const char *text, bool above, unsigned bound)
{
    return config_error_set(err, "%.64s is %s %u", text, above ? "above" : "below", bound);
}

static int bounds_check(const char *text, uint64_t value, uint64_t unit, unsigned min, unsigned max,
                        struct config_error *err)
{
    if (value < min * unit)
        return out_of_bounds(err, text, false, min);
    if (value > max * unit)
        return out_of_bounds(err, text, true, max);
    return 0;
}

int number_parse(const char *text, unsigned min, unsigned max, unsigned *out, struct config_error *err)
{
    bool negative = text[0] == '-';
    const char *digits = text + negative;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || digits[count] != '\0')
        return config_error_set(err, "\"%.64s\" is not a whole number", text);
    if (negative || count > DIGITS_MAX)
        return out_of_bounds(err, text, !negative, negative ? min : max);
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    if (bounds_check(text, value, 1, min, max, err) != 0)
        return -1;
    *out = (unsigned)value;
    return 0;
}

int seconds_parse(const char *text, unsigned min, unsigned max, uint64_t *out_us, struct config_error *err)
{
    bool negative = text[0] == '-';
    const char *digits = text + negative;
    size_t whole = strspn(digits, "0123456789");
    bool point = digits[whole] == '.';
    size_t fraction = point ? strspn(digits + whole + 1, "0123456789") : 0;
    if (whole + fraction == 0 || digits[whole + point + fraction] != '\0')
        return config_error_set(err, "\"%.64s\" is not a number of seconds", text);
    if (negative || whole > DIGITS_MAX - 6)
        return out_of_bounds(err, text, !negative, negative ? min : max);
    uint64_t us = 0;
    for (size_t i = 0; i < whole; i++)
        us = us * 10 + (uint64_t)(digits[i] - '0');
    for (size_t i = 0; i < 6; i++)
        us = us * 10 + (i < fraction ? (uint64_t)(digits[whole + 1 + i] - '0') : 0);
    if (bounds_check(text, us, US_PER_S, min, max, err) != 0)
        return -1;
    *out_us = us;
    return 0;
}

int duration_parse(const char *text, unsigned min_s, unsigned max_s, uint64_t *out_us, struct config_error *err)
{
    static const char units[] = "smhd";
    static const unsigned seconds[] = {1, 60, 3600, 24 * 3600};
    char number[32];
    size_t len = strlen(text);
    const char *unit = len > 1 && len < sizeof(number) ? strchr(units, text[len - 1]) : NULL;
    uint64_t us;
    if (unit == NULL)
        return seconds_parse(text, min_s, max_s, out_us, err);
    memcpy(number, text, len - 1);
    number[len - 1] = '\0';
    if (seconds_parse(number, 0, max_s, &us, err) != 0 || bounds_check(text, us * seconds[unit - units], US_PER_S, min_s, max_s, err) != 0)
        return -1;
    *out_us = us * seconds[unit - units];
    return 0;
}
