/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory. */
#include "config/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/mdm-state-XXXXXX";
static struct config_error error;

static const char *in_root(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 0777 : 0;
}

static bool reads(struct state *s, const char *name, const char *want)
{
    char *text = state_read(s, name);
    bool same = text != NULL && strcmp(text, want) == 0;
    free(text);
    return same;
}

static void directories_are_made(void)
{
    struct state *s = NULL;
    umask(0);
    OK_INT(state_open(in_root("a/b/c"), &s, &error), 0);
    OK_INT(mode_of(in_root("a/b/c")), 0700);
    OK_INT(mode_of(in_root("a")), 0700);
    state_free(&s);
    OK(s == NULL);
    state_free(&s);
    OK_INT(state_open(in_root("a/b/c"), &s, &error), 0);
    state_free(&s);
}

static void the_default_comes_from_the_environment(void)
{
    struct state *s = NULL;
    char services[256];
    snprintf(services, sizeof(services), "%s/service:/other", root);
    setenv("STATE_DIRECTORY", services, 1);
    OK_INT(state_open(NULL, &s, &error), 0);
    state_free(&s);
    OK_INT(mode_of(in_root("service")), 0700);
    unsetenv("STATE_DIRECTORY");
    setenv("XDG_STATE_HOME", root, 1);
    OK_INT(state_open(NULL, &s, &error), 0);
    state_free(&s);
    OK_INT(mode_of(in_root("mdm-tunnel")), 0700);
}

static void unsafe_directories_are_refused(void)
{
    struct state *s = NULL;
    mkdir(in_root("open"), 0777);
    chmod(in_root("open"), 0777);
    OK_INT(state_open(in_root("open"), &s, &error), -1);
    OK(s == NULL);
    OK(strstr(error.text, "everybody can write") != NULL);
    close(open(in_root("file"), O_CREAT | O_WRONLY, 0600));
    OK_INT(state_open(in_root("file"), &s, &error), -1);
    OK(strstr(error.text, "Not a directory") != NULL);
    OK_INT(state_open(in_root("file/below"), &s, &error), -1);
    OK_INT(state_open("", &s, &error), -1);
}

static unsigned files_in(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void files_are_replaced(void)
{
    struct state *s = NULL;
    OK_INT(state_open(in_root("files"), &s, &error), 0);
    errno = 0;
    OK(state_read(s, "id") == NULL);
    OK_INT(errno, ENOENT);
    OK_INT(state_write(s, "id", "first\n", &error), 0);
    OK(reads(s, "id", "first\n"));
    OK_INT(state_write(s, "id", "second", &error), 0);
    OK(reads(s, "id", "second"));
    OK_INT(state_write(s, "id", "", &error), 0);
    OK(reads(s, "id", ""));
    OK_INT(mode_of(in_root("files/id")), 0600);
    OK_INT(files_in(in_root("files")), 1);
    state_free(&s);
}

static void what_is_no_file_of_ours(void)
{
    struct state *s = NULL;
    OK_INT(state_open(in_root("odd"), &s, &error), 0);
    static const char *const names[] = {"", ".", "..", ".hidden", "a/b", "../x"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        OK(state_read(s, names[i]) == NULL);
        OK_INT(state_write(s, names[i], "x", &error), -1);
    }
    OK(symlink("/etc/passwd", in_root("odd/link")) == 0);
    OK(state_read(s, "link") == NULL);
    OK_INT(state_write(s, "link", "replaces the link", &error), 0);
    OK(reads(s, "link", "replaces the link"));
    mkdir(in_root("odd/directory"), 0700);
    OK(state_read(s, "directory") == NULL);
    OK_INT(state_write(s, "directory", "x", &error), -1);
    OK(strstr(error.text, "/odd/directory: ") != NULL);
    OK(mkfifo(in_root("odd/fifo"), 0600) == 0);
    OK(state_read(s, "fifo") == NULL);
    int fd = open(in_root("odd/nul"), O_CREAT | O_WRONLY, 0600);
    OK(write(fd, "a\0b", 3) == 3);
    OK(ftruncate(fd, CONFIG_FILE_MAX + 1) == 0);
    OK(state_read(s, "nul") == NULL);
    OK_INT(errno, EFBIG);
    OK(ftruncate(fd, 3) == 0);
    OK(state_read(s, "nul") == NULL);
    OK_INT(errno, EINVAL);
    close(fd);
    OK_INT(files_in(in_root("odd")), 4);
    state_free(&s);
}

static void instances_are_random(void)
{
    char a[INSTANCE_TEXT_BYTES + 1], b[INSTANCE_TEXT_BYTES + 1];
    OK_INT(instance_create(a), 0);
    OK_INT(instance_create(b), 0);
    OK_INT(strlen(a), INSTANCE_TEXT_BYTES);
    OK_INT(strspn(a, "0123456789abcdef"), INSTANCE_TEXT_BYTES);
    OK(strcmp(a, b) != 0);
}

static void a_place_is_taken_by_one_process_after_another(void)
{
    struct config_error err;
    struct state *s[3];
    char first[INSTANCE_TEXT_BYTES + 1], second[INSTANCE_TEXT_BYTES + 1], third[INSTANCE_TEXT_BYTES + 1];
    for (int i = 0; i < 3; i++)
        OK_INT(state_open(in_root("places"), &s[i], &err), 0);
    OK_INT(instance_claim(s[0], first), 0);
    OK_INT(instance_claim(s[1], second), 0);
    OK_INT(strspn(first, "0123456789abcdef"), INSTANCE_TEXT_BYTES);
    OK(memcmp(first, second, INSTANCE_PLACE_BYTES) != 0); /* both run: two places */
    state_free(&s[0]);
    OK_INT(instance_claim(s[2], third), 0);
    OK(memcmp(first, third, INSTANCE_PLACE_BYTES) == 0); /* the first one has ended */
    OK(strcmp(first, third) != 0);
    state_free(&s[1]);
    state_free(&s[2]);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"directories are made", directories_are_made},
        {"the default comes from the environment", the_default_comes_from_the_environment},
        {"unsafe directories are refused", unsafe_directories_are_refused},
        {"a place is taken by one process after another", a_place_is_taken_by_one_process_after_another},
        {"files are replaced", files_are_replaced},
        {"what is no file of ours", what_is_no_file_of_ours},
        {"instances are random", instances_are_random},
    };
    if (mkdtemp(root) == NULL)
        return 1;
    int result = TAP_RUN(cases);
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command) == 0 ? result : 1;
}
