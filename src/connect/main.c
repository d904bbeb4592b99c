/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-connect(1) */
#include "connect/program.h"
#include "tls/library.h"

int main(int argc, char **argv)
{
    tls_library_keep();
    return connect_program(argc, argv);
}
