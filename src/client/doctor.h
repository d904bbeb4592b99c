/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doctor: whether this client would work, one thing after the other, a line each with what to do. Blocks; nothing else of the client
 * runs in the process. A running client is not touched: a second one with its id, without services, lives for a moment.
 */
#ifndef CLIENT_DOCTOR_H
#define CLIENT_DOCTOR_H

#include "client/options.h"
#include "link/checkup.h"

/* `services`: NAME=TARGET, `count` of them; without any the services file. Returns the exit status: 1 when something is wrong. */
int doctor_run(struct options *o, char *const *services, int count);

/* -- for its files --------------------------------------------------------------------------------------------------- */

struct report {
    bool json;
    unsigned bad;
};

/* A line on standard output; also a link_checkup_fn. */
void report_line(void *report, const char *what, enum link_finding finding, const char *text, const char *deed);
void report_format(struct report *r, const char *what, enum link_finding finding, const char *deed, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A session with the server, its key, the clock. */
void doctor_server(struct report *r, struct options *o, const char *id);

#endif
