/* SPDX-License-Identifier: Apache-2.0 */
/* OCSP: with openssl's responder, with answers made here, and with servers that are no responders. */
#include <fcntl.h>
#include <openssl/ocsp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "asking.h"
#include "mdm-tunnel/limits.h"

extern char **environ;

static struct web web;

/* -- openssl's responder --------------------------------------------------------------------------------------------- */

struct responder {
    pid_t pid;
    char url[64];
};

/* In the folder; its port is the kernel's choice, which it says. `more`: words, up to a NULL. */
static bool responder_begin(struct responder *r, const char *signer, const char *const *more)
{
    char index[96], ca[96], cert[96], key[96], line[256] = "";
    const char *args[24] = {"openssl", "ocsp", "-port", "0", "-index", index, "-CA", ca, "-rsigner", cert, "-rkey", key};
    unsigned count = 12, port = 0;
    int said[2];
    posix_spawn_file_actions_t actions;
    snprintf(index, sizeof(index), "%s/ca.index", folder);
    snprintf(ca, sizeof(ca), "%s/ca.crt", folder);
    snprintf(cert, sizeof(cert), "%s/%s.crt", folder, signer);
    snprintf(key, sizeof(key), "%s/%s.key", folder, signer);
    while (*more != NULL)
        args[count++] = *more++;
    if (pipe(said) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, said[1], 1);
    posix_spawn_file_actions_addclose(&actions, said[0]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    bool ok = posix_spawnp(&r->pid, "openssl", &actions, NULL, (char *const *)(uintptr_t)args, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(said[1]);
    FILE *f = fdopen(said[0], "r");
    while (ok && port == 0 && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "ACCEPT [::]:%u", &port) != 1)
            sscanf(line, "ACCEPT 0.0.0.0:%u", &port);
    fclose(f);
    snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%u/", port);
    return OK(port != 0);
}

static void responder_end(struct responder *r)
{
    kill(r->pid, SIGTERM);
    waitpid(r->pid, NULL, 0);
}

static struct revoke_config by(const char *url)
{
    return (struct revoke_config){.ocsp = true, .ocsp_url = url, .timeout_ms = 60000, .retry_ms = 1};
}

static void states(void)
{
    struct responder r;
    if (!responder_begin(&r, "ca", (const char *[]){"-ndays", "1", NULL}))
        return;
    for (int post = 0; post < 2; post++) {
        struct revoke_config c = by(r.url);
        c.ocsp_post = post == 1;
        OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
        OK(ask_once(&c, "good ca").allowed);
        OK_SAYS(ask_once(&c, "bad ca"), REVOKE_REVOKED, "CN=bad: revoked on 2025-01-01 12:00:00 UTC (keyCompromise), says http");
        OK_SAYS(ask_once(&c, "nobody ca"), REVOKE_UNKNOWN, "does not know it");
        c.soft_fail = true;
        OK(!ask_once(&c, "bad ca").allowed);
        OK(!ask_once(&c, "nobody ca").allowed);
        c.ocsp_nonce = REVOKE_NONCE_REQUIRED; /* which this responder repeats */
        OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
        c.ocsp_nonce = REVOKE_NONCE_OFF;
        OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    }
    responder_end(&r);
}

/* Named by the certificate, under a path that this responder does not understand with GET. */
static void named_by_the_certificate(void)
{
    struct responder r;
    char more[160];
    /* Its number is in the index before: the responder looks at the second in which that has changed. */
    OK(run("printf 'R\\t401231000000Z\\t250101120000Z\\t2001\\tunknown\\t/CN=named\\n' >>ca.index"));
    if (!responder_begin(&r, "ca", (const char *[]){"-ndays", "1", "-ignore_err", NULL}))
        return;
    snprintf(more, sizeof(more), "-addext 'authorityInfoAccess=OCSP;URI:%socsp,caIssuers;URI:http://127.0.0.1:9/'", r.url);
    OK(certificate_make("named", "ca", 0x2001, '-', more));
    struct revoke_config c = by(NULL);
    OK_SAYS(ask_once(&c, "named ca"), REVOKE_REVOKED, "CN=named: revoked");
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "it names no OCSP responder, and none is set");
    responder_end(&r);
}

