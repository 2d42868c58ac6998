/*
 * meter SERVERS WINDOW LABEL COMMAND...: plays SERVERS real servers on 127.1.0.1 and the addresses after it, port 80, for
 * the health checks of COMMAND, and prints one row: CPU time for each check, memory, the first round, and how evenly
 * checks come. The port answers every HTTP request with 200 and accepts connections that send nothing. In the end the port
 * closes, and the row says how long it took until as many IPVS commands had come as there are servers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLICES = 100, PATIENCE = 60 };

static const char ANSWER[] = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What a program takes: all its processes together. */
struct usage {
    double seconds;     /* processor time */
    long resident;      /* kilobytes; pages that processes share count in each of them */
    long proportional;  /* kilobytes; pages that processes share are divided among them */
};

/* Shared memory is left out: it is what stands in for the kernel's. */
static void add_memory(pid_t pid, struct usage *usage)
{
    static const char *const files[] = { "smaps_rollup", "status" };
    for (int i = 0; i < 2; i++) {
        char path[64], line[1024];
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) {
            long size;
            if (sscanf(line, "Pss_Anon: %ld", &size) == 1 || sscanf(line, "Pss_File: %ld", &size) == 1)
                usage->proportional += size;
            else if (sscanf(line, "RssAnon: %ld", &size) == 1 || sscanf(line, "RssFile: %ld", &size) == 1)
                usage->resident += size;
        }
        if (file)
            fclose(file);
    }
}

/* Of a process and its children. */
static struct usage usage_of(pid_t root)
{
    struct usage usage = { 0 };
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc)) != NULL) {
        pid_t pid = atoi(entry->d_name);
        if (pid <= 0)
            continue;
        char path[64], line[1024];
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        char *text = fgets(line, sizeof line, file);
        fclose(file);
        int parent;
        unsigned long user, system;
        char *after = text ? strrchr(text, ')') : NULL;
        if (!after || sscanf(after + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent, &user, &system) != 3)
            continue;
        if (pid != root && parent != root)
            continue;
        usage.seconds += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
        add_memory(pid, &usage);
    }
    if (proc)
        closedir(proc);
    return usage;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words)
{
    if (count < 5)
        return 2;
    int servers = atoi(words[1]);
    double window = atof(words[2]);
    signal(SIGPIPE, SIG_IGN);
    int port = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(port, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };
    if (bind(port, (void *)&any, sizeof any) != 0 || listen(port, 65535) != 0) {
        perror("meter: port 80");
        return 1;
    }
    double *last = calloc((size_t)servers, sizeof *last);
    size_t room = (size_t)(servers * (window + 5) * 2), gaps = 0;
    double *gap = malloc(room * sizeof *gap);
    unsigned slice[SLICES] = { 0 };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wish = { .events = EPOLLIN, .data.fd = port }, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, port, &wish);

    const char *counter = getenv("IPVS_COUNTER");
    int file = counter ? open(counter, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    unsigned long *commands = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof *commands) == 0)
        commands = mmap(NULL, sizeof *commands, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (commands == MAP_FAILED) {
        fprintf(stderr, "meter: IPVS_COUNTER must name a file\n");
        return 1;
    }
    double start = now(), round = 0, begin = 0, end = 0;
    struct usage before = { 0 }, after = { 0 };
    long checks = 0;
    int seen = 0;
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        const char *log = getenv("METER_LOG");
        int out = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600) : null;
        dup2(out, 1);
        dup2(out, 2);
        const char *preload = getenv("METER_PRELOAD");
        if (preload && *preload)
            setenv("LD_PRELOAD", preload, 1);
        execvp(words[4], words + 4);
        _exit(127);
    }
    for (;;) {
        double time = now();
        if (waitpid(child, NULL, WNOHANG) == child) {
            printf("%-11s ended before its checks did\n", words[3]);
            return 1;
        }
        if (round == 0 && time - start > PATIENCE) {
            printf("%-11s only %d of %d servers were checked in %d s\n", words[3], seen, servers, PATIENCE);
            break;
        }
        if (round > 0 && begin == 0 && time - start > round + 2) {
            begin = time;
            before = usage_of(child);
        }
        if (begin > 0 && time - begin >= window) {
            end = time;
            after = usage_of(child);
            break;
        }
        int ready = epoll_wait(epoll, events, 256, 20);
        time = now();
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != port) {
                char request[2048];
                ssize_t length = read(fd, request, sizeof request);
                if (length > 0)
                    length = write(fd, ANSWER, sizeof ANSWER - 1);
                close(fd);
                continue;
            }
            int accepted;
            while ((accepted = accept4(port, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                struct sockaddr_in own;
                socklen_t size = sizeof own;
                getsockname(accepted, (void *)&own, &size);
                int server = (int)(ntohl(own.sin_addr.s_addr) - 0x7f010001);
                if (server >= 0 && server < servers) {
                    if (last[server] == 0 && ++seen == servers)
                        round = time - start;
                    if (begin > 0) {
                        checks++;
                        slice[(int)(time * SLICES) % SLICES]++;
                        if (gaps < room)
                            gap[gaps++] = time - last[server];
                    }
                    last[server] = time;
                }
                wish.data.fd = accepted;
                epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &wish);
            }
        }
    }
    /* All servers die at once. */
    double dead = 0;
    unsigned long reached = __atomic_load_n(commands, __ATOMIC_RELAXED) + (unsigned long)servers;
    close(port);
    for (double begun = now(); dead == 0 && now() - begun < PATIENCE; usleep(1000))
        if (__atomic_load_n(commands, __ATOMIC_RELAXED) >= reached)
            dead = now() - begun;
    kill(child, SIGTERM);
    for (int tries = 0; tries < 500 && waitpid(child, NULL, WNOHANG) == 0; tries++)
        usleep(10000);
    kill(child, SIGKILL);
    if (checks == 0)
        return 1;
    qsort(gap, gaps, sizeof *gap, ascending);
    unsigned busiest = 0;
    for (int i = 0; i < SLICES; i++)
        busiest = slice[i] > busiest ? slice[i] : busiest;
    printf("%-11s %8.0f/s %8.1f us %8.1f MB %8.1f MB %9.2f s %9.1f x %8.0f ms %8.0f ms %9.2f s\n", words[3], (double)checks / (end - begin),
           (after.seconds - before.seconds) * 1e6 / (double)checks, (double)after.proportional / 1024,
           (double)after.resident / 1024, round,
           (double)busiest * SLICES / (double)checks, (gap[gaps / 100 * 99] - 1) * 1e3, (gap[gaps - 1] - 1) * 1e3, dead);
    return 0;
}
