/* SPDX-License-Identifier: MIT */
/*
 * Finding out the layout of libc's thread descriptor. See tls.c.
 *
 * What the libthread_db symbols tell is taken from there. The rest comes from the donor:
 *
 *   its whole descriptor    copied while it runs and nothing has been done with it
 *   words into itself       those whose value lies in it, to be relocated in copies
 *   cleanup_jmp_buf         where the address of a just registered buffer appears
 *   cancellation's state    the bits that change when it is disabled, or made asynchronous
 *   specific_used           the byte that the first pthread_setspecific sets
 *   res                     what libc's __resp points to
 *   stackblock and size     where the stack that the donor was given appears
 *   result                  where its return value appears after it has been joined
 *
 * Each must be found once and nowhere else. The lists of threads and their
 * lock: _rtld_global ends with them since they are there (glibc 2.34),
 *	used, user, cache (16 bytes each), cache's size, in-flight stack, int lock
 * which is checked by the object's size and by the words' values.
 */
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime.h"
#include "tlscal.h"

enum {
	DONORSTACK = 128 << 10, /* and the static TLS */
	TCBMAX = 16 << 10,
	STACKLISTS = 16 + 16 + 8 + 8, /* from dl_stack_user to the lock */
};

static const struct tlsops *ops;
static struct tcblayout *lay;
static struct tlscal *cal;
static const char *bad;
const char tlscalagain[] = "no thread can be made now";

static void *
need(const char *name)
{
	void *p = ops->sym(name);

	if(p == NULL && bad == NULL)
		bad = name;
	return p;
}

/* A libthread_db description: a structure's size, or a field's {bits an element, elements, offset}. */
static uint32_t
dbsize(const char *name)
{
	uint32_t *p = need(name);

	return p ? *p : 0;
}

static uint32_t
dbfield(const char *name, int what)
{
	uint32_t *p = need(name);

	return p ? p[what] : 0;
}

enum { BITS = 0, NELEM = 1, OFFSET = 2 };

static void
readdb(void)
{
	lay->size = dbsize("_thread_db_sizeof_pthread");
	lay->list = dbfield("_thread_db_pthread_list", OFFSET);
	lay->tid = dbfield("_thread_db_pthread_tid", OFFSET);
	lay->cancelhandling = dbfield("_thread_db_pthread_cancelhandling", OFFSET);
	lay->specific = dbfield("_thread_db_pthread_specific", OFFSET);
	lay->nlevel1 = dbfield("_thread_db_pthread_specific", BITS) / 8 / sizeof(void *);
	cal->dtvp = dbfield("_thread_db_pthread_dtvp", OFFSET);
	lay->keydatasize = dbsize("_thread_db_sizeof_pthread_key_data");
	lay->keydataseq = dbfield("_thread_db_pthread_key_data_seq", OFFSET);
	lay->keydatavalue = dbfield("_thread_db_pthread_key_data_data", OFFSET);
	if(lay->keydatasize != 0)
		lay->nlevel2 = dbsize("_thread_db_sizeof_pthread_key_data_level2") / lay->keydatasize;
	lay->keys = (uintptr_t)need("__pthread_keys");
	lay->keysize = dbsize("_thread_db_sizeof_pthread_key_struct");
	lay->keyseq = dbfield("_thread_db_pthread_key_struct_seq", OFFSET);
	lay->keydestr = dbfield("_thread_db_pthread_key_struct_destr", OFFSET);
}

/*
 * What the donor calls. The symbols are looked up before it starts: dlsym takes ld.so's lock, which the caller of dlopen
 * has if this is the first thread that a library's constructor makes.
 */
static struct {
	int (*keycreate)(unsigned *, void (*)(void *));
	int (*setspecific)(unsigned, const void *);
	int (*keydelete)(unsigned);
	void (*registercancel)(void *), (*unregistercancel)(void *);
	int (*cancelstate)(int, int *), (*canceltype)(int, int *);
} fns;

