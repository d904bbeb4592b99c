/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-client(1) as a function. */
#ifndef CLIENT_PROGRAM_H
#define CLIENT_PROGRAM_H

/* Runs until a signal or the last attempt; returns the exit status. Blocks the signals that it waits for. */
int client_program(int argc, char **argv);

#endif
