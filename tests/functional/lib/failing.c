/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator for LD_PRELOAD that fails once: FAIL_AT=N, the N-th allocation that the program itself asks for (libraries'
 * are not counted: how those take it is theirs). FAIL_COUNT=FILE: how many there were, written at the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uintptr_t program_begin, program_end;
static atomic_ulong count;
static unsigned long fail_at;
static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t), *(*real_realloc)(void *, size_t);
/* What dlsym() itself asks for before the real functions are known. */
static char early[4096];
static size_t early_used;

static int on_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size, (void)ctx;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
            continue;
        program_begin = info->dlpi_addr + p->p_vaddr;
        program_end = program_begin + p->p_memsz;
    }
    return 1; /* the first is the program */
}

static void init(void)
{
    static int begun;
    if (begun++)
        return;
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    const char *at = getenv("FAIL_AT");
    fail_at = at != NULL ? strtoul(at, NULL, 10) : 0;
    dl_iterate_phdr(on_object, NULL);
}

__attribute__((constructor)) static void begin(void) { init(); }

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *f = path != NULL ? fopen(path, "w") : NULL;
    if (f == NULL)
        return;
    fprintf(f, "%lu\n", atomic_load(&count));
    fclose(f);
}

static int fails(const void *caller)
{
    uintptr_t from = (uintptr_t)caller;
    if (from < program_begin || from >= program_end || atomic_fetch_add(&count, 1) + 1 != fail_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

static void *early_take(size_t size)
{
    void *p = early + early_used;
    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof(early) ? p : NULL;
}

void *malloc(size_t size)
{
    init();
    if (real_malloc == NULL)
        return early_take(size);
    return fails(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    init();
    if (real_calloc == NULL)
        return early_take(n * size);
    return fails(__builtin_return_address(0)) ? NULL : real_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    init();
    return fails(__builtin_return_address(0)) ? NULL : real_realloc(old, size);
}

char *strndup(const char *text, size_t max)
{
    size_t len = strnlen(text, max);
    init();
    char *copy = fails(__builtin_return_address(0)) ? NULL : real_malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    init();
    char *copy = fails(__builtin_return_address(0)) ? NULL : real_malloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}
