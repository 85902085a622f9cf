# SPDX-License-Identifier: Apache-2.0

# The host's end of the streams device.
streams_SRCS := vmm/streams.c vmm/stream_control.c vmm/stream_stdio.c vmm/stream_blob.c vmm/stream_socket.c
HOST_ARCHIVES += streams
