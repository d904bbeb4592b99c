/* SPDX-License-Identifier: Apache-2.0 */
/* Users, capabilities, core dumps. */
#include "base/process.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"

void process_harden(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

const char *process_user_find(const char *text, struct process_user *out)
{
    struct process_user user;
    size_t len = strcspn(text, ":");
    if (len == 0 || len >= sizeof(user.name))
        return "no user's name";
    memcpy(user.name, text, len);
    user.name[len] = '\0';
    const struct passwd *passwd = getpwnam(user.name);
    if (passwd == NULL)
        return "there is no such user";
    user.uid = passwd->pw_uid;
    user.gid = passwd->pw_gid;
    if (text[len] == ':') {
        const struct group *group = getgrnam(text + len + 1);
        if (group == NULL)
            return "there is no such group";
        user.gid = group->gr_gid;
    }
    *out = user;
    return NULL;
}

/* `mask`: of the first 32 capabilities. */
static bool capabilities_set(unsigned mask)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{.effective = mask, .permitted = mask}};
    return syscall(SYS_capset, &head, data) == 0;
}

const char *process_become(const struct process_user *user)
{
    if (geteuid() != 0)
        return geteuid() == user->uid ? NULL : "only root can become another user";
    if (user->uid == 0)
        return NULL;
    unsigned kept = 1u << CAP_NET_BIND_SERVICE | 1u << CAP_DAC_READ_SEARCH;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || initgroups(user->name, user->gid) != 0 ||
        setresgid(user->gid, user->gid, user->gid) != 0 || setresuid(user->uid, user->uid, user->uid) != 0)
        return strerror(errno);
    /* Where root has fewer itself, it goes on without. */
    if (!capabilities_set(kept) && !capabilities_set(0))
        return strerror(errno);
    return setresuid(0, 0, 0) == 0 ? "the user could become root again" : NULL;
}

const char *process_settle(void)
{
    if (geteuid() == 0)
        return NULL;
    return capabilities_set(0) ? NULL : strerror(errno);
}

void process_keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_MAX);
    mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_MAX);
}

void process_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