static void who_signs(void)
{
    struct responder r;
    struct {
        const char *signer;
        enum revoke_status status;
        const char *why;
    } all[] = {
        {"delegate", REVOKE_GOOD, ""},                                        /* OCSPSigning by the authority */
        {"good", REVOKE_ERROR, "does not hold: "},                            /* by the authority, not for that */
        {"other", REVOKE_ERROR, "does not hold: "},                           /* a stranger */
        {"strangedelegate", REVOKE_ERROR, "does not hold: "},                 /* OCSPSigning by a stranger */
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!responder_begin(&r, all[i].signer, (const char *[]){"-ndays", "1", NULL}))
            return;
        struct revoke_config c = by(r.url);
        OK_SAYS(ask_once(&c, "good ca"), all[i].status, all[i].why);
        responder_end(&r);
    }
    if (!responder_begin(&r, "ca", (const char *[]){"-ndays", "1", "-badsig", NULL}))
        return;
    struct revoke_config c = by(r.url);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "does not hold: ");
    responder_end(&r);
}

static void depth(void)
{
    struct responder r;
    if (!responder_begin(&r, "ca", (const char *[]){"-ndays", "1", NULL}))
        return;
    struct revoke_config c = by(r.url);
    OK_SAYS(ask_once(&c, "deep inter ca"), REVOKE_REVOKED, "CN=inter: revoked");
    c.ocsp_depth = 1;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    OK_SAYS(ask_once(&c, "ca"), REVOKE_GOOD, ""); /* nobody stands above it */
    /* This responder cannot speak for the other authority; that hides nothing of its own certificate. */
    c.ocsp_depth = 2;
    c.soft_fail = true;
    OK_SAYS(ask_once(&c, "deep inter ca"), REVOKE_REVOKED, "CN=inter: revoked");
    c.ocsp_depth = 1;
    OK_SAYS(ask_once(&c, "deep inter ca"), REVOKE_ERROR, "CN=deep");
    responder_end(&r);
}

/* -- answers made here ------------------------------------------------------------------------------------------------- */

struct made {
    const char *about, *issuer, *signer;
    int status;
    long from, to; /* seconds from now; `to` 0: no nextUpdate */
    const char *nonce;
};

static EVP_PKEY *key_read(const char *name)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.key", name);
    FILE *f = fopen(in_folder(file), "r");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    return key;
}

static size_t answer_make(const struct made *m, uint8_t **der)
{
    X509 *about = certificate_read(m->about), *issuer = certificate_read(m->issuer), *signer = certificate_read(m->signer);
    EVP_PKEY *key = key_read(m->signer);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha256(), about, issuer);
    ASN1_TIME *from = X509_gmtime_adj(NULL, m->from), *to = m->to == 0 ? NULL : X509_gmtime_adj(NULL, m->to);
    ASN1_GENERALIZEDTIME *this_update = ASN1_TIME_to_generalizedtime(from, NULL);
    ASN1_GENERALIZEDTIME *next_update = to == NULL ? NULL : ASN1_TIME_to_generalizedtime(to, NULL);
    OCSP_basic_add1_status(basic, id, m->status, OCSP_REVOKED_STATUS_SUPERSEDED, this_update, this_update, next_update);
    if (m->nonce != NULL)
        OCSP_basic_add1_nonce(basic, (unsigned char *)(uintptr_t)m->nonce, (int)strlen(m->nonce));
    OCSP_basic_sign(basic, signer, key, EVP_sha256(), NULL, 0);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    *der = NULL;
    int len = i2d_OCSP_RESPONSE(response, der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    ASN1_GENERALIZEDTIME_free(this_update);
    ASN1_GENERALIZEDTIME_free(next_update);
    X509_free(about);
    X509_free(issuer);
    X509_free(signer);
    EVP_PKEY_free(key);
    return (size_t)len;
}

static void web_answers(const struct made *m)
{
    uint8_t *der;
    size_t len = answer_make(m, &der);
    OK(len > 0 && len < sizeof(web.body));
    web_says(&web, der, len);
    OPENSSL_free(der);
}

#define GOOD(...) &(struct made){.about = "good", .issuer = "ca", .signer = "ca", __VA_ARGS__}

static void times(void)
{
    struct revoke_config c = by(web.url);
    web_answers(GOOD(.from = -60, .to = 3600));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    web_answers(GOOD(.from = -7200, .to = -3600));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "does not hold now (status expired, ");
    web_answers(GOOD(.from = 3600, .to = 7200));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "does not hold now (status not yet valid");
    web_answers(GOOD(.from = -60));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    web_answers(GOOD(.from = -REVOKE_MAX_AGE_S - REVOKE_SKEW_S - 60));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "does not hold now (status too old");
    c.soft_fail = true;
    OK(ask_once(&c, "good ca").allowed);
}

static void nonces(void)
{
    struct revoke_config c = by(web.url);
    web_answers(GOOD(.from = -60, .to = 3600, .nonce = "an older question's"));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "has another nonce");
    c.ocsp_nonce = REVOKE_NONCE_REQUIRED;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "has another nonce");
    web_answers(GOOD(.from = -60, .to = 3600));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "has no nonce");
    c.ocsp_nonce = REVOKE_NONCE_ASKED;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
}

