/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of control sockets; private to the two ends (control_socket.h). */
#ifndef BASE_CONTROL_PATH_H
#define BASE_CONTROL_PATH_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

/* False with errno ENAMETOOLONG. */
bool control_path(const char *directory, const char *program, pid_t pid, struct sockaddr_un *out);
/* Those that stand in the directory. */
void control_paths(const char *directory, const char *program, void (*each)(void *ctx, const struct sockaddr_un *at), void *ctx);

#endif
