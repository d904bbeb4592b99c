/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of passwords as crypt(5) writes them: which of them we take. Pure. */
#ifndef WIRE_PASSWORD_HASH_H
#define WIRE_PASSWORD_HASH_H

#include "wire/http.h"

#define PASSWORD_HASH_MAX 200

/*
 * NULL, or why `hash` is no hash of a password that we verify: bcrypt with a cost of 4 to 12, sha256crypt and
 * sha512crypt with at most 200000 rounds, yescrypt with a cost of 1 to 6. What takes longer would be a way to keep a
 * server busy; what is weaker is no protection.
 */
const char *password_hash_wrong(struct http_text hash);

#endif
