/*
 * Disk faults for one ensemble, put before the C library with LD_PRELOAD.
 *
 * CHAOS_ROOT names the directory of the ensemble. Calls on files below CHAOS_ROOT/server-N/data/ obey the
 * lines of CHAOS_ROOT/server-N/trouble, read anew at each call:
 *
 *     CALL ERRNO MS     CALL waits MS milliseconds, then fails with ERRNO unless it is 0
 *     undo 1 0          keep what is needed to take back every write that was not synced
 *     clock 0 MS        the wall clock is off by MS milliseconds, from the next such call of the process on
 *
 * CALL is one of these, the calls that the servers' storage makes:
 *
 *     sync              fsync and fdatasync        directory     fsync of a directory
 *     write             pwrite                     read          read, in data/version-2 only
 *     open              open with O_CREAT          allocate      posix_fallocate
 *     truncate          ftruncate                  rename, unlink
 *
 * Each call that fails adds a line "CALL ERRNO PATH" to CHAOS_ROOT/server-N/met.
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
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum call { SYNC, WRITE, OPEN, READ, ALLOCATE, TRUNCATE, RENAME, UNLINK, DIRECTORY, CALLS };
static const char *const names[CALLS] = {
    "sync", "write", "open", "read", "allocate", "truncate", "rename", "unlink", "directory",
};

struct trouble { int error; int ms; };
struct place { char path[PATH_MAX]; char server[PATH_MAX]; struct trouble trouble[CALLS]; int undo; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int clock_ms; /* a process is one server */

/* The C library's own function behind one of those below, of the same type. */
#define REAL(name, like) ((__typeof__(&like))dlsym(RTLD_NEXT, name))

/* Open and read what is not to obey anything. */
static int open_plainly(const char *path, int flags) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static ssize_t read_plainly(int fd, void *data, size_t count) { return syscall(SYS_read, fd, data, count); }

/* Find which server the file at place->path belongs to, and what is to happen to it; 0 when it is nobody's. */
static int find(struct place *place) {
    const char *root = getenv("CHAOS_ROOT");
    char control[PATH_MAX + 16], kind[16];
    if (root == NULL) return 0;
    size_t prefix = strlen(root);
    if (strncmp(place->path, root, prefix) != 0 || strncmp(place->path + prefix, "/server-", 8) != 0) return 0;
    const char *data = strstr(place->path + prefix, "/data");
    if (data == NULL) return 0;
    memcpy(place->server, place->path, (size_t)(data - place->path));
    place->server[data - place->path] = 0;
    memset(place->trouble, 0, sizeof place->trouble);
    place->undo = 0;
    snprintf(control, sizeof control, "%s/trouble", place->server);
    int file = open_plainly(control, O_RDONLY);
    if (file < 0) return 1;
    int off = 0;
    char text[256];
    ssize_t length = read_plainly(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        struct trouble found;
        if (sscanf(line, "%15s %d %d", kind, &found.error, &found.ms) != 3) continue;
        for (int call = 0; call < CALLS; call++)
            if (strcmp(kind, names[call]) == 0) place->trouble[call] = found;
        if (strcmp(kind, "undo") == 0) place->undo = found.error;
        if (strcmp(kind, "clock") == 0) off = found.ms;
    }
    clock_ms = off;
    return 1;
}

/* The same for a file that is open. */
static int look(int fd, struct place *place) {
    char link[64];
    if (getenv("CHAOS_ROOT") == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, place->path, sizeof place->path - 1);
    if (length <= 0) return 0;
    place->path[length] = 0;
    return find(place);
}

/* The same for a name. */
static int look_at(const char *path, struct place *place) {
    if (snprintf(place->path, sizeof place->path, "%s", path) >= (int)sizeof place->path) return 0;
    return find(place);
}

