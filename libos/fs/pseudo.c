// SPDX-License-Identifier: LGPL-3.0-or-later
/* Generated file systems: nodes and open files on top of tables of rows. See pseudo.h for what a
 * row says. */
#include "libos/fs/pseudo.h"
#include "libos/fs/kinds.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"
#include "pal/grant.h"

#define POS_DYNAMIC                                                                               \
	(1ull << 32) /* directory positions: 0 ".", 1 "..", 2 + i row i, POS_DYNAMIC + cursor the \
			rest */

static const struct node_ops pseudo_node_ops, pseudo_magic_ops;

/* NULL: the file lost its name on the way through an exec (its process is gone); what was generated
 * can still be read. */
static struct pseudo_node *file_node(struct file *f)
{
	return f->path.dentry ? to_pseudo(path_node(&f->path)) : NULL;
}

s64 pseudo_number(const char *name)
{
	u64 v;

	if (!name[0] || (name[0] == '0' && name[1]) || !base_parse_u64(name, 10, &v) || v > INT_MAX)
		return -1;
	return (s64)v;
}

ssize_t pseudo_text(char *buf, size_t size, const char *text)
{
	size_t n = MIN(strlen(text), size);

	memcpy(buf, text, n);
	return (ssize_t)n;
}

/* The same object has the same number in every picoprocess: made of what names it, not of where it
 * lies. */
static u64 make_ino(const struct fs *fs, const struct pseudo_desc *d, s64 pid, s64 key)
{
	struct {
		u64 dev;
		s64 pid, key;
		u32 name, mode;
	} id = { fs->dev, pid, key, base_hash(d->name, strlen(d->name)), d->mode };

	return 0xf0000000u + (base_hash(&id, sizeof(id)) >> 4);
}

struct node *pseudo_node_create(struct fs *fs, const struct pseudo_desc *d, s64 pid, s64 key,
				u64 ino)
{
	struct pseudo_node *n = base_zalloc(sizeof(*n));

	if (!n)
		return ERR_PTR(-ENOMEM);
	n->node = (struct node){ .refs = 1, .mode = d->mode, .fs = fs };
	n->node.ops = d->follow ? &pseudo_magic_ops : &pseudo_node_ops;
	n->node.ino = ino ? ino : make_ino(fs, d, pid, key);
	if (d->fleeting)
		n->node.flags = S_ISDIR(d->mode) ? NODE_NAMES_FLEETING : NODE_FLEETING;
	n->desc = d;
	n->pid = pid;
	n->key = key;
	return &n->node;
}

struct fs *pseudo_fs_create(const char *type, u64 dev, u32 magic, bool uncached,
			    const struct pseudo_desc *d)
{
	struct fs *fs = base_zalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	*fs = (struct fs){ .type = type, .dev = dev, .magic = magic, .uncached = uncached };
	fs->root = pseudo_node_create(fs, d, 0, 0, 1);
	if (!IS_ERR(fs->root))
		return fs;
	base_free(fs);
	return NULL;
}

/* ---- names ---- */

static const struct pseudo_desc *child_row(const struct pseudo_desc *dir, const char *name,
					   size_t len)
{
	for (const struct pseudo_desc *d = dir->children; d && d->name; d++) {
		if (strlen(d->name) == len && !memcmp(d->name, name, len))
			return d;
	}
	return NULL;
}

static int pseudo_lookup(struct node *dir, const char *name, size_t len, struct node **out)
{
	struct pseudo_node *p = to_pseudo(dir);
	struct pseudo_ref ref = { .desc = child_row(p->desc, name, len),
				  .pid = p->pid,
				  .key = p->key };
	char text[NAME_MAX_LEN + 1];
	int r;

	if (!ref.desc) {
		if (!p->desc->find || len > NAME_MAX_LEN)
			return -ENOENT;
		memcpy(text, name, len);
		text[len] = '\0';
		r = p->desc->find(p, text, &ref);
		if (r < 0)
			return r;
	}
	*out = pseudo_node_create(dir->fs, ref.desc, ref.pid, ref.key, 0);
	return IS_ERR(*out) ? PTR_ERR(*out) : 0;
}

