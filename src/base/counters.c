/* SPDX-License-Identifier: Apache-2.0 */
/* The sets of all workers and their sum. */
#include "base/counters.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list sets = {&sets, &sets}; /* under the lock */
static uint64_t ended[COUNTER_MAX];       /* under the lock: totals of workers that have left */

static _Thread_local struct counters *own;
static _Thread_local struct counters foreign;

static const struct {
    const char *name, *kind, *text;
    enum counter_owner owner;
} rows[] = {
#define COUNTER(id, kind, owner, text) {#id, #kind, text, COUNTER_OF_##owner},
#include "mdm-tunnel/tbl/counters.h"
#undef COUNTER
};

void counters_join(struct counters *c)
{
    pthread_mutex_lock(&lock);
    list_append(&sets, &c->node);
    pthread_mutex_unlock(&lock);
    own = c;
}

void counters_leave(struct counters *c)
{
    pthread_mutex_lock(&lock);
    list_remove(&c->node);
    for (unsigned i = 0; i < COUNTER_MAX; i++)
        ended[i] += counter_get(c, i);
    pthread_mutex_unlock(&lock);
    own = NULL;
}

struct counters *counters_self(void)
{
    return own != NULL ? own : &foreign;
}

uint64_t counters_sum(enum counter id)
{
    pthread_mutex_lock(&lock);
    uint64_t sum = ended[id];
    LIST_FOREACH (node, &sets)
        sum += counter_get(CONTAINER_OF(node, const struct counters, node), id);
    pthread_mutex_unlock(&lock);
    return sum;
}

const char *counter_name(enum counter id)
{
    return rows[id].name;
}
const char *counter_text(enum counter id)
{
    return rows[id].text;
}
enum counter_owner counter_owner(enum counter id)
{
    return rows[id].owner;
}
bool counter_is_total(enum counter id)
{
    return strcmp(rows[id].kind, "total") == 0;
}
