/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-connect(1) */
#include "connect/program.h"

int main(int argc, char **argv) { return connect_program(argc, argv); }