/* When the sandbox started, on the settable clock: the age of objects that were always there. */
static struct timespec birth(void)
{
	struct timespec now = { 0 }, boot = { 0 };
	s64 age;

	pal_clock_gettime(CLOCK_REALTIME, &now);
	pal_clock_gettime(CLOCK_BOOTTIME, &boot);
	age = boot.tv_sec - (s64)(pal_grant()->boot_ns / 1000000000);
	return (struct timespec){ .tv_sec = now.tv_sec - age };
}

static int pseudo_getattr(struct node *n, struct attr *a)
{
	struct pseudo_node *p = to_pseudo(n);

	*a = (struct attr){
		.ino = n->ino, .dev = n->fs->dev, .mode = p->desc->mode, .nlink = 1, .blksize = 1024
	};
	a->rdev = p->desc->rdev;
	a->atime = a->mtime = a->ctime = a->btime = birth();
	if (S_ISDIR(a->mode)) {
		a->nlink = 2;
		for (const struct pseudo_desc *d = p->desc->children; d && d->name; d++)
			a->nlink += S_ISDIR(d->mode);
	}
	return p->desc->attr ? p->desc->attr(p, a) : 0;
}

static ssize_t pseudo_readlink(struct node *n, char *buf, size_t size)
{
	struct pseudo_node *p = to_pseudo(n);

	return p->desc->readlink ? p->desc->readlink(p, buf, size) : -EINVAL;
}

static int pseudo_follow(struct node *n, struct path *out)
{
	struct pseudo_node *p = to_pseudo(n);

	return p->desc->follow ? p->desc->follow(p, out) : -EINVAL;
}

static int pseudo_statfs(struct node *n, struct statfs *st)
{
	*st = (struct statfs){ .f_type = n->fs->magic,
			       .f_bsize = PAGE_SIZE,
			       .f_namelen = NAME_MAX_LEN,
			       .f_frsize = PAGE_SIZE };
	return 0;
}

/* Owners change nothing in a generated tree, but a mode or time set to what it is anyway is not an
 * error. */
