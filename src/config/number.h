/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of settings as text. Errors say what is wrong with the value, not where it stands. */
#ifndef CONFIG_NUMBER_H
#define CONFIG_NUMBER_H

#include <stdint.h>

#include "config/error.h"

/* A whole decimal number, min..max. 0, or -1 and *err ("70000 is above 65535"). */
int number_parse(const char *text, unsigned min, unsigned max, unsigned *out, struct config_error *err);
/* Seconds with an optional decimal fraction, min..max whole seconds, as microseconds; digits beyond those are cut. */
int seconds_parse(const char *text, unsigned min, unsigned max, uint64_t *out_us, struct config_error *err);

/* The same with a unit behind it, or none: s, m, h or d. */
int duration_parse(const char *text, unsigned min_s, unsigned max_s, uint64_t *out_us, struct config_error *err);

#endif
