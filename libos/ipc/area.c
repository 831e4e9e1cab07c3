/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The memory of System V IPC and message queues: made by the leader, mapped where it is first needed.
 *
 * A process takes part from its first call on. It then holds a record lock of the host's on one byte of the file, by
 * its guest id: the host drops it when the process ends, however it ends, and before anybody can wait for it, so
 * that asking for the lock tells without fail who lives (lock.c). And its slot of the sandbox area says that there
 * is something to clean up (refs.c).
 */
#include "libos/ipc/ipc.h"
#include "libos/fs/at_once.h"
#include "pal/grant.h"

#define MAPPED (IPC_POOL_AT + (IPC_MSG_MAX + IPC_MQ_MAX) * IPC_POOL_WINDOW)
#define FILE_SIZE ((IPC_SHM_MAX + 1) * IPC_SHM_WINDOW)

_Static_assert(IPC_BASE + MAPPED < PAL_END, "room in the image's part");

int ipc_memory(void)
{
	struct rlimit64 lim;
	int fd, r = pal_prlimit(RLIMIT_FSIZE, NULL, &lim);

	/* Under a limit on files there are no IPC objects; trying would be a signal. */
	if (r || lim.rlim_cur < FILE_SIZE)
		return r ?: -ENOENT;
	fd = pal_memfd("ipc", MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	r = pal_ftruncate(fd, FILE_SIZE);
	if (!r)
		r = (int)at_once(pal_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	if (!r)
		return fd;
	pal_close(fd);
	return r;
}

/* Takes fd. A vfork child's exec keeps the number, as it keeps the grant's. */
static int install(int fd)
{
	int r = pal_dup_to(fd, GRANT_FD_IPC);

	pal_close(fd);
	return r < 0 ? r : (int)at_once(pal_fcntl(GRANT_FD_IPC, F_SETFD, 0));
}

int ipc_create(void)
{
	int fd = ipc_memory();

	return fd >= 0 ? install(fd) : fd == -ENOENT ? 0 : fd;
}

static u32 mapped; /* of this address space, whoever lives in it */

void ipc_leave(int fd)
{
	struct process *p = this_process();

	ipc_exit(p);
	p->ipc_joined = 0;
	if (fd < 0)
		pal_close(GRANT_FD_IPC);
	else
		BUG_ON(install(fd));
	if (!mapped)
		return;
	mapped = 0;
	BUG_ON(pal_munmap(IPC_BASE, MAPPED));
}

static int map(void)
{
	intptr_t r;

	if (atomic_load(&mapped))
		return 0;
	r = pal_mmap(IPC_BASE, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE,
		     GRANT_FD_IPC, 0);
	if (r < 0 && r != -EEXIST) /* another thread was quicker */
		return (int)r;
	atomic_store(&mapped, 1);
	return 0;
}

static int join(struct process *p)
{
	struct flock alive = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = p->pid, .l_len = 1 };
	int r = map();

	if (!r)
		r = (int)at_once(pal_fcntl(GRANT_FD_IPC, F_SETLK, (uintptr_t)&alive));
	if (r)
		return r;
	atomic_store(&the_area->ipc_used, 1);
	atomic_or(&p->slot->flags, AREA_IPC | AREA_IPC_JOINED);
	atomic_store(&p->ipc_joined, 1);
	return 0;
}

struct ipc_thread *ipc_enter(void)
{
	struct thread *t = current();

	if (unlikely(!atomic_load(&t->proc->ipc_joined)) && join(t->proc))
		return ERR_PTR(-ENOSYS);
	return ipc_thread(t->tid);
}

s64 ipc_now(void)
{
	struct timespec ts = { 0 };

	(void)pal_clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

void ipc_discard(u64 offset, u64 size)
{
	(void)pal_fallocate(GRANT_FD_IPC, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}