static void about_others(void)
{
    struct revoke_config c = by(web.url);
    web_answers(GOOD(.from = -60, .to = 3600));
    OK_SAYS(ask_once(&c, "bad ca"), REVOKE_ERROR, "is about another certificate");
    web_answers(&(struct made){"good", "other", "ca", V_OCSP_CERTSTATUS_GOOD, -60, 3600, NULL});
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "does not hold: ");
}

static void kept(void)
{
    struct revoke_config c = by(web.url);
    struct revoke *r = checker(&c);
    atomic_store(&web.gets, 0);
    web_answers(GOOD(.from = -60, .to = 3600));
    OK_SAYS(ask_about(r, "good ca"), REVOKE_GOOD, "");
    OK(!was_known);
    web_answers(GOOD(.status = V_OCSP_CERTSTATUS_REVOKED, .from = -60, .to = 3600));
    OK_SAYS(ask_about(r, "good ca"), REVOKE_GOOD, "");
    OK(was_known);
    OK_INT(atomic_load(&web.gets), 1);
    revoke_forget(r);
    OK_SAYS(ask_about(r, "good ca"), REVOKE_REVOKED, "(superseded)");
    revoke_free(&r);
    r = checker(&c);
    OK_SAYS(ask_about(r, "good ca"), REVOKE_REVOKED, "(superseded)");
    OK_SAYS(ask_about(r, "good ca"), REVOKE_REVOKED, "(superseded)");
    OK(was_known);
    revoke_free(&r);
    /* Without a nextUpdate it is for now only. */
    r = checker(&c);
    web_answers(GOOD(.from = -60));
    OK_SAYS(ask_about(r, "good ca"), REVOKE_GOOD, "");
    OK_SAYS(ask_about(r, "good ca"), REVOKE_GOOD, "");
    OK(!was_known);
    revoke_free(&r);
}

static void stapled(void)
{
    struct revoke_config c = by(NULL); /* and the certificate names nobody */
    uint8_t *der;
    size_t len = answer_make(GOOD(.from = -60, .to = 3600), &der);
    struct revoke *r = checker(&c);
    OK_SAYS(ask_with(r, "bad ca", der, len), REVOKE_ERROR, "the stapled answer is about another");
    OK_SAYS(ask_with(r, "good ca", der, len), REVOKE_GOOD, "");
    OK_SAYS(ask_about(r, "good ca"), REVOKE_GOOD, "");
    OK(was_known);
    revoke_free(&r);
    OPENSSL_free(der);
    r = checker(&c);
    len = answer_make(GOOD(.status = V_OCSP_CERTSTATUS_REVOKED, .from = -60, .to = 3600), &der);
    OK_SAYS(ask_with(r, "good ca", der, len), REVOKE_REVOKED, "says the stapled answer");
    revoke_free(&r);
    OPENSSL_free(der);
    r = checker(&c);
    OK_SAYS(ask_with(r, "good ca", "rubbish", 7), REVOKE_ERROR, "what the stapled answer says is no OCSP answer");
    revoke_free(&r);
    /* One that does not hold: the responder is asked. */
    c.ocsp_url = web.url;
    web_answers(GOOD(.from = -60, .to = 3600));
    r = checker(&c);
    len = answer_make(GOOD(.from = -7200, .to = -3600), &der);
    OK_SAYS(ask_with(r, "good ca", der, len), REVOKE_GOOD, "");
    revoke_free(&r);
    OPENSSL_free(der);
}

/* Both have to say that it is good. */
static void with_lists(void)
{
    OK(run("openssl ca -config ca.cnf -gencrl -cert ca.crt -keyfile ca.key -crldays 7 -out list.pem"));
    struct revoke_config c = by(web.url);
    char list[96];
    snprintf(list, sizeof(list), "%s/list.pem", folder);
    c.crl = true;
    c.crl_files = (const char *[]){list};
    c.crl_file_count = 1;
    web_answers(GOOD(.from = -60, .to = 3600));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    web_answers(&(struct made){"bad", "ca", "ca", V_OCSP_CERTSTATUS_GOOD, -60, 3600, NULL});
    OK_SAYS(ask_once(&c, "bad ca"), REVOKE_REVOKED, "list.pem");
    web_answers(GOOD(.status = V_OCSP_CERTSTATUS_UNKNOWN, .from = -60, .to = 3600));
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_UNKNOWN, "does not know it");
    web_says(&web, "rubbish", 7);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "is no OCSP answer");
    OK_SAYS(ask_once(&c, "bad ca"), REVOKE_REVOKED, "list.pem");
}

/* -- servers ----------------------------------------------------------------------------------------------------------- */

