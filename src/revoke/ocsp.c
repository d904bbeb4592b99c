/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a responder, and what its answers are worth (RFC 6960). */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "revoke/internal.h"

/* -- answers --------------------------------------------------------------------------------------------------------- */

/* The issuer signs, or whom it has issued a certificate for that: nobody else is trusted here. */
static bool signature_holds(OCSP_BASICRESP *basic, X509 *issuer)
{
    X509_STORE *trusted = X509_STORE_new();
    STACK_OF(X509) *signers = sk_X509_new_null();
    bool holds = trusted != NULL && signers != NULL && sk_X509_push(signers, issuer) > 0 &&
                 X509_STORE_add_cert(trusted, issuer) == 1 &&
                 X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                 OCSP_basic_verify(basic, signers, trusted, 0) == 1;
    sk_X509_free(signers);
    X509_STORE_free(trusted);
    return holds;
}

/* Responders choose the digest by which certificates are named. */
static bool is_about(const OCSP_CERTID *id, X509 *cert, X509 *issuer)
{
    ASN1_OBJECT *algorithm = NULL;
    OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id);
    const EVP_MD *md = algorithm != NULL ? EVP_get_digestbyobj(algorithm) : NULL;
    OCSP_CERTID *ours = md != NULL ? OCSP_cert_to_id(md, cert, issuer) : NULL;
    bool same = ours != NULL && OCSP_id_cmp(ours, id) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

static OCSP_SINGLERESP *single_find(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        if (is_about(OCSP_SINGLERESP_get0_id(single), cert, issuer))
            return single;
    }
    return NULL;
}

/* NULL: it is what was asked for. */
static const char *nonce_wrong(const struct inquiry *q, OCSP_REQUEST *request, OCSP_BASICRESP *basic)
{
    if (request == NULL || q->config->ocsp_nonce == REVOKE_NONCE_OFF)
        return NULL;
    int found = OCSP_check_nonce(request, basic);
    if (found == 0)
        return "has another nonce";
    return found < 0 && q->config->ocsp_nonce == REVOKE_NONCE_REQUIRED ? "has no nonce" : NULL;
}

static void single_read(const struct inquiry *q, OCSP_SINGLERESP *single, const char *from, struct finding *out)
{
    ASN1_GENERALIZEDTIME *revoked, *this_update, *next_update;
    int reason;
    char when[64];
    int status = OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update);
    /* Without a nextUpdate there is always a newer answer: this one is for now only, and must not be old. */
    if (OCSP_check_validity(this_update, next_update, REVOKE_SKEW_S, next_update == NULL ? (long)q->config->max_age_s : -1) !=
        1) {
        time_words(next_update != NULL ? next_update : this_update, when, sizeof(when));
        finding_set(out, REVOKE_ERROR, 0, "the answer of %s does not hold now (%s, %s)", from, openssl_reason(), when);
        return;
    }
    time_t until = time(NULL) + (time_t)q->config->max_age_s;
    if (next_update == NULL || !time_earlier(next_update, &until))
        until = 0;
    if (status == V_OCSP_CERTSTATUS_GOOD) {
        finding_set(out, REVOKE_GOOD, until, "%s", "");
    } else if (status == V_OCSP_CERTSTATUS_REVOKED) {
        const char *words = crl_reason_words(reason);
        time_words(revoked, when, sizeof(when));
        finding_set(out, REVOKE_REVOKED, until, "revoked on %s%s%s%s, says %s", when, words != NULL ? " (" : "",
                    words != NULL ? words : "", words != NULL ? ")" : "", from);
    } else {
        finding_set(out, REVOKE_UNKNOWN, until, "%s does not know it", from);
    }
}

/* `request` NULL: nobody has asked. */
static void answer_read(const struct inquiry *q, const uint8_t *bytes, size_t len, OCSP_REQUEST *request, const char *from,
                        struct finding *out)
{
    X509 *cert = sk_X509_value(q->chain, q->index), *issuer = sk_X509_value(q->chain, q->index + 1);
    const uint8_t *at = bytes;
    OCSP_RESPONSE *response = len > REVOKE_OCSP_BYTES_MAX ? NULL : d2i_OCSP_RESPONSE(NULL, &at, (long)len);
    int status = response != NULL ? OCSP_response_status(response) : 0;
    OCSP_BASICRESP *basic =
        response != NULL && status == OCSP_RESPONSE_STATUS_SUCCESSFUL ? OCSP_response_get1_basic(response) : NULL;
    OCSP_SINGLERESP *single;
    const char *wrong;
    if (response == NULL)
        finding_set(out, REVOKE_ERROR, 0, "what %s says is no OCSP answer", from);
    else if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        finding_set(out, REVOKE_ERROR, 0, "%s answers: %s", from, OCSP_response_status_str(status));
    else if (basic == NULL)
        finding_set(out, REVOKE_ERROR, 0, "what %s says is no basic OCSP answer", from);
    else if ((wrong = nonce_wrong(q, request, basic)) != NULL)
        finding_set(out, REVOKE_ERROR, 0, "the answer of %s %s", from, wrong);
    else if (!signature_holds(basic, issuer))
        finding_set(out, REVOKE_ERROR, 0, "the signature of %s does not hold: %s", from, openssl_reason());
    else if ((single = single_find(basic, cert, issuer)) == NULL)
        finding_set(out, REVOKE_ERROR, 0, "the answer of %s is about another certificate", from);
    else
        single_read(q, single, from, out);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
}

