/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs want of a TCP socket that carries a session, whoever made it. */
#ifndef BASE_TCP_H
#define BASE_TCP_H

/*
 * On a way that is longer than a LAN, congestion control that measures the way (BBR) where the kernel has it and lets us:
 * a loss now and then, which is no congestion, keeps CUBIC at a tenth of a long line. A LAN stays as it is. For a
 * connected socket; best effort, any thread.
 */
void tcp_suit_way(int fd);

#endif
