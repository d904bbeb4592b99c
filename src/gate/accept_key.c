/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/accept_key.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "wire/websocket.h"

bool websocket_accept_key(struct http_text key, char accept[static WEBSOCKET_ACCEPT_BYTES + 1])
{
    char text[24 + sizeof(WEBSOCKET_GUID)];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    int size = snprintf(text, sizeof(text), "%.*s" WEBSOCKET_GUID, (int)key.len, key.at);
    if (size < 0 || (size_t)size >= sizeof(text) || EVP_Digest(text, (size_t)size, digest, &len, EVP_sha1(), NULL) != 1)
        return false;
    return EVP_EncodeBlock((unsigned char *)accept, digest, (int)len) == WEBSOCKET_ACCEPT_BYTES;
}
