/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-client(1) */
#include "client/program.h"

int main(int argc, char **argv) { return client_program(argc, argv); }
