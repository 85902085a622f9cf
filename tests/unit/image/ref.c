/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about references and digests. */
#include "loader/image/image.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(ref, splits_each_form)
{
    struct image_ref r;
    struct err e = {0};

    cr_assert_eq(image_ref_parse("oci:/images/web:1.4", &r, &e), 0, "%s", e.text);
    cr_assert_eq(r.kind, REF_OCI);
    cr_assert_str_eq(r.path, "/images/web");
    cr_assert_str_eq(r.tag, "1.4");
    image_ref_fini(&r);

    cr_assert_eq(image_ref_parse("oci-archive:a.tar", &r, &e), 0, "%s", e.text);
    cr_assert_eq(r.kind, REF_OCI_ARCHIVE);
    cr_assert_str_eq(r.path, "a.tar");
    cr_assert_null(r.tag);
    image_ref_fini(&r);

    cr_assert_eq(image_ref_parse("dir:/a:b", &r, &e), 0, "%s", e.text);
    cr_assert_eq(r.kind, REF_DIR);
    cr_assert_str_eq(r.path, "/a:b");
    image_ref_fini(&r);

    cr_assert_eq(image_ref_parse("localhost:5000/team/web-app__x:v1@sha256:"
                                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                 &r, &e),
                 0, "%s", e.text);
    cr_assert_eq(r.kind, REF_DOCKER);
    cr_assert_str_eq(r.host, "localhost:5000");
    cr_assert_str_eq(r.name, "team/web-app__x");
    cr_assert_str_eq(r.tag, "v1");
    cr_assert_not_null(r.digest);
    image_ref_fini(&r);
}

Test(ref, refuses_what_would_have_to_be_guessed)
{
    static const char *const bad[] = {
        "",
        "busybox",
        "library/busybox",
        "docker://busybox",
        "oci:",
        "oci:dir:",
        "oci:dir:a b",
        "oci-archive:",
        "dir:",
        "docker://ghcr.io/",
        "docker://ghcr.io/UPPER",
        "docker://ghcr.io/a//b",
        "docker://ghcr.io/a__",
        "docker://ghcr.io/a:",
        "docker://ghcr.io/a:-x",
        "docker://ghcr.io/a@sha512:00",
        "docker://ghcr.io:port/a",
        "docker:///a",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct image_ref r;
        struct err e = {0};
        cr_assert_eq(image_ref_parse(bad[i], &r, &e), -EINVAL, "'%s' was taken", bad[i]);
        cr_assert(strlen(e.text) > 0);
    }
}

Test(digest, is_one_text_only)
{
    static const char text[] =
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const char *const bad[] = {
        "",
        "sha256:",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85/",
    };
    struct digest d, empty;
    char again[DIGEST_TEXT_SIZE];
    struct err e = {0};

    cr_assert_eq(digest_parse(text, &d, &e), 0);
    digest_text(&d, again);
    cr_assert_str_eq(again, text);
    digest_of("", 0, &empty);
    cr_assert(digest_equal(&d, &empty));
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err why = {0};
        cr_assert_eq(digest_parse(bad[i], &d, &why), -EINVAL, "'%s' was taken", bad[i]);
    }
}
