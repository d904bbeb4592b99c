/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of who is there, and the routes to sessions. */
#include "base/clock.h"
#include "peer/directory.h"
#include "peer/routes.h"
#include "tap.h"

static const uint64_t key[2] = {1, 2};

static const char *instance(unsigned n)
{
    static char text[4][INSTANCE_TEXT_BYTES + 1];
    static unsigned turn;
    char *out = text[turn++ % 4];
    snprintf(out, sizeof(text[0]), "%032x", n);
    return out;
}

static void comes_and_goes(void)
{
    struct directory *d = directory_create(key);
    OK(d != NULL);
    OK_INT(directory_presence(d, "tim"), DIRECTORY_UNKNOWN);
    OK_INT(directory_add(d, "tim", instance(1), 0), DIRECTORY_CAME_FIRST);
    OK_INT(directory_add(d, "tim", instance(1), 3), DIRECTORY_SAME);
    OK_INT(directory_find(d, instance(1))->origin, 3);
    OK_TEXT(directory_find(d, instance(1))->id, "tim");
    OK_INT(directory_add(d, "tim", instance(2), 0), DIRECTORY_CAME);
    OK_INT(directory_presence(d, "tim"), DIRECTORY_PRESENT);
    OK_INT(directory_id_count(d), 1);
    OK_INT(directory_remove(d, "tim", instance(1)), DIRECTORY_WENT);
    OK_INT(directory_remove(d, "tim", instance(1)), DIRECTORY_SAME);
    OK_INT(directory_remove(d, "tim", instance(2)), DIRECTORY_WENT_LAST);
    OK_INT(directory_presence(d, "tim"), DIRECTORY_OFFLINE);
    OK_INT(directory_id_count(d), 0);
    OK(directory_find(d, instance(2)) == NULL);
    OK_INT(directory_add(d, "tim", instance(2), 0), DIRECTORY_CAME_FIRST);
    directory_free(&d);
    OK(d == NULL);
    directory_free(&d);
}

static void belongs_to_one_id(void)
{
    struct directory *d = directory_create(key);
    directory_add(d, "tim", instance(1), 0);
    OK_INT(directory_add(d, "eve", instance(1), 0), DIRECTORY_REFUSED);
    OK_INT(directory_remove(d, "eve", instance(1)), DIRECTORY_SAME);
    OK_INT(directory_presence(d, "eve"), DIRECTORY_UNKNOWN);
    OK_INT(directory_add(d, "eve", "short", 0), DIRECTORY_REFUSED);
    OK_INT(directory_presence(d, "eve"), DIRECTORY_UNKNOWN);
    OK_INT(directory_presence(d, "tim"), DIRECTORY_PRESENT);
    directory_free(&d);
}

static void takes_turns(void)
{
    struct directory *d = directory_create(key);
    OK(directory_pick(d, "tim", 0) == NULL);
    for (unsigned n = 1; n <= 3; n++)
        directory_add(d, "tim", instance(n), 0);
    for (unsigned n = 1; n <= 3; n++)
        OK_TEXT(directory_pick(d, "tim", 0)->text, instance(n));
    directory_avoid(d, instance(1), 100);
    directory_avoid(d, instance(2), CLOCK_NEVER);
    OK_TEXT(directory_pick(d, "tim", 50)->text, instance(3));
    OK_TEXT(directory_pick(d, "tim", 50)->text, instance(3));
    OK_TEXT(directory_pick(d, "tim", 100)->text, instance(1));
    directory_remove(d, "tim", instance(1));
    directory_remove(d, "tim", instance(3));
    OK_TEXT(directory_pick(d, "tim", 100)->text, instance(2)); /* better than none */
    directory_add(d, "tim", instance(3), 0);
    directory_add(d, "tim", instance(2), 0); /* said again: to be trusted again */
    const char *first = directory_pick(d, "tim", 100)->text;
    OK(first != directory_pick(d, "tim", 100)->text);
    directory_free(&d);
}

static void doubts(void)
{
    struct directory *d = directory_create(key);
    for (unsigned n = 1; n <= 3; n++)
        directory_add(d, n == 1 ? "tim" : "eve", instance(n), 0);
    OK(directory_doubtful(d) == NULL);
    directory_doubt(d);
    directory_doubt(d);
    directory_add(d, "eve", instance(2), 0);
    directory_remove(d, "tim", instance(1));
    OK_TEXT(directory_doubtful(d)->text, instance(3));
    OK_INT(directory_remove(d, "eve", instance(3)), DIRECTORY_WENT);
    OK(directory_doubtful(d) == NULL);
    directory_free(&d);
}

static void is_bounded(void)
{
    struct directory *d = directory_create(key);
    char id[NAME_MAX_BYTES + 1];
    for (unsigned n = 0; n < INSTANCES_PER_ID_MAX; n++)
        directory_add(d, "tim", instance(n), 0);
    OK_INT(directory_add(d, "tim", instance(INSTANCES_PER_ID_MAX), 0), DIRECTORY_REFUSED);
    for (unsigned n = 0; n < IDS_SEEN_MAX + 10; n++) {
        snprintf(id, sizeof(id), "id-%u", n);
        directory_add(d, id, instance(1000 + n), 0);
        directory_remove(d, id, instance(1000 + n));
    }
    OK_INT(directory_presence(d, "id-9"), DIRECTORY_UNKNOWN);
    OK_INT(directory_presence(d, "id-10"), DIRECTORY_OFFLINE);
    OK_INT(directory_presence(d, "tim"), DIRECTORY_PRESENT);
    unsigned n = 0;
    for (enum directory_change c = DIRECTORY_CAME_FIRST; c == DIRECTORY_CAME_FIRST; n++) {
        snprintf(id, sizeof(id), "n-%u", n);
        c = directory_add(d, id, instance(1000000 + n), 0);
    }
    OK_INT(n - 1, INSTANCES_MAX - INSTANCES_PER_ID_MAX);
    directory_free(&d);
}

static void routes(void)
{
    struct peer_session *ps = (struct peer_session *)&ps, *here[ROUTES_HERE_MAX];
    struct routes r;
    OK(routes_init(&r, key));
    OK(routes_of(&r, instance(1)) == NULL);
    OK(routes_add(&r, instance(1), 7, 0, NULL));
    OK(routes_add(&r, instance(1), 8, 1, ps));
    OK(routes_add(&r, instance(1), 8, 2, NULL));
    OK(routes_add(&r, instance(2), 7, 3, NULL));
    OK_INT(routes_count(&r, instance(1)), 2);
    OK_INT(routes_find(&r, instance(1), 8)->owner, 1);
    OK(routes_find(&r, instance(1), 9) == NULL);
    OK(routes_find(&r, instance(3), 7) == NULL);
    OK_INT(CONTAINER_OF(routes_of(&r, instance(1))->next, struct route, node)->session, 7);
    OK_INT(routes_here(&r, instance(1), here), 1);
    OK(here[0] == ps);
    routes_remove(&r, instance(1), 7);
    routes_remove(&r, instance(1), 7);
    OK_INT(routes_count(&r, instance(1)), 1);
    routes_remove(&r, instance(1), 8);
    OK(routes_of(&r, instance(1)) == NULL);
    OK_INT(routes_count(&r, instance(2)), 1);
    routes_done(&r);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"instances come and go", comes_and_goes},
        {"an instance belongs to one id", belongs_to_one_id},
        {"instances take turns", takes_turns},
        {"doubt", doubts},
        {"bounds", is_bounded},
        {"routes", routes},
    };
    return TAP_RUN(cases);
}
