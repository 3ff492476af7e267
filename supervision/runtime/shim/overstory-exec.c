/* overstory-exec: does to itself what posix_spawn has no attribute for, then becomes the program.
 *
 *   overstory-exec REPORT_FD [STEP...] exec PATH ARGV0 [ARG...]
 *
 * Steps run in the order given; the launcher knows the right one (privileged things, the user, what the user must be
 * allowed to do). Numbers are decimal, except the umask.
 *
 *   cgroup DIR                 join the control group: write 0 to DIR/cgroup.procs
 *   oom N                      write N to /proc/self/oom_score_adj
 *   nice N                     set (not add) the nice value
 *   limit RESOURCE SOFT HARD   setrlimit; RESOURCE is the kernel's number, a value is a number, "unlimited", or
 *                              "=" to leave it as it is
 *   groups N[,N...] | -        setgroups; "-" for none
 *   gid N, uid N               real, effective and saved
 *   umask OCTAL
 *   chdir DIR
 *   listen                     put our pid into the LISTEN_PID= entry of the environment, which must be there
 *
 * REPORT_FD is the writing end of a pipe. It is made close-on-exec first, so end of file means that the program runs.
 * A step that fails writes one line, "errno step first-argument", to it, the same in words to standard error, and exits
 * with status 127. The environment and descriptors are passed on as they are. No allocation, no shell, no name service.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;
static int report_fd = -1;

static void fail(int number, const char *step, const char *argument)
{
    char line[384];
    int length = snprintf(line, sizeof line, "%d %s %.300s\n", number, step, argument);
    if (report_fd >= 0 && length > 0 && write(report_fd, line, length) < 0)
        number = number; /* nobody listens any more; standard error is left */
    length = snprintf(line, sizeof line, "overstory-exec: %s %.200s: %.100s\n", step, argument, strerror(number));
    if (length > 0 && write(2, line, length) < 0)
        _exit(127);
    _exit(127);
}

static long number(const char *step, const char *text, int base)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, base);
    if (errno || end == text || *end)
        fail(EINVAL, step, text);
    return value;
}

static rlim_t limit_value(const char *text, rlim_t now)
{
    char *end;
    if (strcmp(text, "=") == 0)
        return now;
    if (strcmp(text, "unlimited") == 0)
        return RLIM_INFINITY;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end)
        fail(EINVAL, "limit", text);
    return (rlim_t)value;
}

static void write_file(const char *step, const char *path, const char *text, const char *argument)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail(errno, step, argument);
    close(fd);
}

static void join_cgroup(const char *directory)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/cgroup.procs", directory) >= (int)sizeof path)
        fail(ENAMETOOLONG, "cgroup", directory);
    write_file("cgroup", path, "0", directory);
}

static void set_limit(const char *resource, const char *soft, const char *hard)
{
    struct rlimit limit;
    int which = (int)number("limit", resource, 10);
    if (getrlimit(which, &limit) != 0)
        fail(errno, "limit", resource);
    limit.rlim_max = limit_value(hard, limit.rlim_max);
    limit.rlim_cur = limit_value(soft, limit.rlim_cur);
    if (setrlimit(which, &limit) != 0)
        fail(errno, "limit", resource);
}

static void set_groups(const char *list)
{
    static gid_t groups[65536]; /* NGROUPS_MAX */
    size_t count = 0;
    const char *at = list;
    while (strcmp(list, "-") != 0) {
        char *end;
        groups[count++] = (gid_t)strtoul(at, &end, 10);
        if (end == at || (*end && *end != ',') || (*end && count == sizeof groups / sizeof *groups))
            fail(EINVAL, "groups", list);
        if (!*end)
            break;
        at = end + 1;
    }
    if (setgroups(count, groups) != 0)
        fail(errno, "groups", list);
}

static void set_listen_pid(void)
{
    static char entry[40];
    snprintf(entry, sizeof entry, "LISTEN_PID=%ld", (long)getpid());
    for (char **at = environ; *at; at++)
        if (strncmp(*at, "LISTEN_PID=", 11) == 0) {
            *at = entry;
            return;
        }
    fail(EINVAL, "listen", "LISTEN_PID");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        fail(EINVAL, "usage", "REPORT_FD [STEP...] exec PATH ARGV0 [ARG...]");
    int fd = (int)number("usage", argv[1], 10);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        fail(errno, "usage", argv[1]);
    report_fd = fd;

    for (int i = 2; i < argc;) {
        const char *step = argv[i];
        char **argument = argv + i + 1;
        int left = argc - i - 1;
        int used = 1;
#define STEP(word, arguments) (strcmp(step, word) == 0 && left >= (used = (arguments)))
        if (STEP("listen", 0))
            set_listen_pid();
        else if (STEP("cgroup", 1))
            join_cgroup(argument[0]);
        else if (STEP("oom", 1))
            write_file("oom", "/proc/self/oom_score_adj", argument[0], argument[0]);
        else if (STEP("nice", 1)) {
            if (setpriority(PRIO_PROCESS, 0, (int)number(step, argument[0], 10)) != 0)
                fail(errno, step, argument[0]);
        } else if (STEP("limit", 3))
            set_limit(argument[0], argument[1], argument[2]);
        else if (STEP("groups", 1))
            set_groups(argument[0]);
        else if (STEP("gid", 1)) {
            gid_t gid = (gid_t)number(step, argument[0], 10);
            if (setresgid(gid, gid, gid) != 0)
                fail(errno, step, argument[0]);
        } else if (STEP("uid", 1)) {
            uid_t uid = (uid_t)number(step, argument[0], 10);
            if (setresuid(uid, uid, uid) != 0)
                fail(errno, step, argument[0]);
        } else if (STEP("umask", 1))
            umask((mode_t)number(step, argument[0], 8));
        else if (STEP("chdir", 1)) {
            if (chdir(argument[0]) != 0)
                fail(errno, step, argument[0]);
        } else if (STEP("exec", 2)) {
            execve(argument[0], argument + 1, environ);
            fail(errno, step, argument[0]);
        } else
            fail(EINVAL, "usage", step);
#undef STEP
        i += 1 + used;
    }
    fail(EINVAL, "usage", "exec is missing");
}