static int pseudo_setattr(struct node *n, const struct attr *a)
{
	const struct pseudo_desc *d = to_pseudo(n)->desc;

	if (d->setattr)
		return d->setattr(to_pseudo(n), a);
	return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static void pseudo_release(struct node *n)
{
	base_free(to_pseudo(n));
}

/* ---- text ---- */

static int render(struct pseudo_node *p, int fd)
{
	struct buf b = { 0 };
	ssize_t r;

	if (!p)
		return 0;
	if (p->desc->text)
		base_buf_puts(&b, p->desc->text);
	r = p->desc->show ? p->desc->show(p, &b) : 0;
	if (r == 0)
		r = b.err;
	if (r == 0)
		r = pal_ftruncate(fd, 0);
	if (r == 0 && b.size) {
		r = pal_pwrite(fd, b.data, b.size, 0);
		if (r >= 0)
			r = (size_t)r == b.size ? 0 : -ENOMEM;
	}
	base_buf_free(&b);
	return (int)r;
}

static int pseudo_open(struct node *n, struct file *f)
{
	struct pseudo_node *p = to_pseudo(n);
	int fd;

	if (p->desc->open)
		return p->desc->open(p, f);
	if (S_ISDIR(n->mode)) {
		f->ops = &pseudo_dir_ops;
		return 0;
	}
	if (!S_ISREG(n->mode))
		return -ENXIO;
	if ((f->flags & O_ACCMODE) != O_RDONLY && !p->desc->store)
		return -EACCES;
	fd = pal_memfd("text", 0);
	if (fd < 0)
		return fd;
	f->host_fd = fd;
	f->ops = &pseudo_file_ops;
	return 0;
}

/* The text is made at the first read, as Linux does; f->priv says that it was. */
static ssize_t text_read(struct file *f, void *buf, size_t n)
{
	if (!f->priv) {
		int r = pal_lseek(f->host_fd, 0, SEEK_CUR) ? 0 : render(file_node(f), f->host_fd);

		if (r < 0)
			return r;
		f->priv = f;
	}
	return at_once(pal_read(f->host_fd, buf, n));
}

static s64 text_lseek(struct file *f, s64 off, int whence)
{
	s64 at;

	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	at = pal_lseek(f->host_fd, off, whence);
	if (at == 0)
		f->priv = NULL; /* from the start again: anew */
	return at;
}

static ssize_t text_pread(struct file *f, void *buf, size_t n, u64 off)
{
	if (off == 0 || !f->priv) {
		int r = render(file_node(f), f->host_fd);

		f->priv = f;

		if (r < 0)
			return r;
	}
	return pal_pread(f->host_fd, buf, n, off);
}

static ssize_t text_write(struct file *f, const void *buf, size_t n)
{
	struct pseudo_node *p = file_node(f);
	char *text;
	ssize_t r;

	if (!p || !p->desc->store)
		return -EACCES;
	if (n >= PAGE_SIZE)
		return -EINVAL;
	text = base_alloc(n + 1);
	if (!text)
		return -ENOMEM;
	r = user_read(text, buf, n);
	text[n] = '\0';
	if (r == 0)
		r = p->desc->store(p, text, n);
	base_free(text);
	return r < 0 ? r : (ssize_t)n;
}

static ssize_t text_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	return text_write(f, buf, n);
}

static int text_truncate(struct file *f, u64 size)
{
	return 0; /* `>` opens with O_TRUNC */
}

static int text_mmap(struct file *f, int prot, int flags, u64 *off)
{
	return -EIO;
}

static int text_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	return -ENODEV;
}

const struct file_ops pseudo_file_ops = {
	.name = "pseudo",
	.read = text_read,
	.write = text_write,
	.pread = text_pread,
	.pwrite = text_pwrite,
	.lseek = text_lseek,
	.mmap = text_mmap,
	.truncate = text_truncate,
	.fallocate = text_fallocate,
};

/* ---- directories ---- */

struct filler {
	char *buf;
	size_t size, used;
};

static bool fill(struct filler *o, const char *name, u64 ino, u32 mode, u64 next)
{
	size_t len = ALIGN_UP(offsetof(struct linux_dirent64, d_name) + strlen(name) + 1, 8ul);
	struct linux_dirent64 *e = (void *)(o->buf + o->used);

	if (o->used + len > o->size)
		return false;
	memset(e, 0, len);
	e->d_ino = ino;
	e->d_off = (s64)next;
	e->d_reclen = (u16)len;
	e->d_type = (u8)((mode & S_IFMT) >> 12);
	memcpy(e->d_name, name, strlen(name));
	o->used += len;
	return true;
}

/* Put the entry at *pos and move it on. False: no room; *pos stays. At the end *pos stays too and
 * *end is set. */
static bool fill_next(struct pseudo_node *dir, struct filler *o, u64 *pos, unsigned rows, bool *end)
{
	const struct pseudo_desc *d = dir->desc;
	struct pseudo_ref ref = { .pid = dir->pid, .key = dir->key };
	char name[24];
	s64 cursor;

	if (*pos < 2) {
		if (!fill(o, *pos ? ".." : ".", dir->node.ino, S_IFDIR, *pos + 1))
			return false;
		++*pos;
		return true;
	}
	if (*pos < 2 + rows) {
		const struct pseudo_desc *c = &d->children[*pos - 2];

		if (!fill(o, c->name, make_ino(dir->node.fs, c, dir->pid, dir->key), c->mode,
			  *pos + 1))
			return false;
		++*pos;
		return true;
	}
	cursor = *pos < POS_DYNAMIC ? 0 : (s64)(*pos - POS_DYNAMIC);
	if (!d->next || !d->next(dir, &cursor, name, &ref)) {
		*end = true;
		return true;
	}
	if (!fill(o, name, make_ino(dir->node.fs, ref.desc, ref.pid, ref.key), ref.desc->mode,
		  POS_DYNAMIC + (u64)cursor + 1))
		return false;
	*pos = POS_DYNAMIC + (u64)cursor + 1;
	return true;
}

