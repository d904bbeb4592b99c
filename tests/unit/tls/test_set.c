/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates from files: which is chosen for a name, and what is said about files that cannot be used. */
#include "pki.h"
#include "tls/set.h"

static struct pki_cert ca, one, two, wild, old;
static struct tls_tickets tickets;
static struct tls_report report;

static struct tls_set *load(const struct tls_pair *pairs, unsigned count)
{
    return tls_set_load(&(struct tls_config){.pairs = pairs, .pair_count = count}, &tickets, &report);
}

static struct tls_pair pair(const struct pki_cert *c) { return (struct tls_pair){c->cert_file, c->key_file}; }

static void names(void)
{
    const struct tls_pair pairs[] = {pair(&one), pair(&two), pair(&wild)};
    struct tls_set *s = load(pairs, 3);
    if (!OK(s != NULL))
        return;
    OK_TEXT(report.warning, "");
    OK_INT(tls_set_choose(s, "one.example"), 0);
    OK_INT(tls_set_choose(s, "two.example"), 1);
    OK_INT(tls_set_choose(s, "TWO.Example."), 1);
    OK_INT(tls_set_choose(s, "also-two.example"), 1);
    OK_INT(tls_set_choose(s, "a.wild.example"), 2);
    OK_INT(tls_set_choose(s, "exact.wild.example"), 1);
    OK_INT(tls_set_choose(s, "wild.example"), 0);     /* the wildcard is a label, not none */
    OK_INT(tls_set_choose(s, "a.b.wild.example"), 0); /* and not two */
    OK_INT(tls_set_choose(s, ".wild.example"), 0);
    OK_INT(tls_set_choose(s, "stranger.example"), 0);
    OK_INT(tls_set_choose(s, ""), 0);
    OK_INT(tls_set_choose(s, "."), 0);
    tls_set_unref(s);
}

static void valid_before_expired(void)
{
    struct pki_cert renewed = pki_leaf("renewed", "DNS:old.example", &ca);
    const struct tls_pair pairs[] = {pair(&one), pair(&old), pair(&renewed)};
    struct tls_set *s = load(pairs, 3);
    if (OK(s != NULL)) {
        OK_INT(tls_set_choose(s, "old.example"), 2);
        OK(strstr(report.warning, "old.crt: the certificate expired on ") != NULL);
        OK(strchr(report.warning, '\n') == NULL);
    }
    tls_set_unref(s);
    pki_done(&renewed);
}

static void odd_but_usable(void)
{
    struct pki_cert early = pki_make("early", "DNS:early.example", &ca, PKI_DAY, 2 * PKI_DAY);
    const struct tls_pair pairs[] = {pair(&early)};
    chmod(early.key_file, 0644);
    struct tls_set *s = load(pairs, 1);
    OK(s != NULL);
    OK(strstr(report.warning, "early.crt: the certificate is not valid before ") != NULL);
    OK(strstr(report.warning, "early.key: everybody can read this key") != NULL);
    tls_set_unref(s);
    pki_done(&early);
}

static void refused(const char *cert, const char *key, const char *want)
{
    const struct tls_pair p = {cert, key};
    char text[600];
    snprintf(text, sizeof(text), "%s/%s", pki_root, want);
    struct tls_set *s = load(&p, 1);
    OK(s == NULL);
    OK_TEXT(report.error, text);
    tls_set_unref(s);
}

static void unusable(void)
{
    char missing[64], odd[64], locked[64], folder[64];
    snprintf(missing, sizeof(missing), "%s/missing", pki_root);
    snprintf(odd, sizeof(odd), "%s/odd", pki_root);
    snprintf(locked, sizeof(locked), "%s/locked", pki_root);
    snprintf(folder, sizeof(folder), "%s/.", pki_root);
    pki_text(odd, "nothing of the kind\n");
    FILE *f = fopen(locked, "w");
    PEM_write_PKCS8PrivateKey(f, one.key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
    fclose(f);
    refused(missing, NULL, "missing: No such file or directory");
    refused(folder, NULL, ".: not a file");
    refused(odd, NULL, "odd: holds no certificate that can be read");
    refused(one.cert_file, missing, "missing: No such file or directory");
    refused(one.cert_file, odd, "odd: holds no private key that can be read");
    refused(one.cert_file, NULL, "one.crt: holds no private key that can be read");
    refused(one.cert_file, two.key_file, "two.key: the key does not match the certificate");
    refused(one.cert_file, locked, "locked: the key is locked with a passphrase");
    unlink(odd);
    unlink(locked);
}

static void weak_key(void)
{
    struct pki_cert weak = pki_leaf("weak", "DNS:weak.example", &ca);
    EVP_PKEY_free(weak.key);
    weak.key = EVP_RSA_gen(1024);
    X509_set_pubkey(weak.cert, weak.key);
    X509_sign(weak.cert, ca.key, EVP_sha256());
    pki_write(&weak);
    refused(weak.cert_file, weak.key_file, "weak.crt: ee key too small");
    pki_done(&weak);
}

static void one_file(void)
{
    char both[64];
    snprintf(both, sizeof(both), "%s/both", pki_root);
    FILE *f = fopen(both, "w");
    PEM_write_X509(f, one.cert);
    PEM_write_X509(f, ca.cert);
    PEM_write_PrivateKey(f, one.key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    struct tls_pair p = {both, NULL};
    struct tls_set *s = load(&p, 1);
    OK(s != NULL);
    tls_set_unref(s);
    unlink(both);
}

static void client_authorities(void)
{
    const struct tls_pair p = pair(&one);
    struct tls_config config = {.pairs = &p, .pair_count = 1, .clients = TLS_CLIENTS_REQUIRED};
    char missing[64], want[128];
    snprintf(missing, sizeof(missing), "%s/missing", pki_root);
    config.client_ca_file = missing;
    OK(tls_set_load(&config, &tickets, &report) == NULL);
    snprintf(want, sizeof(want), "%s: No such file or directory", missing);
    OK_TEXT(report.error, want);
    config.client_ca_file = one.key_file;
    OK(tls_set_load(&config, &tickets, &report) == NULL);
    snprintf(want, sizeof(want), "%s: holds no certificate that can be read", one.key_file);
    OK_TEXT(report.error, want);
    config.client_ca_file = ca.cert_file;
    struct tls_set *s = tls_set_load(&config, &tickets, &report);
    OK(s != NULL);
    tls_set_unref(s);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"the certificate that has the name is chosen, exact before wildcard", names},
        {"of two for a name, the one that has not expired", valid_before_expired},
        {"what is odd but usable is warned about", odd_but_usable},
        {"what cannot be used is refused with its file and the reason", unusable},
        {"a weak key is refused", weak_key},
        {"certificate, chain and key in one file", one_file},
        {"authorities of clients' certificates", client_authorities},
    };
    if (!pki_begin())
        return 1;
    ca = pki_make("ca", NULL, NULL, -PKI_DAY, PKI_DAY);
    one = pki_leaf("one", "DNS:one.example", &ca);
    two = pki_leaf("two", "DNS:two.example,DNS:Also-Two.example,DNS:exact.wild.example", &ca);
    wild = pki_leaf("wild", "DNS:*.wild.example,IP:127.0.0.1", &ca);
    old = pki_make("old", "DNS:old.example", &ca, -2 * PKI_DAY, -PKI_DAY);
    int status = TAP_RUN(cases);
    struct pki_cert *all[] = {&ca, &one, &two, &wild, &old};
    for (unsigned i = 0; i < 5; i++)
        pki_done(all[i]);
    pki_end();
    return status;
}
