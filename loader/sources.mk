# SPDX-License-Identifier: Apache-2.0

# image: everything about images that both host and guest do. It reaches of attest/ only hashes and counter mode
# (crypto_small) and base64 and JSON (jose's objects without JOSE).
image_SRCS := loader/image/digest.c loader/image/ref.c loader/image/blob.c loader/image/media.c \
              loader/image/members.c loader/image/index.c loader/image/manifest.c loader/image/layer.c \
              loader/image/ocicrypt.c loader/image/packet.c loader/image/tar.c loader/image/pax.c \
              loader/image/tree.c loader/image/untar.c loader/image/unpack.c loader/image/spec.c \
              loader/image/layout.c loader/image/dirimage.c loader/image/user.c
HOST_ARCHIVES += image
image_LDLIBS := -ljansson -lz -lzstd -ldeflate

# loader: what host programs share
loader_SRCS := loader/resolve.c loader/owner.c loader/keys.c loader/keyprovider.c loader/layout_write.c loader/recrypt.c \
               loader/inspect.c
HOST_ARCHIVES += loader

PROGRAMS += cc-image
cc-image_MAIN   := loader/cc_image.c
cc-image_LIBS   := loader image jose crypto_full crypto_small base
cc-image_LDLIBS := $(image_LDLIBS) -lcrypto

# init: the guest's first program, static and small: no provider, no JOSE. initcore is the same without main and without
# the guest's system calls, for tests on the host.
policy_SRCS   := loader/init/policy.c loader/init/control.c
initcore_SRCS := loader/init/init.c loader/init/agent.c loader/init/secrets.c loader/init/volume.c loader/init/start.c \
                 loader/init/private_file.c
luks_SRCS     := loader/init/luks_header.c loader/init/luks.c
HOST_ARCHIVES += policy initcore luks
INIT_SRCS := $(policy_SRCS) $(initcore_SRCS) $(luks_SRCS) loader/init/main.c loader/init/env_guest.c guest/base/err.c attest/initdata.c attest/toml.c \
             attest/json.c attest/base64.c $(crypto_small_SRCS) \
             $(filter-out loader/image/ref.c loader/image/index.c loader/image/layout.c loader/image/dirimage.c,$(image_SRCS))
INIT_CFLAGS = $(COMMON) -Os -D_GNU_SOURCE -include guest/base/banned.h -ffunction-sections -fdata-sections \
              -fstack-protector-strong -fno-asynchronous-unwind-tables
$(B)/initobj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC I    $<")
	$(Q)$(CC) $(INIT_CFLAGS) -c -o $@ $<
$(B)/image/init: $(call objs,initobj,$(INIT_SRCS))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      init (static)")
	$(Q)$(CC) -static -Wl,--gc-sections -Wl,--build-id=none -s -o $@ $^ -ljansson -lz -lzstd -ldeflate -lcrypto
IMAGES += $(B)/image/init
INIT_ELF := $(B)/image/init

# launch: what the programs that start guests share
launch_SRCS := loader/guest_image.c loader/opts.c loader/terminal.c loader/signals.c
HOST_ARCHIVES += launch

PROGRAMS += cc-run
cc-run_MAIN   := loader/cc_run.c
cc-run_LIBS   := launch policy loader image vmm streams plan evidence initdata jose crypto_full crypto_small base
# Linked in: resolving libcrypto's four thousand symbols at each start takes longer than making a virtual machine.
cc-run_LDLIBS  = -Wl,-Bstatic $(image_LDLIBS) $(VMM_LDLIBS) -lcrypto -Wl,-Bdynamic
