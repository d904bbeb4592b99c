/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share. */
#ifndef REVOKE_INTERNAL_H
#define REVOKE_INTERNAL_H

#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "base/list.h"
#include "base/table.h"
#include "mdm-tunnel/limits.h"
#include "revoke/fetch.h"
#include "revoke/revoke.h"

/* What one source, or all of them, said about one certificate. */
struct finding {
    enum revoke_status status;
    time_t until;  /* holds so long; 0: for this question only */
    char why[300]; /* without the certificate's name */
};

/* A question on its way through the sources. */
struct inquiry {
    struct fetcher *fetcher;
    const struct revoke_config *config;
    STACK_OF(X509) * chain;
    int index;             /* which of the chain; its issuer is the next one */
    const uint8_t *staple; /* NULL: none, or it is not about this one */
    size_t staple_len;
    uint64_t deadline_us;
};

void finding_set(struct finding *f, enum revoke_status status, time_t until, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* OpenSSL's last reason in words; its queue is empty then. */
const char *openssl_reason(void);
/* A time of a certificate or an answer in words; "never" for NULL. */
void time_words(const ASN1_TIME *t, char *text, size_t size);
/* The earlier of the two, and of `t` (NULL: none); false when it cannot be read. */
bool time_earlier(const ASN1_TIME *t, time_t *until);

/* -- config.c */
/* With the defaults in place of 0. False without memory; revoke_config_done() in any case. */
bool revoke_config_copy(struct revoke_config *c, const struct revoke_config *from);
void revoke_config_done(struct revoke_config *c);
/* NULL: nothing. */
const char *revoke_config_wrong(const struct revoke_config *c, char error[static 512]);

/* -- record.c: certificates whose state is known, oldest first out; the caller's lock. */
#define RECORD_KEY_BYTES 32
struct record_set {
    struct table table;
    struct list all;
    size_t count;
    uint64_t key[2];
};
bool record_init(struct record_set *k);
void record_done(struct record_set *k);
/* By whom it was issued, its number, and what was asked (`methods`). False: not for this certificate. */
bool record_key(X509 *cert, X509 *issuer, unsigned methods, uint8_t key[static RECORD_KEY_BYTES]);
/* False: nothing that holds now. */
bool record_find(struct record_set *k, const uint8_t key[static RECORD_KEY_BYTES], struct finding *out);
/* Without memory it is not kept. */
void record_add(struct record_set *k, const uint8_t key[static RECORD_KEY_BYTES], const struct finding *f);
void record_forget(struct record_set *k);

/* -- chain.c */
enum { METHOD_OCSP = 1, METHOD_CRL = 2 };
struct certs_bytes {
    uint8_t *certs; /* DER, one after the other; heap, the staple behind them */
    size_t len;
    uint8_t *staple;
    size_t staple_len;
};
/* What of a certificate is asked, by the depths; of the authority at the end nothing. */
unsigned certs_methods(const struct revoke_config *c, const STACK_OF(X509) * chain, int index);
bool certs_key(const STACK_OF(X509) * chain, int index, unsigned methods, uint8_t key[static RECORD_KEY_BYTES]);
/* What makes two questions the same: every certificate, and what was stapled. */
bool certs_digest(STACK_OF(X509) * chain, const void *staple, size_t staple_len, uint8_t key[static RECORD_KEY_BYTES]);
bool certs_pack(STACK_OF(X509) * chain, const void *staple, size_t staple_len, struct certs_bytes *out);
STACK_OF(X509) * certs_unpack(const struct certs_bytes *bytes);
void certs_bytes_done(struct certs_bytes *bytes);
/* `cert`: whom the finding is about; NULL: nobody. */
void revoke_answer_make(const struct revoke_config *c, X509 *cert, const struct finding *f, struct revoke_answer *out);

/* -- vetting.c */
void vetter_init(struct vetter *v);
/* -- revoke.c */
struct revoke *revoke_of(struct vetter *v);

/* -- urls.c: what a certificate names. They are copies, at most REVOKE_SOURCES_MAX; free them with urls_done(). */
struct urls {
    char *url[REVOKE_SOURCES_MAX];
    unsigned count;
};
void urls_of_responders(X509 *cert, struct urls *out);
void urls_of_lists(X509 *cert, struct urls *out);
void urls_done(struct urls *u);
/* http or https with a host, printable: something to fetch from. */
bool url_is_usable(const char *url);

/* -- ocsp.c */
void ocsp_find_out(const struct inquiry *q, struct finding *out);

/* -- crl.c: what lists say */
struct shelf;
void crl_find_out(const struct inquiry *q, struct shelf *shelf, struct finding *out);
/* The reason of a revocation in words; NULL: none is said. */
const char *crl_reason_words(long reason);

/* -- shelf.c: lists that are kept, by URL or path. Any thread. */
struct lists {
    STACK_OF(X509_CRL) * all; /* the caller's; free with sk_X509_CRL_pop_free() */
    time_t until;             /* when they are fetched again */
};
/* Reads the files of lists and of their signers. NULL with the reason. */
struct shelf *shelf_create(const struct revoke_config *config, char error[static 512]);
void shelf_free(struct shelf **s);
/* Whom the operator has named as the signer of lists from files or URLs; borrowed. NULL: nobody. */
X509 *shelf_signer(const struct shelf *s, bool of_files);
/* Fetches or reads them where that is due. False with `why`. */
bool shelf_take(struct shelf *s, const struct inquiry *q, const char *name, bool is_file, struct lists *out,
                char why[static 256]);
/* Files, or all, are read or fetched again before their next use. */
void shelf_changed(struct shelf *s, bool files_only);
/* PEM, one or more, or one in DER. NULL: neither. */
STACK_OF(X509_CRL) * lists_parse(const uint8_t *bytes, size_t len);

#endif
