# SPDX-License-Identifier: Apache-2.0
#
# Ring 0, listed by hand: every file here is measured or hashed.

WARD_SRCS := firmware/ward/entry.S firmware/ward/calls.c firmware/ward/tables.c firmware/ward/identity.c \
             firmware/ward/start.c firmware/ward/descriptors.c guest/base/sha2.c

$(B)/fw/ward.elf: $(call objs,fw,$(WARD_SRCS)) firmware/ward/ward.ld
	$(if $(Q),@echo "  LD F    $@")
	$(Q)$(LD) -static -nostdlib --gc-sections --build-id=none -z noexecstack -z separate-code -T firmware/ward/ward.ld \
	    -o $@ $(filter %.o,$^)

# mkimage: build tool, runs on the build machine.
$(B)/tool/mkimage: $(B)/host/firmware/mkimage.o $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(HOST_LDFLAGS) -o $@ $^ -lelf

# The core part of the guest image. INIT_ELF is set by loader/sources.mk.
INIT_ELF ?= -
$(B)/core.img: $(B)/tool/mkimage $(B)/fw/ward.elf $(B)/guest/los.elf $(filter-out -,$(INIT_ELF))
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(B)/tool/mkimage $(B)/fw/ward.elf $(B)/guest/los.elf $(INIT_ELF) $@
