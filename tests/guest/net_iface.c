/* SPDX-License-Identifier: Apache-2.0 */
/* Any socket tells which interfaces there are: at least lo, with its address. What Java's NetworkInterface asks. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tests/guest/promise.h"

static in_addr_t address(const struct ifreq *r)
{
    struct sockaddr_in in;
    memcpy(&in, &r->ifr_addr, sizeof(in));
    WANT_EQ(in.sin_family, AF_INET);
    return ntohl(in.sin_addr.s_addr);
}

PROMISE("lo is there")
{
    int s = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq all[32], r = {.ifr_name = "lo"}, none = {.ifr_name = "nosuch0"};
    struct ifconf c = {.ifc_len = 0};
    MUST(ioctl(s, SIOCGIFCONF, &c));
    WANT(c.ifc_len >= (int)sizeof(r));
    c = (struct ifconf){.ifc_len = sizeof(all), .ifc_req = all};
    MUST(ioctl(s, SIOCGIFCONF, &c));
    bool found = false;
    for (size_t i = 0; i < (size_t)c.ifc_len / sizeof(r); i++) {
        if (strcmp(all[i].ifr_name, "lo") != 0) { continue; }
        found = true;
        WANT_EQ(address(&all[i]), INADDR_LOOPBACK);
    }
    WANT(found);
    c = (struct ifconf){.ifc_len = sizeof(r) - 1, .ifc_req = all};
    MUST(ioctl(s, SIOCGIFCONF, &c));
    WANT_EQ(c.ifc_len, 0);

    MUST(ioctl(s, SIOCGIFFLAGS, &r));
    WANT_EQ(r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING), IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
    MUST(ioctl(s, SIOCGIFADDR, &r));
    WANT_EQ(address(&r), INADDR_LOOPBACK);
    MUST(ioctl(s, SIOCGIFNETMASK, &r));
    WANT_EQ(address(&r), 0xff000000);
    MUST(ioctl(s, SIOCGIFMTU, &r));
    WANT(r.ifr_mtu > 0);
    MUST(ioctl(s, SIOCGIFHWADDR, &r));
    WANT_EQ(r.ifr_hwaddr.sa_family, 772);
    MUST(ioctl(s, SIOCGIFINDEX, &r));
    WANT_EQ(r.ifr_ifindex, 1);
    memset(r.ifr_name, 0, sizeof(r.ifr_name));
    MUST(ioctl(s, SIOCGIFNAME, &r));
    WANT_EQ(strcmp(r.ifr_name, "lo"), 0);
    WANT_ERR(ioctl(s, SIOCGIFFLAGS, &none), ENODEV);
    WANT_ERR(ioctl(s, SIOCGIFINDEX, &none), ENODEV);
}
