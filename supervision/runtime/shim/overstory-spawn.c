/* overstory-spawn: posix_spawn for a process that holds a descriptor for each of its thousand children.
 *
 *   long overstory_spawn(const char *program, size_t size, int child_first, int *pidfd, int *where)
 *
 *   long overstory_hand_over(int socket, const char *program, size_t size)
 *
 * A shared library, called through ctypes. Returns the pid and a close-on-exec pidfd, or -errno with `where` saying which
 * step failed; then nothing is left running. `program` is strings that end in NUL, one after the other, numbers in them
 * decimal but for the umask, which is octal:
 *
 *   EXECUTABLE CWD|"" UMASK|"" STDOUT STDERR  SPARE_OUT SPARE_ERR LEDGER AT NOTE
 *   N  N times RESOURCE SOFT  ARGC  ARGC arguments  the environment
 *
 * With SPARE_OUT the child opens that file and SPARE_ERR where they are there, STDOUT and STDERR where not (spare_files.py).
 * Before, it writes its pid and NOTE, unless that is empty, at AT into the descriptor LEDGER.
 *
 * What it has over posix_spawn, measured with a static C child: with 1,000 descriptors open, 0.10 to 0.13 ms of each start,
 * because the child shares our table and leaves it for one of three descriptors (close_range, Linux 5.9) instead of copying
 * all and closing all in its exec; the pidfd comes with the process (CLONE_PIDFD, 5.2); directory, umask and soft limits are
 * set in the child, so that we need not set our own and set them back.
 *
 * As in glibc's posix_spawn the child runs in our memory, on a stack of its own, while we stand still (vfork), with all
 * signals blocked until it has no handler of ours left. It makes system calls and nothing else. Single-threaded callers
 * only: the stack is one for all calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_UNSHARE_ 2u
#define SIGNALS 64
#define LOG_FLAGS (O_WRONLY | O_CREAT | O_APPEND)

/* In the order of spawning.py's STEPS. A failed limit is STEP_LIMIT plus its place in the list. */
enum { STEP_PROCESS, STEP_TABLE, STEP_CWD, STEP_OUTPUT, STEP_EXEC, STEP_MEMORY, STEP_LIMIT };

struct plan {
    const char *executable, *cwd, *umask, *out, *err;
    const char *spare_out, *spare_err, *ledger, *at, *note;
    char **limits, **argv, **envp;
    long limit_count;
    int own_table;  /* the kernel has no close_range: copy the table of descriptors, as fork does */
    int child_first; /* we stand back until the child sleeps, see stand_back */
    volatile int step, error;
};

/* The kernel's struct sigaction differs from libc's; all zero is "default action, no flags, empty mask" in both. */
static const unsigned long default_action[8];
static char stack[32768] __attribute__((aligned(64)));

/* The exec wakes us on the child's own processor, where we would run before it: our book-keeping would be the child's delay.
 * Who is SCHED_BATCH pushes nobody aside when it wakes. Nothing else about it changes; refused, we do without. */
static int stand_back(int policy)
{
    struct sched_param none = {0};

    return syscall(SYS_sched_setscheduler, 0, policy, &none) == 0;
}

static void fail(struct plan *plan, int step)
{
    plan->step = step;
    plan->error = errno;
    _exit(127);
}

/* Our pid in ten digits, a blank, the note: before anything of ours can be seen from outside. */
static void take_note(struct plan *plan)
{
    char line[512];
    size_t length = strlen(plan->note);
    long pid = syscall(SYS_getpid);

    if (length > sizeof line - 11)
        return;
    for (int digit = 9; digit >= 0; digit--, pid /= 10)
        line[digit] = (char)('0' + pid % 10);
    line[10] = ' ';
    memcpy(line + 11, plan->note, length);
    if (pwrite(atoi(plan->ledger), line, length + 11, atol(plan->at)) < 0)
        return; /* a full disk: the file of that name will tell as much */
}

static void open_as(struct plan *plan, int target, const char *spare, const char *path, int flags)
{
    int fd = -1;

    close(target);
    if (spare[0] != '\0')
        fd = open(spare, flags & ~O_CREAT);
    if (fd < 0)
        fd = open(path, flags, 0600);
    if (fd < 0)
        fail(plan, STEP_OUTPUT);
    if (fd != target) {
        if (dup2(fd, target) < 0)
            fail(plan, STEP_OUTPUT);
        close(fd);
    }
}

static void set_limits(struct plan *plan)
{
    for (long at = 0; at < plan->limit_count; at++) {
        int number = atoi(plan->limits[2 * at]);
        struct rlimit limit;

        if (syscall(SYS_prlimit64, 0, number, NULL, &limit) != 0)
            fail(plan, STEP_LIMIT + (int)at);
        limit.rlim_cur = strtoull(plan->limits[2 * at + 1], NULL, 10);
        if (syscall(SYS_prlimit64, 0, number, &limit, NULL) != 0)
            fail(plan, STEP_LIMIT + (int)at);
    }
}

