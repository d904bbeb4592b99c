/* SPDX-License-Identifier: Apache-2.0 */
/* Direct lines: who is reached, on which worker; publishing from inside and outside of a callback. */
#include "rig.h"

/* A line of a test: notes "NAME topic=payload", with "(r)" for retained and the origin. */
struct tester {
    const char *name;
    struct broker_line *line;
    unsigned home;
    const char *reply;  /* topic to answer to from inside the callback; NULL: none */
    bool leave;         /* detach from inside the callback */
};

static void on_message(void *ctx, const char *topic, const struct slice *payload, bool retained, unsigned origin)
{
    struct tester *t = ctx;
    char text[RIG_TEXT];
    snprintf(text, sizeof(text), "%s %s=%.*s%s from %u%s", t->name, topic, (int)payload->len,
             (const char *)payload->data, retained ? "(r)" : "", origin,
             worker_index(worker_self()) == t->home ? "" : " on the wrong worker");
    rig_note(text);
    if (t->reply != NULL)
        broker_line_publish(t->line, t->reply, slice_ref(payload), false);
    if (t->leave)
        broker_detach(&t->line);
}

static void attach(struct tester *t, const char *filter, enum broker_reach reach)
{
    t->line = broker_attach(broker_shard(rig.broker, t->home), on_message, t);
    OK(t->line != NULL && broker_line_subscribe(t->line, filter, reach));
}

/* Runs something on a worker and waits for it. */
struct task {
    struct mail mail;
    void (*run)(void *arg);
    void *arg;
    const char *note;
};

static void task_run(struct worker *self, struct mail *m)
{
    (void)self;
    struct task *t = CONTAINER_OF(m, struct task, mail);
    t->run(t->arg);
    rig_note(t->note);
}

static void task_discard(struct mail *m) { (void)m; }

static void run_on(unsigned worker, void (*run)(void *), void *arg)
{
    static unsigned count;
    char note[32];
    snprintf(note, sizeof(note), "task %u.", ++count);
    struct task t = {.mail = {.deliver = task_run, .discard = task_discard}, .run = run, .arg = arg, .note = note};
    worker_post(rig.workers[worker], &t.mail);
    OK_INT(rig_wait(note, 1), worker);
}

static void test_local_first(void)
{
    struct tester zero = {.name = "zero", .home = 0}, one = {.name = "one", .home = 1};
    OK(rig_create(3, NULL, 10 * US_PER_S));
    attach(&zero, "to/+", BROKER_REACH_LOCAL_FIRST);
    attach(&one, "to/+", BROKER_REACH_LOCAL_FIRST);
    rig_run();
    for (unsigned shard = 0; shard < 2; shard++) {
        struct client c = client_connect_at(MQTT_V3_1_1, "c", shard, NULL);
        client_publish(&c, "to/x", shard == 0 ? "a" : "b", 1, false);
        client_close(&c);
    }
    OK_INT(rig_wait("zero to/x=a from 0", 1), 0);
    OK_INT(rig_wait("one to/x=b from 1", 1), 1);
    /* From the worker without a line: one of them, the same for the same topic. */
    struct client c = client_connect_at(MQTT_V3_1_1, "c", 2, NULL);
    for (unsigned i = 0; i < 20; i++)
        client_publish(&c, "to/y", "c", 1, false);
    for (unsigned i = 0; i < 20; i++) {
        char topic[16];
        snprintf(topic, sizeof(topic), "to/%u", i);
        client_publish(&c, topic, "d", 1, false);
    }
    client_publish(&c, "to/end", "e", 1, false);
    unsigned last = rig_count("zero to/end") + rig_count("one to/end");
    for (uint64_t until = clock_now_us() + RIG_WAIT_MS * US_PER_MS;
         (rig_count("zero to/y") + rig_count("one to/y") < 20 || last == 0) && clock_now_us() < until; poll(NULL, 0, 1))
        last = rig_count("zero to/end") + rig_count("one to/end");
    OK(rig_count("zero to/y") % 20 == 0 && rig_count("zero to/y") + rig_count("one to/y") == 20);
    client_close(&c);
    rig_stop();
}

static void test_everywhere(void)
{
    struct tester t[3] = {{.name = "l0", .home = 0}, {.name = "l1", .home = 1}, {.name = "l2", .home = 1}};
    OK(rig_create(2, NULL, 10 * US_PER_S));
    for (unsigned i = 0; i < 3; i++)
        attach(&t[i], "at/#", BROKER_REACH_EVERYWHERE);
    OK(broker_line_subscribe(t[0].line, "at/+", BROKER_REACH_LOCAL_FIRST)); /* told once all the same */
    OK(!broker_line_subscribe(t[0].line, "at/#/x", BROKER_REACH_EVERYWHERE));
    rig_run();
    struct client c = client_connect_at(MQTT_V3_1_1, "c", 0, NULL);
    client_publish(&c, "at/tim", "here", 1, true);
    client_publish(&c, "at/tim", "there", 0, false);
    for (unsigned i = 0; i < 3; i++) {
        char text[RIG_TEXT];
        snprintf(text, sizeof(text), "l%u at/tim=here from 0", i);
        OK_INT(rig_wait(text, 1), t[i].home);
        snprintf(text, sizeof(text), "l%u at/tim=there from 0", i);
        OK_INT(rig_wait(text, 1), t[i].home);
    }
    OK_INT(rig_count("l0 at/tim"), 2);
    client_close(&c);
    rig_stop();
}

