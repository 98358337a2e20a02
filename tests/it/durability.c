/* Logs, in their order, the calls that a power cut makes a difference to. Loaded by LD_PRELOAD.
   write INODE | sync INODE | new INODE | name FOLDER INODE PATH | drop INODE
   With DURABILITY_KILL, the process dies after that many lines. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *what, unsigned long long one, unsigned long long two, const char *path) {
    char line[8192];
    const char *log = getenv("DURABILITY_LOG");
    if (!log) return;
    int n = snprintf(line, sizeof line, "%s %llu %llu %s\n", what, one, two, path);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (fd >= 0) {
        syscall(SYS_write, fd, line, (size_t)n);
        syscall(SYS_close, fd);
    }
    static atomic_long lines;
    const char *last = getenv("DURABILITY_KILL");
    if (last && atomic_fetch_add(&lines, 1) + 1 == atol(last)) kill(getpid(), SIGKILL);
}

static unsigned long long inode(const char *path) {
    struct stat there;
    return lstat(path, &there) ? 0 : there.st_ino;
}

static unsigned long long folder_of(const char *path) {
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    return inode(dirname(copy));
}

static void file(const char *what, int fd) {
    struct stat there;
    if (!fstat(fd, &there) && (S_ISREG(there.st_mode) || S_ISDIR(there.st_mode))) say(what, there.st_ino, 0, "");
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t n) { REAL(write); file("write", fd); return real(fd, bytes, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(writev); file("write", fd); return real(fd, v, n); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { REAL(pwrite64); file("write", fd); return real(fd, b, n, at); }
ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t n, unsigned int flags) {
    REAL(copy_file_range); file("write", out); return real(in, a, out, b, n, flags);
}
int fsync(int fd) { REAL(fsync); int done = real(fd); if (!done) file("sync", fd); return done; }
int fdatasync(int fd) { REAL(fdatasync); int done = real(fd); if (!done) file("sync", fd); return done; }

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int fd = real(path, flags, mode);
    if (fd >= 0 && (flags & O_CREAT) && (flags & O_EXCL)) file("new", fd);
    return fd;
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    int done = real(path, mode);
    if (!done) { say("new", inode(path), 0, ""); say("name", folder_of(path), inode(path), path); }
    return done;
}
int rename(const char *from, const char *to) {
    REAL(rename);
    unsigned long long moved = inode(from);
    int done = real(from, to);
    if (!done) say("name", folder_of(to), moved, to);
    return done;
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(linkat);
    int done = real(a, from, b, to, flags);
    if (!done) say("name", folder_of(to), inode(to), to);
    return done;
}
int unlink(const char *path) {
    REAL(unlink);
    unsigned long long gone = inode(path);
    int done = real(path);
    if (!done) say("drop", gone, 0, path);
    return done;
}
