/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initial stack. From low to high: argc, argv, NULL, envp, NULL, auxiliary vector, padding, 16
 * random bytes, the platform's name, argument strings, environment strings, the program's file
 * name, 8 zero bytes. Argument and environment strings are contiguous: programs that show their
 * state in ps write over them. [psABI §3.4.1]
 *
 * Strings are copied from the old space to the new one page by page through the direct map: no
 * buffer bounds them.
 */
#include "guest/fs/fs.h"
#include "guest/mm/exec.h"
#include "guest/random.h"
#include "guest/task/arch.h"

#define STRING_MAX    (128u << 10) /* one argument, as Linux */
#define STRINGS_MIN   (128u << 10)
#define STACK_FIRST   (132u << 10) /* mapped at once; grows */
#define RANDOM_BITS   22
#define RLIMIT_STACK_ 3

#define AT_PHDR_         3
#define AT_PHENT_        4
#define AT_PHNUM_        5
#define AT_PAGESZ_       6
#define AT_BASE_         7
#define AT_FLAGS_        8
#define AT_ENTRY_        9
#define AT_UID_          11
#define AT_EUID_         12
#define AT_GID_          13
#define AT_EGID_         14
#define AT_PLATFORM_     15
#define AT_HWCAP_        16
#define AT_CLKTCK_       17
#define AT_SECURE_       23
#define AT_RANDOM_       25
#define AT_HWCAP2_       26
#define AT_EXECFN_       31
#define AT_SYSINFO_EHDR_ 33
#define AT_MINSIGSTKSZ_  51

/* siginfo, ucontext, alignment: what a signal frame needs beside the extended state */
#define SIGNAL_FRAME_REST 936

int stack_start(struct stack *k, struct space *s)
{
    uint64_t random;
    random_bytes(&random, sizeof random);
    uint64_t top = USER_TOP - PAGE_SIZE - (random & ((1ull << RANDOM_BITS) - 1)) * PAGE_SIZE;
    uint64_t limit = current_proc()->rlim[RLIMIT_STACK_].cur / 4;

    *k = (struct stack){.space = s, .top = top, .p = top - 8};
    k->least = top - max_u64(STRINGS_MIN, min_u64(limit, 6u << 20));
    int64_t r = space_map(s, top - STACK_FIRST, STACK_FIRST, LPROT_READ | LPROT_WRITE,
                          LMAP_PRIVATE | LMAP_ANONYMOUS | LMAP_FIXED | LMAP_GROWSDOWN, NULL, 0);
    if (r < 0) { return (int)r; }
    return space_populate(s, top - 16 * PAGE_SIZE, top, true);
}

static int make_room(struct stack *k, uint64_t size)
{
    if (size > STRING_MAX || size > k->p - k->least) { return -E2BIG; }
    k->p -= size;
    return 0;
}

int stack_push(struct stack *k, const char *text)
{
    size_t size = strnlen(text, STRING_MAX) + 1;
    int r = make_room(k, size);
    if (r < 0) { return r; }
    return space_write(k->space, k->p, text, size) == size ? 0 : -ENOMEM;
}

/*
 * Bytes of the string at va with its NUL; more than STRING_MAX when there is none so far; 0: not
 * readable.
 */
static uint64_t string_size(struct space *s, uint64_t va)
{
    for (uint64_t len = 0; len <= STRING_MAX;) {
        const char *p = user_range_ok(va + len, 1) ? space_page(s, va + len, false) : NULL;
        if (p == NULL) { return 0; }
        size_t n = PAGE_SIZE - (va + len) % PAGE_SIZE;
        const char *end = memchr(p, 0, n);
        if (end != NULL) { return len + (uint64_t)(end - p) + 1; }
        len += n;
    }
    return STRING_MAX + 1;
}

static int push_user(struct stack *k, uint64_t va)
{
    struct space *from = current_proc()->space;
    uint64_t size = string_size(from, va);
    if (size == 0) { return -EFAULT; }
    int r = make_room(k, size);
    for (uint64_t done = 0; r == 0 && done < size;) {
        const char *p = space_page(from, va + done, false);
        size_t n = min_u64(size - done, PAGE_SIZE - (va + done) % PAGE_SIZE);
        if (p == NULL) { return -EFAULT; }
        if (space_write(k->space, k->p + done, p, n) != n) { return -ENOMEM; }
        done += n;
    }
    return r;
}

static int count_user(uint64_t vec, uint64_t *out)
{
    *out = 0;
    for (uint64_t ptr = 1; vec != 0; ++*out) {
        /* more pointers than any limit has bytes */
        if (*out > STRINGS_MIN * 16) { return -E2BIG; }
        if (get_user_u64(vec + *out * 8, &ptr) < 0) { return -EFAULT; }
        if (ptr == 0) { break; }
    }
    return 0;
}

static int push_user_vector(struct stack *k, uint64_t vec, uint64_t count)
{
    int r = 0;
    for (uint64_t i = count; r == 0 && i-- > 0;) {
        uint64_t ptr;
        r = get_user_u64(vec + i * 8, &ptr);
        if (r == 0) { r = push_user(k, ptr); }
    }
    return r;
}

