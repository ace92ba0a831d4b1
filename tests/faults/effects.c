/* Counts what a process does to the world, call by call of the C library, and ends it or lets one call fail.
 *
 * Preloaded (LD_PRELOAD) into the process that forks the runs; a child is watched from `effects_arm` on, with the file
 * that is named there as its orders and its trace. Its own children are not: a program that it started goes on.
 * The struct `control` is read and written by effects.py, too; both know it by its size.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 8192
#define PATH_BYTES 504

/* In the order of effects.KINDS. */
enum kind { OPEN, WRITE, SYNC, TRUNCATE, RENAME, LINK, REMOVE, FOLDER, MODE, LOCK, START, END, SEND, RECEIVE, READ };

/* In the order of effects.Way. */
enum way { COUNT, KILL, TEAR, FAIL, SHORT };

struct record { uint32_t number, kind; char path[PATH_BYTES]; };
struct control {
    uint32_t way, number, error, after; /* `after`: the kinds, as bits, that fail after that number, too */
    uint32_t reads;                     /* whether opening and reading files below `below` counts */
    uint32_t count, overflow, hits;
    char below[PATH_BYTES];
    struct record records[MOST];
};

static struct control *control;
/* What the write before went to; writes to one file, with nothing between them, are one effect. */
static struct { int is; dev_t device; ino_t file; int failing; } last;
/* Per open file: whether something was sent since something was received. */
static unsigned char asked[65536];

#define REAL(result, name, ...) \
    static result (*real_##name)(__VA_ARGS__); \
    if (real_##name == NULL) real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

int effects_arm(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return errno;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return errno;
    control = mapped;
    return 0;
}

unsigned long effects_size(void) { return sizeof(struct control); }

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* An effect is about to be; an error that it is to have instead, or 0. */
static int effect(enum kind kind, const char *path)
{
    if (control == NULL) return 0;
    if (kind != WRITE) last.is = 0;
    uint32_t number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
    if (number <= MOST) {
        struct record *record = &control->records[number - 1];
        record->kind = kind;
        strncpy(record->path, path ? path : "", PATH_BYTES - 1);
        record->number = number;
    } else {
        control->overflow = 1;
    }
    if (control->way == KILL && number == control->number) {
        control->hits++;
        die();
    }
    if (control->way == FAIL && (number == control->number
            || (number > control->number && (control->after >> kind & 1)))) {
        control->hits++;
        return (int)control->error;
    }
    return 0;
}

#define EFFECT(kind, path) do { \
        int error_ = effect(kind, path); \
        if (error_) { errno = error_; return -1; } \
    } while (0)

static const char *of_file(int file, char *room)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, room, PATH_BYTES - 1);
    room[length < 0 ? 0 : length] = 0;
    return room;
}

static const char *of_name(int folder, const char *name, char *room)
{
    if (name == NULL) return "";
    if (name[0] == '/') return name;
    char start[PATH_BYTES] = "";
    if (folder != AT_FDCWD) of_file(folder, start);
    else if (getcwd(start, sizeof start) == NULL) start[0] = 0;
    if (snprintf(room, PATH_BYTES, "%s/%s", start, name) >= PATH_BYTES) room[PATH_BYTES - 1] = 0;
    return room;
}

static int is_below(const char *path)
{
    return control->below[0] && strncmp(path, control->below, strlen(control->below)) == 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int before_open(int folder, const char *name, int flags)
{
    if (control == NULL) return 0;
    char room[PATH_BYTES];
    const char *path = of_name(folder, name, room);
    int changes = (flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY || (flags & O_TMPFILE) == O_TMPFILE;
    if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0) return 0;
    if (changes) EFFECT(OPEN, path);
    else if (control->reads && !(flags & O_DIRECTORY) && is_below(path)) EFFECT(READ, path);
    return 0;
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(int, name, const char *, int, ...); \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        if (before_open(AT_FDCWD, path, flags)) return -1; \
        return real_##name(path, flags, mode); \
    }
#define OPENING_AT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        REAL(int, name, int, const char *, int, ...); \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        if (before_open(folder, path, flags)) return -1; \
        return real_##name(folder, path, flags, mode); \
    }
OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

/* --- writing and reading ------------------------------------------------------------------------------------------ */

/* An error that a write is to have, or 0; `part` becomes how much of it is to be done where not all. */
static int before_write(int file, size_t size, size_t *part)
{
    struct stat facts;
    if (control == NULL || fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) return 0;
    int same = last.is && last.device == facts.st_dev && last.file == facts.st_ino;
    if (same) return last.failing;
    char room[PATH_BYTES];
    last.is = 1, last.device = facts.st_dev, last.file = facts.st_ino, last.failing = 0;
    last.failing = effect(WRITE, of_file(file, room));
    if (control->count == control->number && (control->way == SHORT || control->way == TEAR)) {
        control->hits++;
        *part = size / 2;
        if (control->way == SHORT) last.failing = (int)control->error; /* the rest of it */
    }
    return *part != (size_t)-1 && *part > 0 ? 0 : last.failing;
}

