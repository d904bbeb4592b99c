/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the settings, and what does not fit together. */
#include "proxy/revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mdm-tunnel/limits.h"

static void revocation_news(void *ctx, const char *text) { log_warning((const char *)ctx, "%s", text); }

/* "ocsp,crl", in any order and case, spaces after commas. */
static const char *methods_read(const char *text, struct revoke_config *c)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ", ");
        if (len == 4 && strncasecmp(text, "ocsp", 4) == 0)
            c->ocsp = true;
        else if (len == 3 && strncasecmp(text, "crl", 3) == 0)
            c->crl = true;
        else if (len > 0)
            return "neither ocsp nor crl";
        text += len + strspn(text + len, ", ");
    }
    return c->ocsp || c->crl ? NULL : "neither ocsp nor crl";
}

static const char *nonce_read(const char *text, enum revoke_nonce *out)
{
    static const char *const words[] = {"ask", "require", "off"};
    for (unsigned i = 0; text != NULL && i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum revoke_nonce)i;
            return NULL;
        }
    }
    return text == NULL ? NULL : "none of ask, require and off";
}

static bool wrong(char why[static 512], const char *column, const char *reason)
{
    snprintf(why, 512, "%s: %s", column, reason);
    return false;
}

/* Cuts `text` at its commas. How many; more than there is room for: one more. */
static unsigned texts_cut(char *text, const char *out[static REVOKE_SOURCES_MAX])
{
    unsigned count = 0;
    char *rest = NULL;
    for (char *one = strtok_r(text, ", ", &rest); one != NULL; one = strtok_r(NULL, ", ", &rest)) {
        if (count == REVOKE_SOURCES_MAX)
            return count + 1;
        out[count++] = one;
    }
    return count;
}

/* What would be without effect is a mistake. */
static bool clients_fit(const struct door_settings *s, const struct revoke_config *c, char why[static 512])
{
    if (s->client_ca == NULL && s->revocation != NULL)
        return wrong(why, "revocation", "there is no client-ca");
    if (!c->ocsp && (s->ocsp_url != NULL || s->ocsp_depth != 0 || s->ocsp_nonce != NULL))
        return wrong(why, s->ocsp_url != NULL ? "ocsp-url" : s->ocsp_depth != 0 ? "ocsp-depth" : "ocsp-nonce",
                     "revocation does not say ocsp");
    if (!c->crl && (s->crl_urls != NULL || s->crl_file != NULL || s->crl_depth != 0))
        return wrong(why, s->crl_urls != NULL ? "crl-urls" : s->crl_file != NULL ? "crl-file" : "crl-depth",
                     "revocation does not say crl");
    if (s->crl_urls_issuer != NULL && s->crl_urls == NULL)
        return wrong(why, "crl-urls-issuer", "there is no crl-urls");
    if (s->crl_file_issuer != NULL && s->crl_file == NULL)
        return wrong(why, "crl-file-issuer", "there is no crl-file");
    return true;
}

static bool checks_make(struct revoke_config *c, const struct door_settings *s, struct worker *watcher, const char *subject,
                        struct revoke **out, char why[static 512])
{
    c->timeout_ms = (unsigned)(s->revocation_timeout_us / 1000);
    c->max_age_s = s->revocation_max_age;
    c->soft_fail = s->revocation_soft;
    c->worker = watcher;
    c->news = revocation_news;
    c->ctx = (void *)(uintptr_t)subject;
    *out = revoke_create(c, why);
    return *out != NULL;
}

bool revocation_of_clients(const struct door_settings *s, struct worker *watcher, const char *subject, struct revoke **out,
                           char why[static 512])
{
    struct revoke_config c = {.ocsp_url = s->ocsp_url,
                              .ocsp_depth = s->ocsp_depth,
                              .crl_depth = s->crl_depth,
                              .crl_url_issuer_file = s->crl_urls_issuer,
                              .crl_file_issuer_file = s->crl_file_issuer};
    const char *urls[REVOKE_SOURCES_MAX], *files[] = {s->crl_file};
    const char *reason = s->revocation != NULL ? methods_read(s->revocation, &c) : NULL;
    if (reason != NULL)
        return wrong(why, "revocation", reason);
    if (!clients_fit(s, &c, why))
        return false;
    reason = nonce_read(s->ocsp_nonce, &c.ocsp_nonce);
    if (reason != NULL)
        return wrong(why, "ocsp-nonce", reason);
    if (s->revocation == NULL)
        return true;
    char *text = s->crl_urls != NULL ? strdup(s->crl_urls) : NULL;
    c.crl_urls = urls;
    c.crl_url_count = text != NULL ? texts_cut(text, urls) : 0;
    c.crl_files = files;
    c.crl_file_count = s->crl_file != NULL ? 1 : 0;
    bool made = c.crl_url_count <= REVOKE_SOURCES_MAX ? checks_make(&c, s, watcher, subject, out, why)
                                                      : wrong(why, "crl-urls", "too many");
    free(text);
    return made;
}

bool revocation_of_target(const struct door_settings *s, struct worker *watcher, const char *subject, struct revoke **out,
                          char why[static 512])
{
    struct revoke_config c = {.ocsp = false};
    const char *files[] = {s->target_crl_file};
    const char *reason = s->target_revocation != NULL ? methods_read(s->target_revocation, &c) : NULL;
    if (reason != NULL)
        return wrong(why, "target-revocation", reason);
    if (!c.crl && s->target_crl_file != NULL)
        return wrong(why, "target-crl-file", "target-revocation does not say crl");
    c.crl_files = files;
    c.crl_file_count = s->target_crl_file != NULL ? 1 : 0;
    return s->target_revocation == NULL || checks_make(&c, s, watcher, subject, out, why);
}
