# SPDX-License-Identifier: Apache-2.0

# base: primitives for every folder (host build; guest and firmware list what they need themselves)
base_SRCS := guest/base/err.c guest/base/sha2.c
HOST_ARCHIVES += base
