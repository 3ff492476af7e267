/* The limit: what a supervisor costs when it does nothing but posix_spawn and wait on pidfds.
 *
 *     bare COUNT LOG_DIR PROGRAM ARG...      (INDEX is appended to the arguments)
 *
 * A child gets what any supervisor must give it: a session of its own, clean signals, /dev/null as input, its own log
 * file opened O_APPEND, a prepared environment. No journal, no tree, no identity, no grandchildren, no limits.
 *
 * Standard input commands: `s` starts all children, `q` (or its end, when the benchmark is gone) signals all with TERM
 * and exits when all have been reaped. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define EVENTS 64
#define STDIN_TAG UINT32_MAX

struct child {
    pid_t pid;
    int pidfd;
    char index[12];
};

extern char **environ;

static struct child *children;
static uint32_t count, alive;
static int epoll_fd, stopping;
static char **arguments;
static const char *log_dir;
static int index_at;
static posix_spawnattr_t attributes;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int fd, uint32_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void start(uint32_t number)
{
    struct child *child = &children[number];
    posix_spawn_file_actions_t actions;
    char log[4096];
    int failure;

    snprintf(log, sizeof log, "%s/%s.log", log_dir, child->index);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    arguments[index_at] = child->index;
    failure = posix_spawn(&child->pid, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        errno = failure;
        die(arguments[0]);
    }
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pidfd < 0)
        die("pidfd_open");
    watch(child->pidfd, number);
    alive++;
}

static void ended(uint32_t number)
{
    struct child *child = &children[number];
    siginfo_t status;

    if (waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &status, WEXITED) != 0)
        die("waitid");
    close(child->pidfd);
    child->pidfd = -1;
    alive--;
    if (!stopping)
        start(number);
}

static void command(void)
{
    char word;

    if (read(0, &word, 1) == 1 && word == 's') {
        for (uint32_t number = 0; number < count; number++)
            start(number);
        return;
    }
    stopping = 1;
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, 0, NULL);
    for (uint32_t number = 0; number < count; number++)
        if (children[number].pidfd >= 0)
            syscall(SYS_pidfd_send_signal, children[number].pidfd, SIGTERM, NULL, 0);
}

static void prepare(int argc, char **argv)
{
    struct rlimit files;
    sigset_t none, all;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    count = (uint32_t)atoi(argv[1]);
    children = calloc(count, sizeof *children);
    arguments = calloc((size_t)argc, sizeof *arguments);
    if (children == NULL || arguments == NULL)
        die("calloc");
    log_dir = argv[2];
    index_at = argc - 3;
    memcpy(arguments, argv + 3, (size_t)index_at * sizeof *arguments);
    for (uint32_t number = 0; number < count; number++) {
        children[number].pidfd = -1;
        snprintf(children[number].index, sizeof children->index, "%u", number);
    }
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];

    if (argc < 4)
        return 2;
    prepare(argc, argv);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    watch(0, STDIN_TAG);
    while (!stopping || alive > 0) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int at = 0; at < ready; at++) {
            if (events[at].data.u32 == STDIN_TAG)
                command();
            else
                ended(events[at].data.u32);
        }
    }
    return 0;
}
