/* address_fuzz.c - any text as a path and a mailbox: what is accepted is written and read again as the same. */
#include "base/assert.h"
#include "proto/addr/path.h"
#include "text/ascii.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_mailbox(const struct mailbox *m)
{
    uint8_t array[MAILBOX_TEXT_MAX];
    struct buf text;
    struct mailbox again;
    buf_init_fixed(&text, array, sizeof(array));
    ASSERT(mailbox_format(m, &text) == ERR_OK);
    for (size_t i = 0; i < text.len; i++)
        ASSERT(!ascii_is(text.data[i], ASCII_CONTROL));
    ASSERT(utf8_is_valid(buf_span(&text)));
    ASSERT(m->is_utf8 == !ascii_is_7bit(mailbox_local(m)));
    ASSERT(mailbox_parse(buf_span(&text), m->is_utf8, &again) == ADDR_OK);
    ASSERT(mailbox_equal(m, &again));
    uint8_t domain_array[DOMAIN_OCTETS_MAX];
    struct buf domain;
    buf_init_fixed(&domain, domain_array, sizeof(domain_array));
    ASSERT(mailbox_format_domain(m, &domain) == ERR_OK);
    ASSERT(mailbox_from_parts(mailbox_local(m), buf_span(&domain), &again) == ADDR_OK);
    ASSERT(mailbox_equal(m, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span text = span_of(data + 1, size - 1), rest = text;
    struct path path;
    struct mailbox mailbox;
    if (path_take(&rest, data[0] & 7u, &path) == ADDR_OK) {
        ASSERT(rest.len < text.len && path.text.len + 2 <= text.len);
        ASSERT(text.data[text.len - rest.len - 1] == '>');
        ASSERT((path.kind == PATH_NULL) == (path.text.len == 0));
        if (path.kind == PATH_MAILBOX)
            check_mailbox(&path.mailbox);
    }
    if (mailbox_parse(text, (data[0] & PATH_ALLOW_UTF8) != 0, &mailbox) == ADDR_OK)
        check_mailbox(&mailbox);
    if (mailbox_from_parts(text, SPAN("example.org"), &mailbox) == ADDR_OK)
        check_mailbox(&mailbox);
    struct address_literal literal;
    if (address_literal_parse_ip(text, &literal)) {
        uint8_t array[64];
        struct buf b;
        struct address_literal again;
        buf_init_fixed(&b, array, sizeof(array));
        ASSERT(address_literal_format_ip(&literal, &b) == ERR_OK);
        ASSERT(address_literal_parse_ip(buf_span(&b), &again) && address_literal_equal(&literal, &again));
    }
    return 0;
}
