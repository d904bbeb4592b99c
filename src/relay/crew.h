/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crew: the workers of a program with a hub, from their creation to their end, and work for each of them.
 *
 *     create -> start -> run ... -> end (connections are cut, goodbye is said) -> stop -> free
 *
 * Everything is called by one thread that is no worker, but for crew_run(), which any thread may call.
 */
#ifndef RELAY_CREW_H
#define RELAY_CREW_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/worker.h"
#include "peer/hub.h"

struct crew {
    struct worker **workers;
    unsigned count;
    atomic_uint cut; /* workers whose connections are cut */
};

/* A zeroed one is empty. False with errno; crew_free() frees what was made. */
bool crew_create(struct crew *c, unsigned count);
/* 0 or an errno. */
int crew_start(struct crew *c);

/* What a worker is to do; `worker` is its index. */
typedef void crew_run_fn(void *ctx, unsigned worker, void *arg);
/* Runs `run` on the worker soon; `arg` goes with it. False without memory: `discard` (NULL: nothing) has it then, as when
 * the worker stops before. */
bool crew_run(struct crew *c, unsigned worker, crew_run_fn *run, void *ctx, void *arg, void (*discard)(void *arg));
/* The same on every worker, with an `arg` that nobody owns. False without memory: not on all then. */
bool crew_run_all(struct crew *c, crew_run_fn *run, void *ctx, void *arg);

/* Cuts all connections (`cut` on every worker), ends the hub's sessions, stops the workers. Takes two seconds at most. */
void crew_end(struct crew *c, struct hub *h, crew_run_fn *cut, void *ctx);
/* Stops the workers, wherever they are. */
void crew_stop(struct crew *c);
void crew_free(struct crew *c);

/* -- the process ----------------------------------------------------------------------------------------------------- */

/* SIGTERM, SIGINT, SIGHUP and SIGUSR1 are blocked in every thread that comes later, and read from the descriptor (signalfd(2)). -1
 * with errno. SIGPIPE is ignored. */
int crew_signals_open(void);

#endif
