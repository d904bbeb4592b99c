/* SPDX-License-Identifier: Apache-2.0 */
/* What the user is told on the way: lines on stderr with the time since the start. One write(2) each; any thread. */
#ifndef CONNECT_SAY_H
#define CONNECT_SAY_H

#include <stdbool.h>

/* The time counts from here; silent: nothing is said. */
void say_start(bool silent);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
