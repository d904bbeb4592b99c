/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pre-shared keys as text, one a line:
 *
 *     NAME KEY [PATTERN]
 *
 * NAME goes over the wire; KEY is 32 to 128 hexadecimal digits; PATTERN says which client ids the key is good for ('*' for
 * any characters; without it the one id that is NAME). Empty lines, and comments from '#' on, are skipped. Names are not
 * given twice. Strict: a text with one bad line is none. Errors do not show what the line holds.
 */
#ifndef CONFIG_PSK_FILE_H
#define CONFIG_PSK_FILE_H

#include <stddef.h>

#include "base/psk.h"
#include "config/error.h"

/* At least one key, heap; psks_free() wipes them. 0, or -1 and *err ("line 3: ..."). */
int psks_parse(const char *text, struct psk **out, size_t *count, struct config_error *err);
void psks_free(struct psk *psks, size_t count);

#endif
