# SPDX-License-Identifier: Apache-2.0

# image: everything about images that both host and guest do. It reaches of attest/ only hashes and counter mode
# (crypto_small) and base64 and JSON (jose's objects without JOSE).
image_SRCS := loader/image/digest.c loader/image/ref.c loader/image/blob.c loader/image/media.c \
              loader/image/members.c loader/image/index.c loader/image/manifest.c loader/image/layer.c \
              loader/image/ocicrypt.c loader/image/packet.c loader/image/tar.c loader/image/pax.c \
              loader/image/tree.c loader/image/untar.c loader/image/unpack.c loader/image/spec.c \
              loader/image/layout.c loader/image/dirimage.c
HOST_ARCHIVES += image
image_LDLIBS := -ljansson -lz -lzstd

# loader: what host programs share
loader_SRCS := loader/resolve.c loader/keys.c loader/keyprovider.c loader/layout_write.c loader/recrypt.c \
               loader/inspect.c
HOST_ARCHIVES += loader

PROGRAMS += cc-image
cc-image_MAIN   := loader/cc_image.c
cc-image_LIBS   := loader image jose crypto_full crypto_small base
cc-image_LDLIBS := $(image_LDLIBS) -lcrypto
