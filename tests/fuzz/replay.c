/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of a corpus to a fuzz target once, and reports each as a TAP line. Usage: TARGET CORPUS_DIRECTORY */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1u << 20)

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static char **list_names(const char *dir, size_t *count)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return NULL;
    char **names = NULL;
    *count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        names = realloc(names, (*count + 1) * sizeof(*names));
        names[(*count)++] = strdup(e->d_name);
    }
    closedir(d);
    if (names != NULL)
        qsort(names, *count, sizeof(*names), compare_names);
    return names;
}

/* In a block of exactly its size, so that a sanitizer sees a read behind its end. */
static int replay_file(const char *dir, const char *name, uint8_t *buffer)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    size_t len = fread(buffer, 1, INPUT_MAX, f);
    fclose(f);
    uint8_t *exact = malloc(len > 0 ? len : 1);
    memcpy(exact, buffer, len);
    int result = LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return result;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    char **names = argc == 2 ? list_names(argv[1], &count) : NULL;
    if (count == 0) {
        printf("Bail out! no corpus in %s\n", argc == 2 ? argv[1] : "(nowhere)");
        return 1;
    }
    uint8_t *buffer = malloc(INPUT_MAX);
    int failed = 0;
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        int result = replay_file(argv[1], names[i], buffer);
        failed += result != 0;
        printf("%sok %zu - %s\n", result == 0 ? "" : "not ", i + 1, names[i]);
        fflush(stdout);
        free(names[i]);
    }
    free(names);
    free(buffer);
    return failed != 0;
}
