/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists made with openssl: from files and over HTTP, in DER and PEM, and those that decide nothing. */
#include "asking.h"
#include "base/clock.h"

static struct web web;

static bool list_make(const char *issuer, const char *name, const char *more)
{
    more = more[0] != '\0' ? more : "-crldays 7";
    return run("openssl ca -config %s.cnf -gencrl -cert %s.crt -keyfile %s.key %s -out %s.pem && "
               "openssl crl -in %s.pem -outform DER -out %s.der",
               issuer, issuer, issuer, more, name, name, name);
}

static struct revoke_config by_file(const char *name)
{
    static const char *files[1];
    files[0] = in_folder(name);
    return (struct revoke_config){.crl = true, .crl_files = files, .crl_file_count = 1};
}

static struct revoke_config by_url(void)
{
    static const char *urls[1];
    urls[0] = web.url;
    return (struct revoke_config){.crl = true, .crl_urls = urls, .crl_url_count = 1, .timeout_ms = 60000};
}

/* -- files ----------------------------------------------------------------------------------------------------------- */

static void files(void)
{
    struct revoke_config pem = by_file("list.pem");
    OK_SAYS(ask_once(&pem, "good ca"), REVOKE_GOOD, "");
    OK(ask_once(&pem, "good ca").allowed);
    OK_SAYS(ask_once(&pem, "bad ca"), REVOKE_REVOKED, "CN=bad: revoked on 2025-01-01 12:00:00 UTC (keyCompromise), says /tmp/");
    OK(!ask_once(&pem, "bad ca").allowed);
    struct revoke_config der = by_file("list.der");
    OK_SAYS(ask_once(&der, "good ca"), REVOKE_GOOD, "");
    OK_SAYS(ask_once(&der, "bad ca"), REVOKE_REVOKED, "keyCompromise");
}

static void lists_that_decide_nothing(void)
{
    struct revoke_config stale = by_file("stale.pem"), early = by_file("early.pem");
    early.crl_files = (const char *[]){in_folder("early.pem")};
    stale.crl_files = (const char *[]){in_folder("stale.pem")};
    OK_SAYS(ask_once(&stale, "good ca"), REVOKE_ERROR, "was to be renewed by 2020-02-01");
    OK(!ask_once(&stale, "good ca").allowed);
    OK_SAYS(ask_once(&early, "good ca"), REVOKE_ERROR, "is valid from 2039-01-01");
    struct revoke_config other = by_file("other.pem");
    OK_SAYS(ask_once(&other, "good ca"), REVOKE_ERROR, "is not for its issuer");
    struct revoke_config forged = by_file("forged.pem");
    OK_SAYS(ask_once(&forged, "good ca"), REVOKE_ERROR, "signature");
    OK_SAYS(ask_once(&forged, "bad ca"), REVOKE_ERROR, "signature");
    struct revoke_config none = {.crl = true};
    OK_SAYS(ask_once(&none, "good ca"), REVOKE_ERROR, "CN=good: it names no place for revocation lists, and none is set");
    none.soft_fail = true;
    OK_SAYS(ask_once(&none, "good ca"), REVOKE_ERROR, "names no place");
    OK(ask_once(&none, "good ca").allowed);
}

static void never_let_in_softly(void)
{
    struct revoke_config c = by_file("list.pem");
    c.soft_fail = true;
    OK(!ask_once(&c, "bad ca").allowed);
}

static void files_that_cannot_be_used(void)
{
    char error[512];
    struct revoke_config missing = by_file("missing.pem");
    OK(revoke_create(&missing, error) == NULL);
    OK(strstr(error, "/missing.pem: No such file or directory") != NULL);
    struct revoke_config odd = by_file("ca.crt");
    OK(revoke_create(&odd, error) == NULL);
    OK(strstr(error, "/ca.crt: holds no revocation list") != NULL);
    struct revoke_config signer = by_file("list.pem");
    signer.crl_file_issuer_file = in_folder("list.pem");
    OK(revoke_create(&signer, error) == NULL);
    OK(strstr(error, "/list.pem: holds no certificate that can be read") != NULL);
    struct revoke_config url = {.crl = true, .crl_urls = (const char *[]){"ldap://x/y"}, .crl_url_count = 1};
    OK(revoke_create(&url, error) == NULL);
    OK_TEXT(error, "\"ldap://x/y\" is no http or https URL");
}

