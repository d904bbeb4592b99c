/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-shared keys and certificates of an authority, each against the others. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "seal_pair.h"
#include "tap.h"

/* -- a small authority --------------------------------------------------------------------------------------------- */

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    char *pem;
};

static char *pem_of(EVP_PKEY *key, X509 *certificate)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *data;
    if (key != NULL)
        OK_INT(PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
    OK_INT(PEM_write_bio_X509(b, certificate), 1);
    long len = BIO_get_mem_data(b, &data);
    char *text = strndup(data, (size_t)len);
    BIO_free(b);
    return text;
}

static X509 *certificate_make(EVP_PKEY *key, const char *name, const char *alternative, long until_s, X509 *issuer,
                              EVP_PKEY *issuer_key)
{
    static long serial;
    X509 *c = X509_new();
    X509_NAME *subject = X509_get_subject_name(c);
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c), -86400);
    X509_gmtime_adj(X509_getm_notAfter(c), until_s);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c, issuer != NULL ? X509_get_subject_name(issuer) : subject);
    X509_set_pubkey(c, key);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer != NULL ? issuer : c, c, NULL, NULL, 0);
    X509_EXTENSION *e = issuer == NULL       ? X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE")
                        : alternative != NULL ? X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, alternative)
                                              : NULL;
    if (e != NULL)
        X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
    OK(X509_sign(c, issuer_key != NULL ? issuer_key : key, EVP_sha256()) > 0);
    return c;
}

