/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that cannot be had: looking ends, or keeps less; nothing is lost and nothing is touched that is gone. */
#include "inspect/show.h"

#include "failing.h"
#include "tap.h"
#include "talk.h"

static const struct talk talk[] = {
    {'>', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 0},
    {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n", 0},
    {'>', "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0},
    {'<', "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello", 0},
    {'>', "\x81\x83" "abcd" "\x09\x0b\x06", 9},
    {'.', "", 0},
};

static bool show_all(struct book *b)
{
    const struct show how = {.reveal = true};
    struct text t;
    text_init(&t, MIB);
    LIST_FOREACH (node, &b->by_number) {
        const struct record *r = CONTAINER_OF(node, struct record, by_number);
        show_record(&t, r, &how);
        show_har_entry(&t, r, &how);
        show_curl(&t, r, &how);
    }
    bool shown = !t.failed;
    text_done(&t);
    return shown;
}

static bool look(void)
{
    struct book *b = book_create(&(struct book_limits){10, MIB});
    struct capture *c = b != NULL ? capture_create(b, "s", "v") : NULL;
    for (size_t i = 0; c != NULL && i < sizeof(talk) / sizeof(talk[0]); i++) {
        size_t len = talk[i].len > 0 ? talk[i].len : strlen(talk[i].bytes);
        if (talk[i].way == '.')
            capture_finished(c);
        else if (talk[i].way == '>')
            capture_request(c, talk[i].bytes, len);
        else
            capture_response(c, talk[i].bytes, len);
    }
    bool whole = c != NULL;
    capture_end(&c, "over");
    whole = whole && b->count == 2 && talk_record(b, 1)->response.body_len == 3 && talk_record(b, 2)->frames_kept == 2;
    if (b != NULL)
        whole = show_all(b) && whole;
    book_free(&b);
    return whole;
}

static void test_look(void)
{
    bool whole;
    unsigned long places = failing_each(look, &whole);
    OK(whole);
    OK(places > 15);
    printf("# %lu allocations\n", places);
}

static const struct tap_case cases[] = {{"each allocation of a capture", test_look}};

int main(void) { return TAP_RUN(cases); }
