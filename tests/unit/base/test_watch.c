/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a file: every way to change one is seen, and other files are not. */
#include "base/watch.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

/*
 * The worker is never started: the test turns its loop by hand, so that nothing races. Longer than any test needs; a
 * test waits for it only when it fails.
 */
#define PATIENCE_S 20

static char root[] = "/tmp/mdm-watch-XXXXXX";
static struct worker *worker;
static struct watch *watch;
static unsigned changes;

static const char *in_root(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    int fd = open(in_root(name), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

static void changed(void *ctx)
{
    changes++;
    event_base_loopbreak(worker_events(ctx));
}

static void time_out(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

/* Whether a change is reported within `s` seconds and `us` microseconds. */
static bool seen_within(long s, long us)
{
    unsigned before = changes;
    struct event_base *base = worker_events(worker);
    struct event *patience = event_new(base, -1, 0, time_out, base);
    struct timeval limit = {s, us};
    event_add(patience, &limit);
    event_base_dispatch(base);
    event_free(patience);
    return changes == before + 1;
}

static bool is_seen(void)
{
    return seen_within(PATIENCE_S, 0);
}

static void watch_start(const char *name)
{
    watch = watch_create(worker, in_root(name), changed, worker);
    OK(watch != NULL);
}

static void writes_are_seen(void)
{
    put("f", "1");
    watch_start("f");
    put("f", "2");
    OK(is_seen());
    put("f", "3");
    put("f", "4");
    OK(is_seen());
    watch_free(&watch);
    OK(watch == NULL);
    watch_free(&watch);
}

static void replacement_by_rename_is_seen(void)
{
    put("f", "1");
    watch_start("f");
    put("f.new", "2");
    OK(rename(in_root("f.new"), in_root("f")) == 0);
    OK(is_seen());
    put("f", "3");
    OK(is_seen());
    watch_free(&watch);
}

static void coming_and_going_is_seen(void)
{
    watch_start("late");
    put("late", "1");
    OK(is_seen());
    unlink(in_root("late"));
    OK(is_seen());
    put("late", "2");
    OK(is_seen());
    watch_free(&watch);
}

static void other_files_are_not_seen(void)
{
    put("f", "1");
    watch_start("f");
    put("g", "1");
    OK(!seen_within(0, 300000));
    put("f", "2");
    OK(is_seen());
    watch_free(&watch);
}

static void the_end_of_a_link_is_watched(void)
{
    mkdir(in_root("a"), 0700);
    mkdir(in_root("b"), 0700);
    put("a/real", "1");
    put("b/real", "2");
    OK(symlink("a/real", in_root("link")) == 0);
    watch_start("link");
    put("a/real", "11");
    OK(is_seen());
    OK(symlink("b/real", in_root("link.new")) == 0);
    OK(rename(in_root("link.new"), in_root("link")) == 0);
    OK(is_seen());
    put("b/real", "22");
    OK(is_seen());
    put("a/real", "111");
    OK(!seen_within(0, 300000));
    watch_free(&watch);
}

static void a_missing_directory_is_waited_for(void)
{
    watch_start("later/f");
    mkdir(in_root("later"), 0700);
    put("later/f", "1");
    OK(is_seen());
    put("later/f", "2");
    OK(is_seen());
    unlink(in_root("later/f"));
    rmdir(in_root("later"));
    OK(is_seen());
    mkdir(in_root("later"), 0700);
    put("later/f", "3");
    OK(is_seen());
    watch_free(&watch);
}

static void changed_and_freed(void *ctx)
{
    watch_free(&watch);
    changed(ctx);
}

static void the_callback_may_free(void)
{
    put("f", "1");
    watch = watch_create(worker, in_root("f"), changed_and_freed, worker);
    put("f", "2");
    OK(is_seen());
    OK(watch == NULL);
    put("f", "3");
    OK(!seen_within(0, 300000));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"writes are seen", writes_are_seen},
        {"replacement by rename is seen", replacement_by_rename_is_seen},
        {"coming and going is seen", coming_and_going_is_seen},
        {"other files are not seen", other_files_are_not_seen},
        {"the end of a link is watched", the_end_of_a_link_is_watched},
        {"a missing directory is waited for", a_missing_directory_is_waited_for},
        {"the callback may free", the_callback_may_free},
    };
    worker = worker_create("test", 0);
    if (worker == NULL || mkdtemp(root) == NULL)
        return 1;
    int result = TAP_RUN(cases);
    worker_free(&worker);
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command) == 0 ? result : 1;
}