#define WRITING(result, name, size, parameters, types, whole, half) \
    result name parameters \
    { \
        REAL(result, name, types); \
        size_t part = (size_t)-1; \
        int error = before_write(file, size, &part); \
        if (error) { errno = error; return -1; } \
        if (part == (size_t)-1) return real_##name whole; \
        result done = real_##name half; \
        if (control->way == TEAR) die(); \
        return done; \
    }
#define TYPES(...) __VA_ARGS__
WRITING(ssize_t, write, size, (int file, const void *data, size_t size), TYPES(int, const void *, size_t),
        (file, data, size), (file, data, part))
WRITING(ssize_t, pwrite, size, (int file, const void *data, size_t size, off_t at),
        TYPES(int, const void *, size_t, off_t), (file, data, size, at), (file, data, part, at))
WRITING(ssize_t, pwrite64, size, (int file, const void *data, size_t size, off64_t at),
        TYPES(int, const void *, size_t, off64_t), (file, data, size, at), (file, data, part, at))
WRITING(ssize_t, writev, 2, (int file, const struct iovec *data, int size), TYPES(int, const struct iovec *, int),
        (file, data, size), (file, data, size > 1 ? size / 2 : size))
WRITING(ssize_t, sendfile64, size, (int file, int from, off64_t *at, size_t size),
        TYPES(int, int, off64_t *, size_t), (file, from, at, size), (file, from, at, part))
WRITING(ssize_t, sendfile, size, (int file, int from, off_t *at, size_t size),
        TYPES(int, int, off_t *, size_t), (file, from, at, size), (file, from, at, part))
WRITING(ssize_t, copy_file_range, size,
        (int from, off64_t *at, int file, off64_t *to, size_t size, unsigned flags),
        TYPES(int, off64_t *, int, off64_t *, size_t, unsigned),
        (from, at, file, to, size, flags), (from, at, file, to, part, flags))

#define READING(name, parameters, types, arguments) \
    ssize_t name parameters \
    { \
        REAL(ssize_t, name, types); \
        struct stat facts; \
        if (control != NULL && control->reads && fstat(file, &facts) == 0 && S_ISREG(facts.st_mode)) { \
            char room[PATH_BYTES]; \
            const char *path = of_file(file, room); \
            if (is_below(path)) EFFECT(READ, path); \
        } \
        return real_##name arguments; \
    }
READING(read, (int file, void *data, size_t size), TYPES(int, void *, size_t), (file, data, size))
READING(pread, (int file, void *data, size_t size, off_t at), TYPES(int, void *, size_t, off_t), (file, data, size, at))
READING(pread64, (int file, void *data, size_t size, off64_t at), TYPES(int, void *, size_t, off64_t),
        (file, data, size, at))

/* --- what has a file or a name, and no more to it ------------------------------------------------------------------ */

#define ON_FILE(kind, name, parameters, types, arguments) \
    int name parameters \
    { \
        REAL(int, name, types); \
        char room[PATH_BYTES]; \
        if (control != NULL) EFFECT(kind, of_file(file, room)); \
        return real_##name arguments; \
    }
#define ON_NAME(kind, name, folder, named, parameters, types, arguments) \
    int name parameters \
    { \
        REAL(int, name, types); \
        char room[PATH_BYTES]; \
        if (control != NULL) EFFECT(kind, of_name(folder, named, room)); \
        return real_##name arguments; \
    }
#define HERE AT_FDCWD
ON_FILE(SYNC, fsync, (int file), TYPES(int), (file))
ON_FILE(SYNC, fdatasync, (int file), TYPES(int), (file))
ON_FILE(TRUNCATE, ftruncate, (int file, off_t size), TYPES(int, off_t), (file, size))
ON_FILE(TRUNCATE, ftruncate64, (int file, off64_t size), TYPES(int, off64_t), (file, size))
ON_FILE(TRUNCATE, fallocate, (int file, int mode, off_t at, off_t size), TYPES(int, int, off_t, off_t),
        (file, mode, at, size))
ON_FILE(TRUNCATE, fallocate64, (int file, int mode, off64_t at, off64_t size), TYPES(int, int, off64_t, off64_t),
        (file, mode, at, size))
ON_FILE(LOCK, flock, (int file, int what), TYPES(int, int), (file, what))
ON_FILE(MODE, fchmod, (int file, mode_t mode), TYPES(int, mode_t), (file, mode))
ON_FILE(MODE, fchown, (int file, uid_t owner, gid_t group), TYPES(int, uid_t, gid_t), (file, owner, group))
ON_NAME(TRUNCATE, truncate, HERE, path, (const char *path, off_t size), TYPES(const char *, off_t), (path, size))
ON_NAME(RENAME, rename, HERE, to, (const char *from, const char *to), TYPES(const char *, const char *), (from, to))
ON_NAME(RENAME, renameat, in, to, (int out, const char *from, int in, const char *to),
        TYPES(int, const char *, int, const char *), (out, from, in, to))