int stack_user_vectors(struct stack *k, uint64_t argv, uint64_t envp)
{
    int r = count_user(argv, &k->argc);
    if (r == 0) { r = count_user(envp, &k->envc); }
    k->env_end = k->p;
    if (r == 0) { r = push_user_vector(k, envp, k->envc); }
    if (r == 0) { r = push_user_vector(k, argv, k->argc); }
    return r;
}

static int push_vector(struct stack *k, char **vec, uint64_t *out_count)
{
    uint64_t n = 0;
    int r = 0;
    while (vec[n] != NULL) { n++; }
    *out_count = n;
    while (r == 0 && n > 0) { r = stack_push(k, vec[--n]); }
    return r;
}

int stack_vectors(struct stack *k, char **argv, char **envp)
{
    k->env_end = k->p;
    int r = push_vector(k, envp, &k->envc);
    return r < 0 ? r : push_vector(k, argv, &k->argc);
}

void stack_drop_first(struct stack *k)
{
    if (k->argc == 0) { return; }
    k->p += string_size(k->space, k->p);
    k->argc--;
}

/* ---- the pointer part ------------------------------------------------------------------------ */

static uint32_t hwcap(void)
{
    static uint32_t edx; /* cpuid is an exit in many guests: asked once */
    if (edx == 0) {
        uint32_t a = 1, b, c = 0;
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(edx));
    }
    return edx;
}

/* A writer of 8-byte words into the new stack. */
struct words {
    struct space *space;
    uint64_t at;
    bool bad;
};

static void word(struct words *w, uint64_t v)
{
    w->bad = w->bad || space_write(w->space, w->at, &v, sizeof v) != sizeof v;
    w->at += sizeof v;
}

static uint64_t pointers(struct words *w, struct space *s, uint64_t string, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        word(w, string);
        string += string_size(s, string);
    }
    word(w, 0);
    return string;
}

#define AUX_PAIRS 21

static void aux_pair(struct words *w, uint64_t id, uint64_t value)
{
    word(w, id);
    word(w, value);
}

static void auxv(struct words *w, const struct stack *k, const struct image *program,
                 uint64_t interp_base, uint64_t random_va, uint64_t platform_va)
{
    const struct cred *c = k->cred;
    uint64_t vdso = vdso_map(k->space);
    aux_pair(w, vdso != 0 ? AT_SYSINFO_EHDR_ : AT_FLAGS_, vdso);
    aux_pair(w, AT_HWCAP_, hwcap());
    aux_pair(w, AT_PAGESZ_, PAGE_SIZE);
    aux_pair(w, AT_CLKTCK_, 100);
    aux_pair(w, AT_PHDR_, program->phdr);
    aux_pair(w, AT_PHENT_, ELF_PHDR_SIZE);
    aux_pair(w, AT_PHNUM_, program->phnum);
    aux_pair(w, AT_BASE_, interp_base);
    aux_pair(w, AT_FLAGS_, 0);
    aux_pair(w, AT_ENTRY_, program->entry);
    aux_pair(w, AT_UID_, c->ruid);
    aux_pair(w, AT_EUID_, c->euid);
    aux_pair(w, AT_GID_, c->rgid);
    aux_pair(w, AT_EGID_, c->egid);
    aux_pair(w, AT_SECURE_, k->secure);
    aux_pair(w, AT_RANDOM_, random_va);
    aux_pair(w, AT_HWCAP2_, 2); /* FSGSBASE */
    aux_pair(w, AT_EXECFN_, k->execfn);
    aux_pair(w, AT_PLATFORM_, platform_va);
    aux_pair(w, AT_MINSIGSTKSZ_, arch_xstate_size() + SIGNAL_FRAME_REST);
    aux_pair(w, 0, 0);
}

int stack_finish(struct stack *k, const struct image *program, uint64_t interp_base,
                 bool exec_stack, uint64_t *out_sp)
{
    static const char platform[] = "x86_64";
    struct space *s = k->space;
    uint8_t random[16];
    uint64_t strings = k->p;
    uint64_t platform_va = strings - sizeof platform, random_va = platform_va - sizeof random;
    uint64_t size = (1 + k->argc + 1 + k->envc + 1 + 2 * AUX_PAIRS) * 8;

    if (size > random_va - k->least + STRING_MAX) { return -E2BIG; }
    random_bytes(random, sizeof random);
    bool ok = space_write(s, platform_va, platform, sizeof platform) == sizeof platform;
    ok = space_write(s, random_va, random, sizeof random) == sizeof random && ok;
    memset(random, 0, sizeof random);

    uint64_t sp = align_down(random_va - size, 16);
    struct words w = {.space = s, .at = sp};
    word(&w, k->argc);
    s->arg_lo = strings;
    s->arg_hi = s->env_lo = pointers(&w, s, strings, k->argc);
    s->env_hi = pointers(&w, s, s->env_lo, k->envc);
    auxv(&w, k, program, interp_base, random_va, platform_va);
    s->start_stack = sp;
    if (exec_stack) {
        const struct region *r = region_find(s, sp);
        if (r == NULL || space_protect(s, r->lo, r->hi, LPROT_ALL) < 0) { return -ENOMEM; }
    }
    *out_sp = sp;
    return ok && !w.bad ? 0 : -ENOMEM;
}
