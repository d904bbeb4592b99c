/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory and its files. */
#include "config/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/object.h"
#include "base/table.h"
#include "config/path.h"

#define STATE_MAGIC 0x57a7e001u
#define LOCK_FILE ".lock"

struct state {
    OBJECT_MAGIC;
    int dir_fd;
    int place_fd; /* the lock of this process's place; -1: none */
    pthread_mutex_t lock;
    int lock_fd; /* while locked */
    atomic_uint writes; /* names of temporary files */
    char path[];
};

/* -- the directory ------------------------------------------------------------------------------------------------- */

static char *join(const char *dir, const char *rest)
{
    char *path = NULL;
    return dir != NULL && asprintf(&path, "%s%s", dir, rest) >= 0 ? path : NULL;
}

/* Heap; NULL without memory or home. */
static char *default_path(void)
{
    const char *service = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME");
    if (service != NULL && service[0] == '/')
        return strndup(service, strcspn(service, ":")); /* systemd.exec(5): may be several */
    if (xdg != NULL && xdg[0] == '/')
        return join(xdg, "/mdm-tunnel");
    if (geteuid() == 0)
        return strdup("/var/lib/mdm-tunnel");
    char *home = path_home(), *path = join(home, "/.local/state/mdm-tunnel");
    free(home);
    return path;
}

/* Makes `path` and what is missing above it. 0 or an errno. */
static int make_directories(const char *path)
{
    char *partial = strdup(path);
    if (partial == NULL)
        return ENOMEM;
    int error = 0;
    for (char *slash = partial; slash != NULL && error == 0;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST && access(partial, F_OK) != 0)
            error = errno;
        if (slash != NULL)
            *slash = '/';
    }
    free(partial);
    return error;
}

static bool directory_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    bool empty = dir != NULL;
    for (const struct dirent *e; empty && (e = readdir(dir)) != NULL;)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (dir != NULL)
        closedir(dir);
    return empty;
}

/* A directory that only we can write to, open; -1 with errno. */
static int open_own_directory(const char *path)
{
    int error = make_directories(path);
    int fd = error == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (error != 0)
        errno = error;
    if (fd < 0)
        return -1;
    struct stat st;
    bool ours = fstat(fd, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0 || geteuid() == 0);
    if (ours && (st.st_mode & S_IWOTH) == 0)
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

static struct state *state_create(const char *path, struct config_error *err)
{
    struct state *s = calloc(1, sizeof(*s) + strlen(path) + 1);
    if (s == NULL) {
        config_error_set(err, "%s: %s", path, strerror(ENOMEM));
        return NULL;
    }
    s->magic = STATE_MAGIC;
    s->place_fd = -1;
    strcpy(s->path, path);
    pthread_mutex_init(&s->lock, NULL);
    s->dir_fd = open_own_directory(path);
    if (s->dir_fd >= 0)
        return s;
    config_error_set(err, "%s: %s", path,
                     errno == EPERM ? "belongs to another user, or everybody can write to it" : strerror(errno));
    FREE_OBJECT(s);
    return NULL;
}

char *state_give(const char *dir, uid_t uid, gid_t gid, const char *name, struct config_error *err)
{
    struct stat st;
    char *path = dir != NULL ? path_expand(dir) : default_path();
    if (path == NULL) {
        config_error_set(err, "state directory: no home directory");
        return NULL;
    }
    int error = stat(path, &st) == 0 || errno != ENOENT ? 0 : make_directories(path);
    bool made = error == 0 && stat(path, &st) == 0;
    if (made && st.st_uid != uid && st.st_uid == geteuid() && directory_is_empty(path) && chown(path, uid, gid) == 0)
        return path;
    if (made && st.st_uid == uid)
        return path;
    if (made)
        config_error_set(err, "%.256s belongs to another user than %s, whose state is to be there: chown -R %s %.128s, or "
                              "another --state-dir", path, name, name, path);
    else
        config_error_set(err, "%.256s: %s", path, strerror(error != 0 ? error : errno));
    free(path);
    return NULL;
}

int state_open(const char *dir, struct state **out, struct config_error *err)
{
    char *path = dir != NULL ? path_expand(dir) : default_path();
    if (path == NULL)
        return config_error_set(err, "state directory: no home directory");
    struct state *s = path[0] != '\0' ? state_create(path, err) : NULL;
    if (path[0] == '\0')
        config_error_set(err, "state directory: empty path");
    free(path);
    if (s == NULL)
        return -1;
    *out = s;
    return 0;
}

void state_free(struct state **sp)
{
    if (*sp == NULL)
        return;
    struct state *s;
    TAKE_OBJECT(s, sp, STATE_MAGIC);
    close(s->dir_fd);
    if (s->place_fd >= 0)
        close(s->place_fd);
    pthread_mutex_destroy(&s->lock);
    FREE_OBJECT(s);
}

/* -- files --------------------------------------------------------------------------------------------------------- */

static bool is_file_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL && strlen(name) < 128;
}

