/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the command line of cc-run. */
#include "loader/opts.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct opts o;
static struct err e;

static int parse(const char *line)
{
    static char text[512], *argv[64];
    int argc = 0;
    e = (struct err){0};
    cr_assert_lt(strlen(line), sizeof text);
    memcpy(text, line, strlen(line) + 1);
    for (char *p = text, *word; (word = strsep(&p, " ")) != NULL;) { argv[argc++] = word; }
    argv[argc] = NULL;
    return opts_parse(argc, argv, &o, &e);
}

Test(opts, end_at_the_image)
{
    cr_assert_eq(parse("cc-run -i oci:d:t sh -i --tee none"), 0, "%s", e.text);
    cr_assert_str_eq(o.image, "oci:d:t");
    cr_assert(o.process.interactive);
    cr_assert_eq(o.tee, OPTS_TEE_AUTO, "what follows the image is the program's");
    cr_assert_str_eq(o.process.args[0], "sh");
    cr_assert_str_eq(o.process.args[3], "none");
    cr_assert_null(o.process.args[4]);
    opts_fini(&o);
}

Test(opts, have_defaults)
{
    cr_assert_eq(parse("cc-run oci:d"), 0);
    cr_assert_null(o.process.args);
    cr_assert_null(o.process.env);
    cr_assert_eq(o.cpus, 1);
    cr_assert_eq(o.memory, 536870912);
    cr_assert(o.network);
    cr_assert_not(o.guarded);
    cr_assert_not(o.process.interactive);
    opts_fini(&o);
}

Test(opts, say_everything_about_the_process)
{
    cr_assert_eq(
        parse(
            "cc-run -it -e A=1 --env B=2 -w /w -u 1:2 --hostname h --entrypoint /e --read-only --tmpfs /a --tmpfs /b "
            "--tee sim --cpus 4 --memory 1g --ward guarded --rewrite off --network none dir:r x"),
        0, "%s", e.text);
    cr_assert(o.process.interactive && o.process.tty && o.process.readonly && o.guarded &&
              !o.network && o.keep_syscalls);
    cr_assert_str_eq(o.process.env[0], "A=1");
    cr_assert_str_eq(o.process.env[1], "B=2");
    cr_assert_null(o.process.env[2]);
    cr_assert_str_eq(o.process.workdir, "/w");
    cr_assert_str_eq(o.process.user, "1:2");
    cr_assert_str_eq(o.process.hostname, "h");
    cr_assert_str_eq(o.process.entrypoint[0], "/e");
    cr_assert_null(o.process.entrypoint[1]);
    cr_assert_eq(o.process.mount_count, 2);
    cr_assert_str_eq(o.process.mounts[1].target, "/b");
    cr_assert_str_eq(o.process.mounts[1].kind, "tmpfs");
    cr_assert_eq(o.tee, OPTS_TEE_SIM);
    cr_assert_eq(o.cpus, 4);
    cr_assert_eq(o.memory, 1073741824);
    opts_fini(&o);
}

Test(opts, a_variable_without_value_is_taken_from_here_or_left_out)
{
    cr_assert_eq(setenv("CC_TEST_SET", "here", 1), 0);
    cr_assert_eq(unsetenv("CC_TEST_UNSET"), 0);
    cr_assert_eq(parse("cc-run -e CC_TEST_SET -e CC_TEST_UNSET i"), 0);
    cr_assert_str_eq(o.process.env[0], "CC_TEST_SET=here");
    cr_assert_null(o.process.env[1]);
    opts_fini(&o);
}

Test(opts, an_env_file_has_comments_and_lines)
{
    char path[] = "/tmp/cc-opts-XXXXXX", line[64];
    int fd = mkstemp(path);
    cr_assert_eq(dprintf(fd, "# comment\n\nX=1 2\nY=\nlast=z"), 26);
    (void)snprintf(line, sizeof line, "cc-run --env-file %s i", path);
    cr_assert_eq(parse(line), 0, "%s", e.text);
    (void)unlink(path);
    cr_assert_str_eq(o.process.env[0], "X=1 2");
    cr_assert_str_eq(o.process.env[1], "Y=");
    cr_assert_str_eq(o.process.env[2], "last=z");
    cr_assert_null(o.process.env[3]);
    opts_fini(&o);
}

Test(opts, what_users_of_other_programs_type_is_understood)
{
    cr_assert_eq(parse("cc-run --rm -m 256m --entrypoint  i x"), 0, "%s", e.text);
    cr_assert_eq(o.memory, 268435456);
    cr_assert_not_null(o.process.entrypoint);
    cr_assert_null(o.process.entrypoint[0], "an empty one takes the image's away");
    cr_assert_str_eq(o.image, "i");
    opts_fini(&o);
}

