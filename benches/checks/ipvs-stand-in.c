/*
 * Stands in for the kernel's IPVS, for measurements on kernels without it: accepts every command. Preloaded into keepalived
 * (libnl, which only tells) and into director (plain netlink sockets, which also ask what is in the table, so services and
 * destinations are kept). Never for anything but measurements.
 *
 * What would be the kernel's memory is a shared mapping, so that a meter can leave it out.
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

enum { FAMILY = 0x77, DESCRIPTORS = 4096, SERVICES = 4096, DESTINATIONS = 1 << 15, RECORD = 120, REPLY = 1 << 20 };

/* IPVS_CMD_ of <linux/ip_vs.h>, and its attributes. */
enum { NEW_SERVICE = 1, SET_SERVICE, DEL_SERVICE, GET_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, GET_DEST, SET_INFO = 14, GET_INFO, FLUSH = 17 };
enum { ATTR_SERVICE = 1, ATTR_DEST = 2, SERVICE_PORT = 4, SERVICE_FWMARK = 5, DEST_PORT = 2 };

/* The attributes of a service or destination as they came; those that name it stand first. */
struct record {
    unsigned short name, length;
    int next, destinations; /* the next in the list, and of a service its first destination; 0 for none */
    char attributes[RECORD];
};

/* The table. Records are numbered from 1 and never used twice. */
static struct kernel {
    int services, service_count, destination_count;
    struct record service[SERVICES], destination[DESTINATIONS];
    char reply[REPLY];
} *kernel;

/* How many commands that change something have come, in the file that IPVS_COUNTER names, for a meter that looks at it. */
static unsigned long own_counter, *counter = &own_counter;