static void
readdonorfuncs(void)
{
	fns.keycreate = (int (*)(unsigned *, void (*)(void *)))need("pthread_key_create");
	fns.setspecific = (int (*)(unsigned, const void *))need("pthread_setspecific");
	fns.keydelete = (int (*)(unsigned))need("pthread_key_delete");
	fns.registercancel = (void (*)(void *))need("__pthread_register_cancel");
	fns.unregistercancel = (void (*)(void *))need("__pthread_unregister_cancel");
	fns.cancelstate = (int (*)(int, int *))need("pthread_setcancelstate");
	fns.canceltype = (int (*)(int, int *))need("pthread_setcanceltype");
}

static void
readfuncs(void)
{
	void (*info)(size_t *, size_t *) = (void (*)(size_t *, size_t *))need("_dl_get_tls_static_info");

	cal->allocatetls = (void *(*)(void *))need("_dl_allocate_tls");
	cal->allocatetlsinit = (void *(*)(void *, bool))need("_dl_allocate_tls_init");
	cal->deallocatetls = (void (*)(void *, bool))need("_dl_deallocate_tls");
	cal->free = ops->free;
	cal->ctypeinit = (void (*)(void))need("__ctype_init");
	cal->iteratephdr = (int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *))need("dl_iterate_phdr");
	if(info != NULL)
		info(&lay->tlssize, &lay->align);
}

/* ---- the list of threads ---- */

static bool
islist(uintptr_t *l)
{
	uintptr_t *next = (uintptr_t *)l[0], *prev = (uintptr_t *)l[1];

	return next != NULL && prev != NULL && next[1] == (uintptr_t)l && prev[0] == (uintptr_t)l;
}

/* Main alone has been made without libc's stacks so far, so the list of user stacks holds it and no other. */
static void
readlists(void)
{
	uint8_t *global = need("_rtld_global");
	uint32_t used = dbfield("_thread_db_rtld_global__dl_stack_used", OFFSET);
	uint32_t user = dbfield("_thread_db_rtld_global__dl_stack_user", OFFSET);
	uintptr_t *l;

	if(bad != NULL)
		return;
	l = (uintptr_t *)(global + user);
	cal->stackuser = l;
	cal->stacklock = (uint32_t *)(global + user + STACKLISTS);
	if(user != used + 16 || !islist(l - 2) || !islist(l) || !islist(l + 2))
		bad = "lists of stacks";
	else if(l[0] != getfsbase() + lay->list || l[1] != l[0] || l[5] != 0 || *cal->stacklock != 0)
		bad = "lock of the list of stacks";
}

/*
 * The generation. In glibc the words from the list of modules on are
 *	slotinfo list, static nelem, static used, static optional, initial dtv, generation
 * If the initial dtv is main's, as it is unless that has grown, the next word is what is looked for.
 */
static void
readgeneration(void)
{
	uint8_t *global = need("_rtld_global");
	uint32_t at = dbfield("_thread_db_rtld_global__dl_tls_dtv_slotinfo_list", OFFSET);
	uintptr_t *w = (uintptr_t *)(global + at);

	if(bad == NULL && w[2] <= lay->tlssize && w[4] == *(uintptr_t *)(getfsbase() + cal->dtvp) && w[5] < 1 << 16)
		cal->generation = &w[5];
}

/* ---- thread-local variables of libc's ---- */

static void
readrseq(void)
{
	ptrdiff_t *off = ops->sym("__rseq_offset");
	uint32_t *size = ops->sym("__rseq_size");

	if(off != NULL && size != NULL && *size != 0){
		cal->rseqoff = *off;
		cal->rseqsize = *size;
	}
}

/* libc's block is that which errno lies in. */
static int
findlibctls(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t block = (uintptr_t)info->dlpi_tls_data, errnoat = (uintptr_t)arg;

	for(int i = 0; i < info->dlpi_phnum; i++){
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if(ph->p_type != PT_TLS || block == 0 || errnoat < block || errnoat >= block + ph->p_memsz)
			continue;
		cal->libctls = (ptrdiff_t)(block - getfsbase());
		cal->libctlssize = ph->p_memsz;
		return 1;
	}
	return 0;
}

