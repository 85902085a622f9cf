# SPDX-License-Identifier: Apache-2.0
#
# The one Makefile. Sources are listed by hand in FOLDER/sources.mk: adding a file to the measured base must show in a
# diff. Output goes under build/. Quiet unless V=1. WERROR=1 turns warnings into errors (CI); CC=clang works.

VERSION := 0.1.0
B       ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
OBJCOPY ?= objcopy
Q       := $(if $(V),,@)

# Goals for people on a fresh machine: install what is missing first (Debian 12, root; does nothing when all is there).
ifneq ($(filter demo test check-svm bench,$(MAKECMDGOALS)),)
SETUP := $(shell scripts/setup >&2)
ifneq ($(.SHELLSTATUS),0)
$(error scripts/setup failed)
endif
endif

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
all:

# ---- flags, one set per world ---------------------------------------------------------------------------------------

WARN     := -std=gnu11 -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef \
            -Wno-missing-field-initializers -Wno-gnu-variable-sized-type-not-at-end $(if $(WERROR),-Werror)
COMMON    = $(WARN) -I. -g -O2 -MMD -MP -fno-strict-aliasing -fno-common -ffile-prefix-map=$(CURDIR)=.
HARDEN   := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE
HOST_CFLAGS  = $(COMMON) $(HARDEN) -D_GNU_SOURCE -DCASEMATE_VERSION='"$(VERSION)"' -include guest/base/banned.h -pthread
HOST_LDFLAGS = -pie -Wl,-z,relro,-z,now -pthread
# Ring 3 of the guest: no libc, general registers only, no red zone (upcalls land on the interrupted stack).
FREE     := -ffreestanding -fno-builtin -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
            -fno-unwind-tables -mno-red-zone -mgeneral-regs-only -fPIE -fvisibility=hidden -ffunction-sections
GUEST_CFLAGS = $(COMMON) $(FREE) -Wconversion -Wno-sign-conversion
FW_CFLAGS    = $(COMMON) $(FREE) -Os -fno-jump-tables -Wconversion -Wno-sign-conversion
# The library OS as a Linux process over the stand-in ward (tests, fuzzing, sanitizers).
NATIVE_CFLAGS = $(COMMON) -D_GNU_SOURCE -DCASEMATE_STANDIN -fPIE -mno-red-zone -pthread $(SAN)
TEST_CFLAGS  = $(COMMON) -D_GNU_SOURCE -DCASEMATE_VERSION='"$(VERSION)"' -fPIE -pthread $(SAN)
FUZZ_CC     ?= clang

# Object files of sources $(2) in world $(1): host, guest, fw, native, test.
objs = $(patsubst %,$(B)/$(1)/%.o,$(basename $(2)))

include $(sort $(wildcard */sources.mk))

# ---- compile rules ---------------------------------------------------------------------------------------------------

$(B)/host/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(HOST_CFLAGS) -c -o $@ $<
$(B)/guest/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC G    $<")
	$(Q)$(CC) $(GUEST_CFLAGS) -c -o $@ $<
$(B)/guest/%.o: %.S
	@mkdir -p $(@D)
	$(if $(Q),@echo "  AS G    $<")
	$(Q)$(CC) $(GUEST_CFLAGS) -I$(B)/gen -c -o $@ $<
$(B)/fw/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC F    $<")
	$(Q)$(CC) $(FW_CFLAGS) -c -o $@ $<
$(B)/fw/%.o: %.S
	@mkdir -p $(@D)
	$(if $(Q),@echo "  AS F    $<")
	$(Q)$(CC) $(FW_CFLAGS) -I$(B)/gen -c -o $@ $<
$(B)/native/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC N    $<")
	$(Q)$(CC) $(NATIVE_CFLAGS) -c -o $@ $<
$(B)/native/%.o: %.S
	@mkdir -p $(@D)
	$(if $(Q),@echo "  AS N    $<")
	$(Q)$(CC) $(NATIVE_CFLAGS) -I$(B)/gen -c -o $@ $<
$(B)/test/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC T    $<")
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- libraries: one archive per folder, so that tests link what they test ---------------------------------------------
# define per folder in sources.mk:  NAME_SRCS; then $(eval $(call archive,NAME,WORLD))

define archive
$(B)/lib/lib$(1).a: $$(call objs,$(2),$$($(1)_SRCS)) $(wildcard */sources.mk)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  AR      lib$(1).a")
	@rm -f $$@
	$(Q)ar rcsD $$@ $$(filter %.o,$$^)
endef
$(foreach a,$(HOST_ARCHIVES),$(eval $(call archive,$(a),host)))
$(foreach a,$(NATIVE_ARCHIVES),$(eval $(call archive,$(a),native)))

# A hosted program: NAME_MAIN (source), NAME_LIBS (archives, in link order), NAME_LDLIBS (system libraries).
define program
$(B)/bin/$(1): $(B)/host/$(basename $($(1)_MAIN)).o $(foreach l,$($(1)_LIBS),$(B)/lib/lib$(l).a)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD      $(1)")
	$(Q)$$(CC) $$(HOST_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $($(1)_LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# A Criterion test: tests/unit/DIR/NAME.c, linked with the archives in UNIT_LIBS_DIR and UNIT_LDLIBS_DIR.
UNIT_SRCS := $(sort $(wildcard tests/unit/*/*.c))
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRCS))
define unit
$(B)/unit/$(1): $(B)/test/tests/unit/$(1).o $(foreach l,$(UNIT_LIBS_$(firstword $(subst /, ,$(1)))),$(B)/lib/lib$(l).a)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD T    $(1)")
	$(Q)$$(CC) $$(UNIT_LDFLAGS_$(firstword $(subst /, ,$(1)))) -pthread $$(SAN) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
	    $$(UNIT_LDLIBS_$(firstword $(subst /, ,$(1)))) -lcriterion
endef
$(foreach t,$(patsubst tests/unit/%.c,%,$(UNIT_SRCS)),$(eval $(call unit,$(t))))

include tests/rules.mk

# ---- what people type -------------------------------------------------------------------------------------------------

.PHONY: all unit images demo bench test check-includes check-repro install clean help
all: $(addprefix $(B)/bin/,$(PROGRAMS)) $(IMAGES)

unit: $(UNIT_BINS)

# Builds and passes everything; the last line sums all results.
test: all unit $(TEST_EXTRA)
	$(Q)scripts/run-tests $(B)

# The main job, shown from start to end: encrypt, register, run, and four refusals.
demo: all test-images
	$(Q)scripts/demo $(B)

# cc-run against crun, as ratios; the figures of README.md.
bench: all test-images
	$(Q)tests/bench/figures $(B)

check-includes:
	$(Q)scripts/check-includes

# What is measured: the parts of the guest image. The same bytes wherever they are built.
images: $(IMAGES)
check-repro:
	$(Q)scripts/repro-check

# Programs, and beside them the parts of the guest image that they start (loader/guest_image.h).
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/casemate
	install -m 755 $(addprefix $(B)/bin/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(addprefix $(B)/image/,core.img stub.bin launch.page agent) $(DESTDIR)$(PREFIX)/lib/casemate

clean:
	rm -rf $(B)

help:
	@echo 'targets: all demo test check-svm bench check-repro check-includes fuzz-smoke install clean; V=1 shows commands'
