/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces, as the ioctls of any socket tell: there is lo. Connections to elsewhere are made by the monitor, whose
 * interfaces and addresses are nobody's business here. [netdevice(7)]
 */
#include "guest/mm/mm.h"
#include "guest/net/socket.h"

#define SIOCGIFNAME_    0x8910u
#define SIOCGIFCONF_    0x8912u
#define SIOCGIFFLAGS_   0x8913u
#define SIOCGIFADDR_    0x8915u
#define SIOCGIFNETMASK_ 0x891bu
#define SIOCGIFMTU_     0x8921u
#define SIOCGIFHWADDR_  0x8927u
#define SIOCGIFINDEX_   0x8933u
#define IFF_LO          0x49u /* UP, LOOPBACK, RUNNING */
#define LO_INDEX        1u
#define LO_MTU          65536u
#define ARPHRD_LOOPBACK 772

struct ifreq_k {
    char name[16];
    union {
        uint32_t word; /* flags, MTU, index */
        struct {
            uint16_t family, port;
            uint8_t addr[4];
            uint8_t zero[16];
        } addr;
    } u;
};
_Static_assert(sizeof(struct ifreq_k) == 40, "struct ifreq");

static void set_addr(struct ifreq_k *r, uint8_t first, uint8_t rest, uint8_t last)
{
    memset(&r->u, 0, sizeof(r->u));
    r->u.addr.family = 2; /* AF_INET */
    r->u.addr.addr[0] = first;
    r->u.addr.addr[1] = r->u.addr.addr[2] = rest;
    r->u.addr.addr[3] = last;
}

/* struct ifconf: how much room, where. Without a place: how much it would be. */
static int list_all(uint64_t va)
{
    struct ifreq_k lo = {.name = "lo"};
    uint32_t room;
    uint64_t to;

    int err = get_user_u32(va, &room);
    if (!err) { err = get_user_u64(va + 8, &to); }
    if (err) { return err; }
    set_addr(&lo, 127, 0, 1);
    if (to != 0 && (int32_t)room < (int32_t)sizeof(lo)) { return put_user_u32(va, 0); }
    if (to != 0) { err = copy_to_user(to, &lo, sizeof(lo)); }
    return err ? err : put_user_u32(va, sizeof(lo));
}

int iface_ioctl(uint32_t cmd, uint64_t va)
{
    struct ifreq_k r;

    if (cmd == SIOCGIFCONF_) { return list_all(va); }
    if (cmd < SIOCGIFNAME_ || cmd > SIOCGIFINDEX_) { return -ENOTTY; }
    int err = copy_from_user(&r, va, sizeof(r));
    if (err) { return err; }
    r.name[sizeof(r.name) - 1] = 0;
    if (cmd == SIOCGIFNAME_) {
        if (r.u.word != LO_INDEX) { return -ENODEV; }
        memcpy(r.name, "lo", 3);
        return copy_to_user(va, &r, sizeof(r));
    }
    if (strcmp(r.name, "lo") != 0) { return -ENODEV; }
    switch (cmd) {
    case SIOCGIFFLAGS_: r.u.word = IFF_LO; break;
    case SIOCGIFADDR_: set_addr(&r, 127, 0, 1); break;
    case SIOCGIFNETMASK_: set_addr(&r, 255, 0, 0); break;
    case SIOCGIFMTU_: r.u.word = LO_MTU; break;
    case SIOCGIFHWADDR_:
        set_addr(&r, 0, 0, 0);
        r.u.addr.family = ARPHRD_LOOPBACK;
        break;
    case SIOCGIFINDEX_: r.u.word = LO_INDEX; break;
    default: return -ENOTTY;
    }
    return copy_to_user(va, &r, sizeof(r));
}
