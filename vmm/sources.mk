# SPDX-License-Identifier: Apache-2.0

# The host's end of the streams device.
streams_SRCS := vmm/streams.c vmm/device.c vmm/stream_control.c vmm/stream_stdio.c vmm/stream_blob.c vmm/stream_socket.c \
                vmm/stream_listen.c vmm/stream_addr.c vmm/names.c
HOST_ARCHIVES += streams
vmm_SRCS := vmm/vmm.c vmm/vm.c vmm/kvm.c vmm/mem.c vmm/vcpu.c vmm/place.c vmm/fdt.c vmm/check.c vmm/tee_none.c vmm/tee_sim.c vmm/sandbox.c
HOST_ARCHIVES += vmm
VMM_LDLIBS := -lfdt
