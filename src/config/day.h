/* SPDX-License-Identifier: Apache-2.0 */
/* Days in files that people write. */
#ifndef CONFIG_DAY_H
#define CONFIG_DAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "YYYY-MM-DD": the first second of that day in UTC, from 1970 on. */
bool day_parse(const char *text, size_t len, int64_t *out);

#endif
