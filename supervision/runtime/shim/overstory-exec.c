/* overstory-exec: does to itself what posix_spawn has no attribute for, then becomes the program.
 *
 *   overstory-exec REPORT_FD [STEP...] exec PATH ARGV0 [ARG...]
 *   overstory-exec REPORT_FD wait LEDGER_FD
 *
 * `wait`: started ahead of need (standby.py), in a session of its own. REPORT_FD is a socket then. One message comes through
 * it, which says in the words of overstory-spawn.c what to become; its end comes when nobody is there any more to say it.
 *
 * Steps run in the order given; the launcher knows the right one (privileged things, the user, what the user must be
 * allowed to do). Numbers are decimal, except the umask.
 *
 *   taken FILE AT NOTE         write our pid and NOTE at AT into FILE (spare_files.py); failing at that fails nothing
 *   cgroup DIR                 join the control group: write 0 to DIR/cgroup.procs
 *   oom N                      write N to /proc/self/oom_score_adj
 *   nice N                     set (not add) the nice value
 *   limit RESOURCE SOFT HARD   prlimit; RESOURCE is the kernel's number, a value is a number, "unlimited", or "=" to
 *                              leave it as it is
 *   groups N[,N...] | -        supplementary groups; "-" for none
 *   gid N, uid N               real, effective and saved
 *   umask OCTAL
 *   chdir DIR
 *   listen                     put our pid into the LISTEN_PID= entry of the environment, which must be there
 *
 * REPORT_FD is the writing end of a pipe. It is made close-on-exec first, so end of file means that the program runs.
 * A step that fails writes one line, "errno step first-argument", to it and to standard error, and exits with status
 * 127. The environment and other descriptors are passed on as they are. No allocation, no shell, no name service.
 *
 * Without a C library where we know how (x86-64, arm64): measured on a virtual machine, going through this program costs
 * a start 0.05 ms so, and 0.30 ms with a static glibc, whose start-up asks the processor what it is (CPUID traps to the
 * hypervisor) and touches ten times the pages. Elsewhere the same text compiles against libc's syscall(). 64-bit Linux.
 */
#include <sys/syscall.h>

#define FILE_FLAGS 02000001 /* O_WRONLY | O_CLOEXEC */
#define APPEND_FLAGS 02001 /* O_WRONLY | O_APPEND */
#define CREATE_FLAG 0100 /* O_CREAT */
#define AT_CWD (-100)
#define E_INVAL 22
#define E_NAMETOOLONG 36
#define F_SETFD_ 2
#define FD_CLOEXEC_ 1
#define GROUPS_MAX 65536
#define MESSAGE_MAX 65536
#define UNUSED_STATUS 79 /* as of a template's spare that nobody needed: no child's end */
#define UNLIMITED (~0UL)

