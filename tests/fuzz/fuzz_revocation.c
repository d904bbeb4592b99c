/* SPDX-License-Identifier: Apache-2.0 */
/* What servers say are revocation lists, and what certificates say are places to ask: what is taken can be used. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "revoke/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void urls_check(struct urls *u)
{
    assert(u->count <= REVOKE_SOURCES_MAX);
    for (unsigned i = 0; i < u->count; i++)
        assert(url_is_usable(u->url[i]));
    urls_done(u);
}

static void certificate_check(const uint8_t *data, size_t size)
{
    struct urls urls;
    const uint8_t *at = data;
    X509 *cert = d2i_X509(NULL, &at, (long)size);
    if (cert == NULL)
        return;
    urls_of_responders(cert, &urls);
    urls_check(&urls);
    urls_of_lists(cert, &urls);
    urls_check(&urls);
    X509_free(cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[REVOKE_URL_MAX + 8];
    STACK_OF(X509_CRL) *lists = lists_parse(data, size);
    assert(lists == NULL || (sk_X509_CRL_num(lists) > 0 && sk_X509_CRL_num(lists) <= REVOKE_LISTS_MAX));
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    certificate_check(data, size);
    size_t len = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
    memcpy(text, data, len);
    text[len] = '\0';
    assert(!url_is_usable(text) || (strncasecmp(text, "http", 4) == 0 && strchr(text, '\n') == NULL));
    return 0;
}