static struct authority authority_make(void)
{
    struct authority a = {.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    a.certificate = certificate_make(a.key, "authority", NULL, 86400, NULL, NULL);
    a.pem = pem_of(NULL, a.certificate);
    return a;
}

static void authority_done(struct authority *a)
{
    EVP_PKEY_free(a->key);
    X509_free(a->certificate);
    free(a->pem);
}

/* A program with a certificate that `signer` has made. */
static struct seal_context *member(const struct authority *signer, const char *name, const char *alternative, long until_s,
                                   const char *believes)
{
    const char *why = NULL;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = certificate_make(key, name, alternative, until_s, signer->certificate, signer->key);
    char *pem = pem_of(key, certificate);
    struct seal_context *c = seal_context_create(&(struct seal_config){.pem = pem, .authorities = believes}, &why);
    OK(c != NULL);
    free(pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return c;
}

static struct seal_context *loner(const char *believes, const struct psk *psks, size_t count)
{
    struct identity i;
    const char *why = NULL;
    OK(identity_create(&i));
    struct seal_context *c = seal_context_create(
        &(struct seal_config){.pem = i.pem, .authorities = believes, .psks = psks, .psk_count = count}, &why);
    OK(c != NULL);
    identity_done(&i);
    return c;
}

static bool talk(struct pair *p)
{
    pair_say(&p->a, "hello", 5);
    pair_say(&p->b, "world", 5);
    return pair_carry(p, 4096, 100) && p->a.got_len == 5 && p->b.got_len == 5;
}

/* -- pre-shared keys ----------------------------------------------------------------------------------------------- */

static const struct psk tim = {.name = "tim", .pattern = "tim", .len = 16, .bytes = "0123456789abcdef"},
                        other_tim = {.name = "tim", .pattern = "tim", .len = 16, .bytes = "0123456789abcdeF"},
                        fleet = {.name = "fleet", .pattern = "cam-*", .len = 64, .bytes = "fleet"},
                        all = {.name = "all", .pattern = "*", .len = 32, .bytes = "all"};

static void test_psk(void)
{
    const struct psk list[] = {all, fleet, tim};
    struct seal_context *server = loner(NULL, list, 3), *camera = loner(NULL, &fleet, 1);
    OK_TEXT(seal_context_psk(server, "tim")->name, "tim");
    OK_TEXT(seal_context_psk(server, "cam-7")->name, "all");
    OK(seal_context_psk(camera, "tim") == NULL);
    OK_TEXT(seal_context_psk(camera, NULL)->name, "fleet");
    seal_context_free(&server);
    server = loner(NULL, list + 1, 2);
    for (int turned = 0; turned < 2; turned++) {
        struct pair p;
        OK(pair_start(&p, turned ? camera : server, turned ? server : camera, "x", "x", turned ? NULL : "cam-7"));
        OK(talk(&p));
        OK(p.a.means == SEAL_BY_PSK && p.b.means == SEAL_BY_PSK);
        OK_TEXT(p.a.psk, "fleet");
        OK_TEXT(p.b.psk, "fleet");
        pair_done(&p);
    }
    seal_context_free(&server);
    seal_context_free(&camera);
}

/* The same name with another key is refused; a name that the other does not know leaves the keys of both. */
static void test_psk_wrong(void)
{
    struct seal_context *one = loner(NULL, &tim, 1), *two = loner(NULL, &other_tim, 1), *none = loner(NULL, NULL, 0);
    struct pair p;
    OK(pair_start(&p, one, two, "x", "x", "tim"));
    OK(!talk(&p));
    OK(p.why == &error_psk_refused);
    OK_INT(p.a.proven + p.b.proven, 0);
    pair_done(&p);
    for (int turned = 0; turned < 2; turned++) {
        OK(pair_start(&p, turned ? none : one, turned ? one : none, "x", "x", "tim"));
        OK(talk(&p));
        OK(p.a.means == SEAL_BY_KEY && p.b.means == SEAL_BY_KEY);
        OK(fingerprint_equal(&p.a.peer, seal_context_fingerprint(p.b.context)));
        pair_done(&p);
    }
    OK(pair_start(&p, one, one, "x", "y", "tim"));
    OK(!talk(&p));
    OK_INT(p.a.proven + p.b.proven, 0);
    pair_done(&p);
    seal_context_free(&one);
    seal_context_free(&two);
    seal_context_free(&none);
}

/* -- authorities --------------------------------------------------------------------------------------------------- */

static void test_certificates(void)
{
    struct authority a = authority_make();
    struct seal_context *server = member(&a, "server", "DNS:example.com,IP:192.0.2.1,DNS:*.example.org", 86400, a.pem),
                        *client = member(&a, "tim", NULL, 86400, a.pem);
    static const struct {
        const char *name;
        bool has;
    } names[] = {{"example.com", true}, {"192.0.2.1", true}, {"a.example.org", true}, {"server", false},
                 {"example.org", false}, {"192.0.2.2", false}, {"tim", false}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pair p;
        OK(pair_start(&p, server, client, "x", "x", "tim"));
        p.b.name = names[i].name;
        p.a.name = "tim";
        OK(talk(&p));
        OK(p.a.means == SEAL_BY_CERTIFICATE && p.b.means == SEAL_BY_CERTIFICATE);
        OK(p.a.has_name);
        OK_INT(p.b.has_name, names[i].has);
        pair_done(&p);
    }
    seal_context_free(&server);
    seal_context_free(&client);
    authority_done(&a);
}

static void refused(struct seal_context *one, struct seal_context *two)
{
    for (int turned = 0; turned < 2; turned++) {
        struct pair p;
        OK(pair_start(&p, turned ? two : one, turned ? one : two, "x", "x", "tim"));
        OK(!talk(&p));
        OK(p.why == &error_certificate_refused);
        OK_INT(turned ? p.b.proven : p.a.proven, 0);
        pair_done(&p);
    }
}

static void test_certificates_wrong(void)
{
    struct authority a = authority_make(), b = authority_make();
    struct seal_context *server = member(&a, "server", NULL, 86400, a.pem), *stranger = member(&b, "tim", NULL, 86400, a.pem),
                        *expired = member(&a, "tim", NULL, -3600, a.pem), *nobody = loner(a.pem, NULL, 0);
    refused(server, stranger);
    refused(server, expired);
    refused(server, nobody);
    seal_context_free(&server);
    seal_context_free(&stranger);
    seal_context_free(&expired);
    seal_context_free(&nobody);
    authority_done(&a);
    authority_done(&b);
}

/* A server with a certificate, clients with keys of their own. */
static void test_one_sided(void)
{
    struct authority a = authority_make();
    struct seal_context *server = member(&a, "server", NULL, 86400, NULL), *client = loner(a.pem, NULL, 0);
    struct pair p;
    OK(pair_start(&p, server, client, "x", "x", "tim"));
    p.b.name = "server";
    OK(talk(&p));
    OK(p.a.means == SEAL_BY_KEY && p.b.means == SEAL_BY_CERTIFICATE && p.b.has_name);
    OK(fingerprint_equal(&p.a.peer, seal_context_fingerprint(client)));
    pair_done(&p);
    seal_context_free(&server);
    seal_context_free(&client);
    authority_done(&a);
}

static const struct tap_case cases[] = {
    {"a pre-shared key, whoever begins", test_psk},
    {"wrong and missing pre-shared keys", test_psk_wrong},
    {"certificates and their names", test_certificates},
    {"certificates that are not to be believed", test_certificates_wrong},
    {"a certificate on one side, a key on the other", test_one_sided},
};

int main(void) { return TAP_RUN(cases); }
