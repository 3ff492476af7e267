/* A supervised program that tests give descendants of every awkward kind. Without libc's help beyond system calls, so that
 * thousands of them cost little.
 *
 *     brood DIR NAME [BEHAVIOUR...]
 *
 * It takes an exclusive lock on DIR/NAME.lock, or writes a line to DIR/violations and exits with 70: every descendant
 * inherits the locked descriptor, so a life that begins before the last process of the one before is gone is caught. Then
 * it appends "INCARNATION PID" to DIR/NAME.stamps, brings up its descendants and waits for a signal.
 *
 * Behaviours: marked (double fork, new session, environment kept) - scrubbed (the same with an empty environment) -
 * session (a child with a session of its own and no environment, as PostgreSQL's backends) - generations=N (each of N
 * double-forks the next) - bomb=N (N scrubbed processes as a binary tree of sessions) - unlocked (no lock) - stubborn
 * (ignores SIGTERM) - exit=N (ends with that status once its descendants are up) - late (brings up its descendants on
 * SIGUSR1 instead of at once).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *dir, *name;
static char self[4096];
static char *no_environment[] = {NULL};

static void append(const char *suffix, const char *line) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, suffix);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        _exit(71);
    close(fd);
}

/* Become a descendant whose argv says what it is and which life of the child it belongs to. */
static void rest(const char *kind, const char *life, const char *count, char **environment) {
    char *argv[] = {"brood", (char *)dir, (char *)name, "--rest", (char *)kind, (char *)life, (char *)count, NULL};
    execve(self, argv, environment);
    _exit(72);
}

/* Fork twice with a session in between: the grandchild belongs to nobody. */
static void daemonise(const char *kind, const char *life, const char *count, char **environment) {
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() == 0)
            rest(kind, life, count, environment);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void in_session(const char *kind, const char *life, const char *count) {
    if (fork() == 0) {
        setsid();
        rest(kind, life, count, no_environment);
    }
}

static void bomb(const char *life, int count) {
    char left[16];
    int first = count / 2;
    if (first > 0) {
        snprintf(left, sizeof left, "%d", first);
        in_session("bomb", life, left);
    }
    if (count - first > 0) {
        snprintf(left, sizeof left, "%d", count - first);
        in_session("bomb", life, left);
    }
}

static void descend(int argc, char **argv, const char *life) {
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "marked"))
            daemonise("marked", life, "0", environ);
        else if (!strcmp(argv[i], "scrubbed"))
            daemonise("scrubbed", life, "0", no_environment);
        else if (!strcmp(argv[i], "session"))
            in_session("session", life, "0");
        else if (!strncmp(argv[i], "generations=", 12))
            daemonise("generation", life, argv[i] + 12, no_environment);
        else if (!strncmp(argv[i], "bomb=", 5))
            bomb(life, atoi(argv[i] + 5));
    }
}

static int has(int argc, char **argv, const char *word) {
    for (int i = 3; i < argc; i++)
        if (!strncmp(argv[i], word, strlen(word)))
            return i;
    return 0;
}

static void resting(char **argv) {
    int count = atoi(argv[6]);
    char left[16];
    snprintf(left, sizeof left, "%d", count - 1);
    if (!strcmp(argv[4], "generation") && count > 1)
        daemonise("generation", argv[5], left, no_environment);
    if (!strcmp(argv[4], "bomb") && count > 1)
        bomb(argv[5], count - 1);
    for (;;)
        pause();
}

static void wake(int number) { (void)number; }

int main(int argc, char **argv) {
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0 || argc < 3)
        return 64;
    self[length] = 0;
    dir = argv[1], name = argv[2];
    if (argc > 6 && !strcmp(argv[3], "--rest"))
        resting(argv);

    const char *incarnation = getenv("OVERSTORY_INCARNATION");
    char line[512], path[4096], life[32];
    if (!has(argc, argv, "unlocked")) {
        snprintf(path, sizeof path, "%s/%s.lock", dir, name);
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
            snprintf(line, sizeof line, "%s %s %d\n", name, incarnation, getpid());
            append("violations", line);
            return 70;
        }
    }
    signal(SIGUSR1, wake);
    if (has(argc, argv, "stubborn"))
        signal(SIGTERM, SIG_IGN);
    snprintf(line, sizeof line, "%s %d\n", incarnation ? incarnation : "0", getpid());
    snprintf(path, sizeof path, "%s.stamps", name);
    snprintf(life, sizeof life, "%d", getpid());
    append(path, line);
    if (has(argc, argv, "late"))
        pause();
    descend(argc, argv, life);
    if (has(argc, argv, "exit="))
        return atoi(argv[has(argc, argv, "exit=")] + 5);
    for (;;)
        pause();
}
