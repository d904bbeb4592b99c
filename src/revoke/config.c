/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration of our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "revoke/internal.h"

static bool text_copy(const char **text)
{
    if (*text == NULL)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

/* Those that could not be copied are NULL. */
static bool texts_copy(const char *const **texts, unsigned count)
{
    const char **copy = calloc(count + 1, sizeof(*copy));
    bool ok = copy != NULL;
    for (unsigned i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup((*texts)[i]);
        ok = ok && copy[i] != NULL;
    }
    *texts = copy;
    return ok;
}

bool revoke_config_copy(struct revoke_config *c, const struct revoke_config *from)
{
    *c = *from;
    c->timeout_ms = c->timeout_ms != 0 ? c->timeout_ms : REVOKE_TIMEOUT_MS;
    c->max_age_s = c->max_age_s != 0 ? c->max_age_s : REVOKE_MAX_AGE_S;
    c->retry_ms = c->retry_ms != 0 ? c->retry_ms : REVOKE_RETRY_MS;
    bool ok = text_copy(&c->ocsp_url);
    ok = text_copy(&c->crl_url_issuer_file) && ok;
    ok = text_copy(&c->crl_file_issuer_file) && ok;
    ok = texts_copy(&c->crl_urls, c->crl_url_count) && ok;
    return texts_copy(&c->crl_files, c->crl_file_count) && ok;
}

static void texts_done(const char *const *texts, unsigned count)
{
    for (unsigned i = 0; texts != NULL && i < count; i++)
        free((void *)(uintptr_t)texts[i]);
    free((void *)(uintptr_t)texts);
}

void revoke_config_done(struct revoke_config *c)
{
    free((void *)(uintptr_t)c->ocsp_url);
    free((void *)(uintptr_t)c->crl_url_issuer_file);
    free((void *)(uintptr_t)c->crl_file_issuer_file);
    texts_done(c->crl_urls, c->crl_url_count);
    texts_done(c->crl_files, c->crl_file_count);
}

const char *revoke_config_wrong(const struct revoke_config *c, char error[static 512])
{
    error[0] = '\0';
    if (c->ocsp_url != NULL && !url_is_usable(c->ocsp_url))
        snprintf(error, 512, "\"%.200s\" is no http or https URL", c->ocsp_url);
    for (unsigned i = 0; i < c->crl_url_count && error[0] == '\0'; i++)
        if (!url_is_usable(c->crl_urls[i]))
            snprintf(error, 512, "\"%.200s\" is no http or https URL", c->crl_urls[i]);
    if (c->crl_file_count > REVOKE_FILES_MAX)
        snprintf(error, 512, "more than %d files of revocation lists", REVOKE_FILES_MAX);
    return error[0] != '\0' ? error : NULL;
}
