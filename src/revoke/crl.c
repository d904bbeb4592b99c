/* SPDX-License-Identifier: Apache-2.0 */
/* What revocation lists say about a certificate. OpenSSL holds a list against its signer, its scope and its dates. */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "revoke/internal.h"

/* One way to lists: a URL or a file. */
struct source {
    const char *name;
    bool is_file;
    X509 *signer; /* whom the operator has named; NULL: whoever issued the certificate */
};

/* -- whether they hold ------------------------------------------------------------------------------------------------- */

/* Whom the operator has named signs lists, whether an authority of the chain stands behind it or one has the same name. */
static int signer_is_named(int ok, X509_STORE_CTX *ctx)
{
    X509 *named = X509_STORE_CTX_get_app_data(ctx);
    X509_CRL *list = X509_STORE_CTX_get0_current_crl(ctx);
    int error = X509_STORE_CTX_get_error(ctx);
    if (ok == 1 || named == NULL || list == NULL ||
        (error != X509_V_ERR_CRL_PATH_VALIDATION_ERROR && error != X509_V_ERR_CRL_SIGNATURE_FAILURE) ||
        X509_NAME_cmp(X509_get_subject_name(named), X509_CRL_get_issuer(list)) != 0 ||
        (X509_get_key_usage(named) & KU_CRL_SIGN) == 0 || X509_CRL_verify(list, X509_get0_pubkey(named)) != 1)
        return ok;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* X509_V_OK, X509_V_ERR_CERT_REVOKED, or why these lists decide nothing. */
static int lists_verify(const struct inquiry *q, STACK_OF(X509_CRL) * all, X509 *signer)
{
    int top = sk_X509_num(q->chain) - 1, result = X509_V_ERR_OUT_OF_MEM;
    X509_STORE *trusted = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *between = sk_X509_new_null();
    bool ok = trusted != NULL && ctx != NULL && between != NULL &&
              X509_STORE_add_cert(trusted, sk_X509_value(q->chain, top)) == 1;
    if (ok && signer != NULL) /* first: where the names are the same, it is meant */
        ok = sk_X509_push(between, signer) > 0;
    for (int i = q->index + 1; ok && i < top; i++)
        ok = sk_X509_push(between, sk_X509_value(q->chain, i)) > 0;
    if (ok && X509_STORE_CTX_init(ctx, trusted, sk_X509_value(q->chain, q->index), between) == 1) {
        X509_STORE_CTX_set0_crls(ctx, all);
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_PARTIAL_CHAIN |
                                          (signer != NULL ? X509_V_FLAG_EXTENDED_CRL_SUPPORT : 0));
        X509_STORE_CTX_set_app_data(ctx, signer);
        X509_STORE_CTX_set_verify_cb(ctx, signer_is_named);
        bool holds = X509_verify_cert(ctx) == 1;
        int error = X509_STORE_CTX_get_error(ctx);
        result = holds ? X509_V_OK : error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED;
    }
    sk_X509_free(between);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(trusted);
    ERR_clear_error();
    return result;
}

/* -- what they say ----------------------------------------------------------------------------------------------------- */

static void revoked_read(X509_CRL *list, X509 *cert, const char *name, time_t until, struct finding *out)
{
    X509_REVOKED *entry = NULL;
    char when[64];
    long reason = -1;
    X509_CRL_get0_by_cert(list, &entry, cert);
    time_words(entry != NULL ? X509_REVOKED_get0_revocationDate(entry) : NULL, when, sizeof(when));
    ASN1_ENUMERATED *code = entry != NULL ? X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL) : NULL;
    if (code != NULL)
        reason = ASN1_ENUMERATED_get(code);
    ASN1_ENUMERATED_free(code);
    const char *words = crl_reason_words(reason);
    finding_set(out, REVOKE_REVOKED, until, "revoked on %s%s%s%s, says %.150s", when, words != NULL ? " (" : "",
                words != NULL ? words : "", words != NULL ? ")" : "", name);
}

/* The list that has the certificate. */
static X509_CRL *list_with(STACK_OF(X509_CRL) * all, X509 *cert)
{
    X509_REVOKED *entry;
    for (int i = 0; i < sk_X509_CRL_num(all); i++)
        if (X509_CRL_get0_by_cert(sk_X509_CRL_value(all, i), &entry, cert) != 0)
            return sk_X509_CRL_value(all, i);
    return sk_X509_CRL_value(all, 0);
}