/* A list by somebody with the authority's name, whom the operator has named; by nobody else. */
static void named_signer(void)
{
    struct revoke_config c = by_file("forged.pem");
    c.crl_file_issuer_file = in_folder("twin.crt");
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_GOOD, "");
    OK_SAYS(ask_once(&c, "bad ca"), REVOKE_REVOKED, "keyCompromise");
    c.crl_file_issuer_file = in_folder("other.crt");
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "signature");
    struct revoke_config own = by_file("list.pem");
    own.crl_file_issuer_file = in_folder("ca.crt");
    OK_SAYS(ask_once(&own, "bad ca"), REVOKE_REVOKED, "keyCompromise");
}

static void depth(void)
{
    struct revoke_config c = by_file("both.pem");
    OK_SAYS(ask_once(&c, "deep inter ca"), REVOKE_REVOKED, "CN=inter: revoked");
    c.crl_depth = 1;
    OK_SAYS(ask_once(&c, "deep inter ca"), REVOKE_GOOD, "");
    c.crl_depth = 2;
    OK_SAYS(ask_once(&c, "deep inter ca"), REVOKE_REVOKED, "CN=inter: revoked");
    /* The list of its issuer alone is not enough. */
    struct revoke_config one = by_file("list.pem");
    OK_SAYS(ask_once(&one, "deep inter ca"), REVOKE_REVOKED, "CN=inter: revoked");
    OK_SAYS(ask_once(&c, "ca"), REVOKE_GOOD, "");
}

static void changed(void)
{
    OK(run("cp list.pem live.pem"));
    struct revoke_config c = by_file("live.pem");
    struct worker *watcher = worker_create("watcher", 0);
    c.worker = watcher;
    struct revoke *r = checker(&c);
    OK(worker_start(watcher) == 0);
    OK_SAYS(ask_about(r, "later ca"), REVOKE_GOOD, "");
    OK(!was_known);
    OK_SAYS(ask_about(r, "later ca"), REVOKE_GOOD, "");
    OK(was_known);
    OK(run("cp later.pem new.pem && mv new.pem live.pem"));
    struct revoke_answer a;
    do
        a = ask_about(r, "later ca");
    while (a.status == REVOKE_GOOD);
    OK_SAYS(a, REVOKE_REVOKED, "CN=later: revoked");
    revoke_stop(r);
    worker_stop(watcher);
    revoke_free(&r);
    worker_free(&watcher);
}

/* -- HTTP ------------------------------------------------------------------------------------------------------------ */

static void over_http(void)
{
    struct revoke_config c = by_url();
    OK(web_says_file(&web, "list.der"));
    struct revoke *r = checker(&c);
    web.gets = 0;
    OK_SAYS(ask_about(r, "good ca"), REVOKE_GOOD, "");
    OK_SAYS(ask_about(r, "bad ca"), REVOKE_REVOKED, web.url);
    OK_SAYS(ask_about(r, "later ca"), REVOKE_GOOD, "");
    OK_INT(web.gets, 1); /* one list for all */
    OK(web_says_file(&web, "later.der"));
    revoke_forget(r);
    OK_SAYS(ask_about(r, "later ca"), REVOKE_REVOKED, "CN=later: revoked");
    revoke_free(&r);
    OK(web_says_file(&web, "list.pem"));
    OK_SAYS(ask_once(&c, "bad ca"), REVOKE_REVOKED, "keyCompromise");
    struct revoke_config own = {.crl = true, .timeout_ms = 60000}; /* as the certificate says */
    OK_SAYS(ask_once(&own, "pointed ca"), REVOKE_GOOD, "");
    OK_SAYS(ask_once(&own, "pointedbad ca"), REVOKE_REVOKED, web.url);
}

/* A list that has ended is fetched again by whoever asks next. */
static void refreshed(void)
{
    struct revoke_config c = by_url();
    uint64_t patience = clock_now_us() + 20 * US_PER_S;
    OK(list_make("ca", "short", "-crlsec 1") && web_says_file(&web, "short.der"));
    struct revoke *r = checker(&c);
    struct revoke_answer a = ask_about(r, "good ca");
    OK(web_says_file(&web, "goodbye.der"));
    while (a.status != REVOKE_REVOKED && clock_now_us() < patience)
        a = ask_about(r, "good ca");
    OK_SAYS(a, REVOKE_REVOKED, "CN=good: revoked");
    revoke_free(&r);
}

