/* SPDX-License-Identifier: Apache-2.0 */
/* mdm-tunnel-client(1) */
#include "client/program.h"
#include "tls/library.h"

int main(int argc, char **argv)
{
    tls_library_keep();
    return client_program(argc, argv);
}
