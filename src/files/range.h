/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and dates of HTTP (RFC 9110 14.1.2, 14.2, 5.6.7). Pure. */
#ifndef FILES_RANGE_H
#define FILES_RANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum range_answer { RANGE_ALL, RANGE_PART, RANGE_UNSATISFIABLE };

/* What `text` (the field Range; NULL: none) wants of `size` bytes: *first and *len with RANGE_PART. Several ranges, other units and
 * what is no range count as none, as they may. */
enum range_answer range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *len);
/* "Sun, 06 Nov 1994 08:49:37 GMT". */
void http_date_text(time_t at, char out[static 32]);
/* False when it is no such date. */
bool http_date_parse(const char *text, time_t *out);

#endif
