/* SPDX-License-Identifier: Apache-2.0 */
/* Client ids that are remembered. */
#include "server/known.h"

#include "tap.h"

static struct known known;

static void set(void)
{
    known_init(&known, 100);
    OK(!known_has(&known, "tim"));
    OK(known_add(&known, "tim"));
    OK(!known_add(&known, "tim"));
    OK(known_has(&known, "tim"));
    OK(!known_has(&known, "ti"));
    OK_INT(known.count, 1);
    known_done(&known);
    OK_INT(known.count, 0);
}

static void bounded(void)
{
    char id[64];

    known_init(&known, 3);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        OK(known_add(&known, id));
    }
    OK_INT(known.count, 3);
    OK(!known_has(&known, "c1"));
    OK(known_has(&known, "c2"));
    OK(known_has(&known, "c4"));
    known_done(&known);
}

static void file(void)
{
    known_init(&known, 100);
    known_read(&known, "b\na\n\n../etc\nUpper\nx--y\nlast");
    char *text = known_write(&known);
    OK_TEXT(text, "b\na\nupper\nlast\n");
    free(text);
    known_see(&known, "a", 1764158400);
    known_see(&known, "nobody", 1);
    OK(known_seen(&known, "a") == 1764158400 && known_seen(&known, "b") == 0 && known_seen(&known, "nobody") == 0);
    text = known_write(&known);
    OK_TEXT(text, "b\na 1764158400\nupper\nlast\n");
    known_done(&known);
    known_init(&known, 100);
    known_read(&known, text);
    known_read(&known, "c x\nd -5\ne 7");
    OK(known_seen(&known, "a") == 1764158400 && known_seen(&known, "c") == 0 && known_seen(&known, "d") == 0);
    OK(known_has(&known, "c") && known_seen(&known, "e") == 7);
    free(text);
    known_done(&known);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"a set of ids", set},
        {"the first is forgotten first", bounded},
        {"only names are read back, in their order", file},
    };
    return TAP_RUN(cases);
}
