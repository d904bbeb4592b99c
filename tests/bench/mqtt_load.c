/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for an MQTT broker, or for what stands in front of it: connections that each publish to a topic of their own and receive
 * it again. Prints messages a second and the median time of a message there and back.
 *
 *     mqtt_load PORT CONNECTIONS WINDOW QOS BYTES SECONDS
 *     mqtt_load PORT CONNECTIONS idle             connects them, says so and waits for the end of its standard input
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INPUT (256 * 1024)
#define TIMES 1000000

struct client {
    int fd;
    unsigned number, under_way;
    uint16_t packet_id;
    uint8_t *in;
    size_t in_len;
    uint64_t sent_ns[256]; /* of what is under way, a ring */
    unsigned first, last;
};

static unsigned window, qos, size;
static uint64_t received, times_count;
static uint32_t *times;
static uint8_t *message;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, const void *bytes, size_t len)
{
    for (const uint8_t *at = bytes; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 1000);
            continue;
        }
        if (n < 0)
            die("send");
        at += n;
        len -= (size_t)n;
    }
}

static void expect(int fd, const uint8_t *want, size_t len)
{
    uint8_t got[16];
    if (recv(fd, got, len, MSG_WAITALL) != (ssize_t)len || memcmp(got, want, len) != 0)
        die("an answer of the broker");
}

static size_t topic_write(uint8_t *out, unsigned number)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "load/%06u", number);
    out[0] = 0;
    out[1] = (uint8_t)len;
    memcpy(out + 2, text, (size_t)len);
    return (size_t)len + 2;
}

static void client_connect(struct client *c, uint16_t port, unsigned number, bool subscribes)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const int on = 1;
    uint8_t packet[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0};
    c->number = number;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    size_t len = 12 + topic_write(packet + 12, number);
    packet[1] = (uint8_t)(len - 2);
    send_all(c->fd, packet, len);
    expect(c->fd, (const uint8_t[]){0x20, 2, 0, 0}, 4);
    if (!subscribes)
        return;
    memcpy(packet, (const uint8_t[]){0x82, 0, 0, 1}, 4);
    len = 4 + topic_write(packet + 4, number);
    packet[len++] = (uint8_t)qos;
    packet[1] = (uint8_t)(len - 2);
    send_all(c->fd, packet, len);
    expect(c->fd, (const uint8_t[]){0x90, 3, 0, 1, (uint8_t)qos}, 5);
}

static void client_publish(struct client *c)
{
    static uint8_t packet[1024 * 1024];
    size_t topic = topic_write(packet + 8, c->number), body = topic + (qos > 0 ? 2 : 0) + size, at = 0;
    uint8_t head[8] = {(uint8_t)(0x30 | qos << 1)};
    size_t head_len = 1;
    for (size_t rest = body; head_len == 1 || rest > 0; rest >>= 7)
        head[head_len++] = (uint8_t)((rest & 127) | (rest > 127 ? 128 : 0));
    at = 8 - head_len;
    memcpy(packet + at, head, head_len);
    uint8_t *to = packet + 8 + topic;
    if (qos > 0) {
        c->packet_id = c->packet_id == 65535 ? 1 : (uint16_t)(c->packet_id + 1);
        *to++ = (uint8_t)(c->packet_id >> 8);
        *to++ = (uint8_t)c->packet_id;
    }
    memcpy(to, message, size);
    c->sent_ns[c->last++ % 256] = now_ns();
    c->under_way++;
    send_all(c->fd, packet + at, head_len + body);
}

static void message_came(struct client *c, const uint8_t *body)
{
    if (qos > 0) {
        const uint8_t *id = body + 2 + body[1];
        send_all(c->fd, (const uint8_t[]){0x40, 2, id[0], id[1]}, 4);
    }
    uint64_t took = now_ns() - c->sent_ns[c->first++ % 256];
    if (times_count < TIMES)
        times[times_count++] = (uint32_t)(took / 1000);
    received++;
    c->under_way--;
}

static void client_read(struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, INPUT - c->in_len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("recv");
    c->in_len += n > 0 ? (size_t)n : 0;
    size_t at = 0;
    for (;;) {
        size_t length = 0, i = at + 1;
        unsigned shift = 0;
        while (i < c->in_len && i < at + 5) {
            length |= (size_t)(c->in[i] & 127) << shift;
            shift += 7;
            if ((c->in[i++] & 128) == 0)
                break;
        }
        if (i >= c->in_len + (length == 0) || i + length > c->in_len)
            break;
        if (c->in[at] >> 4 == 3)
            message_came(c, c->in + i);
        at = i + length;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    while (c->under_way < window)
        client_publish(c);
}

static int compare(const void *a, const void *b) { return (*(const uint32_t *)a > *(const uint32_t *)b) - (*(const uint32_t *)a < *(const uint32_t *)b); }

static void idle(struct client *clients, unsigned count, uint16_t port)
{
    struct rlimit limit;
    char byte;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < count; i++)
        client_connect(&clients[i], port, i, false);
    printf("connected\n");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    unsigned count = (unsigned)atoi(argv[2]);
    uint16_t port = (uint16_t)atoi(argv[1]);
    struct client *clients = calloc(count, sizeof(*clients));
    if (strcmp(argv[3], "idle") == 0) {
        idle(clients, count, port);
        return 0;
    }
    if (argc < 7)
        return 2;
    window = (unsigned)atoi(argv[3]);
    qos = (unsigned)atoi(argv[4]);
    size = (unsigned)atoi(argv[5]);
    message = calloc(1, size + 1);
    times = calloc(TIMES, sizeof(*times));
    int poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < count; i++) {
        clients[i].in = malloc(INPUT);
        client_connect(&clients[i], port, i, true);
        epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &clients[i]});
    }
    uint64_t start = now_ns(), end = start + (uint64_t)atoi(argv[6]) * 1000000000u;
    for (unsigned i = 0; i < count; i++)
        client_read(&clients[i]);
    while (now_ns() < end) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, 100);
        for (int i = 0; i < n; i++)
            client_read(events[i].data.ptr);
    }
    double took = (double)(now_ns() - start) / 1e9;
    qsort(times, times_count, sizeof(*times), compare);
    printf("{\"messages_per_s\": %.0f, \"median_us\": %u, \"p99_us\": %u}\n", (double)received / took, times[times_count / 2],
           times[times_count * 99 / 100]);
    return 0;
}
