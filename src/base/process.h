/* SPDX-License-Identifier: Apache-2.0 */
/* What a process gives away before it listens to strangers. Main thread, before there are others. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * No core dumps and no reading of our memory by other processes of the same user, which would show keys (prctl(2),
 * PR_SET_DUMPABLE); no privileges from programs that would be started. Debuggers of root still attach.
 */
void process_harden(void);
/* Freed memory stays with the program, up to HEAP_KEPT_MAX a heap: giving it back and taking it again costs a page fault
 * for every 4 KiB. Before threads begin. */
void process_keep_memory(void);
/* As many descriptors as the system lets us have: each connection is one. */
void process_raise_descriptor_limit(void);

struct process_user {
    uid_t uid;
    gid_t gid;
    char name[256];
};

/* "NAME" or "NAME:GROUP". NULL, or why not; *out is untouched then. */
const char *process_user_find(const char *text, struct process_user *out);
/*
 * Becomes that user for ever, with its groups; root only, others only if they are that user already. From then on only
 * ports below 1024 and reading any file are still allowed, until process_settle(). NULL, or why not.
 */
const char *process_become(const struct process_user *user);
/* The end of that for the calling thread and those that it starts; one that began before says so itself. */
const char *process_settle(void);

#endif
