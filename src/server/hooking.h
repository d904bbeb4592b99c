/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks are asked about a request that the rules of its service let through. */
#ifndef SERVER_HOOKING_H
#define SERVER_HOOKING_H

#include "server/gate.h"

/* As gate_pass(); once for a request. */
enum gate_verdict hooking_pass(struct exchange *ex);

#endif
