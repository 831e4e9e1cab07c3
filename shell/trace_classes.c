// SPDX-License-Identifier: GPL-3.0-or-later
/* Which system calls `gsh trace -e` shows: strace(1)'s words for classes of them, and names. */
#include <string.h>

#include "shell/shell.h"

/* Names stand between spaces. */
static const struct {
	const char *name, *calls;
} classes[] = {
	{"file",
	 " open openat openat2 creat access faccessat faccessat2 stat lstat newfstatat statx readlink "
	 "readlinkat execve execveat chdir chroot mkdir mkdirat rmdir unlink unlinkat rename renameat "
	 "renameat2 link linkat symlink symlinkat chmod fchmodat fchmodat2 chown lchown fchownat mknod "
	 "mknodat truncate utime utimes utimensat futimesat statfs mount umount2 pivot_root getcwd setxattr "
	 "lsetxattr getxattr lgetxattr listxattr llistxattr removexattr lremovexattr inotify_add_watch "
	 "name_to_handle_at "},
	{"process",
	 " clone clone3 fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_open "
	 "pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo unshare setns arch_prctl "},
	{"network",
	 " socket socketpair bind listen accept accept4 connect getsockname getpeername sendto recvfrom "
	 "sendmsg recvmsg sendmmsg recvmmsg shutdown setsockopt getsockopt sethostname setdomainname "},
	{"signal",
	 " rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo "
	 "rt_sigsuspend rt_sigreturn kill tkill tgkill pause alarm sigaltstack signalfd signalfd4 "
	 "pidfd_send_signal "},
	{"ipc",
	 " msgget msgsnd msgrcv msgctl semget semop semtimedop semctl shmget shmat shmdt shmctl "},
	{"memory",
	 " brk mmap munmap mprotect pkey_mprotect mremap madvise msync mincore mlock mlock2 munlock mlockall "
	 "munlockall remap_file_pages shmat shmdt mbind get_mempolicy set_mempolicy migrate_pages move_pages "
	 "process_madvise "},
	{"desc",
	 " read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 open openat openat2 creat "
	 "close close_range dup dup2 dup3 fcntl ioctl lseek fstat newfstatat statx ftruncate fsync fdatasync "
	 "sync_file_range getdents getdents64 poll ppoll select pselect6 epoll_create epoll_create1 "
	 "epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create "
	 "timerfd_settime timerfd_gettime inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
	 "memfd_create pipe pipe2 splice tee vmsplice sendfile copy_file_range fallocate flock fchdir fchmod "
	 "fchown fgetxattr fsetxattr flistxattr fremovexattr mmap mkdirat mknodat fchownat futimesat "
	 "unlinkat renameat renameat2 linkat symlinkat readlinkat fchmodat faccessat faccessat2 utimensat "
	 "socket socketpair accept accept4 pidfd_open "},
};

static bool is_in(const char *calls, const char *name, size_t len)
{
	for (const char *p = calls; (p = strstr(p, name)); p++)
		if (p[-1] == ' ' && p[len] == ' ')
			return true;
	return false;
}

/* Does a word of -e, a class or a name, stand for this call? */
static bool stands_for(const char *word, size_t n, const char *call, size_t len)
{
	char name[64];

	if (n && *word == '%')
		word++, n--;
	if (n == len && !strncmp(word, call, n))
		return true;
	if (len >= sizeof(name))
		return false;
	memcpy(name, call, len);
	name[len] = '\0';
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == n && !strncmp(classes[i].name, word, n))
			return is_in(classes[i].calls, name, len);
	return false;
}

bool trace_shows(const char *only, const char *call)
{
	size_t len = strcspn(call, "("), n;
	bool but;

	if (!only)
		return true;
	if (!strncmp(only, "trace=", 6))
		only += 6;
	but = *only == '!';
	only += but;
	if (!strcmp(only, "all"))
		return !but;
	for (; *only; only += n + (only[n] == ',')) {
		n = strcspn(only, ",");
		if (stands_for(only, n, call, len))
			return !but;
	}
	return but;
}

bool trace_words_ok(const char *only)
{
	return !only || (*only && !only[strspn(only, "abcdefghijklmnopqrstuvwxyz_0123456789,%!=")]);
}
