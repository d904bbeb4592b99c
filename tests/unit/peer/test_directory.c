/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of who is there, and the routes to sessions. */
#include <string.h>

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

static enum directory_fitness fitness;

/* Who gets the next `count` streams, as one digit each. */
static const char *picks(struct directory *d, const char *service, uint64_t now_us, unsigned count)
{
    static char out[64];
    for (unsigned i = 0; i < count; i++) {
        const struct directory_instance *at = directory_pick(d, "tim", service, now_us, &fitness);
        out[i] = at == NULL ? '-' : at->text[INSTANCE_TEXT_BYTES - 1];
    }
    out[count] = '\0';
    return out;
}

static struct directory *with_instances(unsigned count)
{
    struct directory *d = directory_create(key);
    for (unsigned n = 1; n <= count; n++)
        directory_add(d, "tim", instance(n), 0);
    return d;
}

static void takes_turns(void)
{
    struct directory *d = with_instances(0);
    OK_TEXT(picks(d, NULL, 0, 1), "-");
    directory_free(&d);
    d = with_instances(3);
    OK_TEXT(picks(d, NULL, 0, 6), "123123");
    OK_INT(fitness, DIRECTORY_FIT);
    directory_avoid(d, instance(1), 100);
    directory_avoid(d, instance(2), CLOCK_NEVER);
    OK_TEXT(picks(d, NULL, 50, 3), "333");
    OK(strchr(picks(d, NULL, 100, 4), '1') != NULL);
    directory_remove(d, "tim", instance(1));
    directory_remove(d, "tim", instance(3));
    OK_TEXT(picks(d, NULL, 100, 2), "22"); /* better than none */
    OK_INT(fitness, DIRECTORY_SILENT);
    directory_add(d, "tim", instance(3), 0);
    directory_add(d, "tim", instance(2), 0); /* said again: to be trusted again */
    const char *both = picks(d, NULL, 100, 4);
    OK(strchr(both, '2') != NULL && strchr(both, '3') != NULL);
    directory_free(&d);
}

static void weighs(void)
{
    struct directory *d = with_instances(3);
    unsigned counts[4] = {0};
    directory_weigh(d, instance(1), 5);
    OK_TEXT(picks(d, NULL, 0, 7), "1121311"); /* spread, not in a row */
    directory_weigh(d, instance(2), 3);
    for (unsigned i = 0; i < 9000; i++)
        counts[picks(d, NULL, 0, 1)[0] - '0']++;
    OK_INT(counts[1], 5000);
    OK_INT(counts[2], 3000);
    OK_INT(counts[3], 1000);
    directory_weigh(d, instance(1), 0);
    directory_weigh(d, instance(2), 0);
    OK_TEXT(picks(d, NULL, 0, 3), "333");
    directory_remove(d, "tim", instance(3));
    const char *spare = picks(d, NULL, 0, 4);
    OK(strchr(spare, '1') != NULL && strchr(spare, '2') != NULL);
    OK_INT(fitness, DIRECTORY_SPARE);
    directory_weigh(d, instance(1), 4000000000u);
    directory_free(&d);
}

/* Each worse state is chosen only when nobody is in a better one. */
static void leaves_out(void)
{
    struct directory *d = with_instances(4);
    directory_leave(d, instance(1));
    directory_add(d, "tim", instance(1), 0); /* saying it again does not bring it back */
    directory_avoid(d, instance(2), 100);
    directory_refuse(d, instance(3), "web", 100);
    OK_TEXT(picks(d, "web", 50, 3), "444");
    OK(strchr(picks(d, "ssh", 50, 4), '3') != NULL);
    OK(strchr(picks(d, NULL, 50, 4), '3') != NULL);
    directory_remove(d, "tim", instance(4));
    OK_TEXT(picks(d, "web", 50, 1), "3");
    OK_INT(fitness, DIRECTORY_REFUSES);
    directory_remove(d, "tim", instance(3));
    OK_TEXT(picks(d, "web", 50, 1), "2");
    OK_INT(fitness, DIRECTORY_SILENT);
    directory_remove(d, "tim", instance(2));
    OK_TEXT(picks(d, "web", 50, 1), "1");
    OK_INT(fitness, DIRECTORY_LEAVING);
    directory_free(&d);
}

static void remembers_refusals(void)
{
    struct directory *d = with_instances(2);
    directory_refuse(d, instance(1), "web", 100);
    OK_TEXT(picks(d, "web", 99, 2), "22");
    OK(strchr(picks(d, "web", 100, 4), '1') != NULL); /* tried again */
    directory_refuse(d, instance(1), "web", 200);
    directory_refuse(d, instance(1), "web", 300);
    OK_TEXT(picks(d, "web", 250, 2), "22");
    struct offering *o = offering_create(NULL, 0);
    directory_offering(d, instance(1), o);
    offering_unref(o);
    OK(strchr(picks(d, "web", 250, 4), '1') != NULL);
    for (unsigned n = 0; n < 10 * REFUSALS_PER_INSTANCE_MAX; n++) { /* visitors choose the names */
        char service[16];
        snprintf(service, sizeof(service), "s%u", n);
        directory_refuse(d, instance(1), service, 1000);
    }
    OK(strchr(picks(d, "s0", 500, 4), '1') != NULL);
    OK_TEXT(picks(d, "s159", 500, 2), "22");
    directory_refuse(d, instance(9), "web", 1000);
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

static bool is_large(void *ctx, const struct offering *o)
{
    ++*(unsigned *)ctx;
    return o->count == 2;
}

/* What some instance offers. */
static void offers(void)
{
    static const struct service_entry list[] = {{STREAM_KIND_TCP, "a", NULL, 0}, {STREAM_KIND_TCP, "b", NULL, 0}};
    struct offering *small = offering_create(list, 1), *large = offering_create(list, 2);
    struct directory *d = directory_create(key);
    unsigned asked = 0;
    directory_add(d, "tim", instance(1), 0);
    directory_add(d, "tim", instance(2), 0);
    directory_add(d, "tim", instance(3), 0);
    directory_add(d, "tom", instance(4), 0);
    directory_offering(d, instance(1), small);
    directory_offering(d, instance(4), large);
    OK(!directory_offers(d, "tim", is_large, &asked) && !directory_offers(d, "sam", is_large, &asked));
    OK_INT(asked, 1);
    directory_offering(d, instance(3), large);
    OK(directory_offers(d, "tim", is_large, &asked) && directory_offers(d, "tom", is_large, &asked));
    directory_remove(d, "tom", instance(4));
    OK(!directory_offers(d, "tom", is_large, &asked));
    directory_free(&d);
    offering_unref(small);
    offering_unref(large);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"instances come and go", comes_and_goes},
        {"an instance belongs to one id", belongs_to_one_id},
        {"instances take turns", takes_turns},
        {"shares by weight", weighs},
        {"who is left out", leaves_out},
        {"refusals", remembers_refusals},
        {"what an id offers", offers},
        {"doubt", doubts},
        {"bounds", is_bounded},
        {"routes", routes},
    };
    return TAP_RUN(cases);
}
