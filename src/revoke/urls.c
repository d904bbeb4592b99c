/* SPDX-License-Identifier: Apache-2.0 */
/* Where a certificate says that its state can be asked for. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "revoke/internal.h"

bool url_is_usable(const char *url)
{
    const char *host = strncasecmp(url, "http://", 7) == 0 ? url + 7 : strncasecmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    if (host == NULL || strcspn(host, "/?#") == 0 || strlen(url) > REVOKE_URL_MAX)
        return false;
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return true;
}

/* Others (ldap) are left out, as is what is no URL. */
static void url_add(const GENERAL_NAME *name, struct urls *out)
{
    int type;
    const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_URI || out->count == REVOKE_SOURCES_MAX)
        return;
    size_t len = (size_t)ASN1_STRING_length(text);
    char *url = strndup((const char *)ASN1_STRING_get0_data(text), len);
    if (url == NULL || strlen(url) != len || !url_is_usable(url)) {
        free(url);
        return;
    }
    out->url[out->count++] = url;
}

void urls_of_responders(X509 *cert, struct urls *out)
{
    *out = (struct urls){0};
    AUTHORITY_INFO_ACCESS *all = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(all); i++) {
        const ACCESS_DESCRIPTION *a = sk_ACCESS_DESCRIPTION_value(all, i);
        if (OBJ_obj2nid(a->method) == NID_ad_OCSP)
            url_add(a->location, out);
    }
    AUTHORITY_INFO_ACCESS_free(all);
    ERR_clear_error();
}

void urls_of_lists(X509 *cert, struct urls *out)
{
    *out = (struct urls){0};
    CRL_DIST_POINTS *all = X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(all); i++) {
        const DIST_POINT *p = sk_DIST_POINT_value(all, i);
        GENERAL_NAMES *names = p->distpoint != NULL && p->distpoint->type == 0 ? p->distpoint->name.fullname : NULL;
        for (int j = 0; j < sk_GENERAL_NAME_num(names); j++)
            url_add(sk_GENERAL_NAME_value(names, j), out);
    }
    CRL_DIST_POINTS_free(all);
    ERR_clear_error();
}

void urls_done(struct urls *u)
{
    while (u->count > 0)
        free(u->url[--u->count]);
}
