/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-connect(1) as a function. */
#ifndef CONNECT_PROGRAM_H
#define CONNECT_PROGRAM_H

/* Runs until a signal, the end of standard input's tunnel, or a failure; returns the exit status. Blocks the signals
 * that it waits for. */
int connect_program(int argc, char **argv);

#endif
