# SPDX-License-Identifier: Apache-2.0
#
# What each folder of tests/unit links: UNIT_LIBS_<folder> (archives), UNIT_LDLIBS_<folder> (system libraries).

UNIT_LIBS_base := base

UNIT_LIBS_attest := attest_cli collateral evidence plan initdata jose crypto_full crypto_small base
UNIT_LDLIBS_attest := -ljansson -lcurl -lcrypto
UNIT_LIBS_policy := rego jose crypto_full crypto_small base
UNIT_LDLIBS_policy := -ljansson -lcrypto
# The library OS as a host process (guest/standin/standin.h). Any folder los_* links all of it. Level 1 needs no special
# addresses: application memory is only reached through the page tables.
UNIT_LIBS_los_mm := los
UNIT_LIBS_los_task := los
UNIT_LIBS_x86code := x86code
UNIT_LIBS_x86direct := x86direct

UNIT_LIBS_image := loader image jose crypto_full crypto_small base
UNIT_LDLIBS_image := -ljansson -lz -lzstd -ldeflate -lcrypto
UNIT_LIBS_kbs := $(KBS_LIBS)
UNIT_LDLIBS_kbs := $(KBS_LDLIBS)

# Both ends of the streams device against each other in one process.
UNIT_LIBS_streams := streams streams_guest base

UNIT_LIBS_agent := agent $(UNIT_LIBS_attest)
UNIT_LDLIBS_agent := -lssl $(UNIT_LDLIBS_attest)

UNIT_LIBS_init := initcore policy luks loader image initdata jose crypto_full crypto_small base
UNIT_LDLIBS_init := -ljansson -lz -lzstd -ldeflate -lcrypto

# The control rules from the policy to the library OS.
UNIT_LIBS_control := policy control image initdata jose crypto_full crypto_small base
UNIT_LDLIBS_control := -ljansson -lz -lzstd -ldeflate -lcrypto

UNIT_LIBS_firmware := plan base
UNIT_LIBS_vmm := vmm streams plan base
UNIT_LDLIBS_vmm := -lfdt
UNIT_LIBS_machine := machine
UNIT_LDLIBS_machine := -lfdt
UNIT_LIBS_ward := wardtables
UNIT_LIBS_los_fs := los
UNIT_LIBS_los_net := los

UNIT_LIBS_launch := launch streams base

# cc-bench: two commands side by side; key releases.
bench_SRCS := $(addprefix tests/bench/,kbs_bench.c kbs_broker.c kbs_guest.c kbs_machine.c \
                kbs_sim.c kbs_snp.c kbs_tdx.c)
HOST_ARCHIVES += bench
$(B)/host/tests/bench/kbs_tdx.o: HOST_CFLAGS += -isystem tests/bench/standin
PROGRAMS += cc-bench
cc-bench_MAIN   := tests/bench/cc_bench.c
cc-bench_LIBS   := bench agent $(KBS_LIBS)
cc-bench_LDLIBS := $(KBS_LDLIBS)

# The firmware on a processor model.
model_SRCS := tests/model/model.c
HOST_ARCHIVES += model
UNIT_LIBS_model := model
UNIT_LDLIBS_model := -lunicorn

UNIT_LIBS_tdx := $(UNIT_LIBS_attest)
UNIT_LDLIBS_tdx := $(UNIT_LDLIBS_attest)
UNIT_LIBS_collateral := $(UNIT_LIBS_attest)
UNIT_LDLIBS_collateral := $(UNIT_LDLIBS_attest)