/* RFC 5280 5.1.2.5: a list says when the next one comes. One that does not could be shown for ever. */
static bool lists_end(STACK_OF(X509_CRL) * all, time_t *until)
{
    for (int i = 0; i < sk_X509_CRL_num(all); i++) {
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(sk_X509_CRL_value(all, i));
        if (next == NULL || !time_earlier(next, until))
            return false;
    }
    return true;
}

static void refused(int result, STACK_OF(X509_CRL) * all, const char *name, struct finding *out)
{
    char when[64];
    const X509_CRL *first = sk_X509_CRL_value(all, 0);
    if (result == X509_V_ERR_UNABLE_TO_GET_CRL) {
        finding_set(out, REVOKE_ERROR, 0, "the list of %.150s is not for its issuer", name);
    } else if (result == X509_V_ERR_CRL_HAS_EXPIRED) {
        time_words(X509_CRL_get0_nextUpdate(first), when, sizeof(when));
        finding_set(out, REVOKE_ERROR, 0, "the list of %.150s was to be renewed by %s", name, when);
    } else if (result == X509_V_ERR_CRL_NOT_YET_VALID) {
        time_words(X509_CRL_get0_lastUpdate(first), when, sizeof(when));
        finding_set(out, REVOKE_ERROR, 0, "the list of %.150s is valid from %s on only", name, when);
    } else {
        finding_set(out, REVOKE_ERROR, 0, "the list of %.150s: %s", name, X509_verify_cert_error_string(result));
    }
}

/* Takes the lists. */
static void lists_read(const struct inquiry *q, struct lists *lists, const struct source *source, struct finding *out)
{
    X509 *cert = sk_X509_value(q->chain, q->index);
    time_t until = lists->until;
    int result = lists_verify(q, lists->all, source->signer);
    if (result == X509_V_ERR_CERT_REVOKED)
        revoked_read(list_with(lists->all, cert), cert, source->name, until, out);
    else if (result != X509_V_OK)
        refused(result, lists->all, source->name, out);
    else if (!lists_end(lists->all, &until))
        finding_set(out, REVOKE_ERROR, 0, "the list of %.150s does not say until when it holds", source->name);
    else
        finding_set(out, REVOKE_GOOD, until, "%s", "");
    sk_X509_CRL_pop_free(lists->all, X509_CRL_free);
}

/* -- where they are ------------------------------------------------------------------------------------------------------ */

/* True: it has decided. */
static bool source_ask(const struct inquiry *q, struct shelf *shelf, const struct source *source, struct finding *out)
{
    struct lists lists;
    char why[256];
    if (shelf_take(shelf, q, source->name, source->is_file, &lists, why))
        lists_read(q, &lists, source, out);
    else
        finding_set(out, REVOKE_ERROR, 0, "%s", why);
    return out->status != REVOKE_ERROR;
}

static bool urls_ask(const struct inquiry *q, struct shelf *shelf, const char *const *urls, unsigned count, struct finding *out)
{
    bool decided = false;
    for (unsigned i = 0; i < count && !decided; i++)
        decided = source_ask(q, shelf, &(struct source){urls[i], false, shelf_signer(shelf, false)}, out);
    return decided;
}

void crl_find_out(const struct inquiry *q, struct shelf *shelf, struct finding *out)
{
    const struct revoke_config *c = q->config;
    struct urls own;
    finding_set(out, REVOKE_ERROR, 0, "it names no place for revocation lists, and none is set");
    for (unsigned i = 0; i < c->crl_file_count; i++)
        if (source_ask(q, shelf, &(struct source){c->crl_files[i], true, shelf_signer(shelf, true)}, out))
            return;
    if (c->crl_url_count > 0) {
        urls_ask(q, shelf, c->crl_urls, c->crl_url_count, out);
        return;
    }
    urls_of_lists(sk_X509_value(q->chain, q->index), &own);
    urls_ask(q, shelf, (const char *const *)own.url, own.count, out);
    urls_done(&own);
}
