/* The child that everything here supervises: says when it began, then sleeps until a signal ends it.
 *
 *     stamp FIFO INDEX [READY_FD]
 *
 * Its first act is to read CLOCK_MONOTONIC; the stamp {i64 ns, i32 pid, i32 index} goes to FIFO in one write, which a
 * pipe keeps whole. Without a reader (the benchmark is gone) there is nothing to tell and it runs on. READY_FD gets a
 * newline: s6's readiness notification. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct stamp {
    int64_t ns;
    int32_t pid;
    int32_t index;
};

int main(int argc, char **argv)
{
    struct timespec now;
    struct stamp stamp;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc < 3)
        return 2;
    stamp.ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    stamp.pid = getpid();
    stamp.index = atoi(argv[2]);
    int fifo = open(argv[1], O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fifo >= 0) {
        if (write(fifo, &stamp, sizeof stamp) != sizeof stamp)
            return 3;
        close(fifo);
    }
    if (argc > 3 && write(atoi(argv[3]), "\n", 1) != 1)
        return 4;
    for (;;)
        pause();
}
