/*
 * replay.c - main() for fuzz targets built without libFuzzer: every seed of a folder, then bounded random changes of each.
 *
 * usage: TARGET_fuzz CORPUS-FOLDER [ROUNDS-PER-SEED] [SEED]
 * Same seed, same run. The exit status is 0 when nothing crashed; it prints how many inputs it ran.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 256 * 1024, GROW_MAX = 64 };

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Change `len` bytes at `data` (room for GROW_MAX more) in one to eight places; returns the new length. */
static size_t
mutate(uint8_t *data, size_t len, uint64_t *state)
{
    static const char interesting[] = "\r\n.\0 <>@:\"\\\x7f\xff\xc3\xa9{}[];=,0";
    for (uint64_t n = 1 + next_random(state) % 8; n > 0; n--) {
        size_t at = len == 0 ? 0 : next_random(state) % len;
        switch (next_random(state) % 5) {
        case 0: /* flip a bit */
            if (len > 0)
                data[at] ^= (uint8_t)(1u << next_random(state) % 8);
            break;
        case 1: /* put an interesting octet */
            if (len > 0)
                data[at] = (uint8_t)interesting[next_random(state) % (sizeof(interesting) - 1)];
            break;
        case 2: /* insert one */
            memmove(data + at + 1, data + at, len - at);
            data[at] = (uint8_t)interesting[next_random(state) % (sizeof(interesting) - 1)];
            len++;
            break;
        case 3: /* remove a run */
            if (len > 0) {
                size_t run = 1 + next_random(state) % (len - at > 16 ? 16 : len - at);
                memmove(data + at, data + at + run, len - at - run);
                len -= run;
            }
            break;
        default: /* cut off */
            if (len > 0 && next_random(state) % 8 == 0)
                len = at;
            break;
        }
    }
    return len;
}

static void
run_exactly(const uint8_t *data, size_t len)
{
    /* A copy of the exact size, so that the address sanitizer sees one octet too many. */
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    if (copy == NULL)
        abort();
    memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER [ROUNDS-PER-SEED] [SEED]\n", argv[0]);
        return 64;
    }
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 500;
    uint64_t state = argc > 3 ? strtoull(argv[3], NULL, 10) | 1 : 88172645463325252u;
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 66;
    }
    static uint8_t seed[INPUT_MAX], work[INPUT_MAX + GROW_MAX];
    unsigned long inputs = 0, seeds = 0;
    run_exactly(seed, 0);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file == NULL)
            continue;
        size_t len = fread(seed, 1, sizeof(seed), file);
        fclose(file);
        seeds++;
        run_exactly(seed, len);
        for (unsigned long i = 0; i < rounds; i++, inputs++) {
            memcpy(work, seed, len);
            run_exactly(work, mutate(work, len, &state));
        }
    }
    closedir(dir);
    printf("%lu seeds, %lu changed inputs\n", seeds, inputs);
    return seeds == 0 ? 65 : 0;
}
