# SPDX-License-Identifier: Apache-2.0
#
# Ring 0, listed by hand: every file here is measured or hashed.

WARD_SRCS := firmware/ward/entry.S firmware/ward/state.c firmware/ward/calls.c firmware/ward/tables.c \
             firmware/ward/identity.c firmware/ward/start.c firmware/ward/descriptors.c guest/base/sha2.c

$(B)/fw/ward.elf: $(call objs,fw,$(WARD_SRCS)) firmware/ward/ward.ld
	$(if $(Q),@echo "  LD F    $@")
	$(Q)$(LD) -static -nostdlib --gc-sections --build-id=none -z noexecstack -z separate-code -T firmware/ward/ward.ld \
	    -o $@ $(filter %.o,$^)

STUB_SRCS := firmware/stub/reset.S firmware/stub/load.c guest/base/sha2.c guest/base/sha256_ni.c

$(B)/fw/stub.elf: $(call objs,fw,$(STUB_SRCS)) firmware/stub/stub.ld
	$(if $(Q),@echo "  LD F    $@")
	$(Q)$(LD) -static -nostdlib --gc-sections --build-id=none -z noexecstack -z max-page-size=4096 \
	    -e stub_gate -T firmware/stub/stub.ld -o $@ $(filter %.o,$^)
$(B)/image/stub.bin: $(B)/fw/stub.elf
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(OBJCOPY) -O binary $< $@

# mkimage: build tool, runs on the build machine.
$(B)/tool/mkimage: $(B)/host/firmware/mkimage.o $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(HOST_LDFLAGS) -o $@ $^ -lelf

# The core part of the guest image. INIT_ELF is set by loader/sources.mk, which make reads after this file.
.SECONDEXPANSION:
$(B)/image/core.img: $(B)/tool/mkimage $(B)/fw/ward.elf $(B)/guest/los.elf $$(INIT_ELF)
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(B)/tool/mkimage $(B)/fw/ward.elf $(B)/guest/los.elf $(INIT_ELF) $@

IMAGES += $(B)/image/core.img $(B)/image/stub.bin $(B)/image/launch.page

# The launch plan, for the monitor and for attest/.
plan_SRCS := firmware/plan.c
HOST_ARCHIVES += plan

$(B)/tool/mklaunch: $(B)/host/firmware/mklaunch.o $(B)/lib/libplan.a $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(HOST_LDFLAGS) -o $@ $^

# AGENT_ELF is set by attest/sources.mk.
$(B)/image/launch.page: $(B)/tool/mklaunch $(B)/image/core.img $$(AGENT_ELF)
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(B)/tool/mklaunch $(B)/image/core.img $(AGENT_ELF) $@

# The guarded regime as a host program, for tests.
wardtables_SRCS := firmware/ward/tables.c
NATIVE_ARCHIVES += wardtables

# The guarded table calls are what a process costs where ring 0 is interpreted: fewer instructions, not fewer bytes.
$(B)/fw/firmware/ward/tables.o: FW_CFLAGS += -O2
