/*
 * floor SERVERS tcp|http: makes the connections of one check a second for each of the meter's servers, spread evenly, and
 * nothing else: no time limits, no verdicts, no look at the answer. What it takes is what the kernel takes for the work.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLICES = 100, DESCRIPTORS = 1 << 16, EVENTS = 1024 };

static const char REQUEST[] = "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 127.1.0.1:80\r\n\r\n";

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void begin(int epoll, int server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), no = 0;
    if (fd < 0)
        return;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x7f010001 + (unsigned)server) };
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof no);
    connect(fd, (void *)&to, sizeof to);
    struct epoll_event wish = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wish);
}

int main(int count, char **words)
{
    if (count < 3)
        return 2;
    int servers = atoi(words[1]), http = strcmp(words[2], "http") == 0;
    static char sent[DESCRIPTORS];
    /* Servers that are gone count as if they had been taken out of the table. */
    const char *path = getenv("IPVS_COUNTER");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    unsigned long own = 0, *gone = &own;
    if (file >= 0 && (gone = mmap(NULL, sizeof *gone, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED)
        gone = &own;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS];
    double start = now();
    for (long slice = 0;; slice++) {
        for (int server = (int)(slice % SLICES); server < servers; server += SLICES)
            begin(epoll, server);
        double left;
        while ((left = start + (double)(slice + 1) / SLICES - now()) > 0) {
            int ready = epoll_wait(epoll, events, EVENTS, (int)(left * 1e3) + 1);
            for (int i = 0; i < ready; i++) {
                int fd = events[i].data.fd;
                char answer[4096];
                if (events[i].events & EPOLLERR)
                    __atomic_add_fetch(gone, 1, __ATOMIC_RELAXED);
                else if (http && !sent[fd]) {
                    sent[fd] = send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) > 0;
                    continue;
                } else if (http && !(events[i].events & EPOLLIN && recv(fd, answer, sizeof answer, 0) > 0))
                    continue;
                sent[fd] = 0;
                close(fd);
            }
        }
    }
}
