/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sessions of a program share: its key with a self-signed certificate, and the settings of TLS 1.3 (RFC 8446).
 * Constant after its creation; any thread. Ed25519 keys, X25519, AES-GCM or ChaCha20-Poly1305; no session tickets, no
 * early data, no authority: whose key it is, is decided by its fingerprint.
 */
#ifndef SEAL_CONTEXT_H
#define SEAL_CONTEXT_H

#include "base/fingerprint.h"

struct seal_context;

/* `pem`: a private key and its certificate. NULL without memory, or when the key is none. */
struct seal_context *seal_context_create(const char *pem);
void seal_context_free(struct seal_context **c);
/* Our own key's. */
const struct fingerprint *seal_context_fingerprint(const struct seal_context *c);

#endif
