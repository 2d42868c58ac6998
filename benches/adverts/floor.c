/*
 * floor send|receive N: the packets of N virtual routers, 250 on each of eth0, eth1 ..., once a second, and nothing else: no
 * states, no checks, no addresses. What it takes is what the kernel takes for the work.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { VRRP = 112, LINKS = 8, ON_LINK = 250, LENGTH = 12 };

int main(int count, char **words)
{
    if (count < 3)
        return 2;
    int send = strcmp(words[1], "send") == 0, routers = atoi(words[2]);
    int links = (routers + ON_LINK - 1) / ON_LINK, sockets[LINKS], no = 0;
    if (links > LINKS)
        return 2;
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event wish = { .events = EPOLLIN | EPOLLET, .data.fd = -1 };
    struct in_addr group = { inet_addr("224.0.0.18") };
    if (send)
        epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &wish);
    for (int link = 0; link < links; link++) {
        char name[IF_NAMESIZE];
        snprintf(name, sizeof name, "eth%d", link);
        struct ip_mreqn on = { .imr_multiaddr = group, .imr_ifindex = (int)if_nametoindex(name) };
        int fd = sockets[link] = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, VRRP);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1)) {
            perror(name);
            return 1;
        }
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &on, sizeof on);
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &no, sizeof no);
        if (send)
            continue;
        setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &on, sizeof on);
        wish.data.fd = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wish);
    }
    static char bytes[ON_LINK][128];
    static struct iovec pieces[ON_LINK];
    static struct mmsghdr messages[ON_LINK];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = group };
    for (int i = 0; i < ON_LINK; i++) {
        memcpy(bytes[i], (char[]){ 0x31, (char)(i + 1), 100, 1 }, 4);
        pieces[i] = (struct iovec){ bytes[i], send ? LENGTH : sizeof bytes[i] };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
        if (send)
            messages[i].msg_hdr.msg_name = &to, messages[i].msg_hdr.msg_namelen = sizeof to;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (time_t second = now.tv_sec + 1;; second++) {
        struct epoll_event event;
        if (send) {
            struct itimerspec at = { .it_value.tv_sec = second };
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        }
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        if (!send) {
            while (recvmmsg(event.data.fd, messages, ON_LINK, 0, NULL) == ON_LINK)
                ;
            continue;
        }
        for (int link = 0; link < links; link++) {
            int here = routers - link * ON_LINK;
            sendmmsg(sockets[link], messages, (unsigned)(here < ON_LINK ? here : ON_LINK), 0);
        }
    }
}
