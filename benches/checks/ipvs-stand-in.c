/*
 * Stands in for the kernel's IPVS, for measurements on kernels without it: accepts every command and remembers nothing.
 * Preloaded into keepalived (libnl) and into director (plain netlink sockets). Never for anything but measurements.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAMILY = 0x77, DESCRIPTORS = 4096, CMD_GET_INFO = 15, CMD_SET_INFO = 14 };

/* How many commands have come, in the file that IPVS_COUNTER names, for a meter that looks at it. */
static unsigned long own_counter, *counter = &own_counter;

__attribute__((constructor)) static void find_counter(void)
{
    const char *path = getenv("IPVS_COUNTER");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED)
        counter = shared;
}

static void count(void) { __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED); }

/* libnl, as keepalived uses it for IPVS only. */
int genl_connect(void *socket) { (void)socket; return 0; }
int genl_ctrl_resolve(void *socket, const char *name) { (void)socket; (void)name; return FAMILY; }
int nl_send_auto(void *socket, void *message) { (void)socket; (void)message; count(); return 1; }
int nl_send_auto_complete(void *socket, void *message) { return nl_send_auto(socket, message); }

/* keepalived waits until its callback for the end or the acknowledgement was called. */
enum { CB_FINISH = 1, CB_ACK = 4, CB_KINDS = 16 };
static struct { int (*call)(void *message, void *argument); void *argument; } callbacks[CB_KINDS];

int nl_socket_modify_cb(void *socket, int type, int kind, int (*call)(void *, void *), void *argument)
{
    (void)socket;
    (void)kind;
    if (type >= 0 && type < CB_KINDS) {
        callbacks[type].call = call;
        callbacks[type].argument = argument;
    }
    return 0;
}

int nl_recvmsgs_default(void *socket)
{
    (void)socket;
    static const int ends[] = { CB_FINISH, CB_ACK };
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
        if (callbacks[ends[i]].call != NULL)
            callbacks[ends[i]].call(NULL, callbacks[ends[i]].argument);
    return 0;
}

/* Plain sockets: one end of a pair for the program, the other for the answers. */
static int answers_to[DESCRIPTORS];

/* The function that this library stands before, looked up once. */
#define REAL(name) ({ \
    static __typeof__(&name) real; \
    if (real == NULL) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real; })

static int is_ours(int socket) { return socket >= 0 && socket < DESCRIPTORS && answers_to[socket] > 0; }

int socket(int domain, int type, int protocol)
{
    int pair[2];
    if (domain != AF_NETLINK || protocol != NETLINK_GENERIC)
        return REAL(socket)(domain, type, protocol);
    if (socketpair(AF_UNIX, SOCK_DGRAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0, pair) != 0)
        return -1;
    if (pair[0] >= DESCRIPTORS) { errno = EMFILE; return -1; }
    int room = 4 << 20;
    REAL(setsockopt)(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    answers_to[pair[0]] = pair[1];
    return pair[0];
}

int bind(int socket, const struct sockaddr *address, socklen_t length)
{
    return is_ours(socket) ? 0 : REAL(bind)(socket, address, length);
}

int setsockopt(int socket, int level, int name, const void *value, socklen_t length)
{
    return is_ours(socket) && level == SOL_NETLINK ? 0 : REAL(setsockopt)(socket, level, name, value, length);
}

int getsockname(int socket, struct sockaddr *address, socklen_t *length)
{
    if (!is_ours(socket))
        return REAL(getsockname)(socket, address, length);
    struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_pid = (unsigned)getpid() };
    memcpy(address, &own, *length < sizeof own ? *length : sizeof own);
    *length = sizeof own;
    return 0;
}

static char reply[1 << 20];

static size_t put(size_t at, unsigned type, const struct nlmsghdr *to, const void *payload, size_t length)
{
    struct nlmsghdr head = { NLMSG_LENGTH(length), (unsigned short)type, 0, to->nlmsg_seq, (unsigned)getpid() };
    memset(reply + at, 0, NLMSG_SPACE(length));
    memcpy(reply + at, &head, sizeof head);
    memcpy(reply + at + NLMSG_HDRLEN, payload, length);
    return at + NLMSG_SPACE(length);
}