/* -- asking ---------------------------------------------------------------------------------------------------------- */

static OCSP_REQUEST *request_make(const struct inquiry *q)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    /* SHA-1 names the issuer, it seals nothing; the one digest that every responder knows (RFC 5019 2.1.1). */
    OCSP_CERTID *id =
        OCSP_cert_to_id(EVP_sha1(), sk_X509_value(q->chain, q->index), sk_X509_value(q->chain, q->index + 1));
    if (request != NULL && id != NULL && OCSP_request_add0_id(request, id) != NULL &&
        (q->config->ocsp_nonce == REVOKE_NONCE_OFF || OCSP_request_add1_nonce(request, NULL, REVOKE_NONCE_BYTES) == 1))
        return request;
    if (request == NULL || OCSP_request_onereq_count(request) == 0)
        OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
    return NULL;
}

/* RFC 6960 A.1: {url}/{url-encoding of base64 of the question}. False: too long for that. */
static bool get_url(const char *url, const uint8_t *der, size_t len, char *out, size_t size)
{
    uint8_t text[REVOKE_GET_MAX + 4];
    if (len * 4 / 3 + 4 > REVOKE_GET_MAX)
        return false;
    int text_len = EVP_EncodeBlock(text, der, (int)len);
    int used = snprintf(out, size, "%s%s", url, url[strlen(url) - 1] == '/' ? "" : "/");
    for (int i = 0; i < text_len && used >= 0 && (size_t)used + 4 < size; i++)
        used += snprintf(out + used, size - (size_t)used, strchr("+/=", text[i]) != NULL ? "%%%02X" : "%c", text[i]);
    return used >= 0 && (size_t)used + 4 < size && strlen(out) - strlen(url) <= REVOKE_GET_MAX;
}

/* True: it is said. False: the responder may take POST only. */
static bool ask_by_get(const struct inquiry *q, const char *url, const uint8_t *der, size_t len, OCSP_REQUEST *request,
                       struct finding *out)
{
    char full[REVOKE_URL_MAX + REVOKE_GET_MAX + 8], why[256];
    struct fetched got;
    if (q->config->ocsp_post || strpbrk(url, "?#") != NULL || !get_url(url, der, len, full, sizeof(full)))
        return false;
    const struct fetch what = {.url = full, .max = REVOKE_OCSP_BYTES_MAX, .deadline_us = q->deadline_us};
    if (!fetch_run(q->fetcher, &what, &got, why)) {
        finding_set(out, REVOKE_ERROR, 0, "%s", why);
        return got.status < 300 || got.status >= 500;
    }
    answer_read(q, got.bytes, got.len, request, url, out);
    const uint8_t *at = got.bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)got.len);
    bool malformed =
        response == NULL || OCSP_response_status(response) == OCSP_RESPONSE_STATUS_MALFORMEDREQUEST;
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    free(got.bytes);
    return !malformed;
}

static void ask_by_post(const struct inquiry *q, const char *url, const uint8_t *der, size_t len, OCSP_REQUEST *request,
                        struct finding *out)
{
    char why[256];
    struct fetched got;
    const struct fetch what = {
        .url = url,
        .body = der,
        .body_len = len,
        .content_type = "application/ocsp-request",
        .max = REVOKE_OCSP_BYTES_MAX,
        .deadline_us = q->deadline_us,
    };
    if (fetch_run(q->fetcher, &what, &got, why))
        answer_read(q, got.bytes, got.len, request, url, out);
    else
        finding_set(out, REVOKE_ERROR, 0, "%s", why);
    free(got.bytes);
}

static void ask(const struct inquiry *q, const char *url, struct finding *out)
{
    OCSP_REQUEST *request = request_make(q);
    uint8_t *der = NULL;
    int len = request != NULL ? i2d_OCSP_REQUEST(request, &der) : -1;
    if (len <= 0)
        finding_set(out, REVOKE_ERROR, 0, "OCSP: %s", openssl_reason());
    else if (!ask_by_get(q, url, der, (size_t)len, request, out))
        ask_by_post(q, url, der, (size_t)len, request, out);
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
}

void ocsp_find_out(const struct inquiry *q, struct finding *out)
{
    struct finding stapled = {.status = REVOKE_ERROR};
    struct urls urls;
    if (q->staple != NULL)
        answer_read(q, q->staple, q->staple_len, NULL, "the stapled answer", &stapled);
    if (stapled.status != REVOKE_ERROR) {
        *out = stapled;
        return;
    }
    if (q->config->ocsp_url != NULL) {
        ask(q, q->config->ocsp_url, out);
        return;
    }
    urls_of_responders(sk_X509_value(q->chain, q->index), &urls);
    if (urls.count == 0 && q->staple != NULL)
        *out = stapled;
    else if (urls.count == 0)
        finding_set(out, REVOKE_ERROR, 0, "it names no OCSP responder, and none is set");
    out->status = REVOKE_ERROR;
    for (unsigned i = 0; i < urls.count && out->status == REVOKE_ERROR; i++)
        ask(q, urls.url[i], out);
    urls_done(&urls);
}