static void
readtls(void)
{
	uintptr_t fs = getfsbase(), p;
	int *(*errnolocation)(void) = (int *(*)(void))need("__errno_location");

	/* of a thread-local symbol, sym gives this thread's copy */
	if((p = (uintptr_t)need("__resp")) != 0)
		lay->resp = (ptrdiff_t)(p - fs);
	if((p = (uintptr_t)ops->sym("__libc_dlerror_result")) != 0)
		lay->dlerror = (ptrdiff_t)(p - fs);
	readrseq();
	if(bad != NULL)
		return;
	cal->iteratephdr(findlibctls, errnolocation());
	if(cal->libctlssize == 0 || cal->libctlssize > TLSBLOCKMAX || cal->libctls >= 0)
		bad = "libc's TLS";
}

/* ---- the donor ---- */

struct donor {
	uintptr_t tcb, stack;
	uint32_t cleanupat, nres;
	uint32_t usedat, nused;
};

/* The only word of the descriptor with this value; 0 if there is none or another one. */
static uint32_t
findword(const void *tcb, uintptr_t value)
{
	uint32_t at = 0;

	for(uint32_t i = 8; i + 8 <= lay->size; i += 8)
		if(*(const uintptr_t *)((const uint8_t *)tcb + i) == value){
			if(at != 0)
				return 0;
			at = i;
		}
	return at;
}

/*
 * specific_used is the byte that becomes 1 when a value is set, outside the table of values. If the program has all the
 * keys there are, any of them will do.
 */
static void
findspecificused(uint8_t *tcb)
{
	uint32_t end = lay->specific + lay->nlevel1 * 8, n = 0;
	unsigned key;
	bool own;

	if(bad != NULL)
		return;
	if(!(own = fns.keycreate(&key, NULL) == 0))
		key = 0;
	if(fns.setspecific(key, lay) != 0){
		bad = "thread-specific data";
		return;
	}
	for(uint32_t i = end; i < lay->size; i++)
		if(cal->image[i] == 0 && tcb[i] == 1){
			lay->specificused = i;
			n++;
		}
	fns.setspecific(key, NULL);
	if(own)
		fns.keydelete(key);
	tcb[lay->specificused] = 0;
	if(n != 1)
		bad = "thread-specific data";
}

static void
findcleanup(uint8_t *tcb)
{
	__pthread_unwind_buf_t buf;

	if(bad != NULL)
		return;
	fns.registercancel(&buf);
	lay->cleanupjmpbuf = findword(tcb, (uintptr_t)&buf);
	fns.unregistercancel(&buf);
	if(lay->cleanupjmpbuf == 0)
		bad = "cleanup_jmp_buf";
}

/* The byte, and the bit of it, in which the descriptor differs from the copy; 0 if it is not one. */
static uint32_t
changedbit(const uint8_t *tcb, const uint8_t *copy, uint8_t *bit)
{
	uint32_t at = 0;

	for(uint32_t i = lay->list; i < lay->size; i++)
		if(tcb[i] != copy[i]){
			*bit = tcb[i] ^ copy[i];
			if(at != 0 || (*bit & (*bit - 1)) != 0)
				return 0;
			at = i;
		}
	return at;
}

static void
findcancel(uint8_t *tcb, uint8_t *copy)
{
	int old;

	if(bad != NULL)
		return;
	memcpy(copy, tcb, lay->size);
	fns.cancelstate(PTHREAD_CANCEL_DISABLE, &old);
	lay->disabledat = changedbit(tcb, copy, &lay->disabledbit);
	memcpy(copy, tcb, lay->size);
	fns.canceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	lay->asyncat = changedbit(tcb, copy, &lay->asyncbit);
	fns.canceltype(PTHREAD_CANCEL_DEFERRED, &old);
	fns.cancelstate(PTHREAD_CANCEL_ENABLE, &old);
	if(lay->disabledat == 0 || lay->asyncat == 0)
		bad = "state of cancellation";
}

