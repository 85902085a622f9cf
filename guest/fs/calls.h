/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of this family. No include guard: read as a list of SYS(number, name) in guest/sys/. */