/* Wait, and fail, as a call is to; -1 with errno when it fails. */
static int suffer(const struct place *place, enum call call) {
    struct trouble trouble = place->trouble[call];
    if (trouble.ms > 0) {
        struct timespec pause = {trouble.ms / 1000, (long)(trouble.ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
    if (trouble.error == 0) return 0;
    char path[PATH_MAX + 16], line[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/met", place->server);
    int length = snprintf(line, sizeof line, "%s %d %s\n", names[call], trouble.error, place->path);
    int file = open_plainly(path, O_WRONLY | O_CREAT | O_APPEND);
    if (file < 0 || write(file, line, (size_t)length) != length) abort();
    close(file);
    errno = trouble.error;
    return -1;
}

static int open_undo(const struct place *place) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/undo", place->server);
    return open_plainly(path, O_RDWR | O_CREAT | O_APPEND);
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
    struct place place;
    if (!look(fd, &place)) return REAL(name, pwrite)(fd, data, count, offset);
    if (suffer(&place, WRITE) != 0) return -1;
    if (place.undo) {
        char path[PATH_MAX];
        char *old = calloc(1, count ? count : 1);
        if (old == NULL) abort();
        memcpy(path, place.path, sizeof path);
        int file = open_plainly(path, O_RDONLY);
        if (file >= 0) {
            if (pread(file, old, count, offset) < 0) abort();
            close(file);
        }
        pthread_mutex_lock(&lock);
        record(&place, 1, offset, old, (int64_t)count);
        pthread_mutex_unlock(&lock);
        free(old);
    }
    return REAL(name, pwrite)(fd, data, count, offset);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    return do_pwrite("pwrite", fd, data, count, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off_t offset) {
    return do_pwrite("pwrite64", fd, data, count, offset);
}

static int do_sync(const char *name, int fd) {
    struct place place;
    struct stat status;
    if (!look(fd, &place)) return REAL(name, fsync)(fd);
    if (suffer(&place, SYNC) != 0) return -1;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && suffer(&place, DIRECTORY) != 0) return -1;
    off_t before = -1;
    if (place.undo) {
        pthread_mutex_lock(&lock);
        int file = open_undo(&place);
        before = file < 0 ? -1 : lseek(file, 0, SEEK_END);
        if (file >= 0) close(file);
        pthread_mutex_unlock(&lock);
    }
    int result = REAL(name, fsync)(fd);
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

static int do_open(const char *name, const char *path, int flags, mode_t mode) {
    struct place place;
    if ((flags & O_CREAT) && look_at(path, &place) && suffer(&place, OPEN) != 0) return -1;
    return REAL(name, open)(path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return do_open("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return do_open("open64", path, flags, mode);
}

ssize_t read(int fd, void *data, size_t count) {
    struct place place;
    if (look(fd, &place) && strstr(place.path, "/data/version-2/") && suffer(&place, READ) != 0) return -1;
    return read_plainly(fd, data, count);
}

/* This one returns its error. */
static int do_allocate(const char *name, int fd, off_t offset, off_t length) {
    struct place place;
    if (look(fd, &place) && suffer(&place, ALLOCATE) != 0) return errno;
    return REAL(name, posix_fallocate)(fd, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) { return do_allocate("posix_fallocate", fd, offset, length); }

int posix_fallocate64(int fd, off_t offset, off_t length) {
    return do_allocate("posix_fallocate64", fd, offset, length);
}

static int do_truncate(const char *name, int fd, off_t size) {
    struct place place;
    if (look(fd, &place) && suffer(&place, TRUNCATE) != 0) return -1;
    return REAL(name, ftruncate)(fd, size);
}

int ftruncate(int fd, off_t size) { return do_truncate("ftruncate", fd, size); }
int ftruncate64(int fd, off_t size) { return do_truncate("ftruncate64", fd, size); }

int rename(const char *from, const char *to) {
    struct place place;
    if (look_at(to, &place) && suffer(&place, RENAME) != 0) return -1;
    return REAL("rename", rename)(from, to);
}

int unlink(const char *path) {
    struct place place;
    if (look_at(path, &place) && suffer(&place, UNLINK) != 0) return -1;
    return REAL("unlink", unlink)(path);
}
