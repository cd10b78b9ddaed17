/*
 * value_place.c - places: addresses to listen on and to connect to, stub zones, where recipients and mail are.
 */
#include "config/value.h"

enum { UNIX_PATH_MAX_OCTETS = 107 /* sun_path of Linux less its NUL */, DNS_PORT = 53 };

/* --- one endpoint ------------------------------------------------------------------------------------------------- */

static void
problem_endpoint(struct value_reader *r, const struct config_word *word, const char *hint)
{
    VALUE_PROBLEM(r, word->pos,
                  "'%s' wants an address and port such as 192.0.2.1:25, [2001:db8::1]:25 or " "unix:/path, not '%s'%s",
                  config_quote(r->name).text, config_quote(word->text).text, hint);
}

/* What a text that is no endpoint probably means. */
static const char *
endpoint_hint(struct span text)
{
    uint64_t number;
    struct span host = text, port = SPAN_EMPTY;
    struct address_literal address;
    if (address_literal_parse_ip(text, &address))
        return address.family == ADDRESS_LITERAL_IPV6 ? "; an IPv6 address with a port is [ADDRESS]:PORT"
                                                      : "; the port is missing";
    if (span_to_u64(text, UINT16_MAX, &number) || span_has_prefix(text, SPAN(":")) || span_has_prefix(text, SPAN("*:")))
        return "; all of IPv4 is 0.0.0.0:PORT, all of IPv6 is [::]:PORT";
    if (span_has_prefix(text, SPAN("/")))
        return "; a socket in the file system is unix:/PATH";
    if (!span_cut(text, ':', &host, &port) || !span_to_u64(port, UINT64_MAX, &number))
        return "";
    if (number == 0 || number > UINT16_MAX)
        return "; a port is a number from 1 to 65535";
    if (!address_literal_parse_ip(host, &address) && host.len > 0 && host.data[0] != '[')
        return "; names are not looked up here, write the address";
    return "";
}

/* Split "192.0.2.1:25", "[::1]:25"; the port empty when there is none. False when it is neither. */
static bool
host_and_port_cut(struct span text, struct span *ret_host, struct span *ret_port)
{
    if (text.len > 0 && text.data[0] == '[') {
        size_t close = span_find(text, ']');
        if (close == text.len)
            return false;
        struct span rest = span_skip(text, close + 1);
        *ret_host = span_skip(span_first(text, close), 1);
        *ret_port = rest.len > 1 && rest.data[0] == ':' ? span_skip(rest, 1) : SPAN_EMPTY;
        return rest.len == 0 || ret_port->len > 0;
    }
    struct address_literal address;
    *ret_host = text;
    *ret_port = SPAN_EMPTY;
    return address_literal_parse_ip(text, &address) || span_cut(text, ':', ret_host, ret_port);
}

static bool
ip_endpoint_parse(struct span text, uint16_t default_port, struct config_endpoint *ret)
{
    struct span host, port_text;
    struct address_literal address;
    uint64_t port = default_port;
    if (!host_and_port_cut(text, &host, &port_text) || !address_literal_parse_ip(host, &address))
        return false;
    bool has_brackets = text.data[0] == '[';
    if (has_brackets != (address.family == ADDRESS_LITERAL_IPV6) && !(span_is_empty(port_text) && !has_brackets))
        return false;
    if (!span_is_empty(port_text) && !span_to_u64(port_text, UINT16_MAX, &port))
        return false;
    if (port == 0)
        return false;
    ret->kind = address.family == ADDRESS_LITERAL_IPV6 ? CONFIG_ENDPOINT_IPV6 : CONFIG_ENDPOINT_IPV4;
    memcpy(ret->ip, address.ip, sizeof(ret->ip));
    ret->port = (uint16_t)port;
    return true;
}

/* Set endpoint->text to the canonical form. */
static bool
endpoint_text_make(struct value_reader *r, struct config_endpoint *endpoint)
{
    uint8_t text[UNIX_PATH_MAX_OCTETS + 64];
    struct buf written;
    buf_init_fixed(&written, text, sizeof(text));
    struct address_literal address = {
        .family = endpoint->kind == CONFIG_ENDPOINT_IPV6 ? ADDRESS_LITERAL_IPV6 : ADDRESS_LITERAL_IPV4};
    memcpy(address.ip, endpoint->ip, sizeof(address.ip));
    bool is_ipv6 = endpoint->kind == CONFIG_ENDPOINT_IPV6;
    if (endpoint->kind == CONFIG_ENDPOINT_UNIX) {
        (void)buf_append(&written, SPAN("unix:"));
        (void)buf_append(&written, endpoint->path);
    } else {
        (void)buf_append_cstr(&written, is_ipv6 ? "[" : "");
        if (address_literal_format_ip(&address, &written) != ERR_OK)
            written.failed = true;
        (void)buf_append_cstr(&written, is_ipv6 ? "]:" : ":");
        (void)buf_append_u64(&written, endpoint->port);
    }
    if (written.failed || !arena_copy(r->memory, buf_span(&written), &endpoint->text)) {
        r->is_out_of_memory = true;
        return false;
    }
    return true;
}

