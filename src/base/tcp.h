/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs want of a TCP socket that carries a session, whoever made it. */
#ifndef BASE_TCP_H
#define BASE_TCP_H

#include <stddef.h>
#include <stdint.h>

struct sockaddr;

/*
 * On a way that is longer than a LAN, congestion control that measures the way (BBR) where the kernel has it and lets us:
 * a loss now and then, which is no congestion, keeps CUBIC at a tenth of a long line. A LAN stays as it is. For a
 * connected socket; best effort, any thread.
 */
void tcp_suit_way(int fd);

/* "192.0.2.1:4711", "[2001:db8::1]:4711"; an IPv4 address in an IPv6 one is shown as IPv4. TCP_ADDRESS_TEXT bytes do. */
#define TCP_ADDRESS_TEXT 56
void tcp_address_text(const struct sockaddr *peer, char *text, size_t size);
/* What counts of an address where strangers are counted: an IPv4 one (also inside an IPv6 one), or the network (64 bits) of an IPv6 one. */
uint64_t tcp_address_network(const struct sockaddr *peer);

#endif
