/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line between two network namespaces, for tests on kernels without netem: this process's own ("near") and a new one
 * ("far", /proc/PID/ns/net). A TUN device in each; what one sends waits in the line's queue, takes its time at the
 * line's rate, travels for the delay, and comes out of the other. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
 *
 * Usage: emulator NEAR_ADDRESS FAR_ADDRESS. Says "ready", then reads words from standard input, one line at a time, and
 * answers each line with "ok" or what was wrong; ends with its input. "up." before a word: from far to near only,
 * "down.": the other way only.
 *     delay=MS rate=KBIT (0: any) queue=BYTES loss=PERCENT cut=0|1 address=FAR_ADDRESS (the old one is gone) counts
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MTU 1500
#define DEVICE_QUEUE 20000
/* What is due within this is written together: a wake for each packet would cost more than the packet. */
#define GRAIN_NS 200000
#define BURST 256
#define PACKETS_MAX 65536

struct packet {
    uint64_t due_ns;
    uint16_t len;
    uint8_t bytes[MTU];
};

/* One direction. */
struct line {
    const char *name;
    int from, to;
    uint64_t delay_ns, rate_bits, queue_bytes;
    double loss;
    bool cut;
    uint64_t free_ns; /* the line is busy until then */
    struct packet *ring;
    unsigned head, count;
    uint64_t carried, bytes, lost, overflowed;
};

static struct line lines[2] = {{.name = "up"}, {.name = "down"}};
static int far_socket; /* belongs to the far namespace */

static void die(const char *what)
{
    fprintf(stderr, "emulator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- devices ------------------------------------------------------------------------------------------------------- */

static bool address_set(int sock, const char *device, const char *address)
{
    struct ifreq r = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
    in->sin_family = AF_INET;
    if (inet_pton(AF_INET, address, &in->sin_addr) != 1 || ioctl(sock, SIOCSIFADDR, &r) != 0)
        return false;
    inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
    return ioctl(sock, SIOCSIFNETMASK, &r) == 0;
}

static void device_up(int sock, const char *device)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
    if (ioctl(sock, SIOCGIFFLAGS, &r) != 0)
        die(device);
    r.ifr_flags |= IFF_UP;
    if (ioctl(sock, SIOCSIFFLAGS, &r) != 0)
        die(device);
}

/* A device in the present namespace. */
static int device_create(int sock, const char *device, const char *address)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) != 0)
        die("/dev/net/tun");
    r.ifr_mtu = MTU;
    if (ioctl(sock, SIOCSIFMTU, &r) != 0)
        die("mtu");
    r.ifr_qlen = DEVICE_QUEUE;
    if (ioctl(sock, SIOCSIFTXQLEN, &r) != 0)
        die("queue length");
    if (!address_set(sock, device, address))
        die(address);
    device_up(sock, device);
    device_up(sock, "lo");
    return fd;
}

static int plain_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    return fd;
}

static void network_create(const char *near_address, const char *far_address)
{
    int sock = plain_socket();
    int near = device_create(sock, "near", near_address);
    close(sock);
    if (unshare(CLONE_NEWNET) != 0)
        die("new network namespace");
    far_socket = plain_socket();
    int far = device_create(far_socket, "far", far_address);
    for (unsigned i = 0; i < 2; i++) {
        lines[i].from = i == 0 ? far : near;
        lines[i].to = i == 0 ? near : far;
        lines[i].queue_bytes = 1 << 20;
        lines[i].ring = malloc(PACKETS_MAX * sizeof(struct packet));
        if (lines[i].ring == NULL)
            die("memory");
    }
}

/* -- packets ------------------------------------------------------------------------------------------------------- */

static bool chance(double percent)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return percent > 0 && (double)(state >> 11) * 0x1p-53 * 100 < percent;
}

/* When a packet that comes now is through; 0: the queue does not take it. */
static uint64_t line_pass(struct line *l, uint64_t now, size_t len)
{
    if (l->rate_bits == 0)
        return now + l->delay_ns;
    uint64_t start = l->free_ns > now ? l->free_ns : now;
    if ((start - now) / 1000 * (l->rate_bits / 1000) / 8000 + len > l->queue_bytes)
        return 0;
    l->free_ns = start + len * 8 * 1000000000u / l->rate_bits;
    return l->free_ns + l->delay_ns;
}