bool
value_endpoint_take(struct value_reader *r, uint16_t default_port, struct config_endpoint *ret)
{
    const struct config_word *word = value_word_take(r);
    if (word == NULL)
        return false;
    struct config_endpoint endpoint = {.pos = word->pos};
    if (span_has_prefix(word->text, SPAN("unix:")) && word->text.len > 5) {
        endpoint.kind = CONFIG_ENDPOINT_UNIX;
        if (!value_path_resolve(r, span_skip(word->text, 5), &endpoint.path))
            return false;
        if (endpoint.path.len > UNIX_PATH_MAX_OCTETS) {
            VALUE_PROBLEM(r, word->pos, "the path of a socket has at most %d octets", UNIX_PATH_MAX_OCTETS);
            return false;
        }
    } else if (!ip_endpoint_parse(word->text, default_port, &endpoint)) {
        problem_endpoint(r, word, endpoint_hint(word->text));
        return false;
    }
    if (!endpoint_text_make(r, &endpoint))
        return false;
    *ret = endpoint;
    return true;
}

static bool
endpoint_take(struct value_reader *r, void *ret_item)
{
    return value_endpoint_take(r, 0, ret_item);
}

static bool
endpoint_53_take(struct value_reader *r, void *ret_item)
{
    return value_endpoint_take(r, DNS_PORT, ret_item);
}

static enum err
endpoint_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_endpoint *endpoint = item;
    return value_word_format(endpoint->text, to);
}

/* --- stub zones --------------------------------------------------------------------------------------------------- */

static size_t
words_left(const struct value_reader *r)
{
    size_t count = 0;
    for (const struct config_word *w = r->next; w != NULL; w = w->next)
        count++;
    return count;
}

static bool
stub_take(struct value_reader *r, void *ret_item)
{
    struct config_stub *ret = ret_item, stub = {.pos = r->pos};
    const struct config_word *zone = value_word_take(r);
    if (zone == NULL)
        return false;
    if (!span_equal(zone->text, SPAN(".")) && domain_parse(zone->text, true, &stub.zone) != ADDR_OK) {
        value_problem_unwanted(r, zone, "a zone and its servers");
        return false;
    }
    size_t room = words_left(r);
    struct config_endpoint *servers = arena_alloc(r->memory, (room + 1) * sizeof(*servers));
    if (servers == NULL) {
        r->is_out_of_memory = true;
        return false;
    }
    stub.servers.items = servers;
    do {
        if (!value_endpoint_take(r, DNS_PORT, &servers[stub.servers.count]))
            return false;
        stub.servers.count++;
    } while (r->next != NULL);
    *ret = stub;
    return true;
}

static enum err
stub_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_stub *stub = item;
    TRY(value_word_format(stub->zone.len == 0 ? SPAN(".") : domain_span(&stub->zone), to));
    for (size_t i = 0; i < stub->servers.count; i++) {
        (void)buf_append_octet(to, ' ');
        TRY(value_word_format(stub->servers.items[i].text, to));
    }
    return buf_check(to);
}

/* --- where a domain's recipients are known and its mail goes ------------------------------------------------------ */

/* Take one source of recipients. */
static bool
recipients_source_take(struct value_reader *r, const struct config_word *kind, struct config_recipients *into)
{
    if (span_equal(kind->text, SPAN("accounts"))) {
        into->has_accounts = true;
        return true;
    }
    if (span_equal(kind->text, SPAN("local"))) {
        into->has_local = true;
        return true;
    }
    bool is_file = span_equal(kind->text, SPAN("file"));
    if (!is_file && !span_equal(kind->text, SPAN("socketmap"))) {
        value_problem_unwanted(r, kind, r->key->type->name);
        return false;
    }
    if (is_file ? !span_is_empty(into->file) : into->has_socketmap) {
        VALUE_PROBLEM(r, kind->pos, "a second %s of recipients; the first stands in line %u",
                      is_file ? "file" : "socketmap", is_file ? into->file_pos.line : into->socketmap_pos.line);
        return false;
    }
    if (is_file) {
        const struct config_word *path = value_word_take(r);
        into->file_pos = kind->pos;
        return path != NULL && !span_is_empty(path->text) && value_path_resolve(r, path->text, &into->file);
    }
    into->socketmap_pos = kind->pos;
    if (!value_endpoint_take(r, 0, &into->socketmap))
        return false;
    const struct config_word *map = value_word_take(r);
    if (map == NULL)
        return false;
    into->socketmap_name = map->text;
    into->has_socketmap = true;
    return true;
}