static void *
donor(void *arg)
{
	struct donor *d = arg;
	uint8_t *tcb = (uint8_t *)getfsbase();
	uintptr_t res = *(uintptr_t *)(tcb + lay->resp);
	uint8_t copy[TCBMAX];

	memcpy(cal->image, tcb, lay->size);
	d->tcb = (uintptr_t)tcb;
	if(res <= d->tcb || res >= d->tcb + lay->size)
		bad = "resolver state";
	lay->res = (uint32_t)(res - d->tcb);
	findcancel(tcb, copy);
	findspecificused(tcb);
	findcleanup(tcb);
	return &bad; /* a value to be looked for */
}

/* Makes of the donor's descriptor that of a thread which has not started. */
static void
cleanimage(struct donor *d)
{
	for(uint32_t i = 0; i + 8 <= lay->size; i += 8){
		uintptr_t *w = (uintptr_t *)(cal->image + i);

		if(*w >= d->tcb && *w < d->tcb + lay->size){
			if(cal->nreloc == RELOCMAX){
				bad = "words that point into the descriptor";
				return;
			}
			if(i > lay->tid && i < lay->specific){
				cal->robust0 = cal->robust1 ? cal->robust0 : cal->nreloc;
				cal->robust1 = cal->nreloc + 1;
			}
			cal->reloc[cal->nreloc].at = i;
			cal->reloc[cal->nreloc++].to = (uint32_t)(*w - d->tcb);
			if(*w == d->tcb + i && i > lay->tid)
				cal->robusthead = lay->robusthead = i;
			*w = 0;
		}else if(*w == (uintptr_t)donor || *w == (uintptr_t)d || (*w >= d->stack && *w < d->tcb))
			*w = 0; /* start routine and its argument; stackblock and the first frame's cleanup buffer */
	}
	memset(cal->image + lay->list, 0, 16);
	memset(cal->image + lay->cancelhandling, 0, 4);
	memset(cal->image + cal->dtvp, 0, 8);
}

static void
rundonor(void)
{
	struct donor d = {0};
	size_t size = DONORSTACK + ((lay->tlssize + 4095) & ~4095UL);
	long p = rawsyscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t at;
	int e;

	if(p < 0 && p > -4096){
		bad = tlscalagain;
		return;
	}
	d.stack = (uintptr_t)p;
	if((e = ops->runthread((void *)p, size, donor, &d)) != 0)
		bad = e == EAGAIN || e == ENOMEM ? tlscalagain : "stack of a thread";
	if(bad == NULL){
		lay->stackblock = at = findword(cal->image, d.stack);
		lay->stackblocksize = at + 8;
		if(at == 0 || *(size_t *)(cal->image + at + 8) != size)
			bad = "stackblock";
		else if((lay->result = findword((void *)d.tcb, (uintptr_t)&bad)) == 0)
			bad = "result";
	}
	if(bad == NULL)
		cleanimage(&d);
	rawsyscall(SYS_munmap, p, size);
}

static void
checklayout(void)
{
	if(lay->size < 512 || lay->size > TCBMAX || lay->tlssize < lay->size || lay->align > 4096 ||
	   (lay->align & (lay->align - 1)) != 0 ||
	   lay->nlevel1 * lay->nlevel2 != dbfield("_thread_db___pthread_keys", NELEM))
		bad = "size of the descriptor";
}

const char *
tlscalibrate(const struct tlsops *o, struct tcblayout *l, struct tlscal *c)
{
	ops = o;
	lay = l;
	cal = c;
	bad = NULL;
	cal->nreloc = cal->robust0 = cal->robust1 = cal->robusthead = 0;
	readdb();
	readfuncs();
	readdonorfuncs();
	if(bad == NULL)
		checklayout();
	if(bad == NULL)
		readlists();
	if(bad == NULL)
		readgeneration();
	if(bad == NULL)
		readtls();
	if(bad == NULL && cal->image == NULL && (cal->image = persistentalloc(lay->size, 64)) == NULL)
		bad = tlscalagain;
	if(bad == NULL)
		rundonor();
	return bad;
}
