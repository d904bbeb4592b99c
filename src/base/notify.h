/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says to whoever started the program (systemd, or what speaks its protocol, sd_notify(3)) how it is: datagrams to $NOTIFY_SOCKET.
 * Without that variable nothing happens. Main thread; waits for a
 * manager that is busy, but not for long.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

/* Reads the environment. Before notify_*(). */
void notify_open(void);
void notify_close(void);
/* The program does what it is for (again, after a reload). `status`: a line for people. */
void notify_ready(const char *status);
/* The settings are being read again; notify_ready() follows. */
void notify_reloading(void);
void notify_stopping(void);
/* From now on process `pid` is the one that speaks. */
void notify_successor(long pid);
/* How often notify_alive() is wanted: half of what $WATCHDOG_USEC says; CLOCK_NEVER: not at all. */
uint64_t notify_alive_us(void);
void notify_alive(void);

#endif
