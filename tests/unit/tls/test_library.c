/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL is there until the process is gone: what is to be done when it is taken down is not done. */
#include "tls/library.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define TAKEN_DOWN 7

static void taken_down(void) { _exit(TAKEN_DOWN); }

/* The exit status of a process that uses OpenSSL; here nothing has used it yet. */
static int end_of_process(bool keep)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (keep)
            tls_library_keep();
        EVP_MD_CTX_free(EVP_MD_CTX_new());
        OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
        exit(OPENSSL_atexit(taken_down) == 1 ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_kept(void) { OK_INT(end_of_process(true), 0); }

static void test_not_kept(void) { OK_INT(end_of_process(false), TAKEN_DOWN); }

int main(void)
{
    static const struct tap_case cases[] = {
        {"it is kept", test_kept},
        {"without a word it is taken down: the check above can fail", test_not_kept},
    };
    return TAP_RUN(cases);
}