/* What root makes belongs to the directory's owner: a command of root's must not lock out the program of another user. */
static int create_file(int dir_fd, const char *name, int flags)
{
    struct stat dir;
    int fd = openat(dir_fd, name, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && geteuid() == 0 && fstat(dir_fd, &dir) == 0 && dir.st_uid != 0 && fchown(fd, dir.st_uid, dir.st_gid) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Everything in `fd` as text; NULL with errno. */
static char *read_text(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    errno = !S_ISREG(st.st_mode) ? EINVAL : st.st_size > (off_t)CONFIG_FILE_MAX ? EFBIG : 0;
    if (errno != 0)
        return NULL;
    size_t size = (size_t)st.st_size, len = 0;
    char *text = malloc(size + 1);
    if (text == NULL)
        return NULL;
    while (len < size) {
        ssize_t n = read(fd, text + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    if (len == size && strlen(text) == len)
        return text;
    free(text);
    errno = EINVAL;
    return NULL;
}

char *state_read(struct state *s, const char *name)
{
    CHECK_OBJECT(s, STATE_MAGIC);
    if (!is_file_name(name)) {
        errno = EINVAL;
        return NULL;
    }
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    char *text = read_text(fd);
    int error = errno;
    close(fd);
    errno = error;
    return text;
}

static int write_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text += n;
        left -= (size_t)n;
    }
    return 0;
}

static int write_new_file(int dir_fd, const char *name, const char *text)
{
    int fd = create_file(dir_fd, name, O_WRONLY | O_EXCL);
    if (fd < 0)
        return errno;
    int error = write_all(fd, text);
    if (error == 0 && fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

/* After a crash at any moment the file has the old text or the new one. */
static int replace_file(struct state *s, const char *name, const char *text)
{
    char temporary[192];
    unsigned number = atomic_fetch_add_explicit(&s->writes, 1, memory_order_relaxed);
    snprintf(temporary, sizeof(temporary), ".%.127s.%ld.%u", name, (long)getpid(), number);
    unlinkat(s->dir_fd, temporary, 0);
    int error = write_new_file(s->dir_fd, temporary, text);
    if (error == 0 && renameat(s->dir_fd, temporary, s->dir_fd, name) != 0)
        error = errno;
    if (error != 0)
        unlinkat(s->dir_fd, temporary, 0);
    else if (fsync(s->dir_fd) != 0)
        error = errno;
    return error;
}

int state_write(struct state *s, const char *name, const char *text, struct config_error *err)
{
    CHECK_OBJECT(s, STATE_MAGIC);
    int error = !is_file_name(name) ? EINVAL : strlen(text) > CONFIG_FILE_MAX ? EFBIG : replace_file(s, name, text);
    if (error == 0)
        return 0;
    return config_error_set(err, "%s/%s: %s", s->path, name, strerror(error));
}

const char *state_directory(const struct state *s)
{
    CHECK_OBJECT(s, STATE_MAGIC);
    return s->path;
}

/* flock(2) is between open files: the mutex is for this program's threads. */
int state_lock(struct state *s, struct config_error *err)
{
    CHECK_OBJECT(s, STATE_MAGIC);
    pthread_mutex_lock(&s->lock);
    s->lock_fd = create_file(s->dir_fd, LOCK_FILE, O_RDWR);
    int result = -1;
    while (s->lock_fd >= 0 && (result = flock(s->lock_fd, LOCK_EX)) != 0 && errno == EINTR)
        ;
    if (result == 0)
        return 0;
    config_error_set(err, "%s/%s: %s", s->path, LOCK_FILE, strerror(errno));
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_unlock(&s->lock);
    return -1;
}

void state_unlock(struct state *s)
{
    CHECK_OBJECT(s, STATE_MAGIC);
    close(s->lock_fd);
    pthread_mutex_unlock(&s->lock);
}

/* -- instances ----------------------------------------------------------------------------------------------------- */

int instance_create(char out[static INSTANCE_TEXT_BYTES + 1])
{
    unsigned char random[INSTANCE_BYTES];
    ssize_t n;
    do
        n = getrandom(random, sizeof(random), 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(random))
        return n < 0 ? errno : EIO;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    return 0;
}

/* The lock of the first place that is free; -1 when there is none. */
static int place_lock(const struct state *s)
{
    for (unsigned i = 0; i < INSTANCE_PLACES_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "place-%u", i);
        int fd = create_file(s->dir_fd, name, O_RDWR);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

/* What names a file for as long as the machine runs, so that a copy of the directory is another place. */
struct place {
    char boot[64];
    uint64_t device, inode;
};

static bool place_read(int fd, struct place *out)
{
    struct stat st;
    int boot_fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    memset(out, 0, sizeof(*out));
    ssize_t n = boot_fd < 0 ? -1 : read(boot_fd, out->boot, sizeof(out->boot));
    if (boot_fd >= 0)
        close(boot_fd);
    if (n <= 0 || fstat(fd, &st) != 0)
        return false;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    return true;
}

int instance_claim(struct state *s, char out[static INSTANCE_TEXT_BYTES + 1])
{
    static const uint64_t key[2]; /* the same for every process */
    struct place place;
    char digits[INSTANCE_PLACE_BYTES + 1];
    CHECK_OBJECT(s, STATE_MAGIC);
    assert(s->place_fd < 0);
    int error = instance_create(out);
    s->place_fd = place_lock(s);
    if (error != 0 || s->place_fd < 0 || !place_read(s->place_fd, &place))
        return error;
    snprintf(digits, sizeof(digits), "%016" PRIx64, table_hash(key, &place, sizeof(place)));
    memcpy(out, digits, INSTANCE_PLACE_BYTES);
    return 0;
}
