/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger says to a seal: nothing of it reaches the user, whatever it is and however it is cut. Input: one byte
 * that says which end hears it (lowest bit), what that end believes (two bits) and how large the pieces are, then bytes.
 */
#include <assert.h>
#include <stdlib.h>

#include "seal/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For this test only. */
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MC4CAQAwBQYDK2VwBCIEIAu0n3pDWk7j377fGyi+Manbzc0UsLWLwSHqLdMkMaru\n"
                          "-----END PRIVATE KEY-----\n"
                          "-----BEGIN CERTIFICATE-----\n"
                          "MIHfMIGSoAMCAQICCGWmwE8HzlGjMAUGAytlcDAVMRMwEQYDVQQDDAptZG0tdHVu\n"
                          "bmVsMCAXDTAwMDEwMTAwMDAwMFoYDzk5OTkxMjMxMjM1OTU5WjAVMRMwEQYDVQQD\n"
                          "DAptZG0tdHVubmVsMCowBQYDK2VwAyEA5HDSzfTNaaczNZYEI3orB9dhMn0qEWlm\n"
                          "EXOAO+c1hK4wBQYDK2VwA0EAbeThf5xSGmAL6AxhgYe/eG/9RIJdGdCOpnNRd1g1\n"
                          "9EYqsiFV16JhjtIblmlvkFnyPsEf4/1qTrkpvLf3kkaSDw==\n"
                          "-----END CERTIFICATE-----\n";

static size_t on_pull(void *ctx, uint8_t *dst, size_t max)
{
    (void)ctx, (void)dst, (void)max;
    abort();
}

static const struct error *on_push(void *ctx, const struct slice *bytes)
{
    (void)ctx, (void)bytes;
    abort();
}

static const struct error *on_proven(void *ctx, const struct seal_peer *peer)
{
    (void)ctx, (void)peer;
    abort();
}

static void on_wake(void *ctx) { (void)ctx; }

static const struct seal_events events = {.pull = on_pull, .push = on_push, .proven = on_proven, .wake = on_wake};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seal_context *context[3];
    uint8_t out[2048];
    static const struct psk psk = {.name = "tim", .pattern = "tim", .len = 16, .bytes = "0123456789abcdef"};
    if (context[0] == NULL) {
        const char *none;
        context[0] = seal_context_create(&(struct seal_config){.pem = pem}, &none);
        context[1] = seal_context_create(&(struct seal_config){.pem = pem, .psks = &psk, .psk_count = 1}, &none);
        context[2] = seal_context_create(&(struct seal_config){.pem = pem, .authorities = pem}, &none);
    }
    if (size == 0)
        return 0;
    bool initiator = data[0] & 1;
    size_t step = (size_t)(data[0] >> 3) * 32 + 1;
    struct seal *s = seal_create(context[(data[0] >> 1 & 3) % 3], initiator, "mdm/1/a/b/tim", "tim", &events, NULL);
    size_t said = seal_pull(s, out, sizeof(out));
    assert((said > 0) == initiator);
    const struct error *why = NULL;
    for (size_t at = 1; at < size && why == NULL; at += step) {
        const struct slice bytes = slice_static(data + at, size - at < step ? size - at : step);
        why = seal_push(s, &bytes);
        assert(why == seal_failed(s));
        seal_pull(s, out, sizeof(out));
    }
    assert(!seal_established(s));
    seal_free(&s);
    return 0;
}
