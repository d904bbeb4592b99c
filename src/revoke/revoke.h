/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the certificates of a verified chain have been revoked: by OCSP (RFC 6960), by revocation lists (CRL, RFC 5280 5),
 * or by both. Questions are answered by helper threads, which alone fetch and wait; what was found out is kept until it has
 * to be asked again, and who asks the same meanwhile waits for the same answer. What cannot be found out counts as refused,
 * unless `soft_fail` says otherwise.
 *
 *     OCSP   a stapled answer, else the responder of the setting or of the certificate (AIA). Always checked: who signed (the
 *            issuer, or whom it has let sign: OCSPSigning), which certificate it is about, thisUpdate and nextUpdate.
 *     CRL    files, then the lists of the setting or else of the certificate (distribution points, HTTP), the first that
 *            decides. DER or PEM. Always checked: who signed, for whom the list is, lastUpdate and nextUpdate.
 *
 * The authority at the end of a chain is never asked about: nobody stands above it. Lists of changes (delta CRLs) are not
 * used, and a delegated responder's own certificate is not asked about.
 */
#ifndef REVOKE_REVOKE_H
#define REVOKE_REVOKE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/worker.h"
#include "tls/vetting.h"

struct revoke;

enum revoke_nonce {
    REVOKE_NONCE_ASKED,    /* sent; when the answer has one it must be ours (RFC 8954) */
    REVOKE_NONCE_REQUIRED, /* sent; the answer must have it, so it is fresh */
    REVOKE_NONCE_OFF,      /* not sent */
};

/* Each method that is on has to say "good". Strings are copied. */
struct revoke_config {
    bool ocsp, crl;
    unsigned timeout_ms; /* from question to answer, waiting included; 0: REVOKE_TIMEOUT_MS */
    unsigned max_age_s;  /* what is known is asked again after this, or earlier when it says so; 0: REVOKE_MAX_AGE_S */
    unsigned retry_ms;   /* a server that did not answer is left alone for this; 0: REVOKE_RETRY_MS */
    bool soft_fail;      /* let in when nothing could be found out; never what is revoked or unknown */

    const char *ocsp_url; /* http or https, instead of the certificate's; NULL: the certificate's */
    unsigned ocsp_depth;  /* how many certificates of a chain, from the client's own on; 0: all */
    enum revoke_nonce ocsp_nonce;
    bool ocsp_post; /* never GET, which is used for small questions (RFC 6960 A.1) */

    const char *const *crl_urls; /* instead of the certificate's */
    unsigned crl_url_count;
    const char *crl_url_issuer_file; /* PEM: who signs those of URLs; NULL: whoever issued the certificate */
    const char *const *crl_files;    /* read again when they change */
    unsigned crl_file_count;         /* up to REVOKE_FILES_MAX */
    const char *crl_file_issuer_file;
    unsigned crl_depth; /* as ocsp_depth */

    struct worker *worker; /* watches the files; not running yet, or NULL: nobody does */
    /* What an operator should know: a line, valid during the call. Any helper thread, or `worker`. NULL: not wanted. */
    void (*news)(void *ctx, const char *text);
    void *ctx;
};

enum revoke_status {
    REVOKE_GOOD,
    REVOKE_REVOKED, /* a valid answer says so */
    REVOKE_UNKNOWN, /* the responder does not know the certificate */
    REVOKE_ERROR,   /* it could not be found out */
};

struct revoke_answer {
    enum revoke_status status;
    bool allowed;  /* good, or an error with soft_fail */
    char why[VETTING_WHY_BYTES]; /* "CN=tim: revoked on ... (keyCompromise), says http://..."; "" when good */
};

/* Heap, the checker's from a `false` of revoke_ask() until `mail` is delivered, or discarded because `worker` has stopped. */
struct revoke_question {
    struct mail mail; /* set by the caller; its node is free for use by the checker */
    struct worker *worker;
    struct revoke_answer answer; /* valid when the mail is delivered, or with `true` */
};

/* Reads the files, starts the threads. NULL with the reason in `error`: "FILE: reason". */
struct revoke *revoke_create(const struct revoke_config *config, char error[static 512]);
/* Forgets what is known: all is asked again, and files are read again, at the next questions. Any thread. */
void revoke_forget(struct revoke *r);
/* Ends the threads within a second; questions under way are answered (REVOKE_ERROR). Before the workers stop. */
void revoke_stop(struct revoke *r);
/* Stops where that is missing. After the workers have stopped. NULL in *r is allowed. */
void revoke_free(struct revoke **r);

/*
 * True: the answer is in the question. False: it will come by mail. `chain` is verified, from the certificate in question to
 * the authority; `staple` (NULL: none) is the OCSP answer that came with it. Both are copied. Any worker; never blocks.
 */
bool revoke_ask(struct revoke *r, STACK_OF(X509) * chain, const void *staple, size_t staple_len,
                struct revoke_question *question);

/* For connections: good where no certificate was shown. A session that is taken up again is asked about as any other. */
struct vetter *revoke_vetter(struct revoke *r);

#endif
