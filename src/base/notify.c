/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to the manager of services. */
#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/local_socket.h"
#include "base/log.h"

#define TRIES_MAX 20 /* at 10 ms, where the manager's queue is full */

static struct local_socket manager = {.fd = -1};
static uint64_t alive_us = CLOCK_NEVER;

/* A whole number in the environment; false when there is none. */
static bool number_of(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    *out = strtoull(text, &end, 10);
    return *end == '\0';
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    uint64_t pid, period_us;
    if (path == NULL || path[0] == '\0' || local_socket_open(&manager, path) != 0)
        return;
    bool ours = !number_of("WATCHDOG_PID", &pid) || pid == (uint64_t)getpid();
    if (ours && number_of("WATCHDOG_USEC", &period_us) && period_us > 1)
        alive_us = period_us / 2;
}

void notify_close(void)
{
    local_socket_close(&manager);
    alive_us = CLOCK_NEVER;
}

__attribute__((format(printf, 1, 2))) static void notify_say(const char *format, ...)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    char text[512];
    va_list args;
    if (manager.fd < 0)
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= (int)sizeof(text))
        len = sizeof(text) - 1;
    for (unsigned i = 0; !local_socket_send(&manager, &(struct iovec){text, (size_t)len}, 1); i++) {
        if (errno != EAGAIN || i == TRIES_MAX) {
            log_debug("notify", "%m");
            return;
        }
        nanosleep(&pause, NULL);
    }
}

void notify_ready(const char *status) { notify_say("READY=1\nSTATUS=%s", status); }

/* systemd compares the time with when it has asked: CLOCK_MONOTONIC. */
void notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_say("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(void) { notify_say("STOPPING=1\nSTATUS=finishing what is in flight"); }

void notify_successor(long pid)
{
    notify_say("MAINPID=%ld", pid);
    notify_close();
}

uint64_t notify_alive_us(void) { return alive_us; }
void notify_alive(void) { notify_say("WATCHDOG=1"); }
