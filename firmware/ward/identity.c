/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest can prove: four runtime registers, reports bound to them, randomness.
 *
 *   I1  registers 0..2 are set once each, before seal; register 3 only by extension
 *   I2  a raw report exists only before seal, and never ends in the text that marks the register form
 *   I3  report data of the register form binds launch flags, phase, all registers and the caller's 64 bytes
 *   I4  nothing here reads ring-3 memory but vpage.io, each byte once
 *   I5  what two vCPUs ask for at once happens one after the other
 */
#include "firmware/abi/sim.h"
#include "firmware/ward/ward.h"
#include "guest/abi/handoff.h"
#include "guest/base/sha2.h"

#define REGISTER_COUNT 4
#define REGISTER_SIZE  48

static uint8_t registers[REGISTER_COUNT][REGISTER_SIZE];
static bool register_set[REGISTER_COUNT];
static bool sealed;
static uint32_t lock; /* over all of these; held while the monitor makes a report */
static struct sim_request sim_request ALIGNED(4096); /* one page: named to the monitor by address */

static const char form_prefix[] = "casemate-report-v1";
static const char form_mark[16] = {'c', 'a', 's', 'e', 'm', 'a', 't', 'e',
                                   '-', 'r', 'e', 'p', 'o', 'r', 't', '1'};

static void copy(void *dst, const volatile void *src, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

int64_t identity_register_set(uint64_t i)
{
    int64_t r = -EPERM;

    if (i >= REGISTER_COUNT - 1) { return -EINVAL; }
    ward_lock(&lock);
    if (!sealed && !register_set[i]) {
        copy(registers[i], my_vpage()->io, REGISTER_SIZE);
        register_set[i] = true;
        r = 0;
    }
    ward_unlock(&lock);
    return r;
}

int64_t identity_extend(void)
{
    uint8_t *r = registers[REGISTER_COUNT - 1];
    uint8_t value[REGISTER_SIZE];
    struct sha384_ctx c;

    copy(value, my_vpage()->io, sizeof value);
    ward_lock(&lock);
    sha384_init(&c);
    sha384_update(&c, r, REGISTER_SIZE);
    sha384_update(&c, value, sizeof value);
    sha384_final(&c, r);
    ward_unlock(&lock);
    return 0;
}

int64_t identity_seal(void)
{
    ward_lock(&lock);
    sealed = true;
    ward_unlock(&lock);
    return 0;
}

static void register_form(uint8_t data[64])
{
    uint8_t state[5] = {(uint8_t)ward_state.launch_flags, (uint8_t)(ward_state.launch_flags >> 8),
                        (uint8_t)(ward_state.launch_flags >> 16),
                        (uint8_t)(ward_state.launch_flags >> 24), sealed ? 1 : 0};
    struct sha384_ctx c;

    sha384_init(&c);
    sha384_update(&c, form_prefix, sizeof form_prefix - 1);
    sha384_update(&c, state, sizeof state);
    sha384_update(&c, registers, sizeof registers);
    sha384_update(&c, data, 64);
    sha384_final(&c, data);
    copy(data + SHA384_SIZE, form_mark, sizeof form_mark);
}

static bool ends_in_mark(const uint8_t data[64])
{
    for (size_t i = 0; i < sizeof form_mark; i++) {
        if (data[SHA384_SIZE + i] != (uint8_t)form_mark[i]) { return false; }
    }
    return true;
}

static int64_t evidence_locked(uint64_t form, uint8_t data[64])
{
    struct sim_request *q = &sim_request;

    if (form == WARD_FORM_REGISTER) {
        register_form(data);
    } else if (form != WARD_FORM_RAW || sealed || ends_in_mark(data)) {
        return -EPERM;
    }
    q->magic = SIM_REQUEST_MAGIC;
    q->result = -EIO;
    copy(q->report_data, data, sizeof q->report_data);
    out32(PORT_SIM, (uint32_t)(ward_state.ward_gpa + ((uint64_t)q - WARD_TEXT)));
    int32_t result = q->result;
    if (result != 0) { return result < 0 ? result : -EIO; }
    copy(my_vpage()->io, q->report, SIM_REPORT_SIZE);
    return SIM_REPORT_SIZE;
}

int64_t identity_evidence(uint64_t form)
{
    uint8_t data[64]; /* what nobody has judged yet stays off the page that is signed */

    if (ward_state.tee != TEE_SIM) { return -EOPNOTSUPP; }
    copy(data, my_vpage()->io, sizeof data);
    ward_lock(&lock);
    int64_t r = evidence_locked(form, data);
    ward_unlock(&lock);
    return r;
}

/* sim has no hardware root: an explicit "unsupported". */
int64_t identity_derive(void) { return -EOPNOTSUPP; }

/* RDSEED mixed with RDRAND; zero and repeated values are refused. */
int64_t identity_random(void)
{
    static uint64_t last;
    volatile uint64_t *out = (volatile uint64_t *)my_vpage()->io;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t seed = 0, rand = 0;
        uint8_t seed_ok = 0, rand_ok = 0;
        for (unsigned tries = 0; tries < 64 && !(seed_ok && seed != 0 && seed != last); tries++) {
            __asm__ volatile("rdseed %0; setc %1" : "=r"(seed), "=qm"(seed_ok) : : "cc");
        }
        for (unsigned tries = 0; tries < 16 && !(rand_ok && rand != 0); tries++) {
            __asm__ volatile("rdrand %0; setc %1" : "=r"(rand), "=qm"(rand_ok) : : "cc");
        }
        if (!seed_ok || !rand_ok || seed == 0 || rand == 0 || seed == last) {
            if (ward_state.tee >= TEE_SNP) { ward_panic(PANIC_WARD_RANDOM); }
            return -EIO;
        }
        last = seed;
        out[i] = seed ^ (rand << 1 | rand >> 63);
    }
    return 0;
}
