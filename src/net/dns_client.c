/* dns_client.c - PTR, then A or AAAA of each name until one leads back. */
#include "net/dns_client.h"

#include "base/assert.h"
#include "ipc/ipc_messages.h"

enum { ANSWER_MEMORY_BYTES = 256 * 1024, LABEL_MAX = 63 };

bool
dns_host_from_wire(struct span wire, struct domain *ret)
{
    uint8_t text_bytes[DOMAIN_OCTETS_MAX];
    struct buf text;
    buf_init_fixed(&text, text_bytes, sizeof(text_bytes));
    for (;;) {
        if (wire.len == 0)
            return false;
        size_t label = wire.data[0];
        wire = span_skip(wire, 1);
        if (label == 0)
            break;
        if (label > LABEL_MAX || label > wire.len)
            return false;
        struct span octets = span_first(wire, label);
        if (span_find(octets, '.') < label || (text.len > 0 && buf_append_octet(&text, '.') != ERR_OK) ||
            buf_append(&text, octets) != ERR_OK)
            return false;
        wire = span_skip(wire, label);
    }
    return wire.len == 0 && domain_parse(buf_span(&text), false, ret) == ADDR_OK;
}

size_t
dns_reverse_question(const struct address_literal *address, char text[DNS_REVERSE_QUESTION_MAX])
{
    static const char hex[] = "0123456789abcdef";
    struct buf to;
    buf_init_fixed(&to, text, DNS_REVERSE_QUESTION_MAX);
    if (address->family == ADDRESS_LITERAL_IPV4) {
        for (size_t i = 4; i > 0; i--) {
            buf_append_u64(&to, address->ip[i - 1]);
            buf_append_octet(&to, '.');
        }
        buf_append(&to, SPAN("in-addr.arpa"));
    } else {
        for (size_t i = 16; i > 0; i--) {
            const char nibbles[4] = {hex[address->ip[i - 1] & 15], '.', hex[address->ip[i - 1] >> 4], '.'};
            buf_append(&to, span_of(nibbles, sizeof(nibbles)));
        }
        buf_append(&to, SPAN("ip6.arpa"));
    }
    ASSERT(!to.failed);
    return to.len;
}

/* Ask; ERR_OK with records, ERR_NOT_FOUND, ERR_AGAIN, ERR_CANCELED. */
static enum err
lookup(struct fiber *f, struct deadline by, struct ipc_link *resolver, struct span name, enum dns_type type,
       struct arena *mem, struct ipc_dns_lookup_reply *ret)
{
    struct ipc_dns_lookup question = {.name = name, .type = (uint16_t)type};
    enum err e = ipc_dns_lookup(f, by, resolver, &question, mem, ret);
    if (e == ERR_CANCELED)
        return e;
    if (e != ERR_OK || ret->status == DNS_STATUS_FAILED || ret->status == DNS_STATUS_BOGUS)
        return ERR_AGAIN;
    return ret->status == DNS_STATUS_OK && ret->records_count > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static bool
has_address(const struct ipc_dns_lookup_reply *answer, const struct address_literal *address)
{
    struct span wanted = span_of(address->ip, address->family == ADDRESS_LITERAL_IPV4 ? 4 : 16);
    for (size_t i = 0; i < answer->records_count; i++)
        if (span_equal(answer->records[i].data, wanted))
            return true;
    return false;
}

static enum err
reverse_lookup(struct fiber *f, struct deadline by, struct ipc_link *resolver, const struct address_literal *address,
               struct arena *mem, struct domain *ret)
{
    char question[DNS_REVERSE_QUESTION_MAX];
    size_t len = dns_reverse_question(address, question);
    struct ipc_dns_lookup_reply names, addresses;
    TRY(lookup(f, by, resolver, span_of(question, len), DNS_TYPE_PTR, mem, &names));
    enum dns_type type = address->family == ADDRESS_LITERAL_IPV4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
    enum err outcome = ERR_NOT_FOUND;
    for (size_t i = 0; i < names.records_count && i < DNS_REVERSE_NAMES_MAX; i++) {
        struct domain name;
        if (!dns_host_from_wire(names.records[i].data, &name))
            continue;
        enum err e = lookup(f, by, resolver, domain_span(&name), type, mem, &addresses);
        if (e == ERR_OK && has_address(&addresses, address)) {
            *ret = name;
            return ERR_OK;
        }
        if (e == ERR_CANCELED)
            return e;
        if (e == ERR_AGAIN)
            outcome = ERR_AGAIN;
    }
    return outcome;
}

enum err
dns_reverse_lookup(struct fiber *f, struct deadline by, struct ipc_link *resolver,
                   const struct address_literal *address, struct domain *ret)
{
    ASSERT(address->family != ADDRESS_LITERAL_NONE);
    struct arena mem;
    arena_init(&mem, ANSWER_MEMORY_BYTES);
    enum err e = reverse_lookup(f, by, resolver, address, &mem, ret);
    arena_clear(&mem);
    return e;
}
