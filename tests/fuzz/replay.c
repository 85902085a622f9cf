/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a fuzz target's corpus as an ordinary test: gives each file of a directory to LLVMFuzzerTestOneInput, then
 * every prefix of each small one, so that each parser meets its input cut short at every byte. The test fails by
 * crashing; the file is named on stderr before it is tried.
 *
 * usage: replay NAME DIRECTORY
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX  (16u << 20) /* a corpus file larger than this is a mistake */
#define PREFIX_MAX 1024u /* inputs up to this size are also replayed cut short at every byte */

/* The copy has no spare byte behind it, so that a read past the end is seen by valgrind and AddressSanitizer. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) { abort(); }
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    if (!f || !data) {
        perror(path);
        exit(1);
    }
    size_t size = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    fprintf(stderr, "# %s\n", path);
    feed(data, size);
    for (size_t cut = 0; size <= PREFIX_MAX && cut < size; cut++) { feed(data, cut); }
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: replay NAME DIRECTORY\n");
        return 2;
    }
    struct dirent **names = NULL;
    int count = scandir(argv[2], &names, NULL, alphasort);
    int done = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[2], names[i]->d_name);
        if (names[i]->d_name[0] != '.') { done += replay_file(path); }
        free(names[i]);
    }
    free(names);
    printf("%s 1 - %s survives its corpus of %d inputs\n1..1\n", done ? "ok" : "not ok", argv[1],
           done);
    return done ? 0 : 1;
}
