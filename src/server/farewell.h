/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Farewell: an answer of our own on a connection that libmicrohttpd cannot answer on, because it has no complete request or
 * never had the connection. The connection is to be closed then.
 */
#ifndef SERVER_FAREWELL_H
#define SERVER_FAREWELL_H

#include "server/page.h"

/* Says as much as the socket takes at once, after reading away what is there; does not close it. Any thread; never blocks. */
void farewell_say(int fd, const struct error *e, enum page_format format);

#endif
