/* LD_PRELOAD: each fdatasync takes SLOW_SYNC_MS longer, as on a disk that others keep busy. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int fdatasync(int fd)
{
    const char *given = getenv("SLOW_SYNC_MS");
    long ms = given ? atol(given) : 0;
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&rest, NULL);
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