static void get_and_post(void)
{
    struct revoke_config c = by(web.url);
    web_answers(GOOD(.from = -60, .to = 3600));
    atomic_store(&web.gets, 0);
    atomic_store(&web.posts, 0);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    OK_INT(atomic_load(&web.gets), 1);
    OK_INT(atomic_load(&web.posts), 0);
    atomic_store(&web.refuses_get, true);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    OK_INT(atomic_load(&web.gets), 2);
    OK_INT(atomic_load(&web.posts), 1);
    c.ocsp_post = true;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    OK_INT(atomic_load(&web.gets), 2);
    atomic_store(&web.refuses_get, false);
}

static void bad_servers(void)
{
    struct revoke_config c = by(web.url);
    web_says(&web, "\x30\x84\xff\xff\xff\xff", 6);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "is no OCSP answer");
    web_says(&web, "\x30\x03\x0a\x01\x03", 5); /* tryLater */
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "answers: trylater");
    atomic_store(&web.endless, true);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "is larger than 65536 bytes");
    atomic_store(&web.endless, false);
    atomic_store(&web.status, 500);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "answers with status 500");
    atomic_store(&web.status, 200);
    atomic_store(&web.silent, true);
    c.timeout_ms = 100;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "Timeout was reached");
    OK(!ask_once(&c, "good ca").allowed);
    atomic_store(&web.silent, false);
    struct revoke_config nobody = by("http://127.0.0.1:1/");
    nobody.retry_ms = 60000;
    struct revoke *r = checker(&nobody);
    OK_SAYS(ask_about(r, "good ca"), REVOKE_ERROR, "http://127.0.0.1:1/");
    OK_SAYS(ask_about(r, "good ca"), REVOKE_ERROR, "did not answer a moment ago");
    revoke_free(&r);
}

/* The same question while it is under way is one question; at the end all are answered. */
static void many_at_once(void)
{
    struct asked all[8];
    struct revoke_config c = by(web.url);
    c.timeout_ms = 200;
    atomic_store(&web.silent, true);
    atomic_store(&web.gets, 0);
    struct revoke *r = checker(&c);
    for (unsigned i = 0; i < 8; i++)
        ask_begin(r, "good ca", NULL, 0, &all[i]);
    for (unsigned i = 0; i < 8; i++)
        OK_SAYS(ask_end(&all[i]), REVOKE_ERROR, "Timeout was reached");
    OK_INT(atomic_load(&web.gets), 1);
    revoke_free(&r);
    c.timeout_ms = 60000;
    r = checker(&c);
    ask_begin(r, "good ca", NULL, 0, &all[0]);
    revoke_stop(r);
    OK_INT(ask_end(&all[0]).status, REVOKE_ERROR);
    ask_begin(r, "good ca", NULL, 0, &all[1]);
    OK(all[1].known);
    OK_SAYS(all[1].question.answer, REVOKE_ERROR, "the checks are ending");
    revoke_free(&r);
    atomic_store(&web.silent, false);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"good, revoked, unknown; by GET and by POST", states},
        {"a responder that the certificate names", named_by_the_certificate},
        {"who signs", who_signs},
        {"how much of a chain", depth},
        {"thisUpdate and nextUpdate", times},
        {"nonces", nonces},
        {"answers about others", about_others},
        {"what is known is not asked", kept},
        {"stapled answers", stapled},
        {"OCSP and lists together", with_lists},
        {"GET first, then POST", get_and_post},
        {"servers that are bad", bad_servers},
        {"many at once, and the end", many_at_once},
        {"the files go", asking_end},
    };
    const char *delegated = "-addext extendedKeyUsage=OCSPSigning";
    bool made = asking_begin() && web_begin(&web) && authority_make("ca", NULL) && authority_make("other", NULL) &&
                authority_make("inter", "ca") && certificate_make("good", "ca", 0x1001, 'V', "") &&
                certificate_make("bad", "ca", 0x1002, 'R', "") && certificate_make("nobody", "ca", 0x1003, '-', "") &&
                certificate_make("delegate", "ca", 0x1004, 'V', delegated) &&
                certificate_make("strangedelegate", "other", 0x1001, 'V', delegated) &&
                certificate_make("deep", "inter", 0x1001, 'V', "");
    made = made && run("n=$(openssl x509 -in inter.crt -noout -serial | cut -d= -f2) && "
                       "printf 'R\\t401231000000Z\\t250101120000Z\\t%%s\\tunknown\\t/CN=inter\\n' $n >>ca.index");
    if (!made) {
        printf("Bail out! no PKI\n");
        return 1;
    }
    int status = TAP_RUN(cases);
    web_end(&web);
    return status;
}
