/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that the inspector looks at: however its bytes are cut, the records are the same, and whatever is shown of them
 * can be made. The first byte says how large the pieces are; then parts of the conversation: one byte for the way ('.': the
 * service has finished; odd: to the service) and one for the length.
 */
#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/capture.h"
#include "inspect/resend.h"
#include "inspect/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exact blocks, so that no byte beside them is read in silence. */
static void piece_pass(struct capture *c, bool to, const uint8_t *at, size_t len)
{
    uint8_t *copy = malloc(len);
    memcpy(copy, at, len);
    if (to)
        capture_request(c, copy, len);
    else
        capture_response(c, copy, len);
    free(copy);
}

static struct book *play(const uint8_t *data, size_t size, size_t step, const struct book_limits *limits)
{
    struct book *b = book_create(limits);
    struct capture *c = capture_create(b, "service", "visitor");
    while (size >= 2) {
        bool finished = data[0] == '.', to = data[0] & 1;
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        if (finished)
            capture_finished(c);
        for (size_t at = 0, n; at < len; at += n) {
            n = len - at < step ? len - at : step;
            piece_pass(c, to, data + 2 + at, n);
        }
        data += 2 + len;
        size -= 2 + len;
    }
    capture_end(&c, "cut");
    assert(b->bytes <= limits->bytes && b->count <= limits->records);
    return b;
}

static void same_message(const struct record_message *a, const struct record_message *b)
{
    assert(a->head_len == b->head_len && (a->head_len == 0 || memcmp(a->head, b->head, a->head_len) == 0));
    assert(a->body_bytes == b->body_bytes && a->body_len == b->body_len && a->whole == b->whole);
    assert(a->body_len == 0 || memcmp(a->body, b->body, a->body_len) == 0);
}

static void same_record(const struct record *a, const struct record *b)
{
    assert(a->state == b->state && a->status == b->status && strcmp(a->why, b->why) == 0);
    assert(a->state != RECORD_OPEN && a->websocket == b->websocket);
    assert(a->frames_seen == b->frames_seen && a->frames_kept == b->frames_kept);
    same_message(&a->request, &b->request);
    same_message(&a->response, &b->response);
}

static void show_all(const struct record *r)
{
    const struct show how = {.reveal = true};
    const struct request_edit as_it_was = {0};
    struct text t;
    void (*const json[])(struct text *, const struct record *, const struct show *) = {show_summary, show_record, show_har_entry};
    text_init(&t, 64 * MIB);
    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++) {
        json[i](&t, r, &how);
        assert(!t.failed);
        cJSON *parsed = cJSON_Parse(t.at);
        assert(parsed != NULL);
        cJSON_Delete(parsed);
        text_done(&t);
    }
    show_curl(&t, r, &how);
    assert(!t.failed);
    text_done(&t);
    const char *why = resend_write(&t, r, &as_it_was);
    assert(why != NULL || t.len > 0);
    text_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct book_limits wide = {1000, 64 * MIB}, tight = {3, 2 * KIB};
    if (size == 0)
        return 0;
    struct book *whole = play(data + 1, size - 1, size, &wide), *cut = play(data + 1, size - 1, data[0] % 64 + 1u, &wide);
    assert(whole->count == cut->count);
    for (struct list *a = whole->by_number.next, *b = cut->by_number.next; a != &whole->by_number; a = a->next, b = b->next) {
        struct record *r = CONTAINER_OF(a, struct record, by_number);
        same_record(r, CONTAINER_OF(b, struct record, by_number));
        show_all(r);
    }
    book_free(&whole);
    book_free(&cut);
    cut = play(data + 1, size - 1, 5, &tight);
    book_free(&cut);
    return 0;
}
