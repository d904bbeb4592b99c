/* SPDX-License-Identifier: Apache-2.0 */
/* Findings in words, times of certificates. */
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "revoke/internal.h"

void finding_set(struct finding *f, enum revoke_status status, time_t until, const char *format, ...)
{
    va_list args;
    f->status = status;
    f->until = until;
    va_start(args, format);
    vsnprintf(f->why, sizeof(f->why), format, args);
    va_end(args);
}

const char *openssl_reason(void)
{
    const char *words = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return words != NULL ? words : "no reason is known";
}

void time_words(const ASN1_TIME *t, char *text, size_t size)
{
    struct tm tm;
    if (t == NULL)
        snprintf(text, size, "never");
    else if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(text, size, "a time that cannot be read");
}

bool time_earlier(const ASN1_TIME *t, time_t *until)
{
    struct tm tm;
    if (t == NULL)
        return true;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    time_t other = timegm(&tm);
    if (other < *until)
        *until = other;
    return true;
}

const char *crl_reason_words(long reason) { return reason < 0 ? NULL : OCSP_crl_reason_str(reason); }
