/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/library.h"

#include <openssl/crypto.h>

void tls_library_keep(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); }
