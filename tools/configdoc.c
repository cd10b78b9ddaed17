/*
 * configdoc.c - prints docs/configuration.md: a written introduction, then the reference made from the schema.
 *
 * usage: configdoc HEAD.md >docs/configuration.md
 */
#include "config/config.h"

#include <stdio.h>

enum { DOCUMENT_MAX = 4 * 1024 * 1024, CHUNK = 4096 };

/* Append the file at `path`; false, with a message, when it cannot be read. */
static bool
file_append(const char *path, struct buf *to)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    for (;;) {
        uint8_t *at = buf_reserve(to, CHUNK);
        size_t n = at == NULL ? 0 : fread(at, 1, CHUNK, file);
        if (n == 0)
            break;
        buf_advance(to, n);
    }
    bool is_whole = !to->failed && ferror(file) == 0;
    (void)fclose(file);
    return is_whole;
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s HEAD.md\n", argv[0]);
        return 64;
    }
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, DOCUMENT_MAX);
    if (!file_append(argv[1], &text) || config_document(&text) != ERR_OK)
        return 70;
    return fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0 ? 0 : 74;
}
