/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP socket that a library keeps to itself: finding it, how much it takes without making its writer wait, and
 * why not. */
#ifndef LINK_SOCKET_H
#define LINK_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * A duplicate (close-on-exec, the caller's to close) of this process's socket that is connected to `peer` and was made
 * by a library: ours are close-on-exec, the library's are not. -1 when there is none. Any thread.
 */
int socket_find(const struct sockaddr *peer, socklen_t len);
/* No delay for small messages; unacknowledged bytes end the connection after `dead_us`; the send buffer begins with
 * room for a message of `message` bytes, and still grows; suits the way (base/tcp.h). Best effort. */
void socket_tune(int fd, uint64_t dead_us, size_t message);
/*
 * Bytes that surely fit into the send buffer now, in messages that cost SOCKET_MESSAGE_COST each beyond their bytes, and
 * leave the socket writable: to the kernel it is so while two thirds are used at most, and paho does not read from one
 * that is not. Half of what is left until then: the kernel's own overhead for each buffer (1.3 KiB for 1.4 KiB of data at
 * worst) counts, too.
 *
 * When nothing waits at all there is room for `message` bytes in any case: where the buffer could not be made to fit, a
 * message that was made for a larger one would wait for ever. Its writer may have to wait then.
 */
size_t socket_room(int fd, size_t message);
#define SOCKET_MESSAGE_COST 1024
/* How long ago the last byte arrived, whatever it belonged to; 0 when the kernel does not say. */
uint64_t socket_silent_us(int fd);
/* A new TCP connection to `peer`, non-blocking; -1 with errno. Blocks for `timeout_ms` at most. */
int socket_dial(const struct sockaddr *peer, socklen_t len, int timeout_ms);

#endif
