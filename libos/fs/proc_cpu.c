// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/cpuinfo, made of what the CPUID instruction says: the host's own file is not to be had
 * inside.
 *
 * How many processors there are is how many the picoprocess may run on: neither the host's /proc
 * nor its /sys can be asked, and it is what a program should start threads by.
 */
#include "libos/fs/proc.h"

struct regs {
	u32 eax, ebx, ecx, edx;
};

static struct regs cpuid(u32 leaf, u32 sub)
{
	struct regs r;

	__asm__("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(sub));
	return r;
}

/* Not those that the caller may run on: who binds itself to one still sees, and may go to, the others. */
unsigned cpu_count(void)
{
	u64 mask[CPU_SET_BYTES / sizeof(u64)] = { 0 };
	unsigned n = 0;

	if (likely(the_area->cpus))
		return the_area->cpus;
	if (pal_sched_getaffinity(sizeof(mask), mask) < 0)
		return 1;
	for (unsigned i = 0; i < ARRAY_SIZE(mask); i++)
		for (u64 m = mask[i]; m; m &= m - 1)
			n++;
	return MAX(n, 1u);
}

void cpu_list(struct buf *b)
{
	unsigned n = cpu_count();

	base_buf_printf(b, n > 1 ? "0-%u\n" : "%u\n", n - 1);
}

/* Names as arch/x86/include/asm/cpufeatures.h has them, by leaf, register and bit; NULL: not shown.
 */
static const char *const flags_1_edx[32] = {
	"fpu",	"vme",	"de",	"pse", "tsc",  "msr", "pae",   "mce", "cx8",	 "apic", NULL,
	"sep",	"mtrr", "pge",	"mca", "cmov", "pat", "pse36", "pn",  "clflush", NULL,	 "dts",
	"acpi", "mmx",	"fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",	 "pbe",
};
static const char *const flags_ext_edx[32] = {
	[11] = "syscall", [19] = "mp",	   [20] = "nx", [22] = "mmxext",   [25] = "fxsr_opt",
	[26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow",
};
static const char *const flags_1_ecx[32] = {
	"pni",	  "pclmulqdq",	"dtes64", "monitor", "ds_cpl",
	"vmx",	  "smx",	"est",	  "tm2",     "ssse3",
	"cid",	  "sdbg",	"fma",	  "cx16",    "xtpr",
	"pdcm",	  NULL,		"pcid",	  "dca",     "sse4_1",
	"sse4_2", "x2apic",	"movbe",  "popcnt",  "tsc_deadline_timer",
	"aes",	  "xsave",	NULL,	  "avx",     "f16c",
	"rdrand", "hypervisor",
};
static const char *const flags_ext_ecx[32] = {
	"lahf_lm",    "cmp_legacy",  "svm",
	"extapic",    "cr8_legacy",  "abm",
	"sse4a",      "misalignsse", "3dnowprefetch",
	"osvw",	      "ibs",	     "xop",
	"skinit",     "wdt",	     NULL,
	"lwp",	      "fma4",	     "tce",
	NULL,	      "nodeid_msr",  NULL,
	"tbm",	      "topoext",     "perfctr_core",
	"perfctr_nb", NULL,	     "bpext",
	"ptsc",	      "perfctr_llc", "mwaitx",
};
static const char *const flags_7_ebx[32] = {
	"fsgsbase",   "tsc_adjust", "sgx",	  "bmi1",     "hle",	  "avx2",     NULL,
	"smep",	      "bmi2",	    "erms",	  "invpcid",  "rtm",	  "cqm",      NULL,
	"mpx",	      "rdt_a",	    "avx512f",	  "avx512dq", "rdseed",	  "adx",      "smap",
	"avx512ifma", NULL,	    "clflushopt", "clwb",     "intel_pt", "avx512pf", "avx512er",
	"avx512cd",   "sha_ni",	    "avx512bw",	  "avx512vl",
};
static const char *const flags_7_ecx[32] = {
	[1] = "avx512vbmi",
	[2] = "umip",
	[3] = "pku",
	[4] = "ospke",
	[5] = "waitpkg",
	[6] = "avx512_vbmi2",
	[8] = "gfni",
	[9] = "vaes",
	[10] = "vpclmulqdq",
	[11] = "avx512_vnni",
	[12] = "avx512_bitalg",
	[13] = "tme",
	[14] = "avx512_vpopcntdq",
	[16] = "la57",
	[22] = "rdpid",
	[24] = "bus_lock_detect",
	[25] = "cldemote",
	[27] = "movdiri",
	[28] = "movdir64b",
	[29] = "enqcmd",
};
static const char *const flags_7_edx[32] = {
	[2] = "avx512_4vnniw", [3] = "avx512_4fmaps",
	[4] = "fsrm",	       [8] = "avx512_vp2intersect",
	[10] = "md_clear",     [14] = "serialize",
	[16] = "tsxldtrk",     [18] = "pconfig",
	[19] = "arch_lbr",     [20] = "ibt",
	[22] = "amx_bf16",     [23] = "avx512_fp16",
	[24] = "amx_tile",     [25] = "amx_int8",
	[28] = "flush_l1d",    [29] = "arch_capabilities",
};
static const char *const flags_xsave[32] = { "xsaveopt", "xsavec", "xgetbv1", "xsaves" };
static const char *const flags_7_1_eax[32] = { [4] = "avx_vnni", [5] = "avx512_bf16" };
static const char *const flags_power[32] = { [8] = "constant_tsc" };

static void flags_put(struct buf *b, const char *const names[32], u32 bits)
{
	for (unsigned i = 0; i < 32; i++) {
		if (bits >> i & 1 && names[i])
			base_buf_printf(b, " %s", names[i]);
	}
}

static void flags_all(struct buf *b)
{
	u32 top = cpuid(0, 0).eax, ext = cpuid(0x80000000, 0).eax;
	struct regs one = cpuid(1, 0), seven = top >= 7 ? cpuid(7, 0) : (struct regs){ 0 };
	struct regs more = ext >= 0x80000001 ? cpuid(0x80000001, 0) : (struct regs){ 0 };

	base_buf_puts(b, "flags\t\t:");
	flags_put(b, flags_1_edx, one.edx);
	flags_put(b, flags_ext_edx, more.edx);
	if (ext >= 0x80000007)
		flags_put(b, flags_power, cpuid(0x80000007, 0).edx);
	flags_put(b, flags_1_ecx, one.ecx);
	flags_put(b, flags_ext_ecx, more.ecx);
	flags_put(b, flags_7_ebx, seven.ebx);
	if (top >= 0xd)
		flags_put(b, flags_xsave, cpuid(0xd, 1).eax);
	if (top >= 7 && seven.eax >= 1)
		flags_put(b, flags_7_1_eax, cpuid(7, 1).eax);
	flags_put(b, flags_7_ecx, seven.ecx);
	flags_put(b, flags_7_edx, seven.edx);
	base_buf_puts(b, "\nbugs\t\t:\n");
}

static void brand(char text[49])
{
	const char *s;
	size_t n;

	memset(text, 0, 49);
	if (cpuid(0x80000000, 0).eax >= 0x80000004) {
		for (u32 i = 0; i < 3; i++) {
			struct regs r = cpuid(0x80000002 + i, 0);

			memcpy(text + i * 16, &r, 16);
		}
	}
	for (s = text; *s == ' '; s++)
		;
	n = strlen(s);
	memmove(text, s, n + 1);
	while (n && text[n - 1] == ' ')
		text[--n] = '\0';
}

/* Largest cache, in KiB: deterministic parameters (Intel, and AMD's copy of the leaf). */
static unsigned cache_kib(bool amd)
{
	unsigned best = 0;

	for (u32 i = 0; i < 8; i++) {
		struct regs r = cpuid(amd ? 0x8000001d : 4, i);
		u32 size;

		if (!(r.eax & 31))
			break;
		size = ((r.ebx >> 22) + 1) * ((r.ebx >> 12 & 0x3ff) + 1) * ((r.ebx & 0xfff) + 1) *
		       (r.ecx + 1);
		best = MAX(best, size >> 10);
	}
	return best;
}

static unsigned base_mhz(void)
{
	return cpuid(0, 0).eax >= 0x16 ? cpuid(0x16, 0).eax & 0xffff : 0;
}

int proc_show_cpuinfo(struct pseudo_node *n, struct buf *b)
{
	struct regs zero = cpuid(0, 0), one = cpuid(1, 0), size = { 0 };
	unsigned family = one.eax >> 8 & 15, model = one.eax >> 4 & 15, cpus = cpu_count(),
		 mhz = base_mhz();
	char vendor[13], name[49];
	bool amd;

	memcpy(vendor, &zero.ebx, 4);
	memcpy(vendor + 4, &zero.edx, 4);
	memcpy(vendor + 8, &zero.ecx, 4);
	vendor[12] = '\0';
	amd = !strcmp(vendor, "AuthenticAMD");
	brand(name);
	if (family == 6 || family == 15)
		model |= one.eax >> 12 & 0xf0;
	if (family == 15)
		family += one.eax >> 20 & 0xff;
	if (cpuid(0x80000000, 0).eax >= 0x80000008)
		size = cpuid(0x80000008, 0);
	for (unsigned i = 0; i < cpus; i++) {
		base_buf_printf(
			b,
			"processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n",
			i, vendor, family, model, name[0] ? name : "unknown");
		base_buf_printf(
			b,
			"stepping\t: %u\nmicrocode\t: 0xffffffff\ncpu MHz\t\t: %u.000\ncache size\t: %u KB\n",
			one.eax & 15, mhz, cache_kib(amd));
		base_buf_printf(
			b, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
			cpus, i, cpus);
		base_buf_printf(
			b,
			"apicid\t\t: %u\ninitial apicid\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\n",
			i, i);
		base_buf_printf(b, "cpuid level\t: %u\nwp\t\t: yes\n", zero.eax);
		flags_all(b);
		base_buf_printf(b, "bogomips\t: %u.00\nclflush size\t: %u\ncache_alignment\t: %u\n",
				mhz * 2, (one.ebx >> 8 & 0xff) * 8, (one.ebx >> 8 & 0xff) * 8);
		base_buf_printf(
			b,
			"address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n",
			size.eax & 0xff, size.eax >> 8 & 0xff);
	}
	return 0;
}