static void bad_servers(void)
{
    struct revoke_config c = by_url();
    web_says(&web, "not a list", 10);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "holds no revocation list");
    web_says(&web, "\x30\x84\xff\xff\xff\xff", 6);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "holds no revocation list");
    web_says(&web, "", 0);
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "answers with nothing");
    web.status = 404;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "answers with status 404");
    web.status = 200;
    web.endless = true;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "is larger than 16777216 bytes");
    web.endless = false;
    web.silent = true;
    c.timeout_ms = 100;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "Timeout was reached");
    web.silent = false;
    OK(web_says_file(&web, "stale.der"));
    c.timeout_ms = 60000;
    OK_SAYS(ask_once(&c, "good ca"), REVOKE_ERROR, "was to be renewed");
    OK(web_says_file(&web, "forged.der"));
    OK_SAYS(ask_once(&c, "bad ca"), REVOKE_ERROR, "signature");
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"files: PEM and DER", files},
        {"lists that decide nothing", lists_that_decide_nothing},
        {"what is revoked is never let in softly", never_let_in_softly},
        {"files that cannot be used", files_that_cannot_be_used},
        {"a signer that the operator names", named_signer},
        {"how much of a chain", depth},
        {"a file that changes", changed},
        {"over HTTP", over_http},
        {"a list that ends is fetched again", refreshed},
        {"servers that are bad", bad_servers},
        {"the files go", asking_end},
    };
    char points[160];
    bool made = asking_begin() && web_begin(&web);
    snprintf(points, sizeof(points), "-addext crlDistributionPoints=URI:%s", web.url);
    made = made && authority_make("ca", NULL) && authority_make("other", NULL) && authority_make("inter", "ca") &&
           certificate_make("good", "ca", 0x1001, 'V', "") && certificate_make("bad", "ca", 0x1002, 'R', "") &&
           certificate_make("later", "ca", 0x1003, '-', "") && certificate_make("deep", "inter", 0x1001, 'V', "") &&
           certificate_make("pointed", "ca", 0x1004, 'V', points) && certificate_make("pointedbad", "ca", 0x1005, 'R', points);
    /* Another authority of the same name. */
    made = made && run("mkdir twin && cd twin && cp ../ca.cnf ../ca.index ../ca.number . && openssl req -config ca.cnf -x509 "
                       "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ../twin.key -out ../twin.crt -subj /CN=ca "
                       "-addext keyUsage=cRLSign");
    made = made && run("openssl ca -config ca.cnf -gencrl -cert twin.crt -keyfile twin.key -crldays 7 -out forged.pem && "
                       "openssl crl -in forged.pem -outform DER -out forged.der");
    /* Of the certificate of the intermediate authority, whose number openssl has chosen, the number as text. */
    made = made && run("n=$(openssl x509 -in inter.crt -noout -serial | cut -d= -f2) && "
                       "printf 'R\\t401231000000Z\\t250101120000Z\\t%%s\\tunknown\\t/CN=inter\\n' $n >>ca.index");
    made = made && list_make("ca", "list", "") && list_make("other", "other", "") && list_make("inter", "deep", "") &&
           list_make("ca", "stale", "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z") &&
           list_make("ca", "early", "-crl_lastupdate 20390101000000Z -crl_nextupdate 20390201000000Z") &&
           run("cat list.pem deep.pem >both.pem && "
               "printf 'R\\t401231000000Z\\t250101120000Z\\t1003\\tunknown\\t/CN=later\\n' >>ca.index") &&
           list_make("ca", "later", "") &&
           run("sed 's/^V\\(.*\\)\\t\\t1001\\t/R\\1\\t250101120000Z\\t1001\\t/' ca.index >goodbye.index && cp ca.index keep.index &&"
               "cp goodbye.index ca.index") &&
           list_make("ca", "goodbye", "") && run("cp keep.index ca.index");
    if (!made) {
        printf("Bail out! no PKI\n");
        return 1;
    }
    int status = TAP_RUN(cases);
    web_end(&web);
    return status;
}
