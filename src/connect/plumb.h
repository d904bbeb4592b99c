/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plumb: standard input and output as one socket. Two threads copy, and may wait: so files, terminals and pipes do,
 * and their flags, which other programs share, stay as they were.
 */
#ifndef CONNECT_PLUMB_H
#define CONNECT_PLUMB_H

struct plumb;

/* *fd is the other end, non-blocking, the caller's. NULL with errno. */
struct plumb *plumb_create(int *fd);
/* After the other end was closed: waits until all that came from it was written, then frees. NULL is allowed. */
void plumb_free(struct plumb **p);

#endif
