/*
 * Disk faults for one ensemble, put before the C library with LD_PRELOAD.
 *
 * CHAOS_ROOT names the directory of the ensemble. Calls on files below CHAOS_ROOT/server-N/data/ obey the
 * lines of CHAOS_ROOT/server-N/trouble, read anew at each call:
 *
 *     sync ERRNO MS     fsync and fdatasync wait MS milliseconds, then fail with ERRNO unless it is 0
 *     write ERRNO MS    the same for pwrite
 *     undo 1 0          keep what is needed to take back every write that was not synced
 *     clock 0 MS        the wall clock is off by MS milliseconds, from the next such call of the process on
 *
 * The undo file CHAOS_ROOT/server-N/undo holds records in host byte order: a kind, the length of a path, an
 * offset and a length (four 64-bit numbers), the path, and for a write (kind 1) what stood there before. A record of
 * kind 2 says that all records of that path before the file offset it names are durable.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct trouble { int error; int ms; };
struct place { char path[PATH_MAX]; char server[PATH_MAX]; struct trouble sync, write; int undo; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int clock_ms; /* a process is one server */

static int (*real(const char *name))(int) { return (int (*)(int))dlsym(RTLD_NEXT, name); }

/* Find which server a file belongs to, and what is to happen to it; 0 when it is nobody's. */
static int look(int fd, struct place *place) {
    const char *root = getenv("CHAOS_ROOT");
    char link[64], control[PATH_MAX + 16], kind[16];
    if (root == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, place->path, sizeof place->path - 1);
    if (length <= 0) return 0;
    place->path[length] = 0;
    size_t prefix = strlen(root);
    if (strncmp(place->path, root, prefix) != 0 || strncmp(place->path + prefix, "/server-", 8) != 0) return 0;
    const char *data = strstr(place->path + prefix, "/data");
    if (data == NULL) return 0;
    memcpy(place->server, place->path, (size_t)(data - place->path));
    place->server[data - place->path] = 0;
    memset(&place->sync, 0, sizeof place->sync);
    memset(&place->write, 0, sizeof place->write);
    place->undo = 0;
    snprintf(control, sizeof control, "%s/trouble", place->server);
    int file = open(control, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 1;
    int off = 0;
    char text[256];
    length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        struct trouble found;
        if (sscanf(line, "%15s %d %d", kind, &found.error, &found.ms) != 3) continue;
        if (strcmp(kind, "sync") == 0) place->sync = found;
        if (strcmp(kind, "write") == 0) place->write = found;
        if (strcmp(kind, "undo") == 0) place->undo = found.error;
        if (strcmp(kind, "clock") == 0) off = found.ms;
    }
    clock_ms = off;
    return 1;
}

static int suffer(struct trouble trouble) {
    if (trouble.ms > 0) {
        struct timespec pause = {trouble.ms / 1000, (long)(trouble.ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
    if (trouble.error == 0) return 0;
    errno = trouble.error;
    return -1;
}

static int open_undo(const struct place *place) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/undo", place->server);
    return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void record(const struct place *place, int64_t kind, int64_t offset, const char *old, int64_t length) {
    size_t name = strlen(place->path), kept = kind == 1 ? (size_t)length : 0;
    size_t size = 32 + name + kept;
    char *bytes = malloc(size);
    int64_t head[4] = {kind, (int64_t)name, offset, length};
    if (bytes == NULL) abort();
    memcpy(bytes, head, 32);
    memcpy(bytes + 32, place->path, name);
    if (kept) memcpy(bytes + 32 + name, old, kept);
    int file = open_undo(place);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size) abort();
    close(file);
    free(bytes);
}

static ssize_t do_pwrite(const char *name, int fd, const void *data, size_t count, off_t offset) {
    ssize_t (*write_at)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, name);
    struct place place;
    if (!look(fd, &place)) return write_at(fd, data, count, offset);
    if (suffer(place.write) != 0) return -1;
    if (place.undo) {
        char path[PATH_MAX];
        char *old = calloc(1, count ? count : 1);
        if (old == NULL) abort();
        memcpy(path, place.path, sizeof path);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (pread(file, old, count, offset) < 0) abort();
            close(file);
        }
        pthread_mutex_lock(&lock);
        record(&place, 1, offset, old, (int64_t)count);
        pthread_mutex_unlock(&lock);
        free(old);
    }
    return write_at(fd, data, count, offset);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    return do_pwrite("pwrite", fd, data, count, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off_t offset) {
    return do_pwrite("pwrite64", fd, data, count, offset);
}

static int do_sync(const char *name, int fd) {
    struct place place;
    if (!look(fd, &place)) return real(name)(fd);
    if (suffer(place.sync) != 0) return -1;
    off_t before = -1;
    if (place.undo) {
        pthread_mutex_lock(&lock);
        int file = open_undo(&place);
        before = file < 0 ? -1 : lseek(file, 0, SEEK_END);
        if (file >= 0) close(file);
        pthread_mutex_unlock(&lock);
    }
    int result = real(name)(fd);
    if (result == 0 && before > 0) {
        pthread_mutex_lock(&lock);
        record(&place, 2, before, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real_clock)(clockid_t, struct timespec *);
    if (real_clock == NULL) real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock(id, now);
    if (result == 0 && id == CLOCK_REALTIME && clock_ms != 0) {
        int64_t ns = now->tv_nsec + (int64_t)(clock_ms % 1000) * 1000000;
        now->tv_sec += clock_ms / 1000 + (ns < 0 ? -1 : ns >= 1000000000 ? 1 : 0);
        now->tv_nsec = ns < 0 ? ns + 1000000000 : ns >= 1000000000 ? ns - 1000000000 : ns;
    }
    return result;
}

int fsync(int fd) { return do_sync("fsync", fd); }
int fdatasync(int fd) { return do_sync("fdatasync", fd); }