#if defined FREESTANDING && defined __x86_64__
static long sys(long call, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(call), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#elif defined FREESTANDING && defined __aarch64__
static long sys(long call, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = call;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl begin\n");
#elif defined FREESTANDING
#error "no system calls of our own for this processor: compile against libc"
#else
#include <errno.h>
#include <unistd.h>
static long sys(long call, long a, long b, long c, long d)
{
    long result = syscall(call, a, b, c, d);
    return result == -1 ? -errno : result;
}
#endif

struct limit {
    unsigned long soft, hard;
};

static char **environment;
static int report_fd = -1;

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static unsigned long length(const char *text)
{
    unsigned long count = 0;
    while (text[count])
        count++;
    return count;
}

/* Append to a buffer of `size` bytes, cutting what does not fit; returns the new end. */
static unsigned long append(char *buffer, unsigned long at, unsigned long size, const char *text)
{
    while (*text && at < size)
        buffer[at++] = *text++;
    return at;
}

static unsigned long append_number(char *buffer, unsigned long at, unsigned long size, unsigned long value)
{
    char digits[24];
    int begin = sizeof digits - 1;
    digits[begin] = 0;
    do
        digits[--begin] = (char)('0' + value % 10);
    while (value /= 10);
    return append(buffer, at, size, digits + begin);
}

static void __attribute__((noreturn)) fail(long number, const char *step, const char *argument)
{
    static const char name[] = "overstory-exec: error ";
    char line[400];
    unsigned long begin = append(line, 0, sizeof line - 1, name);
    unsigned long end = append_number(line, begin, sizeof line - 1, (unsigned long)number);
    end = append(line, end, sizeof line - 1, " ");
    end = append(line, end, sizeof line - 1, step);
    end = append(line, end, sizeof line - 1, " ");
    end = append(line, end, sizeof line - 1, argument);
    line[end++] = '\n';
    if (report_fd >= 0)
        sys(__NR_write, report_fd, (long)(line + begin), (long)(end - begin), 0);
    sys(__NR_write, 2, (long)line, (long)end, 0);
    for (;;)
        sys(__NR_exit_group, 127, 0, 0, 0);
}

static void check(long result, const char *step, const char *argument)
{
    if (result < 0)
        fail(-result, step, argument);
}

/* A number up to `stop` or the end of the text; anything else in it fails the step. */
static long number(const char *step, const char *text, int base, char stop, const char **rest)
{
    const char *at = text;
    unsigned long value = 0, before;
    int negative = *at == '-';
    at += negative;
    if (!*at || *at == stop)
        fail(E_INVAL, step, text);
    for (; *at && *at != stop; at++) {
        before = value;
        value = value * (unsigned long)base + (unsigned long)(*at - '0');
        if (*at < '0' || *at >= '0' + base || value < before)
            fail(E_INVAL, step, text);
    }
    if (rest)
        *rest = at;
    return negative ? -(long)value : (long)value;
}

static long decimal(const char *step, const char *text)
{
    return number(step, text, 10, 0, 0);
}

static void write_file(const char *step, const char *path, const char *text, const char *argument)
{
    long fd = sys(__NR_openat, AT_CWD, (long)path, FILE_FLAGS, 0);
    check(fd, step, argument);
    check(sys(__NR_write, fd, (long)text, (long)length(text), 0), step, argument);
    sys(__NR_close, fd, 0, 0, 0);
}

static void write_note(long fd, const char *at, const char *note)
{
    char line[512];
    unsigned long end = append_number(line, 0, sizeof line, (unsigned long)sys(__NR_getpid, 0, 0, 0, 0));

    end = append(line, end, sizeof line, " ");
    end = append(line, end, sizeof line, note);
    sys(__NR_pwrite64, fd, (long)line, (long)end, decimal("taken", at));
}

static void take_note(const char *path, const char *at, const char *note)
{
    long fd = sys(__NR_openat, AT_CWD, (long)path, FILE_FLAGS, 0);

    if (fd < 0)
        return;
    write_note(fd, at, note);
    sys(__NR_close, fd, 0, 0, 0);
}

static void open_as(long target, const char *spare, const char *path)
{
    long fd = -1;

    sys(__NR_close, target, 0, 0, 0);
    if (*spare)
        fd = sys(__NR_openat, AT_CWD, (long)spare, APPEND_FLAGS, 0);
    if (fd < 0)
        fd = sys(__NR_openat, AT_CWD, (long)path, APPEND_FLAGS | CREATE_FLAG, 0600);
    check(fd, "output", path);
    if (fd != target) {
        check(sys(__NR_dup3, fd, target, 0, 0), "output", path);
        sys(__NR_close, fd, 0, 0, 0);
    }
}

static void join_cgroup(const char *directory)
{
    char path[4096];
    unsigned long end = append(path, 0, sizeof path, directory);
    end = append(path, end, sizeof path, "/cgroup.procs");
    if (end == sizeof path)
        fail(E_NAMETOOLONG, "cgroup", directory);
    path[end] = 0;
    write_file("cgroup", path, "0", directory);
}

static unsigned long limit_value(const char *text, unsigned long now)
{
    return same(text, "=") ? now : same(text, "unlimited") ? UNLIMITED : (unsigned long)decimal("limit", text);
}

static void set_limit(const char *resource, const char *soft, const char *hard)
{
    struct limit limit = {0, 0};
    long which = decimal("limit", resource);
    check(sys(__NR_prlimit64, 0, which, 0, (long)&limit), "limit", resource);
    limit.hard = limit_value(hard, limit.hard);
    limit.soft = limit_value(soft, limit.soft);
    check(sys(__NR_prlimit64, 0, which, (long)&limit, 0), "limit", resource);
}

static void set_groups(const char *list)
{
    static unsigned int groups[GROUPS_MAX];
    long count = 0;
    for (const char *at = list; !same(list, "-"); at++) {
        if (count == GROUPS_MAX)
            fail(E_INVAL, "groups", list);
        groups[count++] = (unsigned int)number("groups", at, 10, ',', &at);
        if (!*at)
            break;
    }
    check(sys(__NR_setgroups, count, (long)groups, 0, 0), "groups", list);
}

static void set_listen_pid(void)
{
    static const char name[] = "LISTEN_PID=";
    static char entry[40];
    for (char **at = environment; *at; at++) {
        unsigned long i = 0;
        while (name[i] && (*at)[i] == name[i])
            i++;
        if (!name[i]) {
            unsigned long end = append(entry, 0, sizeof entry - 1, name);
            append_number(entry, end, sizeof entry - 1, (unsigned long)sys(__NR_getpid, 0, 0, 0, 0));
            *at = entry;
            return;
        }
    }
    fail(E_INVAL, "listen", "LISTEN_PID");
}

static char message[MESSAGE_MAX + 1];
static char *entries[MESSAGE_MAX + 2];

/* The next string of the message; an empty one behind its end. */
static char *next(char **at, char *end)
{
    char *found = *at;

    if (found >= end)
        return end;
    *at = found + length(found) + 1;
    return found;
}

static void report_to(const char *text)
{
    long fd = decimal("usage", text);
    check(sys(__NR_fcntl, fd, F_SETFD_, FD_CLOEXEC_, 0), "usage", text);
    report_fd = (int)fd;
}

/* Wait for the message, and become what it says: what overstory-spawn.c does in its child, in the same order. */
static void __attribute__((noreturn)) wait_for_message(const char *ledger)
{
    char **argv = entries, **entry = entries, *at = message;
    long ledger_fd = decimal("usage", ledger);
    check(sys(__NR_fcntl, ledger_fd, F_SETFD_, FD_CLOEXEC_, 0), "usage", ledger);
    long size = sys(__NR_read, report_fd, (long)message, MESSAGE_MAX, 0);
    while (size <= 0)
        sys(__NR_exit_group, UNUSED_STATUS, 0, 0, 0);
    char *end = message + size;
    char *executable = next(&at, end), *cwd = next(&at, end), *mask = next(&at, end);
    char *out = next(&at, end), *err = next(&at, end);
    char *spare_out = next(&at, end), *spare_err = next(&at, end);
    next(&at, end); /* the ledger by its number in our parent */
    char *place = next(&at, end), *note = next(&at, end);

    if (*note)
        write_note(ledger_fd, place, note);
    if (*cwd)
        check(sys(__NR_chdir, (long)cwd, 0, 0, 0), "chdir", cwd);
    for (long limits = decimal("limit", next(&at, end)); limits > 0; limits--) {
        char *resource = next(&at, end);
        set_limit(resource, next(&at, end), "=");
    }
    if (*mask)
        sys(__NR_umask, number("umask", mask, 8, 0, 0), 0, 0, 0);
    open_as(1, spare_out, out);
    if (same(out, err))
        check(sys(__NR_dup3, 1, 2, 0, 0), "output", err);
    else
        open_as(2, spare_err, err);
    for (long left = decimal("exec", next(&at, end)); left > 0 && at < end; left--)
        *entry++ = next(&at, end);
    *entry++ = 0;
    environment = entry;
    while (at < end)
        *entry++ = next(&at, end);
    check(sys(__NR_execve, (long)executable, (long)argv, (long)environment, 0), "exec", executable);
    fail(E_INVAL, "usage", "wait");
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        fail(E_INVAL, "usage", "REPORT_FD [STEP...] exec PATH ARGV0 [ARG...]");
    report_to(argv[1]);
    if (argc == 4 && same(argv[2], "wait"))
        wait_for_message(argv[3]);

    for (int i = 2; i < argc;) {
        const char *step = argv[i];
        char **argument = argv + i + 1;
        int left = argc - i - 1;
        int used = 0;
#define STEP(word, arguments) (same(step, word) && left >= (used = (arguments)))
        if (STEP("listen", 0))
            set_listen_pid();
        else if (STEP("taken", 3))
            take_note(argument[0], argument[1], argument[2]);
        else if (STEP("cgroup", 1))
            join_cgroup(argument[0]);
        else if (STEP("oom", 1))
            write_file(step, "/proc/self/oom_score_adj", argument[0], argument[0]);
        else if (STEP("nice", 1)) /* which: PRIO_PROCESS */
            check(sys(__NR_setpriority, 0, 0, decimal(step, argument[0]), 0), step, argument[0]);
        else if (STEP("limit", 3))
            set_limit(argument[0], argument[1], argument[2]);
        else if (STEP("groups", 1))
            set_groups(argument[0]);
        else if (STEP("gid", 1)) {
            long gid = decimal(step, argument[0]);
            check(sys(__NR_setresgid, gid, gid, gid, 0), step, argument[0]);
        } else if (STEP("uid", 1)) {
            long uid = decimal(step, argument[0]);
            check(sys(__NR_setresuid, uid, uid, uid, 0), step, argument[0]);
        } else if (STEP("umask", 1))
            sys(__NR_umask, number(step, argument[0], 8, 0, 0), 0, 0, 0);
        else if (STEP("chdir", 1))
            check(sys(__NR_chdir, (long)argument[0], 0, 0, 0), step, argument[0]);
        else if (STEP("exec", 2))
            check(sys(__NR_execve, (long)argument[0], (long)(argument + 1), (long)environment, 0), step, argument[0]);
        else
            fail(E_INVAL, "usage", step);
#undef STEP
        i += 1 + used;
    }
    fail(E_INVAL, "usage", "exec is missing");
}

#ifdef FREESTANDING
/* What the kernel leaves on the stack: argc, argv, NULL, environment, NULL. */
__attribute__((used)) void begin(long *stack)
{
    environment = (char **)(stack + 1) + stack[0] + 1;
    run((int)stack[0], (char **)(stack + 1));
}
#else
int main(int argc, char **argv, char **envp)
{
    environment = envp;
    return run(argc, argv);
}
#endif