__attribute__((constructor)) static void begin(void)
{
    kernel = mmap(NULL, sizeof *kernel, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (kernel == MAP_FAILED)
        abort();
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

static size_t put(size_t at, unsigned type, const struct nlmsghdr *to, const void *payload, size_t length)
{
    struct nlmsghdr head = { NLMSG_LENGTH(length), (unsigned short)type, 0, to->nlmsg_seq, (unsigned)getpid() };
    memset(kernel->reply + at, 0, NLMSG_SPACE(length));
    memcpy(kernel->reply + at, &head, sizeof head);
    memcpy(kernel->reply + at + NLMSG_HDRLEN, payload, length);
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

/* The attribute of this type among these. */
static const struct nlattr *find(const char *at, size_t length, int type)
{
    while (length >= NLA_HDRLEN) {
        const struct nlattr *one = (const void *)at;
        if (one->nla_len < NLA_HDRLEN || one->nla_len > length)
            break;
        if ((one->nla_type & NLA_TYPE_MASK) == type)
            return one;
        size_t step = NLA_ALIGN(one->nla_len);
        if (step >= length)
            break;
        at += step;
        length -= step;
    }
    return NULL;
}

/* A service or destination of a request; nothing if there is none. */
static struct record record_of(const struct nlmsghdr *request, int type)
{
    struct record record = { 0 };
    const char *attributes = (const char *)request + NLMSG_HDRLEN + GENL_HDRLEN;
    const struct nlattr *found = NULL, *last = NULL;
    if (request->nlmsg_len > NLMSG_HDRLEN + GENL_HDRLEN)
        found = find(attributes, request->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, type);
    if (!found || found->nla_len - NLA_HDRLEN > RECORD)
        return record;
    record.length = (unsigned short)(found->nla_len - NLA_HDRLEN);
    memcpy(record.attributes, (const char *)found + NLA_HDRLEN, record.length);
    last = find(record.attributes, record.length, type == ATTR_SERVICE ? SERVICE_PORT : DEST_PORT);
    if (!last && type == ATTR_SERVICE)
        last = find(record.attributes, record.length, SERVICE_FWMARK);
    if (last)
        record.name = (unsigned short)((const char *)last - record.attributes + last->nla_len);
    return record;
}

/* Where the number of a record of that name stands, or would stand. */
static int *place_of(int *at, struct record *all, const struct record *wanted)
{
    for (; *at != 0; at = &all[*at].next)
        if (all[*at].name == wanted->name && memcmp(all[*at].attributes, wanted->attributes, wanted->name) == 0)
            break;
    return at;
}

static void keep(int *place, struct record *all, int *count, int limit, const struct record *record)
{
    if (*place == 0 && *count + 1 < limit)
        *place = ++*count;
    struct record *kept = &all[*place];
    kept->name = record->name;
    kept->length = record->length;
    memcpy(kept->attributes, record->attributes, record->length);
}

/* Does what a command says to services and destinations. */
static void change(int command, const struct record *service, const struct record *destination)
{
    if (command == FLUSH)
        kernel->services = 0;
    int *place = place_of(&kernel->services, kernel->service, service);
    if (command == NEW_SERVICE || command == SET_SERVICE)
        keep(place, kernel->service, &kernel->service_count, SERVICES, service);
    else if (*place != 0 && command == DEL_SERVICE)
        *place = kernel->service[*place].next;
    if (*place == 0 || command < NEW_DEST || command > DEL_DEST)
        return;
    place = place_of(&kernel->service[*place].destinations, kernel->destination, destination);
    if (command != DEL_DEST)
        keep(place, kernel->destination, &kernel->destination_count, DESTINATIONS, destination);
    else if (*place != 0)
        *place = kernel->destination[*place].next;
}

static size_t tell(size_t at, const struct nlmsghdr *request, const struct record *record, int type)
{
    char payload[GENL_HDRLEN + NLA_HDRLEN + RECORD];
    struct genlmsghdr head = { type == ATTR_SERVICE ? NEW_SERVICE : NEW_DEST, 1, 0 };
    memcpy(payload, &head, sizeof head);
    size_t length = sizeof head + attribute(payload + sizeof head, (unsigned short)type, record->attributes, record->length);
    struct nlmsghdr *message = (void *)(kernel->reply + at);
    at = put(at, FAMILY, request, payload, length);
    if ((request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
        message->nlmsg_flags = NLM_F_MULTI;
    return at;
}

/* An error, or 0 for good. */
static size_t finish(size_t at, const struct nlmsghdr *request, int error)
{
    struct nlmsgerr result = { .error = -error, .msg = *request };
    return put(at, NLMSG_ERROR, request, &result, sizeof result);
}

/* What was asked of the table. */
static size_t list(size_t at, const struct nlmsghdr *request, int command, const struct record *service)
{
    int all = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    int first = command == GET_SERVICE && all ? kernel->services : *place_of(&kernel->services, kernel->service, service);
    if (command == GET_SERVICE && !all) {
        if (first == 0)
            return finish(at, request, ESRCH);
        at = tell(at, request, &kernel->service[first], ATTR_SERVICE);
        return request->nlmsg_flags & NLM_F_ACK ? finish(at, request, 0) : at;
    }
    struct record *records = command == GET_DEST ? kernel->destination : kernel->service;
    if (command == GET_DEST)
        first = kernel->service[first].destinations;
    for (int number = first; number != 0 && at < REPLY / 2; number = records[number].next)
        at = tell(at, request, &records[number], command == GET_DEST ? ATTR_DEST : ATTR_SERVICE);
    int done = 0;
    struct nlmsghdr *last = (void *)(kernel->reply + at);
    at = put(at, NLMSG_DONE, request, &done, sizeof done);
    last->nlmsg_flags = NLM_F_MULTI;
    return at;
}

static size_t answer(size_t at, const struct nlmsghdr *request)
{
    const struct genlmsghdr *command = (const void *)((const char *)request + NLMSG_HDRLEN);
    char payload[256];
    struct genlmsghdr head = { command->cmd, command->version, 0 };
    size_t length = sizeof head;
    if (request->nlmsg_type == GENL_ID_CTRL) {
        unsigned short id = FAMILY;
        unsigned version = 1;
        head.cmd = CTRL_CMD_NEWFAMILY;
        memcpy(payload, &head, sizeof head);
        length += attribute(payload + length, CTRL_ATTR_FAMILY_NAME, "IPVS", 5);
        length += attribute(payload + length, CTRL_ATTR_FAMILY_ID, &id, sizeof id);
        length += attribute(payload + length, CTRL_ATTR_VERSION, &version, sizeof version);
        at = put(at, GENL_ID_CTRL, request, payload, length);
    } else if (command->cmd == GET_INFO) {
        unsigned version = 0x010201, size = 4096;
        head.cmd = SET_INFO;
        memcpy(payload, &head, sizeof head);
        length += attribute(payload + length, 1, &version, sizeof version);
        length += attribute(payload + length, 2, &size, sizeof size);
        at = put(at, FAMILY, request, payload, length);
    } else {
        struct record service = record_of(request, ATTR_SERVICE), destination = record_of(request, ATTR_DEST);
        if (command->cmd == GET_SERVICE || command->cmd == GET_DEST || (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
            return list(at, request, command->cmd, &service);
        change(command->cmd, &service, &destination);
        count();
    }
    return request->nlmsg_flags & NLM_F_ACK ? finish(at, request, 0) : at;
}

static ssize_t take(int socket, const char *data, size_t length)
{
    size_t at = 0, end = 0;
    while (at + NLMSG_HDRLEN <= length) {
        const struct nlmsghdr *request = (const void *)(data + at);
        if (request->nlmsg_len < NLMSG_HDRLEN || at + request->nlmsg_len > length)
            break;
        end = answer(end, request);
        at += NLMSG_ALIGN(request->nlmsg_len);
        if (end > REPLY - 4096)
            break;
    }
    if (end > 0 && write(answers_to[socket], kernel->reply, end) < 0)
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
