# SPDX-License-Identifier: Apache-2.0

vmm_SRCS := vmm/vmm.c vmm/kvm.c vmm/mem.c vmm/vcpu.c vmm/place.c vmm/fdt.c vmm/tee_none.c
HOST_ARCHIVES += vmm
VMM_LDLIBS := -lfdt