static int child(void *argument)
{
    struct plan *plan = argument;
    unsigned long none = 0;

    if (plan->child_first)
        stand_back(SCHED_OTHER);
    if (plan->note[0] != '\0')
        take_note(plan);
    if (!plan->own_table && syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_UNSHARE_) != 0)
        fail(plan, STEP_TABLE);
    for (int number = 1; number <= SIGNALS; number++) /* refused for KILL and STOP, which nobody can change */
        syscall(SYS_rt_sigaction, number, default_action, NULL, 8);
    syscall(SYS_setsid);
    if (plan->cwd[0] != '\0' && chdir(plan->cwd) != 0)
        fail(plan, STEP_CWD);
    set_limits(plan);
    if (plan->umask[0] != '\0') /* before the files: they are the child's own, and its mask says who reads them */
        umask((mode_t)strtoul(plan->umask, NULL, 8));
    open_as(plan, 0, "", "/dev/null", O_RDONLY);
    open_as(plan, 1, plan->spare_out, plan->out, LOG_FLAGS);
    if (strcmp(plan->out, plan->err) != 0)
        open_as(plan, 2, plan->spare_err, plan->err, LOG_FLAGS);
    else if (dup2(1, 2) < 0)
        fail(plan, STEP_OUTPUT);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    execve(plan->executable, plan->argv, plan->envp);
    fail(plan, STEP_EXEC);
    return 127;
}

/* Take the next string of the program; an empty one behind its end. */
static char *next(char **at, char *end)
{
    char *found = *at;

    if (found >= end)
        return end - 1;
    *at = found + strlen(found) + 1;
    return found;
}

/* Point into the program. Each of its strings takes one entry, the two lists an end each. */
static void read_program(struct plan *plan, char *at, char *end, char **entries)
{
    plan->executable = next(&at, end);
    plan->cwd = next(&at, end);
    plan->umask = next(&at, end);
    plan->out = next(&at, end);
    plan->err = next(&at, end);
    plan->spare_out = next(&at, end);
    plan->spare_err = next(&at, end);
    plan->ledger = next(&at, end);
    plan->at = next(&at, end);
    plan->note = next(&at, end);
    plan->limit_count = atol(next(&at, end));
    plan->limits = entries;
    for (long left = 2 * plan->limit_count; left > 0; left--)
        *entries++ = next(&at, end);
    long count = atol(next(&at, end));
    plan->argv = entries;
    while (count-- > 0)
        *entries++ = next(&at, end);
    *entries++ = NULL;
    plan->envp = entries;
    while (at < end)
        *entries++ = next(&at, end);
    *entries = NULL;
}

static long spawn(struct plan *plan, int *pidfd)
{
    unsigned long all = ~0ul, old;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (plan->own_table ? 0 : CLONE_FILES) | SIGCHLD;
    long pid;

    plan->step = STEP_PROCESS;
    plan->error = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, 8);
    if (plan->child_first)
        plan->child_first = sched_getscheduler(0) == SCHED_OTHER && stand_back(SCHED_BATCH);
    pid = clone(child, stack + sizeof stack, flags, plan, pidfd);
    if (pid < 0)
        plan->error = errno;
    else if (plan->error != 0) {
        while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close(*pidfd);
    }
    if (plan->child_first)
        stand_back(SCHED_OTHER);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
    return plan->error != 0 ? -plan->error : pid;
}

long overstory_spawn(const char *program, size_t size, int child_first, int *pidfd, int *where)
{
    static int own_table; /* what was found out about this kernel */
    struct plan plan;
    size_t count = 3;
    char **entries, *start = (char *)program;
    long result;

    for (const char *at = program; at < program + size; at += strlen(at) + 1)
        count++;
    entries = malloc(count * sizeof *entries);
    if (size == 0 || entries == NULL) {
        free(entries);
        *where = STEP_MEMORY;
        return -ENOMEM;
    }
    read_program(&plan, start, start + size, entries);
    plan.own_table = own_table;
    plan.child_first = child_first;
    result = spawn(&plan, pidfd);
    if (result < 0 && plan.step == STEP_TABLE && !own_table) {
        plan.own_table = own_table = 1;
        result = spawn(&plan, pidfd);
    }
    *where = plan.step;
    free(entries);
    return result;
}

/* Give the program to a process that waits for one at the other end of `socket` (overstory-exec ... wait), and stand back until
 * it runs. 0: it does, or was ended on the way, or takes longer than the socket waits; -errno: it could not be given; more: it
 * said that it failed. */
long overstory_hand_over(int socket, const char *program, size_t size)
{
    int back = sched_getscheduler(0) == SCHED_OTHER && stand_back(SCHED_BATCH);
    long result = send(socket, program, size, MSG_NOSIGNAL);
    char said[8];

    if (result >= 0)
        do
            result = recv(socket, said, sizeof said, 0);
        while (result < 0 && errno == EINTR);
    if (result < 0)
        result = errno == EAGAIN ? 0 : -errno;
    if (back)
        stand_back(SCHED_OTHER);
    return result;
}