static void line_take(struct line *l, uint64_t now)
{
    for (unsigned i = 0; i < BURST; i++) {
        static uint8_t trash[MTU];
        struct packet *p = &l->ring[(l->head + l->count) % PACKETS_MAX];
        bool full = l->count == PACKETS_MAX;
        ssize_t len = read(l->from, full ? trash : p->bytes, MTU);
        if (len <= 0)
            return;
        if (l->cut || chance(l->loss)) {
            l->lost++;
            continue;
        }
        uint64_t due = full ? 0 : line_pass(l, now, (size_t)len);
        if (due == 0) {
            l->overflowed++;
            continue;
        }
        p->due_ns = due;
        p->len = (uint16_t)len;
        l->count++;
    }
}

static void line_give(struct line *l, uint64_t now)
{
    for (; l->count > 0 && l->ring[l->head].due_ns <= now + GRAIN_NS / 2; l->count--) {
        struct packet *p = &l->ring[l->head];
        if (write(l->to, p->bytes, p->len) == p->len) {
            l->carried++;
            l->bytes += p->len;
        }
        l->head = (l->head + 1) % PACKETS_MAX;
    }
}

/* -- words --------------------------------------------------------------------------------------------------------- */

static bool line_word(struct line *l, const char *word, double value)
{
    if (strcmp(word, "delay") == 0)
        l->delay_ns = (uint64_t)(value * 1e6);
    else if (strcmp(word, "rate") == 0)
        l->rate_bits = (uint64_t)(value * 1e3);
    else if (strcmp(word, "queue") == 0)
        l->queue_bytes = (uint64_t)value;
    else if (strcmp(word, "loss") == 0)
        l->loss = value;
    else if (strcmp(word, "cut") == 0)
        l->cut = value != 0;
    else
        return false;
    return true;
}

static bool word_obey(char *word)
{
    char *value = strchr(word, '=');
    if (value == NULL || value[1] == '\0')
        return false;
    *value++ = '\0';
    if (strcmp(word, "address") == 0)
        return address_set(far_socket, "far", value);
    bool up = strncmp(word, "up.", 3) == 0, down = strncmp(word, "down.", 5) == 0;
    word += up ? 3 : down ? 5 : 0;
    char *end;
    double number = strtod(value, &end);
    return *end == '\0' && (down || line_word(&lines[0], word, number)) && (up || line_word(&lines[1], word, number));
}

static void counts_say(void)
{
    for (unsigned i = 0; i < 2; i++)
        printf("%s carried=%llu bytes=%llu lost=%llu overflowed=%llu ", lines[i].name,
               (unsigned long long)lines[i].carried, (unsigned long long)lines[i].bytes,
               (unsigned long long)lines[i].lost, (unsigned long long)lines[i].overflowed);
    printf("\n");
}

static void obey(void)
{
    char text[512];
    ssize_t len = read(STDIN_FILENO, text, sizeof(text) - 1); /* one line at a time: who writes waits for the answer */
    if (len <= 0)
        exit(0);
    text[len] = '\0';
    if (strcmp(text, "counts\n") == 0) {
        counts_say();
        return;
    }
    for (char *rest, *word = strtok_r(text, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
        if (!word_obey(word)) {
            printf("not understood: %s\n", word);
            return;
        }
    }
    printf("ok\n");
}

/* -- the loop ------------------------------------------------------------------------------------------------------ */

static void wait_for_work(struct pollfd polls[static 3])
{
    uint64_t now = now_ns(), wait = 1000000000u;
    for (unsigned i = 0; i < 2; i++) {
        const struct line *l = &lines[i];
        uint64_t due = l->count > 0 ? l->ring[l->head].due_ns : UINT64_MAX;
        uint64_t left = due > now + GRAIN_NS ? due - now : GRAIN_NS;
        if (l->count > 0 && left < wait)
            wait = left;
    }
    const struct timespec t = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    ppoll(polls, 3, &t, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: emulator NEAR_ADDRESS FAR_ADDRESS\n");
        return 2;
    }
    network_create(argv[1], argv[2]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    prctl(PR_SET_TIMERSLACK, 1);
    const struct sched_param urgent = {.sched_priority = 2};
    sched_setscheduler(0, SCHED_FIFO, &urgent); /* a busy machine is not part of the line; best effort */
    printf("ready\n");
    struct pollfd polls[3] = {{lines[0].from, POLLIN, 0}, {lines[1].from, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        wait_for_work(polls);
        uint64_t now = now_ns();
        for (unsigned i = 0; i < 2; i++) {
            if ((polls[i].revents & POLLIN) != 0)
                line_take(&lines[i], now);
            line_give(&lines[i], now);
        }
        if (polls[2].revents != 0)
            obey();
    }
}