static size_t attribute(char *to, unsigned short type, const void *value, unsigned short length)
{
    struct nlattr head = { (unsigned short)(NLA_HDRLEN + length), type };
    memset(to, 0, NLA_HDRLEN + NLA_ALIGN(length));
    memcpy(to, &head, sizeof head);
    memcpy(to + NLA_HDRLEN, value, length);
    return NLA_HDRLEN + NLA_ALIGN(length);
}

static size_t answer(size_t at, const struct nlmsghdr *request)
{
    const struct genlmsghdr *command = (const void *)((const char *)request + NLMSG_HDRLEN);
    char payload[256];
    struct genlmsghdr head = { command->cmd, command->version, 0 };
    size_t length = sizeof head;
    memcpy(payload, &head, sizeof head);
    if (request->nlmsg_type == GENL_ID_CTRL) {
        unsigned short id = FAMILY;
        unsigned version = 1;
        head.cmd = CTRL_CMD_NEWFAMILY;
        memcpy(payload, &head, sizeof head);
        length += attribute(payload + length, CTRL_ATTR_FAMILY_NAME, "IPVS", 5);
        length += attribute(payload + length, CTRL_ATTR_FAMILY_ID, &id, sizeof id);
        length += attribute(payload + length, CTRL_ATTR_VERSION, &version, sizeof version);
        at = put(at, GENL_ID_CTRL, request, payload, length);
    } else if (command->cmd == CMD_GET_INFO) {
        unsigned version = 0x010201, size = 4096;
        head.cmd = CMD_SET_INFO;
        memcpy(payload, &head, sizeof head);
        length += attribute(payload + length, 1, &version, sizeof version);
        length += attribute(payload + length, 2, &size, sizeof size);
        at = put(at, FAMILY, request, payload, length);
    } else if ((request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
        int done = 0;
        at = put(at, NLMSG_DONE, request, &done, sizeof done);
        struct nlmsghdr *last = (void *)(reply + at - NLMSG_SPACE(sizeof done));
        last->nlmsg_flags = NLM_F_MULTI;
        return at;
    }
    if (request->nlmsg_flags & NLM_F_ACK) {
        struct nlmsgerr good = { .error = 0, .msg = *request };
        at = put(at, NLMSG_ERROR, request, &good, sizeof good);
    }
    return at;
}

static ssize_t take(int socket, const char *data, size_t length)
{
    size_t at = 0, end = 0;
    while (at + NLMSG_HDRLEN <= length) {
        const struct nlmsghdr *request = (const void *)(data + at);
        if (request->nlmsg_len < NLMSG_HDRLEN || at + request->nlmsg_len > length)
            break;
        count();
        end = answer(end, request);
        at += NLMSG_ALIGN(request->nlmsg_len);
        if (end > sizeof reply - 4096)
            break;
    }
    if (end > 0 && write(answers_to[socket], reply, end) < 0)
        return -1;
    return (ssize_t)length;
}

ssize_t sendto(int socket, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size)
{
    return is_ours(socket) ? take(socket, data, length) : REAL(sendto)(socket, data, length, flags, to, size);
}

ssize_t send(int socket, const void *data, size_t length, int flags)
{
    return is_ours(socket) ? take(socket, data, length) : REAL(send)(socket, data, length, flags);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
    if (!is_ours(socket) || message->msg_iovlen != 1)
        return REAL(sendmsg)(socket, message, flags);
    return take(socket, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
}

ssize_t recvfrom(int socket, void *data, size_t length, int flags, struct sockaddr *from, socklen_t *size)
{
    if (!is_ours(socket) || from == NULL)
        return REAL(recvfrom)(socket, data, length, flags, from, size);
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    ssize_t got = REAL(recvfrom)(socket, data, length, flags, NULL, NULL);
    memcpy(from, &kernel, *size < sizeof kernel ? *size : sizeof kernel);
    *size = sizeof kernel;
    return got;
}

ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
    if (!is_ours(socket))
        return REAL(recvmsg)(socket, message, flags);
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    void *name = message->msg_name;
    socklen_t size = message->msg_namelen;
    message->msg_name = NULL;
    message->msg_namelen = 0;
    ssize_t got = REAL(recvmsg)(socket, message, flags);
    message->msg_name = name;
    message->msg_namelen = 0;
    if (name != NULL) {
        memcpy(name, &kernel, size < sizeof kernel ? size : sizeof kernel);
        message->msg_namelen = sizeof kernel;
    }
    return got;
}