static bool
recipients_take(struct value_reader *r, void *ret_item)
{
    struct config_recipients *into = ret_item;
    bool is_first = !into->has_accounts && !into->has_local && !into->has_socketmap && span_is_empty(into->file);
    if (is_first)
        into->pos = r->pos;
    do {
        const struct config_word *kind = value_word_take(r);
        if (kind == NULL || !recipients_source_take(r, kind, into))
            return false;
    } while (r->next != NULL);
    return true;
}

static enum err
recipients_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_recipients *from = item;
    const char *gap = "";
    if (from->has_accounts) {
        (void)buf_append_cstr(to, "accounts");
        gap = " ";
    }
    if (from->has_local) {
        (void)buf_printf(to, "%slocal", gap);
        gap = " ";
    }
    if (!span_is_empty(from->file)) {
        (void)buf_printf(to, "%sfile ", gap);
        (void)value_word_format(from->file, to);
        gap = " ";
    }
    if (from->has_socketmap) {
        (void)buf_printf(to, "%ssocketmap ", gap);
        (void)value_word_format(from->socketmap.text, to);
        (void)buf_append_octet(to, ' ');
        (void)value_word_format(from->socketmap_name, to);
    }
    return buf_check(to);
}

static bool
deliver_take(struct value_reader *r, void *ret_item)
{
    struct config_deliver *ret = ret_item;
    const struct config_word *kind = value_word_take(r);
    if (kind == NULL)
        return false;
    struct config_deliver deliver = {.kind = CONFIG_DELIVER_MAILDIR, .pos = kind->pos};
    if (span_equal(kind->text, SPAN("lmtp"))) {
        deliver.kind = CONFIG_DELIVER_LMTP;
        if (!value_endpoint_take(r, 0, &deliver.lmtp))
            return false;
    } else if (!span_equal(kind->text, SPAN("maildir"))) {
        value_problem_unwanted(r, kind, r->key->type->name);
        return false;
    }
    *ret = deliver;
    return true;
}

static enum err
deliver_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_deliver *deliver = item;
    if (deliver->kind == CONFIG_DELIVER_MAILDIR)
        return buf_append_cstr(to, "maildir");
    (void)buf_append_cstr(to, "lmtp ");
    return value_word_format(deliver->lmtp.text, to);
}

const struct value_type value_type_ENDPOINTS = {
    .name = "addresses such as 127.0.0.1:25", .short_name = "addresses", .arity = VALUE_REPEATED,
    .item_size = sizeof(struct config_endpoint), .take = endpoint_take, .format = endpoint_format,
    .pos_offset = offsetof(struct config_endpoint, pos)};

const struct value_type value_type_ENDPOINTS_53 = {
    .name = "addresses such as 127.0.0.1:53", .short_name = "addresses", .arity = VALUE_REPEATED,
    .item_size = sizeof(struct config_endpoint), .take = endpoint_53_take, .format = endpoint_format,
    .pos_offset = offsetof(struct config_endpoint, pos)};

const struct value_type value_type_STUBS = {
    .name = "a zone and its servers", .arity = VALUE_EACH, .item_size = sizeof(struct config_stub), .take = stub_take,
    .format = stub_format, .pos_offset = offsetof(struct config_stub, pos)};

const struct value_type value_type_RECIPIENTS = {
    .name = "accounts, local, file PATH or socketmap ADDRESS MAP", .arity = VALUE_ACCUMULATED,
    .item_size = sizeof(struct config_recipients), .take = recipients_take, .format = recipients_format,
    .pos_offset = offsetof(struct config_recipients, pos)};

const struct value_type value_type_DELIVER = {
    .name = "maildir or lmtp ADDRESS", .arity = VALUE_ONE, .item_size = sizeof(struct config_deliver),
    .take = deliver_take, .format = deliver_format, .pos_offset = offsetof(struct config_deliver, pos)};