static ssize_t dir_getdents(struct file *f, void *buf, size_t size)
{
	struct pseudo_node *dir = file_node(f);
	struct filler o = { .buf = buf, .size = size };
	unsigned rows = 0;
	bool end = false, room = true;

	if (!dir)
		return 0;
	for (const struct pseudo_desc *d = dir->desc->children; d && d->name; d++)
		rows++;
	lock(&f->lock);
	while (room && !end)
		room = fill_next(dir, &o, &f->pos, rows, &end);
	unlock(&f->lock);
	return !room && !o.used ? -EINVAL : (ssize_t)o.used;
}

s64 pseudo_dir_lseek(struct file *f, s64 off, int whence)
{
	s64 r = -EINVAL;

	lock(&f->lock);
	if (whence == SEEK_CUR)
		off += (s64)f->pos;
	if ((whence == SEEK_SET || whence == SEEK_CUR) && off >= 0)
		r = (s64)(f->pos = (u64)off);
	unlock(&f->lock);
	return r;
}

static ssize_t dir_read(struct file *f, void *buf, size_t n)
{
	return -EISDIR;
}

const struct file_ops pseudo_dir_ops = {
	.name = "pseudodir",
	.read = dir_read,
	.lseek = pseudo_dir_lseek,
	.getdents = dir_getdents,
};

/* A name that is not in the tree does not exist, whatever was to be made of it: proc's and sysfs's
 * lookup comes before the question who may write to the directory. The vfs asks for both
 * permissions before it has anything made. */
static int pseudo_permission(struct node *n, int mask)
{
	const struct cred *c = &this_process()->cred;
	struct attr a;
	int r = pseudo_getattr(n, &a);

	if (S_ISDIR(n->mode) && mask == (MAY_WRITE | MAY_EXEC))
		mask = MAY_EXEC;
	return r < 0 ? r : attr_permission(c, a.mode, a.uid, a.gid, c->fsuid, c->fsgid, mask);
}

static int no_create(struct node *dir, const char *name, u32 mode, struct file *f,
		     struct node **out)
{
	return -ENOENT;
}

static int no_mkdir(struct node *dir, const char *name, u32 mode, struct node **out)
{
	return -ENOENT;
}

static int no_mknod(struct node *dir, const char *name, u32 mode, u64 rdev)
{
	return -ENOENT;
}

static int no_symlink(struct node *dir, const char *name, const char *target)
{
	return -ENOENT;
}

static int no_unlink(struct node *dir, const char *name, struct node *victim)
{
	return -EPERM;
}

#define PSEUDO_OPS                                                                            \
	.lookup = pseudo_lookup, .permission = pseudo_permission, .getattr = pseudo_getattr,  \
	.setattr = pseudo_setattr, .create = no_create, .mkdir = no_mkdir, .mknod = no_mknod, \
	.symlink = no_symlink, .unlink = no_unlink, .rmdir = no_unlink,                       \
	.readlink = pseudo_readlink, .open = pseudo_open, .statfs = pseudo_statfs,            \
	.release = pseudo_release

static const struct node_ops pseudo_node_ops = { PSEUDO_OPS };
static const struct node_ops pseudo_magic_ops = { PSEUDO_OPS, .follow = pseudo_follow };