static void attach_late(void *arg)
{
    attach(arg, "at/+", BROKER_REACH_EVERYWHERE);
    rig_note("attached");
}

static void test_retained(void)
{
    struct tester t = {.name = "late", .home = 1};
    rig_start(2);
    struct client c = client_connect_at(MQTT_V3_1_1, "c", 0, NULL);
    client_publish(&c, "at/tim", "here", 1, true);
    client_publish(&c, "at/tom", "", 1, true);
    run_on(1, attach_late, &t);
    OK_INT(rig_wait("late at/tim=here(r) from 0", 1), 1);
    OK_INT(rig_count("late"), 1);
    client_publish(&c, "at/tim", "", 1, true);
    OK_INT(rig_wait("late at/tim= from 0", 1), 1);
    client_close(&c);
    rig_stop();
}

static void publish_tree(void *arg)
{
    struct tester *t = arg;
    broker_line_publish(t->line, "to/line", slice_copy("deep", 4), false);
    rig_note("published");
}

static void publish_presence(void *arg)
{
    struct tester *t = arg;
    broker_line_publish(t->line, "at/server", slice_copy("up", 2), true);
}

static void test_publishing(void)
{
    struct tester a = {.name = "a", .home = 0, .reply = "answer"}, b = {.name = "b", .home = 0, .reply = "to/other"};
    OK(rig_create(2, NULL, 10 * US_PER_S));
    attach(&a, "to/line", BROKER_REACH_LOCAL_FIRST);
    attach(&b, "answer", BROKER_REACH_EVERYWHERE);
    rig_run();
    struct client c0 = client_connect_at(MQTT_V3_1_1, "c0", 0, NULL), c1 = client_connect_at(MQTT_V5, "c1", 1, NULL);
    client_subscribe(&c0, "#", 0);
    client_subscribe(&c1, "answer", 1);
    /* A line's message for a line comes from the loop, not from inside the call. */
    run_on(0, publish_tree, &a);
    OK_INT(rig_wait("a to/line=deep from 0", 1), 0);
    OK_INT(rig_wait("b answer=deep from 0", 1), 0);
    OK(client_gets(&c0, "to/line", "deep", 0, false));
    OK(client_gets(&c0, "answer", "deep", 0, false));
    OK(client_gets(&c0, "to/other", "deep", 0, false));
    OK(client_gets(&c1, "answer", "deep", 0, false));
    for (size_t i = 0; i < rig.event_count; i++)
        if (strcmp(rig.events[i].what, "published") == 0)
            OK(i + 1 < rig.event_count);
    client_publish(&c1, "to/line", "x", 0, false);
    OK_INT(rig_wait("a to/line=x from 1", 1), 0);
    OK(client_gets(&c1, "answer", "x", 0, false));
    run_on(0, publish_presence, &a);
    struct client late = client_connect_at(MQTT_V3_1_1, "late", 0, NULL);
    client_subscribe(&late, "at/+", 0);
    OK(client_gets(&late, "at/server", "up", 0, true));
    client_close(&c0);
    client_close(&c1);
    client_close(&late);
    rig_stop();
}

static void test_detach(void)
{
    struct tester t = {.name = "t", .home = 0, .leave = true}, stays = {.name = "stays", .home = 1};
    OK(rig_create(2, NULL, 10 * US_PER_S));
    attach(&t, "x", BROKER_REACH_LOCAL_FIRST);
    attach(&stays, "x", BROKER_REACH_LOCAL_FIRST);
    rig_run();
    struct client c = client_connect_at(MQTT_V3_1_1, "c", 0, NULL);
    client_publish(&c, "x", "1", 1, false);
    OK_INT(rig_wait("t x=1", 1), 0);
    client_publish(&c, "x", "2", 1, false);
    OK_INT(rig_wait("stays x=2 from 0", 1), 1);
    OK_INT(rig_count("t x="), 1);
    OK(t.line == NULL);
    client_close(&c);
    rig_stop();
}

static void test_bounds(void)
{
    struct tester t = {.name = "t", .home = 0};
    OK(rig_create(1, NULL, 10 * US_PER_S));
    for (unsigned i = 0; i < MQTT_LINES_PER_WORKER_MAX; i++)
        attach(&t, "x", BROKER_REACH_EVERYWHERE);
    OK(broker_attach(broker_shard(rig.broker, 0), on_message, &t) == NULL);
    rig_run();
    struct client c = client_connect(MQTT_V3_1_1, "c");
    client_publish(&c, "x", "1", 1, false);
    OK_INT(rig_wait("t x=1", MQTT_LINES_PER_WORKER_MAX), 0);
    client_close(&c);
    rig_stop();
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"the nearest line is reached", test_local_first},
        {"every line is reached", test_everywhere},
        {"retained messages for a late line", test_retained},
        {"publishing", test_publishing},
        {"detaching from inside a callback", test_detach},
        {"lines are bounded", test_bounds},
    };
    return TAP_RUN(cases);
}
