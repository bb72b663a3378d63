/* Stands before the C library in a process whose disk is to fill up or to fail: see disk.rs.
 *
 * PAYTONE_DISK        files with this in their path are on that disk
 * PAYTONE_DISK_FAULT  "full": no file grows any more; "sync": what is written is lost, and a sync says so
 * PAYTONE_DISK_SINCE  from when on: once this file is there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_on_disk(int fd) {
    char link[64], path[4096];
    const char *disk = getenv("PAYTONE_DISK");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!disk || length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, disk) != NULL;
}

/* 0: none, 'f': full, 's': syncs fail. */
static int fault(int fd) {
    int before = errno;
    const char *since = getenv("PAYTONE_DISK_SINCE"), *kind = getenv("PAYTONE_DISK_FAULT");
    int now = since && kind && access(since, F_OK) == 0 && is_on_disk(fd) ? kind[0] : 0;
    errno = before;
    return now;
}

static int grows(int fd, off_t end) {
    struct stat file;
    return fstat(fd, &file) == 0 && end > file.st_size;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* -2: go on as ever. */
static ssize_t written(int fd, size_t length, off_t at) {
    int kind = fault(fd);
    if (kind == 's')
        return (ssize_t)length;
    if (kind == 'f' && grows(fd, at + (off_t)length)) {
        errno = ENOSPC;
        return -1;
    }
    return -2;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    ssize_t done = written(fd, length, lseek(fd, 0, SEEK_CUR));
    return done == -2 ? NEXT(write)(fd, bytes, length) : done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    ssize_t done = written(fd, length, at);
    return done == -2 ? NEXT(pwrite)(fd, bytes, length, at) : done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    ssize_t done = written(fd, length, at);
    return done == -2 ? NEXT(pwrite64)(fd, bytes, length, at) : done;
}

static int failed(int fd) {
    if (fault(fd) != 's')
        return 0;
    errno = EIO;
    return -1;
}

int fsync(int fd) { return failed(fd) ? -1 : NEXT(fsync)(fd); }

int fdatasync(int fd) { return failed(fd) ? -1 : NEXT(fdatasync)(fd); }