ON_NAME(RENAME, renameat2, in, to, (int out, const char *from, int in, const char *to, unsigned flags),
        TYPES(int, const char *, int, const char *, unsigned), (out, from, in, to, flags))
ON_NAME(LINK, link, HERE, to, (const char *from, const char *to), TYPES(const char *, const char *), (from, to))
ON_NAME(LINK, linkat, in, to, (int out, const char *from, int in, const char *to, int flags),
        TYPES(int, const char *, int, const char *, int), (out, from, in, to, flags))
ON_NAME(LINK, symlink, HERE, to, (const char *from, const char *to), TYPES(const char *, const char *), (from, to))
ON_NAME(LINK, symlinkat, in, to, (const char *from, int in, const char *to), TYPES(const char *, int, const char *),
        (from, in, to))
ON_NAME(REMOVE, unlink, HERE, path, (const char *path), TYPES(const char *), (path))
ON_NAME(REMOVE, unlinkat, in, path, (int in, const char *path, int flags), TYPES(int, const char *, int),
        (in, path, flags))
ON_NAME(REMOVE, rmdir, HERE, path, (const char *path), TYPES(const char *), (path))
ON_NAME(FOLDER, mkdir, HERE, path, (const char *path, mode_t mode), TYPES(const char *, mode_t), (path, mode))
ON_NAME(FOLDER, mkdirat, in, path, (int in, const char *path, mode_t mode), TYPES(int, const char *, mode_t),
        (in, path, mode))
ON_NAME(MODE, chmod, HERE, path, (const char *path, mode_t mode), TYPES(const char *, mode_t), (path, mode))
ON_NAME(MODE, fchmodat, in, path, (int in, const char *path, mode_t mode, int flags),
        TYPES(int, const char *, mode_t, int), (in, path, mode, flags))
ON_NAME(MODE, chown, HERE, path, (const char *path, uid_t owner, gid_t group), TYPES(const char *, uid_t, gid_t),
        (path, owner, group))
ON_NAME(MODE, utimensat, in, path, (int in, const char *path, const struct timespec times[2], int flags),
        TYPES(int, const char *, const struct timespec *, int), (in, path, times, flags))

/* --- programs ------------------------------------------------------------------------------------------------------ */

/* A child is somebody else: what it does, and what it becomes, is neither counted nor ended. */
pid_t fork(void)
{
    REAL(pid_t, fork, void);
    if (control != NULL) EFFECT(START, "");
    pid_t child = real_fork();
    if (child == 0) control = NULL;
    return child;
}

/* A vfork cannot be wrapped, since its child would return through a frame that its parent still needs. */
pid_t vfork(void) { return fork(); }

static void ended(pid_t child)
{
    if (child > 0) effect(END, "");
}

pid_t waitpid(pid_t child, int *status, int options)
{
    REAL(pid_t, waitpid, pid_t, int *, int);
    pid_t found = real_waitpid(child, status, options);
    ended(found);
    return found;
}

pid_t wait4(pid_t child, int *status, int options, struct rusage *usage)
{
    REAL(pid_t, wait4, pid_t, int *, int, struct rusage *);
    pid_t found = real_wait4(child, status, options, usage);
    ended(found);
    return found;
}

/* --- sockets ------------------------------------------------------------------------------------------------------- */

/* Before something is sent; the trace gets the beginning of its first line. */
static int before_send(int file, const char *data, size_t size)
{
    char start[80];
    size_t length = 0;
    while (length < size && length < sizeof start - 1 && data[length] >= ' ') start[length] = data[length], length++;
    start[length] = 0;
    if (file >= 0 && file < (int)sizeof asked) asked[file] = 1;
    EFFECT(SEND, start);
    return 0;
}

ssize_t send(int file, const void *data, size_t size, int flags)
{
    REAL(ssize_t, send, int, const void *, size_t, int);
    if (control != NULL && before_send(file, data, size)) return -1;
    return real_send(file, data, size, flags);
}

ssize_t sendto(int file, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    REAL(ssize_t, sendto, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    if (control != NULL && before_send(file, data, size)) return -1;
    return real_sendto(file, data, size, flags, to, length);
}

ssize_t recv(int file, void *data, size_t size, int flags)
{
    REAL(ssize_t, recv, int, void *, size_t, int);
    ssize_t done = real_recv(file, data, size, flags);
    if (control != NULL && done >= 0 && file >= 0 && file < (int)sizeof asked && asked[file]) {
        asked[file] = 0;
        EFFECT(RECEIVE, "");
    }
    return done;
}
