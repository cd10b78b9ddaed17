/*
 * address_list_fuzz.c - any field: its addresses have no control octet, come from it, and read the same once written.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "proto/msg/address_list.h"
#include "text/ascii.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_item(const struct address_list_item *item)
{
    for (size_t i = 0; i < item->local.len; i++)
        ASSERT(!ascii_is(item->local.data[i], ASCII_CONTROL));
    for (size_t i = 0; i < item->domain.len; i++)
        ASSERT(!ascii_is(item->domain.data[i], ASCII_CONTROL | ASCII_BLANK));
    ASSERT(item->local.len > 0 || item->domain.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem;
    struct address_list list, again;
    struct buf written;
    arena_init(&mem, 64 * 1024 * 1024);
    buf_init(&written, 64 * 1024 * 1024);
    if (address_list_parse(span_of(data, size), &mem, &list) == ERR_OK) {
        size_t octets = 0, count = 0;
        bool has_escapes = false;
        for (const struct address_list_item *item = list.first; item != NULL; item = item->next) {
            check_item(item);
            octets += item->local.len + item->domain.len;
            count++;
            has_escapes |= span_find(item->domain, '\\') < item->domain.len || span_find(item->domain,
                                                                                         ']') + 1 < item->domain.len ||
                           (item->domain.len > 1 && span_find(span_skip(item->domain, 1), '[') + 1 < item->domain.len);
            ASSERT(address_list_item_format(item, &written) == ERR_OK);
            buf_append_octet(&written, ',');
        }
        ASSERT(count == list.count && octets <= size);
        if (!has_escapes) { /* a literal with quoted brackets has lost its backslashes */
            const struct address_list_item *a = list.first, *b;
            ASSERT(address_list_parse(buf_span(&written), &mem, &again) == ERR_OK && again.count == list.count);
            for (b = again.first; b != NULL; a = a->next, b = b->next)
                ASSERT(span_equal(a->local, b->local) && span_equal(a->domain, b->domain));
        }
    }
    buf_done(&written);
    arena_clear(&mem);
    return 0;
}
