# SPDX-License-Identifier: Apache-2.0
#
# What each folder of tests/unit links: UNIT_LIBS_<folder> (archives), UNIT_LDLIBS_<folder> (system libraries).

UNIT_LIBS_base := base

UNIT_LIBS_attest := jose crypto_full crypto_small base
UNIT_LDLIBS_attest := -ljansson -lcrypto
