/* command_line_fuzz.c - the words of a command never need more room than its text, and end with NULL. */
#include <stdlib.h>

#include "base/assert.h"
#include "deliver/deliver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[DELIVER_WORDS_MAX + 1];
    struct arena mem;
    size_t count = 0, octets = 0;
    arena_init(&mem, 1 << 20);
    if (deliver_command_split(span_of(data, size), &mem, argv, &count) == ERR_OK) {
        ASSERT(count > 0 && argv[count] == NULL);
        for (size_t i = 0; i < count; i++)
            octets += strlen(argv[i]);
        ASSERT(octets <= size);
    }
    arena_clear(&mem);
    return 0;
}