struct refusal {
    char line[120], text[120];
};
static struct refusal refusals[] = {
    {"cc-run", "no image given; see cc-run --help"},
    {"cc-run -i", "no image given; see cc-run --help"},
    {"cc-run --frobnicate i", "--frobnicate: no such option; see cc-run --help"},
    {"cc-run -itq i", "-q: no such option; see cc-run --help"},
    {"cc-run -q i", "-q: no such option; see cc-run --help"},
    {"cc-run i --cpus 0", ""}, /* not an option: it stands behind the image */
    {"cc-run --cpus 0 i", "--cpus 0: wanted a whole number from 1 to 16"},
    {"cc-run --cpus 17 i", "--cpus 17: wanted a whole number from 1 to 16"},
    {"cc-run --cpus 1x i", "--cpus 1x: wanted a whole number from 1 to 16"},
    {"cc-run --cpus -1 i", "--cpus -1: wanted a whole number from 1 to 16"},
    {"cc-run --cpus 18446744073709551617 i",
     "--cpus 18446744073709551617: wanted a whole number from 1 to 16"},
    {"cc-run --memory 63m i", "--memory 63m: wanted 64m to 512g"},
    {"cc-run --memory 513g i", "--memory 513g: wanted 64m to 512g"},
    {"cc-run --memory 1t i", "--memory 1t: wanted 64m to 512g"},
    {"cc-run --memory 18446744073709551615g i",
     "--memory 18446744073709551615g: wanted 64m to 512g"},
    {"cc-run -p 80:80 i",
     "--publish: the program listens in this network namespace itself; nothing is mapped"},
    {"cc-run -d i", "--detach: a guest lives as long as its cc-run; the shell's & detaches both"},
    {"cc-run --name web i", "--name: nothing stays of a guest that could have a name"},
    {"cc-run --tmpfs /run:size=64m i", "--tmpfs /run:size=64m: wanted a directory alone"},
    {"cc-run --vol x i", "--volume x: wanted NAME=FILE"},
    {"cc-run -v /a:/b i",
     "--volume /a:/b: host directories are not supported by this version; --tmpfs DIR is"},
    {"cc-run --tee sgx i", "--tee sgx: wanted one of auto, none, sim, snp, tdx"},
    {"cc-run --network bridge i", "--network bridge: wanted one of none, host"},
    {"cc-run --kbs https://k i",
     "--kbs and --kbs-cert belong together: the guest trusts one certificate, not a name"},
    {"cc-run --policy p i", "--policy adds to the initdata that --kbs makes"},
    {"cc-run --volume x i", "--volume x: wanted NAME=FILE"},
    {"cc-run --kbs http://k --kbs-cert c i", "--kbs http://k: wanted https://HOST[:PORT]"},
    {"cc-run --tee none --kbs https://k --kbs-cert c i",
     "--kbs with --tee none: such a guest has no evidence to show"},
    {"cc-run --kbs https://k --kbs-cert c --initdata f i",
     "--kbs with --initdata: initdata name the broker themselves"},
    {"cc-run --json i", "--json belongs to --dry-run"},
    {"cc-run --init-sim i", "--init-sim belongs to cc-run check"},
    {"cc-run check --tee", "check: --tee: no such option; see cc-run --help"},
    {"cc-run -e", "-e needs a value; see cc-run --help"},
};

ParameterizedTestParameters(opts, refusals)
{
    return cr_make_param_array(struct refusal, refusals, ARRAY_COUNT(refusals));
}

ParameterizedTest(struct refusal *r, opts, refusals)
{
    int rc = parse(r->line);
    cr_assert_eq(rc < 0, r->text[0] != '\0', "%s", r->line);
    cr_assert_str_eq(e.text, r->text);
    opts_fini(&o);
}

Test(opts, sizes_have_suffixes_and_ends)
{
    uint64_t v = 7;
    cr_assert_eq(opts_size("1", &v), 0);
    cr_assert_eq(v, 1);
    cr_assert_eq(opts_size("2K", &v), 0);
    cr_assert_eq(v, 2048);
    cr_assert_eq(opts_size("3g", &v), 0);
    cr_assert_eq(v, 3221225472);
    cr_assert_eq(opts_size("17179869184g", &v), -ERANGE, "2^64 bytes");
    cr_assert_eq(opts_size("", &v), -EINVAL);
    cr_assert_eq(opts_size("m", &v), -EINVAL);
    cr_assert_eq(opts_size("1mb", &v), -EINVAL);
    cr_assert_eq(v, 3221225472, "left alone on failure");
}
