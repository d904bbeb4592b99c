/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every heap object starts with a magic number that is checked wherever the object comes back through a
 * pointer the compiler cannot check (a callback's context, a mail), and cleared when the object is freed.
 */
#ifndef BASE_OBJECT_H
#define BASE_OBJECT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* First member of an object. */
#define OBJECT_MAGIC uint32_t magic

/* Stops the program if `o` is not a live object of the kind `MAGIC`: always our own bug. */
#define CHECK_OBJECT(o, MAGIC) assert((o) != NULL && (o)->magic == (MAGIC))

/* A zeroed object with its magic set, or NULL without memory. */
#define ALLOC_OBJECT(o, MAGIC)                          \
    do {                                                \
        (o) = calloc(1, sizeof(*(o)));                  \
        if ((o) != NULL)                                \
            (o)->magic = (MAGIC);                       \
    } while (0)

/* Clears the magic, frees the object, and the pointer to it becomes NULL. */
#define FREE_OBJECT(o)                                  \
    do {                                                \
        (o)->magic = 0;                                 \
        free(o);                                        \
        (o) = NULL;                                     \
    } while (0)

/* Moves ownership out of *from, visibly. */
#define TAKE_OBJECT(to, from, MAGIC)                    \
    do {                                                \
        (to) = *(from);                                 \
        *(from) = NULL;                                 \
        CHECK_OBJECT(to, MAGIC);                        \
    } while (0)

/* The object that has `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
